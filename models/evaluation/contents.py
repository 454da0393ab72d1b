"""What is danced: which real movement each piece of a dance is nearest to, and how many different ones there
are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.evaluation.measures import facing_poses
from models.motion.skeleton import FRAME_RATE, FloatArray, mirror_positions

WINDOW_FRAMES = 2 * FRAME_RATE
POSE_HOP_FRAMES = 6
"""Frames between the poses of a window that are compared."""
LIBRARY_HOP_FRAMES = 4
"""Frames between two windows of a real clip."""
CHUNK = 64
NEIGHBOUR = 3
"""The neighbour of its own kind within whose distance a window counts as covering another (Kynkäänniemi et al.
2019, arXiv:1904.06991)."""


@dataclass(frozen=True, eq=False)
class NearestContents:
    """TrainingBatch (N, 10 x 51) of 2 s of real clips, each also mirrored, and the content of each (N,)."""

    windows: Tensor
    contents: NDArray[np.str_]

    @classmethod
    def fit(cls, clips: Sequence[FloatArray], contents: Sequence[str]) -> "NearestContents":
        """From clips (T, 17, 3), of which those under 2 s have no window. Raises ValueError without any."""
        windows, names = [], []
        for clip, content in zip(clips, contents, strict=True):
            for version in (clip, mirror_positions(clip)):
                some = content_windows(version, LIBRARY_HOP_FRAMES)
                windows.append(some)
                names += [content] * len(some)
        if not names:
            raise ValueError("no clip is as long as two seconds")
        return cls(torch.cat(windows), np.array(names))

    def nearest(self, positions: FloatArray) -> NDArray[np.str_]:
        """The content (M,) of the nearest window of each second of positions (T, 17, 3)."""
        half_squares = 0.5 * self.windows.square().sum(1)
        queries = content_windows(positions, FRAME_RATE)
        found = [(part @ self.windows.T - half_squares).argmax(1) for part in queries.split(CHUNK)]
        return self.contents[torch.cat(found).numpy()] if len(queries) else self.contents[:0]


def content_windows(positions: FloatArray, hop: int) -> Tensor:
    """TrainingBatch (N, 10 x 51) of 2 s of positions (T, 17, 3), in metres, wherever and whichever way the body
    stands."""
    poses = torch.from_numpy(facing_poses(positions).reshape(len(positions), -1))
    if len(poses) < WINDOW_FRAMES:
        return poses.new_empty(0, -(-WINDOW_FRAMES // POSE_HOP_FRAMES) * poses.shape[1])
    return poses.unfold(0, WINDOW_FRAMES, hop).transpose(1, 2)[:, ::POSE_HOP_FRAMES].flatten(1)


def effective_number(shares: FloatArray) -> float:
    """How many contents of equal share would be as varied as these (N,): the exponential of their entropy."""
    shares = np.asarray(shares, dtype=float)
    shares = shares[shares > 0] / shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def shares_of(contents: NDArray[np.str_]) -> dict[str, float]:
    """The share of each content among some, the most frequent first."""
    names, counts = np.unique(contents, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {str(names[i]): float(counts[i] / counts.sum()) for i in order}


def precision_recall(generated: Tensor, real: Tensor) -> tuple[float, float]:
    """Precision, the share of generated windows (N, D) that lie where real ones (M, D) do, and recall, the
    share of real ones that lie where generated ones do: within the distance to a `NEIGHBOUR`-th neighbour of
    its kind."""
    between = torch.cdist(generated, real)
    reach_real = torch.cdist(real, real).kthvalue(NEIGHBOUR + 1, dim=1).values
    reach_generated = torch.cdist(generated, generated).kthvalue(NEIGHBOUR + 1, dim=1).values
    precision = (between <= reach_real[None]).any(dim=1).float().mean()
    recall = (between <= reach_generated[:, None]).any(dim=0).float().mean()
    return float(precision), float(recall)
