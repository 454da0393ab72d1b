"""Tracks trouble that comes and goes: recorded as a fault when it begins, with its duration when it is over."""

import threading

from engine.runtime.faults import Fault
from engine.runtime.metrics import Metrics

MAX_AT_ONCE = 8
"""Different faults of one kind that may be open; what is more is not recorded."""


class FaultTracker:
    """The faults of one service, from its point of view: is there trouble now or not. From any thread."""

    def __init__(self, service: str, metrics: Metrics) -> None:
        self._service, self._metrics = service, metrics
        self._open: list[Fault] = []
        self._lock = threading.Lock()

    def raised(self, what: str) -> bool:
        """There is trouble. The same again is the same fault; True where it is a new one."""
        with self._lock:
            if len(self._open) >= MAX_AT_ONCE or any(fault.what == what for fault in self._open):
                return False
            fault = Fault(self._service, what)
            self._open.append(fault)
            self._metrics.fault(fault)
            return True

    def cleared(self) -> bool:
        """All is well; True where it was not."""
        if not self._open:
            return False
        with self._lock:
            for fault in self._open:
                fault.recover()
            self._open.clear()
            return True
