"""Where the dancer was over the last seconds, in metres: the camera may move without smearing what is past."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_SECONDS = 1.0 / 40.0
LONGEST = 8.0
"""Seconds that are ever kept."""


@dataclass(frozen=True, eq=False)
class Past:
    """T samples, the oldest first: `ages` (T,) in seconds, `positions` (T, 17, 3) in metres, `speeds` (T, 17)
    in metres per second."""

    ages: NDArray[np.float32]
    positions: NDArray[np.float32]
    speeds: NDArray[np.float32]


class History:
    """Keeps what `follow` is given; the newest sample is always the present."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._positions: deque[NDArray[np.float32]] = deque()
        self._speeds: deque[NDArray[np.float32]] = deque()

    def clear(self) -> None:
        """Forget everything: after a cut a trail would draw a line across the stage."""
        for column in (self._times, self._positions, self._speeds):
            column.clear()

    def follow(self, positions: NDArray[np.float32], speeds: NDArray[np.float32], time: float) -> None:
        """Add positions (17, 3) with speeds (17,) at a time in seconds; after a gap it begins anew."""
        if self._times and not 0.0 <= time - self._times[-1] < 0.5:
            self.clear()
        # the newest sample is the present; only every SAMPLE_SECONDS one stays behind
        if len(self._times) > 1 and time - self._times[-2] < SAMPLE_SECONDS:
            for column in (self._times, self._positions, self._speeds):
                column.pop()
        self._times.append(time)
        self._positions.append(positions)
        self._speeds.append(speeds)
        while time - self._times[0] > LONGEST:
            for column in (self._times, self._positions, self._speeds):
                column.popleft()

    def last(self, seconds: float) -> Past:
        """The samples that are at most `seconds` old."""
        times = np.array(self._times)
        ages = (times[-1] - times if len(times) else times).astype(np.float32)
        first = int(np.searchsorted(-ages, -seconds))
        count = len(ages) - first
        positions = [self._positions[i] for i in range(-count, 0)]
        speeds = [self._speeds[i] for i in range(-count, 0)]
        if not positions:
            return Past(ages[first:], np.zeros((0, 17, 3), np.float32), np.zeros((0, 17), np.float32))
        return Past(ages[first:], np.array(positions), np.array(speeds))
