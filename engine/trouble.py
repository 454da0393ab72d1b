"""Trouble that comes and goes: recorded as a fault when it begins, with the time it took when it is over."""

import threading

from engine.faults import Fault
from engine.statistics import Statistics

MOST_AT_ONCE = 8
"""Different faults of one kind that may be open; what is more is not recorded."""


class Trouble:
    """The faults of one room, from its point of view: is there trouble now or not. From any thread."""

    def __init__(self, room: str, statistics: Statistics) -> None:
        self._room, self._statistics = room, statistics
        self._open: list[Fault] = []
        self._lock = threading.Lock()

    def begins(self, what: str) -> bool:
        """There is trouble. The same again is the same fault; True where it is a new one."""
        with self._lock:
            if len(self._open) >= MOST_AT_ONCE or any(fault.what == what for fault in self._open):
                return False
            fault = Fault(self._room, what)
            self._open.append(fault)
            self._statistics.fault(fault)
            return True

    def ends(self) -> bool:
        """All is well; True where it was not."""
        if not self._open:
            return False
        with self._lock:
            for fault in self._open:
                fault.recover()
            self._open.clear()
            return True
