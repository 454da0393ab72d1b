"""Steady frames: begun late and shown in time, on a fixed grid."""

import time
from collections import deque
from collections.abc import Callable

SPIN_S = 0.0015
"""Seconds before the deadline from which the thread stays awake: a sleep ends up to about this late."""

MEASURED_FRAMES = 60
"""Frames of which the longest says how long the next one may take."""

SPARE_S = 0.0015
"""Seconds that it may take longer than that."""

IN_TIME_SHARE = 0.9
"""Share of those frames that would still be in time if they were begun after the longest wait for something
new. So that is seen some 2.5 ms sooner, and one frame in a hundred is late that would not have been."""

GIVES_WAY = 0.1
"""Share of its lateness by which a late frame moves the grid, which is never behind by more than a beat:
where all are late the beats are as far apart as the frames, and where few are the grid hardly moves."""


class FramePacer:
    """Ends each `wait` on a grid of beats 1 / `rate` seconds apart, which late frames stretch."""

    def __init__(self, rate: float) -> None:
        self._period = 1.0 / rate
        self._deadline = time.perf_counter()
        self._began: float | None = None
        self._took: deque[float] = deque([self._period], maxlen=MEASURED_FRAMES)

    @property
    def due(self) -> float:
        """The beat at which the next frame is to be shown."""
        return self._deadline + self._period

    def move(self, seconds: float) -> None:
        """Move the grid by this many seconds."""
        self._deadline += seconds

    def begin(self, await_new: Callable[[float], None] | None = None) -> None:
        """Wait until the next frame has to be begun to be there in time: later, it shows what is newer.

        `await_new(seconds)` may then wait that long for what is about to come: most frames would still be
        there in time.
        """
        took = sorted(self._took)
        last = self.due - took[int(IN_TIME_SHARE * len(took))] - SPARE_S
        time.sleep(max(self.due - took[-1] - SPARE_S - time.perf_counter(), 0.0))
        if await_new is not None and (left := last - time.perf_counter()) > 0.0:
            await_new(left)
        self._began = time.perf_counter()

    def wait(self) -> None:
        """Wait for the next deadline; returns at once if it has passed, as where flipping waits."""
        self._deadline += self._period
        now = time.perf_counter()
        if self._began is not None:
            self._took.append(now - self._began)
            self._began = None
        late = now - self._deadline
        if late > 0.0:
            self._deadline += max(GIVES_WAY * late, late - self._period)
            return
        if self._deadline - now > SPIN_S:
            time.sleep(self._deadline - now - SPIN_S)
        while time.perf_counter() < self._deadline:
            time.sleep(0)  # yields to the threads that generate and detect
