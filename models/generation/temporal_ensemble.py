"""Temporal ensembling of action chunks (Zhao et al. 2023, arXiv:2304.13705).

The network plans a chunk of frames at every frame, so that each frame is planned several times. What is danced
is the mean of these plans, so that a new plan takes over gradually.
"""

from dataclasses import dataclass

import numpy as np

from models.motion.skeleton import FloatArray


@dataclass(frozen=True)
class TemporalEnsemble:
    """`decay` is the weight of each chunk relative to the next newer one; 0 takes the newest alone."""

    decay: float

    def delta(self, chunks: FloatArray) -> FloatArray:
        """The mean delta (B, 52) for this frame of chunks (B, ages, horizon, 52), the newest first."""
        ages = np.arange(chunks.shape[1])
        share = self.decay**ages
        share = (share / share.sum()).astype(np.float32)
        mean: FloatArray = (chunks[:, ages, ages] * share[:, None]).sum(axis=1)  # planned `age` frames ago
        return mean


def appended(chunk: FloatArray, chunks: FloatArray) -> FloatArray:
    """Chunks (B, ages, horizon, 52) with a new one (B, horizon, 52) before them; none older than its
    horizon."""
    return np.concatenate([chunk[:, None], chunks], axis=1)[:, : chunk.shape[1]]
