"""The bars that a dancer has to clear, and by how much it does or does not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Criterion:
    """One bar: what is asked, what was found in words, and whether it is met."""

    name: str
    asked: str
    found: str
    met: bool

    def __str__(self) -> str:
        return f"{'met  ' if self.met else 'SHORT'}  {self.name}: {self.found} (bar: {self.asked})"

    def as_values(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)
