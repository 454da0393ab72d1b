"""Rotations of the joints, computed from where the joints are.

A position says nothing of how a limb is twisted, so of all rotations that explain the bones the ones with the
least twist are taken. Convention of motion capture: the rotation of a joint turns the rest offsets of its
children; at rest (`REST_DIRECTIONS`, a T-pose that faces +z) every rotation is the identity. Quaternions are
(w, x, y, z), unit, w >= 0.
"""

import numpy as np

from models.skeleton import INDEX, JOINT_COUNT, JOINTS, PARENTS, FloatArray, bone_directions

_REST = {
    "neck": (0, 1, 0),
    "head": (0, 1, 0),
    **{f"left_{joint}": (1, 0, 0) for joint in ("shoulder", "elbow", "wrist", "hip")},
    **{f"left_{joint}": (0, -1, 0) for joint in ("knee", "ankle")},
    "left_toe": (0, 0, 1),
}
REST_DIRECTIONS = np.array(
    [
        np.multiply(_REST[name.replace("right_", "left_")], (-1 if name.startswith("right_") else 1, 1, 1))
        for name in JOINTS[1:]
    ],
    dtype=float,
)
"""Unit directions (16, 3) of the bones at rest."""

_CHILDREN = [[joint for joint, parent in enumerate(PARENTS) if parent == own] for own in range(JOINT_COUNT)]
_HIPS, _SHOULDERS = ((INDEX[f"left_{name}"] - 1, INDEX[f"right_{name}"] - 1) for name in ("hip", "shoulder"))


def local_rotations(positions: FloatArray) -> FloatArray:
    """Quaternions (17, 4) of the joints relative to their parents, of positions (17, 3). The pelvis has its
    own in the world. Joints at the ends of limbs have the identity.

    Exact where a joint has one child. Pelvis and neck have three, which move a little against each other: the
    pelvis follows the hip line and the spine, the neck the shoulder line and the spine.
    """
    directions = bone_directions(np.asarray(positions, dtype=float))
    spine = directions[INDEX["neck"] - 1]
    world: list[FloatArray] = [np.eye(3)] * JOINT_COUNT
    local = np.zeros((JOINT_COUNT, 4))
    for joint, parent in enumerate(PARENTS):
        above = world[parent] if joint else np.eye(3)
        if joint == 0:
            turn = _frame(directions[_HIPS[0]] - directions[_HIPS[1]], spine)
        elif JOINTS[joint] == "neck":
            turn = above.T @ _frame(directions[_SHOULDERS[0]] - directions[_SHOULDERS[1]], spine)
        elif _CHILDREN[joint]:
            bone = _CHILDREN[joint][0] - 1
            turn = _least_turn(REST_DIRECTIONS[bone], above.T @ directions[bone])
        else:
            turn = np.eye(3)
        world[joint] = above @ turn
        local[joint] = _quaternion(turn)
    return local


def rotated_skeleton(rotations: FloatArray, pelvis: FloatArray, lengths: FloatArray) -> FloatArray:
    """Positions (17, 3) of a skeleton with local quaternions (17, 4), as a receiver computes them."""
    world: list[FloatArray] = []
    positions = np.zeros((JOINT_COUNT, 3))
    for joint, parent in enumerate(PARENTS):
        turn = _matrix(rotations[joint])
        if joint == 0:
            world.append(turn)
            positions[0] = pelvis
            continue
        positions[joint] = positions[parent] + world[parent] @ (REST_DIRECTIONS[joint - 1] * lengths[joint - 1])
        world.append(world[parent] @ turn)
    return positions


def _frame(across: FloatArray, up: FloatArray) -> FloatArray:
    """The rotation matrix of a body whose left side lies along `across`; `up` says where its spine points."""
    x = across / max(float(np.linalg.norm(across)), 1e-9)
    z = np.cross(x, up)
    length = float(np.linalg.norm(z))
    if length < 1e-6:
        return _least_turn(np.array([1.0, 0.0, 0.0]), x)
    z /= length
    return np.stack([x, np.cross(z, x), z], axis=1)


def _least_turn(start: FloatArray, end: FloatArray) -> FloatArray:
    """The matrix of the smallest rotation from one unit vector to another (Rodrigues' formula)."""
    cosine = float(start @ end)
    if cosine < -1 + 1e-9:  # opposite: half a turn about anything across
        other = np.array([0.0, 0.0, 1.0]) if abs(start[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
        axis = np.cross(start, other)
        axis /= np.linalg.norm(axis)
        return 2 * np.outer(axis, axis) - np.eye(3)
    x, y, z = np.cross(start, end)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def _quaternion(m: FloatArray) -> FloatArray:
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


def _matrix(q: FloatArray) -> FloatArray:
    w, x, y, z = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
