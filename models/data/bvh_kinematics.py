"""From the channels of a BVH file to joint positions at this project's frame rate."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.motion.skeleton import FRAME_RATE

_JOINT_FRAMES_AT_ONCE = 500_000
_RATE_TOLERANCE = 1e-3


def joint_positions(
    parents: Sequence[int],
    offsets: NDArray[np.float64],
    channels: Sequence[Sequence[str]],
    frames: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Global joint positions (T, J, 3), in the units of offsets (J, 3), of frames (T, C) in degrees.

    `parents`: index of each joint's parent, which comes before the joint, or -1. `channels`: per joint the
    names of its columns, such as Zrotation. Rotations multiply in the order in which they stand. A position
    channel replaces that coordinate of the offset, in a root as in any joint: LAFAN1 repeats the first frame
    in the root's offset, so adding the two would be wrong.
    """
    positions = np.empty((len(frames), len(parents), 3))
    step = max(1, _JOINT_FRAMES_AT_ONCE // len(parents))  # rotations take three times the room of positions
    for start in range(0, len(frames), step):
        some = slice(start, start + step)
        _place_joints(parents, offsets, channels, frames[some], positions[some])
    return positions


def _place_joints(
    parents: Sequence[int],
    offsets: NDArray[np.float64],
    channels: Sequence[Sequence[str]],
    frames: NDArray[np.float64],
    positions: NDArray[np.float64],
) -> None:
    """Fill positions (t, J, 3) for frames (t, C)."""
    rotations: list[NDArray[np.float64]] = []
    columns = iter(frames.T)
    for joint, parent in enumerate(parents):
        local = np.tile(offsets[joint], (len(frames), 1))
        outer = rotations[parent] if parent >= 0 else np.tile(np.eye(3), (len(frames), 1, 1))
        rotation = outer
        for channel in channels[joint]:
            axis, values = "XYZ".index(channel[0]), next(columns)
            if channel.endswith("position"):
                local[:, axis] = values
            else:
                rotation = rotation @ _axis_rotations(axis, values)
        rotations.append(rotation)
        origin = positions[:, parent] if parent >= 0 else 0.0
        positions[:, joint] = origin + np.einsum("tij,tj->ti", outer, local)


def _axis_rotations(axis: int, degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Right-handed rotations (t, 3, 3) about axis 0, 1 or 2 by (t,) degrees."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    following, last = (axis + 1) % 3, (axis + 2) % 3
    matrices = np.zeros((len(degrees), 3, 3))
    matrices[:, axis, axis] = 1.0
    matrices[:, following, following] = matrices[:, last, last] = cos
    matrices[:, last, following], matrices[:, following, last] = sin, -sin
    return matrices


def resample(positions: NDArray[np.float64], frame_time: float) -> NDArray[np.float64]:
    """Positions (T', ...) at 30 fps of positions (T, ...) that are `frame_time` seconds apart.

    Linear between neighbouring frames, never beyond the last one. Frames that already come at 30 fps to 0.1 %
    are returned as they are.
    """
    if abs(frame_time * FRAME_RATE - 1.0) <= _RATE_TOLERANCE:
        return positions
    last = len(positions) - 1
    count = int(last * frame_time * FRAME_RATE + 1e-6) + 1
    source = np.minimum(np.arange(count) / (FRAME_RATE * frame_time), last)
    before = source.astype(np.int64)
    after = np.minimum(before + 1, last)
    share = (source - before).reshape(-1, *[1] * (positions.ndim - 1))
    return positions[before] * (1.0 - share) + positions[after] * share
