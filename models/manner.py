"""In what manner the dancer is asked to move: where it carries its limbs, how far they swing, how it travels.

An emotion is danced in many ways: walking, waving, bowing, running. Asked for the emotion and a speed alone, a
dancer answers with the mean of them all, which is slower than any, and stays with the one that it began with.
So a few numbers say which of them is meant: the principal components of what the four seconds around a frame
look like on average. In training they are measured; live a dancer is asked, for some seconds at a time, for a
manner that some actor showed in the emotion.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.features import POSE_COUNT
from models.motion_space import METRES_MOVED
from models.skeleton import FRAME_RATE, FloatArray

MANNERS = 12
"""Numbers that a manner is made of."""
AROUND = 2 * FRAME_RATE
"""Frames before and after the one whose manner is measured, as far as its clip reaches."""
FARTHEST = 2.5
"""Deviations from the mean manner beyond which all count the same."""
TRAVEL_WEIGHT = 0.12 * FRAME_RATE
"""What travel counts beside the pose: as much as being an eighth of a second ahead."""


@dataclass(frozen=True)
class Manners:
    """The units of manners: mean (D,) and basis (D, 12) of what movement looks like."""

    mean: FloatArray
    basis: FloatArray

    @classmethod
    def fit(cls, features: FloatArray, starts: NDArray[np.int64]) -> "Manners":
        """Measured on clips of features (N, 52), end to end, that begin at `starts` (S + 1,)."""
        looks = looks_of(features, starts)[:: max(len(features) // 50_000, 1)].astype(np.float64)
        mean = looks.mean(axis=0)
        variances, vectors = np.linalg.eigh(np.cov(looks - mean, rowvar=False))
        first = np.argsort(variances)[::-1][:MANNERS]
        deviations = np.sqrt(np.maximum(variances[first], 1e-8))
        return cls(mean.astype(np.float32), (vectors[:, first] / deviations).astype(np.float32))

    def of(self, features: FloatArray, starts: NDArray[np.int64]) -> FloatArray:
        """The manner (N, 12) of each frame of clips, about zero mean and unit deviation."""
        return np.clip((looks_of(features, starts) - self.mean) @ self.basis, -FARTHEST, FARTHEST)


def looks_of(features: FloatArray, starts: NDArray[np.int64]) -> FloatArray:
    """Mean pose, spread of the pose and mean travel (N, 101) around each frame, in metres that joints move."""
    looks = np.empty((len(features), 2 * POSE_COUNT + features.shape[1] - POSE_COUNT), dtype=np.float32)
    for first, stop in pairwise(starts.tolist()):
        metres = features[first:stop] * METRES_MOVED
        metres[:, POSE_COUNT:] *= TRAVEL_WEIGHT
        mean = _mean_around(metres)
        pose = metres[:, :POSE_COUNT]
        variance = _mean_around(np.square(pose)) - np.square(mean[:, :POSE_COUNT])
        looks[first:stop] = np.concatenate([mean, np.sqrt(np.maximum(variance, 0.0))], axis=1)
    return looks


def _mean_around(values: FloatArray) -> FloatArray:
    """The mean (T, D) of the values (T, D) at most AROUND frames away."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    frame = np.arange(len(values))
    low, high = np.maximum(frame - AROUND, 0), np.minimum(frame + AROUND + 1, len(values))
    return (total[high] - total[low]) / (high - low)[:, None]
