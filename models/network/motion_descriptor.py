"""The motion descriptor: a few numbers for how the movement around a frame looks.

They are the principal components of mean pose, spread of the pose and mean travel over four seconds. One
emotion is shown in many ways (walking, waving, bowing). Given the emotion and a speed alone, the network moves
like the mean of them, slower than any; the descriptor says which one is meant. In training it is measured; when
dancing it is that of an exemplar.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.motion.features import POSE_SIZE
from models.motion.skeleton import FRAME_RATE, FloatArray
from models.network.motion_space import METRES_MOVED

DESCRIPTOR_SIZE = 12
"""Numbers that a descriptor is made of."""
HALF_WINDOW_FRAMES = 2 * FRAME_RATE
"""Frames before and after the one whose descriptor is measured, as far as its clip reaches."""
CLIP_DEVIATIONS = 2.5
"""Deviations from the mean descriptor beyond which all count the same."""
TRAVEL_WEIGHT = 0.12 * FRAME_RATE
"""What travel counts beside the pose: as much as being an eighth of a second ahead."""


@dataclass(frozen=True)
class DescriptorSpace:
    """The units of descriptors: mean (D,) and basis (D, 12) of the motion statistics."""

    mean: FloatArray
    basis: FloatArray

    @classmethod
    def fit(cls, features: FloatArray, starts: NDArray[np.int64]) -> "DescriptorSpace":
        """Measurements on clips of features (N, 52), end to end, that begin at `starts` (S + 1,)."""
        statistics = motion_statistics(features, starts)[:: max(len(features) // 50_000, 1)].astype(np.float64)
        mean = statistics.mean(axis=0)
        variances, vectors = np.linalg.eigh(np.cov(statistics - mean, rowvar=False))
        first = np.argsort(variances)[::-1][:DESCRIPTOR_SIZE]
        deviations = np.sqrt(np.maximum(variances[first], 1e-8))
        return cls(mean.astype(np.float32), (vectors[:, first] / deviations).astype(np.float32))

    def of(self, features: FloatArray, starts: NDArray[np.int64]) -> FloatArray:
        """The descriptor (N, 12) of each frame of clips, about zero mean and unit deviation."""
        return np.clip(
            (motion_statistics(features, starts) - self.mean) @ self.basis, -CLIP_DEVIATIONS, CLIP_DEVIATIONS
        )


def motion_statistics(features: FloatArray, starts: NDArray[np.int64]) -> FloatArray:
    """Mean pose, spread of the pose and mean travel (N, 101) around each frame, in metres that joints move."""
    statistics = np.empty((len(features), 2 * POSE_SIZE + features.shape[1] - POSE_SIZE), dtype=np.float32)
    for first, stop in pairwise(starts.tolist()):
        metres = features[first:stop] * METRES_MOVED
        metres[:, POSE_SIZE:] *= TRAVEL_WEIGHT
        mean = _window_mean(metres)
        pose = metres[:, :POSE_SIZE]
        variance = _window_mean(np.square(pose)) - np.square(mean[:, :POSE_SIZE])
        statistics[first:stop] = np.concatenate([mean, np.sqrt(np.maximum(variance, 0.0))], axis=1)
    return statistics


def _window_mean(values: FloatArray) -> FloatArray:
    """The mean (T, D) of the values (T, D) at most HALF_WINDOW_FRAMES frames away."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    frame = np.arange(len(values))
    low, high = (
        np.maximum(frame - HALF_WINDOW_FRAMES, 0),
        np.minimum(frame + HALF_WINDOW_FRAMES + 1, len(values)),
    )
    return (total[high] - total[low]) / (high - low)[:, None]
