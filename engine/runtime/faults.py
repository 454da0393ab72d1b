"""Faults: what can go wrong in a live service, told apart by whether trying again can help."""

import time
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any


class TemporaryFault(Exception):
    """Something outside failed and may come back: a camera, a network peer, a detector. Retried."""


class PermanentFault(Exception):
    """Trying again cannot help until a person changes something. The service stays closed; the installation
    goes on."""


class StartError(Exception):
    """A wrong setting, file or checkpoint at start: one line that names it and says how to mend it."""


@dataclass
class Fault:
    """One fault of one service. `time` is wall-clock seconds since 1970, for people who read the log; what was
    lost is measured from `began`, which is monotonic, because clocks are set."""

    service: str
    what: str
    time: float = field(default_factory=time.time)
    recovered_after_s: float | None = None
    began: float = field(default_factory=perf_counter)

    def recover(self) -> None:
        """It is over."""
        if self.recovered_after_s is None:
            self.recovered_after_s = round(perf_counter() - self.began, 3)

    def as_dict(self) -> dict[str, Any]:
        return {
            "time": round(self.time, 3),
            "room": self.service,
            "what": self.what,
            "recovered_after_s": self.recovered_after_s,
        }
