"""One supervised thread: every live service (capture, pose, inference, OSC) runs in one."""

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from engine.runtime.fault_tracker import FaultTracker
from engine.runtime.faults import PermanentFault
from engine.runtime.malloc import give_back
from engine.runtime.metrics import Metrics
from engine.runtime.rate_limited_log import MAX_INTERVAL_S, MIN_INTERVAL_S, RateLimitedLog
from engine.runtime.stall_timer import StallTimer

FIRST_BACK_OFF = 0.5
MAX_BACK_OFF = 15.0
HEALTHY_AFTER = 10.0
"""A service that has worked this many seconds since its last fault starts again with the shortest back-off."""
REPORT_INTERVAL_S = 60.0
"""Seconds between two lines in the log about one and the same fault."""
MAX_HANGING = 3
"""Threads of one service that may hang at a time: a thread cannot be ended from outside, only left behind."""


class Service(ABC):
    """A thread that opens something, does one small piece of work over and over, and closes it again.

    When the work raises, the fault is recorded, the service is closed and opened again after a back-off that
    doubles from 0.5 s to `max_back_off`. A `PermanentFault` closes the service for good; the other services go
    on. `step` must return within about half a second, so that `stop` is quick and `heartbeat` means something.

    A step that takes longer than `max_step` seconds, or an `open` longer than `max_open`, hangs:
    `check_hang`, called now and then from another thread, leaves that thread behind and begins a new one. So
    does a `close` longer than `max_close`. Where they are finite, `step` and `open` must look at `superseded`
    after what may hang, and clean up behind them.
    """

    name = "service"
    max_back_off = MAX_BACK_OFF
    afterwards = "goes without it"
    """What the installation does where trying again cannot help."""
    max_step = max_open = max_close = math.inf

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.log = logging.getLogger(f"engine.{self.name}")
        self._reports = RateLimitedLog(self.log, MIN_INTERVAL_S, MAX_INTERVAL_S)
        self._reported = False
        self.heartbeat = time.perf_counter()
        self.opened = threading.Event()
        """Set once the service has been opened for the first time, or could not be."""
        self._stopping = threading.Event()
        self._faults = FaultTracker(self.name, metrics)
        self._left_behind: list[threading.Thread] = []
        self._timeout = math.inf
        self._works_since = math.inf
        self._silence = StallTimer()
        self._report_at = 0.0
        self._thread = self._new_thread()

    def open(self) -> None:  # noqa: B027 - a service with nothing to open is fine
        """Acquire what `step` needs. Raises TemporaryFault or PermanentFault."""

    @abstractmethod
    def step(self) -> None:
        """Do one small piece of work."""

    def close(self) -> None:  # noqa: B027
        """Release what `open` acquired; must be safe after an `open` that failed half-way."""

    def abandon(self) -> None:  # noqa: B027
        """Forget what `open` acquired without touching it: a thread that is left behind hangs in it."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Ask the thread to end, and do not wait for it."""
        self._stopping.set()

    def stop(self, timeout: float = 2.0) -> None:
        """Ask the thread to end and wait for it."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join(timeout)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set() or self.superseded

    @property
    def superseded(self) -> bool:
        """Whether the thread that asks hung, was left behind, and another does its work."""
        return threading.current_thread() in self._left_behind

    def check_hang(self, now: float) -> None:
        """Leave the thread behind and begin a new one if it hangs at `now`, a `time.perf_counter()` time."""
        if self._silence.since(self.heartbeat, now) <= self._timeout or self._stopping.is_set():
            return
        hanging = [thread for thread in self._left_behind if thread.is_alive()]
        if self._faults.raised(f"hangs for more than {self._timeout:g} s"):
            self.log.warning("hangs for more than %g s; beginning anew", self._timeout)
        if len(hanging) >= MAX_HANGING:
            return
        self._left_behind = [*hanging, self._thread]
        self.abandon()
        self.heartbeat, self._timeout = now, math.inf
        self._thread = self._new_thread()
        self._thread.start()

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._supervise, name=self.name, daemon=True)

    def sleep(self, seconds: float) -> None:
        """Wait, but end at once when the service is stopped."""
        if seconds > 0:
            self._stopping.wait(seconds)

    def _supervise(self) -> None:
        back_off = min(FIRST_BACK_OFF, self.max_back_off)
        while not self.stopping:
            self._works_since = math.inf
            try:
                self._work()
            except Exception as error:
                if self.superseded:
                    return
                self.opened.set()
                if time.perf_counter() - self._works_since > HEALTHY_AFTER:
                    back_off = min(FIRST_BACK_OFF, self.max_back_off)
                new = self._faults.raised(str(error) or type(error).__name__)
                permanent = isinstance(error, PermanentFault)
                if new or permanent or time.perf_counter() > self._report_at:
                    self._report(error, permanent, back_off)
                if permanent:
                    self._close()
                    return
            if self.superseded:
                return
            self._close()
            self.sleep(back_off)
            back_off = min(back_off * 2, self.max_back_off)

    def _work(self) -> None:
        """Open, then step until stopped. Raises what either raises."""
        self._beat(self.max_open)
        try:
            self.open()
            if not self.superseded:
                self.opened.set()
                self._works_since = time.perf_counter()
                self._beat(self.max_step)
            while not self.stopping:
                self.step()
                if self.superseded:
                    return
                self._beat(self.max_step)
                if self._faults.cleared() and self._reported:
                    self._reported = False
                    self.log.info("works again")
        finally:
            if not self.superseded:
                self._timeout = math.inf

    def _beat(self, timeout: float) -> None:
        self.heartbeat, self._timeout = time.perf_counter(), timeout

    def _report(self, error: Exception, permanent: bool, back_off: float) -> None:
        self._report_at = time.perf_counter() + REPORT_INTERVAL_S
        expected = type(error).__name__ in ("TemporaryFault", "PermanentFault")
        what_next = self.afterwards if permanent else f"trying again in {back_off:g} s"
        words = ("%s; %s", error or type(error).__name__, what_next)
        if permanent:
            self.log.warning(*words, exc_info=not expected)
        elif self._reports.warning(*words, exc_info=not expected):
            self._reported = True

    def _close(self) -> None:
        self._beat(self.max_close)
        try:
            self.close()
        except Exception:
            self.log.warning("could not close cleanly", exc_info=True)
        finally:
            give_back()
            if not self.superseded:
                self._timeout = math.inf


def stop_all(services: Sequence[Service], seconds: float) -> None:
    """Stop services side by side; whoever hangs is left behind after so many seconds, all of them together."""
    for service in services:
        service.ask_to_stop()
    leave_by = time.perf_counter() + seconds
    for service in services:
        service.stop(max(leave_by - time.perf_counter(), 0.0))
