"""The visitor's last poses, at even times."""

from collections import deque

import numpy as np

from engine.streams.values import Pose
from models.motion.skeleton import FRAME_RATE, FloatArray

MAX_GAP_S = 0.5
"""Seconds without a pose that end a memory: what came before is no movement any more."""

MIN_INTERVAL_S = 0.9 / FRAME_RATE
"""Seconds between every second pose that is kept: a stream of 240 a second must not fill the memory by half."""


def append_pose(poses: deque[Pose], pose: Pose) -> None:
    """Append a pose, in place of the newest if that is closer to the one before than any use is made of."""
    if len(poses) > 1 and pose.captured_at - poses[-2].captured_at < MIN_INTERVAL_S:
        poses.pop()
    poses.append(pose)


def resample(times: FloatArray, positions: FloatArray, wanted: FloatArray) -> FloatArray:
    """Positions (M, 17, 3) at the wanted times, linear between the poses (N, 17, 3) around them."""
    after = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    share = (wanted - times[after - 1]) / np.maximum(times[after] - times[after - 1], 1e-6)
    share = np.clip(share, 0.0, 1.0)[:, None, None]
    return (1 - share) * positions[after - 1] + share * positions[after]
