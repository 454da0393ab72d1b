"""Faults: what can go wrong in a live room, told apart by whether trying again can help."""

import time
from dataclasses import dataclass, field
from typing import Any


class TemporaryFault(Exception):
    """Something outside failed and may come back: a camera, a network peer, a detector. Retried."""


class PermanentFault(Exception):
    """Trying again cannot help until a person changes something. The room stays closed; the piece goes on."""


class StartError(Exception):
    """A wrong setting, file or checkpoint at start: one line that names it and says how to mend it."""


@dataclass
class Fault:
    """One fault of one room. `time` is wall-clock seconds since 1970, for people who read the log."""

    room: str
    what: str
    time: float = field(default_factory=time.time)
    recovered_after_s: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "time": round(self.time, 3),
            "room": self.room,
            "what": self.what,
            "recovered_after_s": self.recovered_after_s,
        }
