"""Rotations of the joints, computed from where the joints are.

A position says nothing of how a limb is twisted, so of all rotations that explain the bones the ones with the
least twist are taken. Convention of motion capture: the rotation of a joint turns the rest offsets of its
children; at rest (`models.motion.skeleton.T_POSE`) every rotation is the identity. Quaternions are
(w, x, y, z), unit, w >= 0.
"""

import numpy as np

from models.motion.inertialization import rotated, rotation_between
from models.motion.skeleton import (
    BONE_PARENTS,
    CHILDREN,
    INDEX,
    JOINT_COUNT,
    PARENTS,
    T_POSE,
    FloatArray,
    bone_directions,
    cross,
    lengths_of,
    unit_vectors,
)

_SIDES = {0: "hip", INDEX["neck"]: "shoulder"}
"""Where several bones part: the joints whose line, from right to left, counts there besides the spine."""


def global_rotations(positions: FloatArray) -> FloatArray:
    """Rotation matrices (..., 17, 3, 3) that bring the bones of the T-pose into positions (..., 17, 3).

    Exact where a joint has one child. Pelvis and neck have three, which move a little against each other: the
    pelvis follows the hip line and the spine, the neck the shoulder line and the spine. Joints at the ends of
    limbs turn with their parents.
    """
    directions = bone_directions(np.asarray(positions, dtype=float))
    spine = directions[..., INDEX["neck"] - 1, :]
    world = np.empty((*directions.shape[:-2], JOINT_COUNT, 3, 3))
    for joint, parent in enumerate(PARENTS):
        if joint in _SIDES:
            left, right = (INDEX[f"{side}_{_SIDES[joint]}"] - 1 for side in ("left", "right"))
            world[..., joint, :, :] = _frame(directions[..., left, :] - directions[..., right, :], spine)
        elif CHILDREN[joint]:
            bone, above = CHILDREN[joint][0] - 1, world[..., parent, :, :]
            before = above @ T_POSE[bone]
            world[..., joint, :, :] = _shortest(before, directions[..., bone, :]) @ above
        else:
            world[..., joint, :, :] = world[..., parent, :, :]
    return world


def world_rotations(positions: FloatArray) -> FloatArray:
    """Quaternions (17, 4) of the joints in the world, of positions (17, 3): those of the T-pose are the
    identity."""
    return np.array([quaternion(rotation) for rotation in global_rotations(positions)])


def local_rotations(positions: FloatArray) -> FloatArray:
    """Quaternions (17, 4) of the joints relative to their parents, of positions (17, 3). The pelvis has its
    own in the world. Joints at the ends of limbs have the identity."""
    world = global_rotations(positions)
    local = np.concatenate([world[:1], world[BONE_PARENTS].transpose(0, 2, 1) @ world[1:]])
    return np.array([quaternion(rotation) for rotation in local])


def _frame(across: FloatArray, up: FloatArray) -> FloatArray:
    """Rotations (..., 3, 3) of a body whose left side lies along `across`; `up` says where its spine points."""
    x = unit_vectors(across)
    z = cross(x, up)
    if (alone := lengths_of(z) < 1e-6).any():  # the spine lies along `across`: the shortest turn there
        z = np.where(alone, _shortest(np.array([1.0, 0.0, 0.0]), x)[..., 2], z)
    z = unit_vectors(z)
    return np.stack([x, cross(z, x), z], axis=-1)


def _shortest(start: FloatArray, end: FloatArray) -> FloatArray:
    """The smallest rotations (..., 3, 3) from unit vectors (..., 3) to others."""
    return rotated(np.eye(3), rotation_between(start, end)[..., None, :]).swapaxes(-1, -2)


def quaternion(m: FloatArray) -> FloatArray:
    """Of a rotation matrix (Shepperd 1978, doi:10.2514/3.55767b): from the largest component, so that nothing
    small is divided by."""
    trace = float(np.trace(m))
    squares = np.array([1 + trace, *(1 + 2 * np.diag(m) - trace)])
    largest = int(squares.argmax())
    if largest == 0:
        q = np.array([squares[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    elif largest == 1:
        q = np.array([m[2, 1] - m[1, 2], squares[1], m[1, 0] + m[0, 1], m[0, 2] + m[2, 0]])
    elif largest == 2:
        q = np.array([m[0, 2] - m[2, 0], m[1, 0] + m[0, 1], squares[2], m[2, 1] + m[1, 2]])
    else:
        q = np.array([m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[2, 1] + m[1, 2], squares[3]])
    q /= np.linalg.norm(q)
    return -q if q[0] < 0 else q
