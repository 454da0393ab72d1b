"""The 17-joint skeleton: names, parents, reference bone lengths and forward kinematics.

Frame: metres, y up, right-handed; at rest +z points out of the chest and +x to the dancer's left.
Every array of positions has shape (..., 17, 3) in the order of `JOINTS`.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]

FRAME_RATE = 30
"""Frames per second of every motion in this project."""

JOINTS = (
    "pelvis",
    "neck",
    "head",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_hip",
    "left_knee",
    "left_ankle",
    "left_toe",
    "right_hip",
    "right_knee",
    "right_ankle",
    "right_toe",
)
PARENTS = (-1, 0, 1, 1, 3, 4, 1, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15)
INDEX = {name: i for i, name in enumerate(JOINTS)}
JOINT_COUNT = len(JOINTS)
BONE_COUNT = JOINT_COUNT - 1
"""Bone b ends in joint b + 1 and starts in that joint's parent."""

BONE_PARENTS = np.array(PARENTS[1:])
CHILDREN = tuple(tuple(np.flatnonzero(np.equal(PARENTS, joint)).tolist()) for joint in range(JOINT_COUNT))
"""The joints that hang on each joint."""

BONE_LENGTHS = np.array(
    [
        0.3966,  # pelvis -> neck: the only long bone that is not rigid (the spine bends), so a mean
        0.1023,  # neck -> head (base of the skull)
        0.1003,  # neck -> left_shoulder
        0.2433,
        0.2229,
        0.1003,  # neck -> right_shoulder
        0.2433,
        0.2229,
        0.0647,  # pelvis -> left_hip
        0.3908,
        0.4099,
        0.1175,
        0.0647,  # pelvis -> right_hip
        0.3908,
        0.4099,
        0.1175,
    ],
    dtype=np.float32,
)
"""Mean bone lengths in metres over bandai17_train.npz (Kobayashi et al. 2023, arXiv:2306.08861)."""

MIRROR = np.array(
    [
        INDEX[name.replace("left_", "RIGHT_").replace("right_", "left_").replace("RIGHT_", "right_")]
        for name in JOINTS
    ]
)
"""Joint order after swapping left and right: `positions[..., MIRROR, :] * (-1, 1, 1)` is the mirror image."""


def _both_sides(left: dict[str, tuple[float, float, float]]) -> FloatArray:
    """Bone directions (16, 3) of a symmetric pose, given those of the middle and the left side by the joint
    that the bone ends in."""
    return np.array(
        [
            np.multiply(left[name.replace("right_", "left_")], (-1 if name.startswith("right_") else 1, 1, 1))
            for name in JOINTS[1:]
        ],
        dtype=float,
    )


T_POSE = _both_sides(
    {
        "neck": (0, 1, 0),
        "head": (0, 1, 0),
        "left_shoulder": (1, 0, 0),
        "left_elbow": (1, 0, 0),
        "left_wrist": (1, 0, 0),
        "left_hip": (1, 0, 0),
        "left_knee": (0, -1, 0),
        "left_ankle": (0, -1, 0),
        "left_toe": (0, 0, 1),
    }
)
"""Unit bone directions (16, 3) at rest, arms spread: in this pose every rotation is the identity."""

STANDING_POSE = _both_sides(
    {
        "neck": (0, 1, 0),
        "head": (0, 1, 0.2),
        "left_shoulder": (1, 0, 0),
        "left_elbow": (0.2, -1, 0),
        "left_wrist": (0.1, -1, 0.2),
        "left_hip": (1, 0, 0),
        "left_knee": (0.05, -1, 0.05),
        "left_ankle": (0, -1, -0.05),
        "left_toe": (0, -0.6, 0.8),
    }
)
"""Bone directions (16, 3), not of unit length, of a body that stands and faces +z with hanging arms."""


def mirror_positions(positions: FloatArray) -> FloatArray:
    """Reflect (..., 17, 3) positions in the plane x = 0, so that left becomes right."""
    return positions[..., MIRROR, :] * np.array([-1.0, 1.0, 1.0], dtype=positions.dtype)


def bone_directions(positions: FloatArray) -> FloatArray:
    """Unit vectors (..., 16, 3) from each joint's parent to the joint; a bone of length zero points up."""
    bones = positions[..., 1:, :] - positions[..., BONE_PARENTS, :]
    return unit_vectors(bones)


def unit_vectors(vectors: FloatArray) -> FloatArray:
    """Normalise (..., 3) vectors; a vector too short to have a direction becomes straight up."""
    length = lengths_of(vectors)
    if length.size and length.min() > 1e-6:
        return vectors / length
    up = np.array([0.0, 1.0, 0.0], dtype=vectors.dtype)
    return np.where(length > 1e-6, vectors / np.maximum(length, 1e-6), up)


def lengths_of(vectors: FloatArray) -> FloatArray:
    """Lengths (..., 1) of vectors (..., D): numpy's own norm spends most of its time on axes."""
    return np.sqrt(np.einsum("...d,...d->...", vectors, vectors))[..., None]


def cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Cross products (..., 3) of vectors (..., 3): as with `lengths_of`, numpy's own thinks too long."""
    return a[..., _NEXT] * b[..., _AFTER] - a[..., _AFTER] * b[..., _NEXT]


def forward_kinematics(
    pelvis: FloatArray, directions: FloatArray, lengths: FloatArray = BONE_LENGTHS
) -> FloatArray:
    """Positions (..., 17, 3) from pelvis (..., 3), unit bone directions (..., 16, 3) and lengths (16,)."""
    return pelvis[..., None, :] + _CHAINS @ (directions * lengths[:, None])


def _chains() -> FloatArray:
    """(17, 16): 1 for each bone on the way from the pelvis to a joint."""
    chains = np.zeros((JOINT_COUNT, BONE_COUNT), dtype=np.float32)
    for bone, parent in enumerate(PARENTS[1:]):
        chains[bone + 1] = chains[parent]
        chains[bone + 1, bone] = 1.0
    return chains


_CHAINS = _chains()
_NEXT, _AFTER = np.array([1, 2, 0]), np.array([2, 0, 1])


def joint_speed(positions: FloatArray) -> FloatArray:
    """Mean joint speed relative to the pelvis in m/s, (T-1,) from positions (T, 17, 3) at 30 fps."""
    relative = positions[:, 1:] - positions[:, :1]
    return np.linalg.norm(np.diff(relative, axis=0), axis=-1).mean(axis=-1) * FRAME_RATE
