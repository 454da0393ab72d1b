"""Whether a dance is put together from pieces of the clips it was learnt from, at the tempo of the actors.

A piece that is danced a twentieth faster or slower counts as the dancer's own in two cases of three: what a
network has by heart may be more than this.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.evaluation.measures import REPEAT_WINDOW, facing_poses, near_enough
from models.motion.skeleton import FRAME_RATE, FloatArray, mirror_positions

POSE_HOP_FRAMES = 5
"""Frames between the poses of a window that are compared."""
WINDOW_HOP_FRAMES = FRAME_RATE
"""Frames between two windows of a dance that are looked for."""
CHUNK = 64


@dataclass(frozen=True, eq=False)
class CopyDetector:
    """TrainingBatch (N, 12 x 51) of 2 s of training clips, six poses a second, and half their squares (N,)."""

    windows: Tensor
    half_squares: Tensor

    @classmethod
    def of(cls, training: list[FloatArray]) -> "CopyDetector":
        """From clips (T, 17, 3), of which those under 2 s have no window."""
        windows = torch.cat([_windows(_poses(clip), 1)[:, ::POSE_HOP_FRAMES].flatten(1) for clip in training])
        return cls(windows, 0.5 * windows.square().sum(1))

    def copied_share(self, positions: FloatArray) -> float:
        """Share of windows of 2 s, one a second, that nearly repeat one of the clips or its mirror image at the
        same tempo, by the measure of `measures.repetition_share`; NaN without any."""
        both = [
            _windows(_poses(version), WINDOW_HOP_FRAMES) for version in (positions, mirror_positions(positions))
        ]
        if not len(both[0]) or not len(self.windows):
            return float("nan")
        own, mirrored = (
            self._distances(part[:, ::POSE_HOP_FRAMES].flatten(1)) < near_enough(part.numpy()) for part in both
        )
        return float((own | mirrored).mean())

    def _distances(self, queries: Tensor) -> FloatArray:
        """Mean squared differences (Q,) from the nearest window."""
        nearest = []
        for part in queries.split(CHUNK):
            closeness = (part @ self.windows.T - self.half_squares).amax(1)
            nearest.append((part.square().sum(1) - 2 * closeness).clamp(min=0) / part.shape[1])
        return torch.cat(nearest).numpy()


def _poses(positions: FloatArray) -> Tensor:
    return torch.from_numpy(facing_poses(positions).reshape(len(positions), -1))


def _windows(poses: Tensor, hop: int) -> Tensor:
    """TrainingBatch (N, 60, 51) of poses (T, 51)."""
    if len(poses) < REPEAT_WINDOW:
        return poses.new_empty(0, REPEAT_WINDOW, poses.shape[1])
    return poses.unfold(0, REPEAT_WINDOW, hop).transpose(1, 2)
