"""How far a pose is from every real one: the sign of a dancer who has left what bodies do."""

from dataclasses import dataclass

import numpy as np
import torch

from models.evaluation.measures import facing_poses
from models.motion.skeleton import FloatArray, mirror_positions

LIBRARY_HOP_FRAMES = 4
"""Frames of the library that are kept: neighbours differ by less than people do."""
CHUNK = 512


@dataclass(frozen=True, eq=False)
class NearestPoses:
    """Real training poses (N, 51), each also mirrored, and the distance in metres that 99 % of held-out real
    poses keep within."""

    poses: torch.Tensor
    limit: float

    @classmethod
    def of(cls, training: list[FloatArray], held_out: list[FloatArray]) -> "NearestPoses":
        """From clips (T, 17, 3)."""
        library = np.concatenate(
            [
                _flat(version)[::LIBRARY_HOP_FRAMES]
                for clip in training
                for version in (clip, mirror_positions(clip))
            ]
        )
        poses = torch.from_numpy(library)
        known = cls(poses, 0.0)
        limit = np.percentile(
            np.concatenate([known.distances(clip, LIBRARY_HOP_FRAMES) for clip in held_out]), 99
        )
        return cls(poses, float(limit))

    def distances(self, positions: FloatArray, every: int = 1) -> FloatArray:
        """Root mean square joint distance in metres to the nearest real pose, of every so many frames."""
        queries = torch.from_numpy(_flat(positions)[::every].copy())
        half_squares = 0.5 * self.poses.square().sum(1)
        nearest = []
        for part in queries.split(CHUNK):
            closeness = (part @ self.poses.T - half_squares).amax(1)
            nearest.append((part.square().sum(1) - 2 * closeness).clamp(min=0))
        joints = self.poses.shape[1] / 3
        return (torch.cat(nearest) / joints).sqrt().numpy()

    def off_share(self, positions: FloatArray, every: int = 5) -> float:
        """Share of frames that are farther from real poses than `limit`."""
        return float((self.distances(positions, every) > self.limit).mean())


def _flat(positions: FloatArray) -> FloatArray:
    return facing_poses(positions).reshape(len(positions), -1)
