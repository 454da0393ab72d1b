"""Dances as BVH files that animation programs open: 17 joints, metres, y up.

Each rotation brings a rest pose with its arms spread into the pose of the frame. Where several bones part, at
pelvis and neck, no rotation can point them all: the joints there have position channels besides, which replace
their offsets as in LAFAN1, so that every joint lies exactly where it was danced. The format: Meredith and
Maddock, "Motion Capture File Formats Explained", University of Sheffield 2001.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.motion.rotations import global_rotations
from models.motion.skeleton import CHILDREN, FRAME_RATE, JOINT_COUNT, JOINTS, PARENTS, T_POSE, FloatArray

PLACED = tuple(i == 0 or len(CHILDREN[PARENTS[i]]) > 1 for i in range(JOINT_COUNT))
"""Which joints have position channels."""

END_SITE_M = 0.08
"""Metres of the End Sites: what Blender draws as the bone of a hand, a foot and the head."""


def write_bvh(path: str | Path, positions: FloatArray, rate: float = FRAME_RATE) -> None:
    """Write positions (T, 17, 3) in metres at `rate` fps. Raises OSError; ValueError for no frames or NaN."""
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 3 or positions.shape[1:] != (JOINT_COUNT, 3) or len(positions) == 0:
        raise ValueError(f"expected positions (T, 17, 3), got {positions.shape}")
    if not np.isfinite(positions).all():
        raise ValueError("positions are not finite")
    lengths = np.array(
        [
            np.linalg.norm(positions[:, j] - positions[:, PARENTS[j]], axis=-1).mean()
            for j in range(1, JOINT_COUNT)
        ]
    )
    offsets = np.vstack([np.zeros(3), T_POSE * lengths[:, None]])
    rotations = global_rotations(positions)
    lines = ["HIERARCHY", *_hierarchy(0, offsets, ""), "MOTION", f"Frames: {len(positions)}"]
    lines.append(f"Frame Time: {1.0 / rate:.7f}")
    rows = np.concatenate([_channels(joint, positions, rotations) for joint in _in_file_order(0)], axis=1)
    lines += [" ".join(f"{value:.5f}" for value in row) for row in rows]
    Path(path).write_text("\n".join(lines) + "\n", encoding="ascii")


def _channels(joint: int, positions: NDArray[Any], rotations: NDArray[Any]) -> NDArray[Any]:
    """The columns of a joint, (T, 3 or 6): metres, then degrees about z, x and y."""
    parent = PARENTS[joint]
    rotation = rotations[:, joint]
    place = positions[:, joint]
    if parent >= 0:
        inverse = rotations[:, parent].transpose(0, 2, 1)
        place = np.einsum("tij,tj->ti", inverse, place - positions[:, parent])
        rotation = inverse @ rotation
    x = np.arcsin(np.clip(rotation[:, 2, 1], -1.0, 1.0))
    z = np.arctan2(-rotation[:, 0, 1], rotation[:, 1, 1])
    y = np.arctan2(-rotation[:, 2, 0], rotation[:, 2, 2])
    # angles that go on from frame to frame: programs interpolate them
    degrees = np.degrees(np.unwrap(np.stack([z, x, y], axis=-1), axis=0))
    return np.concatenate([place, degrees], axis=1) if PLACED[joint] else degrees


def _in_file_order(joint: int) -> list[int]:
    return [joint] + [each for child in CHILDREN[joint] for each in _in_file_order(child)]


def _hierarchy(joint: int, offsets: NDArray[Any], indent: str) -> list[str]:
    """The lines of a joint and all below it."""
    inner = indent + "  "
    channels = ["Zrotation", "Xrotation", "Yrotation"]
    if PLACED[joint]:
        channels = ["Xposition", "Yposition", "Zposition", *channels]
    lines = [f"{indent}{'ROOT' if joint == 0 else 'JOINT'} {JOINTS[joint]}", f"{indent}{{"]
    lines.append(f"{inner}OFFSET {' '.join(f'{value:.5f}' for value in offsets[joint])}")
    lines.append(f"{inner}CHANNELS {len(channels)} {' '.join(channels)}")
    for child in CHILDREN[joint]:
        lines += _hierarchy(child, offsets, inner)
    if not CHILDREN[joint]:
        end = T_POSE[joint - 1] * END_SITE_M
        lines += [f"{inner}End Site", f"{inner}{{"]
        lines += [f"{inner}  OFFSET {' '.join(f'{value:.5f}' for value in end)}", f"{inner}}}"]
    return [*lines, f"{indent}}}"]
