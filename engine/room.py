"""One supervised thread: every live room (capture, pose, inference, OSC) runs in one."""

import logging
import threading
import time
from abc import ABC, abstractmethod

from engine.faults import Fault, PermanentFault
from engine.statistics import Statistics

FIRST_BACK_OFF = 0.5
LONGEST_BACK_OFF = 15.0
HEALTHY_AFTER = 10.0
"""A room that has worked this many seconds since its last fault starts again with the shortest back-off."""


class Room(ABC):
    """A thread that opens something, does one small piece of work over and over, and closes it again.

    When the work raises, the fault is recorded, the room is closed and opened again after a back-off that
    doubles from 0.5 s to `longest_back_off`. A `PermanentFault` closes the room for good; the other rooms go
    on. `step` must return within about half a second, so that `stop` is quick and `heartbeat` means something.
    """

    name = "room"
    longest_back_off = LONGEST_BACK_OFF

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics
        self.log = logging.getLogger(f"engine.{self.name}")
        self.heartbeat = time.perf_counter()
        self.opened = threading.Event()
        """Set once the room has been opened for the first time, or could not be."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name=self.name, daemon=True)

    def open(self) -> None:  # noqa: B027 - a room with nothing to open is fine
        """Acquire what `step` needs. Raises TemporaryFault or PermanentFault."""

    @abstractmethod
    def step(self) -> None:
        """Do one small piece of work."""

    def close(self) -> None:  # noqa: B027
        """Release what `open` acquired; must be safe after an `open` that failed half-way."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Ask the thread to end and wait for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def sleep(self, seconds: float) -> None:
        """Wait, but end at once when the room is stopped."""
        if seconds > 0:
            self._stopping.wait(seconds)

    def _supervise(self) -> None:
        back_off = FIRST_BACK_OFF
        fault: Fault | None = None
        while not self.stopping:
            opened_at = time.perf_counter()
            try:
                self.open()
                self.opened.set()
                while not self.stopping:
                    self.step()
                    self.heartbeat = time.perf_counter()
                    if fault is not None and fault.recovered_after_s is None:
                        fault.recovered_after_s = round(time.time() - fault.time, 3)
                        self.log.info("works again")
            except Exception as error:
                self.opened.set()
                if time.perf_counter() - opened_at > HEALTHY_AFTER:
                    back_off = FIRST_BACK_OFF
                if fault is None or fault.what != str(error) or fault.recovered_after_s is not None:
                    fault = Fault(self.name, str(error) or type(error).__name__)
                    self.statistics.fault(fault)
                permanent = isinstance(error, PermanentFault)
                self._report(error, permanent, back_off)
                if permanent:
                    self._close()
                    return
            self._close()
            self.sleep(back_off)
            back_off = min(back_off * 2, self.longest_back_off)

    def _report(self, error: Exception, permanent: bool, back_off: float) -> None:
        expected = type(error).__name__ in ("TemporaryFault", "PermanentFault")
        what_next = "goes without it" if permanent else f"trying again in {back_off:g} s"
        self.log.warning("%s; %s", error or type(error).__name__, what_next, exc_info=not expected)

    def _close(self) -> None:
        try:
            self.close()
        except Exception:
            self.log.warning("could not close cleanly", exc_info=True)
