"""The values that pass between services: immutable, and stamped with the time their camera frame was taken.

Times are `time.perf_counter()` seconds: monotonic, and fine enough on every system (`time.monotonic` counts in
15 ms on Windows before Python 3.13). Positions are (17, 3) float32 metres on the skeleton of
`models.motion.skeleton`: y up, right-handed, floor at y = 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """One frame of a source. `image` is (height, width, 3) uint8 RGB and is never written to."""

    image: NDArray[np.uint8]
    captured_at: float
    sequence: int


@dataclass(frozen=True, eq=False)
class Pose:
    """Where the visitor is in one camera frame; `present` is False when nobody is there.

    `positions` (17, 3) stand on the floor in front of the camera: +x is right in the frame, +z towards the
    camera, x = 0 in the middle of the frame. `confidence` (17,) in 0..1 says how far each joint was seen
    rather than held or guessed. When nobody is present both are the last ones known, or None.
    """

    present: bool
    captured_at: float
    positions: NDArray[np.float32] | None = None
    confidence: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class DancerFrame:
    """One generated frame: `positions` (17, 3) on the stage, `emotion_weights` (P,) that sum to 1.

    `generated_at` is monotonic, in seconds. `visitor` is the pose that this frame knew of, `emotion_changed_at`
    the time of the newest emotion command that shaped it; both are there so that latency can be measured.
    """

    index: int
    generated_at: float
    positions: NDArray[np.float32]
    emotion_weights: NDArray[np.float32]
    visitor: Pose | None = None
    emotion_changed_at: float | None = None


@dataclass(frozen=True, eq=False)
class VisitorEmotion:
    """What the visitor's movement shows: `weights` (P,) that sum to 1, known since the time `at`."""

    weights: NDArray[np.float32]
    at: float
