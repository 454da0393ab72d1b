"""A clock that tests turn, waiting for what a thread does, and somebody before the camera."""

import time
from collections.abc import Callable

import numpy as np

from engine.visitor.landmarks import BodyLandmarks

SLEEP, DAY = 600.0, 86_400.0
"""Seconds."""


class Clock:
    """Time that passes only when somebody waits or says so."""

    def __init__(self) -> None:
        self.now, self.set_by = 1000.0, 0.0

    def perf_counter(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now + self.set_by

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 1e-5)


def wait_until(condition: Callable[[], object]) -> None:
    end = time.perf_counter() + 5
    while not condition():
        assert time.perf_counter() < end, "it did not happen"
        time.sleep(0.002)


PIXELS_PER_METRE = 200.0
FACING_THE_CAMERA = {  # landmark -> metres, x right in the picture, y down, z away
    **{7: (0.08, -0.7, 0), 8: (-0.08, -0.7, 0), 11: (0.18, -0.5, 0), 12: (-0.18, -0.5, 0)},
    **{13: (0.25, -0.25, 0), 14: (-0.25, -0.25, 0), 15: (0.25, 0, 0), 16: (-0.25, 0, 0)},
    **{23: (0.1, 0, 0), 24: (-0.1, 0, 0), 25: (0.1, 0.4, 0), 26: (-0.1, 0.4, 0)},
    **{27: (0.1, 0.8, 0), 28: (-0.1, 0.8, 0), 31: (0.1, 0.85, -0.1), 32: (-0.1, 0.85, -0.1)},
}


def standing_landmarks(middle: tuple[float, float] = (640.0, 360.0)) -> BodyLandmarks:
    """Somebody who faces the camera, the hips at `middle` in pixels."""
    world = np.array([FACING_THE_CAMERA.get(i, (0.0, -0.7, -0.1)) for i in range(33)], dtype=np.float32)
    picture = world[:, :2] * PIXELS_PER_METRE + np.array(middle, dtype=np.float32)
    return BodyLandmarks(picture, world, np.ones(33, dtype=np.float32))
