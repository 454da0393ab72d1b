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

from models.skeleton import FRAME_RATE, INDEX, JOINT_COUNT, JOINTS, PARENTS, FloatArray, unit_vectors

REST = {
    "neck": (0, 1, 0),
    "head": (0, 1, 0),
    "toe": (0, 0, 1),
    "knee": (0, -1, 0),
    "ankle": (0, -1, 0),
    "left": (1, 0, 0),
    "right": (-1, 0, 0),
}
"""Direction of a bone at rest by the name of the joint that it ends in, or by its side."""

CHILDREN = tuple(tuple(np.flatnonzero(np.equal(PARENTS, joint)).tolist()) for joint in range(JOINT_COUNT))
PLACED = tuple(i == 0 or len(CHILDREN[PARENTS[i]]) > 1 for i in range(JOINT_COUNT))
"""Which joints have position channels."""

END_LENGTH = 0.08
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
    offsets = np.vstack([np.zeros(3), _rest_directions() * lengths[:, None]])
    rotations = _rotations(positions)
    lines = ["HIERARCHY", *_hierarchy(0, offsets, ""), "MOTION", f"Frames: {len(positions)}"]
    lines.append(f"Frame Time: {1.0 / rate:.7f}")
    rows = np.concatenate([_channels(joint, positions, rotations) for joint in _in_file_order(0)], axis=1)
    lines += [" ".join(f"{value:.5f}" for value in row) for row in rows]
    Path(path).write_text("\n".join(lines) + "\n", encoding="ascii")


def _rest_directions() -> NDArray[Any]:
    """(16, 3): the direction of each bone at rest."""
    directions = []
    for name in JOINTS[1:]:
        side, _, joint = name.rpartition("_")
        directions.append(REST.get(joint, REST.get(side, (0, 1, 0))))
    return np.array(directions, dtype=np.float64)


def _rotations(positions: NDArray[Any]) -> NDArray[Any]:
    """Global rotations (T, 17, 3, 3) that bring the rest pose into the pose."""
    rest = _rest_directions()
    rotations = np.empty((len(positions), JOINT_COUNT, 3, 3))
    for joint in range(JOINT_COUNT):
        parent = PARENTS[joint]
        if JOINTS[joint] in ("pelvis", "neck"):
            child = "neck" if joint == 0 else "head"
            across = ("left_hip", "right_hip") if joint == 0 else ("left_shoulder", "right_shoulder")
            up = positions[:, INDEX[child]] - positions[:, joint]
            rotations[:, joint] = _frame(up, positions[:, INDEX[across[0]]] - positions[:, INDEX[across[1]]])
        elif CHILDREN[joint]:
            child_joint = CHILDREN[joint][0]
            wanted = unit_vectors(positions[:, child_joint] - positions[:, joint])
            before = rotations[:, parent] @ rest[child_joint - 1]
            rotations[:, joint] = _shortest(before, wanted) @ rotations[:, parent]
        else:
            rotations[:, joint] = rotations[:, parent]
    return rotations


def _frame(up: NDArray[Any], across: NDArray[Any]) -> NDArray[Any]:
    """Rotations (T, 3, 3) whose y is `up` and whose x is as near to `across` as that allows."""
    y = unit_vectors(up)
    z = unit_vectors(np.cross(across, y))
    return np.stack([np.cross(y, z), y, z], axis=-1)


def _shortest(start: NDArray[Any], end: NDArray[Any]) -> NDArray[Any]:
    """The smallest rotations (T, 3, 3) from unit vectors (T, 3) to others (Rodrigues' formula)."""
    axis = np.cross(start, end)
    cosine = np.einsum("ti,ti->t", start, end)
    # opposite directions have no one axis: any that is square to them will do
    square = unit_vectors(np.cross(start, np.where(np.abs(start[:, :1]) < 0.8, [[1.0, 0, 0]], [[0, 1.0, 0]])))
    turned = cosine < -1.0 + 1e-9
    skew = np.zeros((len(axis), 3, 3))
    skew[:, [2, 0, 1], [1, 2, 0]] = axis
    skew[:, [1, 2, 0], [2, 0, 1]] = -axis
    safe = np.where(turned, 0.0, cosine)
    rotation = np.eye(3) + skew + skew @ skew / (1.0 + safe)[:, None, None]
    half_turn = 2.0 * square[:, :, None] * square[:, None, :] - np.eye(3)
    return np.where(turned[:, None, None], half_turn, rotation)


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
        end = _rest_directions()[joint - 1] * END_LENGTH
        lines += [f"{inner}End Site", f"{inner}{{"]
        lines += [f"{inner}  OFFSET {' '.join(f'{value:.5f}' for value in end)}", f"{inner}}}"]
    return [*lines, f"{indent}}}"]
