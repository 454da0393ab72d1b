"""Where the dancer was over the last seconds, in metres: the camera may move without smearing what is past."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.motion.skeleton import JOINT_COUNT

SAMPLE_INTERVAL_S = 1.0 / 28.0
"""Of any three samples the first and the last are further apart: at more than 56 frames per second every other
one stays, and at fewer each; the dance itself has 30 frames a second."""

MAX_HISTORY_S = 8.0
"""Seconds that are ever kept."""

MAX_SAMPLES = 2 * round(MAX_HISTORY_S / SAMPLE_INTERVAL_S) + 2
"""Samples that are ever kept."""


@dataclass(frozen=True, eq=False)
class MotionSamples:
    """T samples, the oldest first: `ages` (T,) in seconds, `positions` (T, 17, 3) in metres, `speeds` (T, 17)
    in metres per second."""

    ages: NDArray[np.float32]
    positions: NDArray[np.float32]
    speeds: NDArray[np.float32]


class MotionHistory:
    """Keeps what `follow` is given; the newest sample is always the present."""

    def __init__(self) -> None:
        # twice as long as what is kept, so that it is seldom moved back to the beginning
        self._times = np.zeros(2 * MAX_SAMPLES)
        self._positions = np.zeros((2 * MAX_SAMPLES, JOINT_COUNT, 3), dtype=np.float32)
        self._speeds = np.zeros((2 * MAX_SAMPLES, JOINT_COUNT), dtype=np.float32)
        self._end = 0

    def clear(self) -> None:
        """Forget everything: after a cut a trail would draw a line across the stage."""
        self._end = 0

    def follow(self, positions: NDArray[np.float32], speeds: NDArray[np.float32], time: float) -> None:
        """Add positions (17, 3) with speeds (17,) at a time in seconds; after a gap it begins anew."""
        if self._end and not 0.0 <= time - self._times[self._end - 1] < 0.5:
            self.clear()
        # the newest sample is the present; only every SAMPLE_INTERVAL_S one stays behind
        if self._end > 1 and time - self._times[self._end - 2] < SAMPLE_INTERVAL_S:
            self._end -= 1
        if self._end == len(self._times):
            for column in (self._times, self._positions, self._speeds):
                column[:MAX_SAMPLES] = column[-MAX_SAMPLES:]
            self._end = MAX_SAMPLES
        self._times[self._end], self._positions[self._end], self._speeds[self._end] = time, positions, speeds
        self._end += 1

    def last(self, seconds: float) -> MotionSamples:
        """The samples that are at most `seconds` old, MAX_HISTORY_S at most."""
        times = self._times[: self._end]
        oldest = times[-1] - min(seconds, MAX_HISTORY_S) if len(times) else 0.0
        kept = slice(int(np.searchsorted(times, oldest)), self._end)
        ages = self._times[self._end - 1] - times[kept]
        return MotionSamples(ages.astype(np.float32), self._positions[kept].copy(), self._speeds[kept].copy())
