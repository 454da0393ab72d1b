"""Steady pictures: waits for the next picture's time on a fixed grid."""

import time

SPIN = 0.0015
"""Seconds before the deadline from which the thread stays awake: a sleep ends up to about this late."""


class Pacer:
    """Ends each `wait` on a grid of 1 / `rate` seconds; after a stall the grid starts anew."""

    def __init__(self, rate: float) -> None:
        self._period = 1.0 / rate
        self._deadline = time.perf_counter()

    def move(self, seconds: float) -> None:
        """Move the grid by this many seconds."""
        self._deadline += seconds

    def wait(self) -> None:
        """Wait for the next deadline; returns at once if it has passed, as where flipping waits."""
        self._deadline += self._period
        now = time.perf_counter()
        if now > self._deadline + self._period:
            self._deadline = now
            return
        if self._deadline - now > SPIN:
            time.sleep(self._deadline - now - SPIN)
        while time.perf_counter() < self._deadline:
            time.sleep(0)  # yields to the threads that generate and detect
