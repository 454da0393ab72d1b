import numpy as np
import pytest

from models.motion.rotations import global_rotations, local_rotations
from models.motion.skeleton import (
    BONE_LENGTHS,
    INDEX,
    JOINT_COUNT,
    PARENTS,
    T_POSE,
    FloatArray,
    bone_directions,
    forward_kinematics,
)
from tests.synthetic import swinging_figure

IDENTITY = [1, 0, 0, 0]
LIMBS = [INDEX[f"{side}_{joint}"] - 1 for side in ("left", "right") for joint in ("elbow", "wrist", "ankle")]


def rotated(rotation: FloatArray, vectors: FloatArray) -> FloatArray:
    """Vectors (..., 3) rotated by a unit quaternion (4,)."""
    w, axis = rotation[0], rotation[1:]
    return vectors + 2.0 * np.cross(axis, np.cross(axis, vectors) + w * vectors)


def rotated_skeleton(rotations: FloatArray, pelvis: FloatArray) -> FloatArray:
    """Positions (17, 3) of a skeleton with local quaternions (17, 4), as a receiver computes them."""
    world = [rotated(rotations[0], np.eye(3))]  # each row is where an axis points
    positions = np.tile(pelvis, (JOINT_COUNT, 1)).astype(float)
    for joint in range(1, JOINT_COUNT):
        above = world[PARENTS[joint]]
        offset = T_POSE[joint - 1] * BONE_LENGTHS[joint - 1]
        positions[joint] = positions[PARENTS[joint]] + offset @ above
        world.append(rotated(rotations[joint], np.eye(3)) @ above)
    return positions


def test_at_rest_nothing_is_turned() -> None:
    rest = forward_kinematics(np.zeros(3), T_POSE)
    np.testing.assert_allclose(local_rotations(rest), np.tile(IDENTITY, (17, 1)), atol=1e-9)


def test_a_body_that_turns_round_turns_at_the_pelvis_alone() -> None:
    rest = forward_kinematics(np.zeros(3), T_POSE)
    quarter = rest[:, [2, 1, 0]] * (1, 1, -1)  # about y, +z to +x
    rotations = local_rotations(quarter)
    np.testing.assert_allclose(rotations[0], [np.sqrt(0.5), 0, np.sqrt(0.5), 0], atol=1e-9)
    np.testing.assert_allclose(rotations[1:], np.tile(IDENTITY, (16, 1)), atol=1e-9)


@pytest.mark.parametrize("turn", [0.0, 1.0, 3.0])
def test_the_rotations_give_the_limbs_back(turn: float) -> None:
    for positions in swinging_figure(40, turn=turn)[::7]:
        rotations = local_rotations(positions)
        np.testing.assert_allclose(np.linalg.norm(rotations, axis=1), 1.0)
        back = rotated_skeleton(rotations, positions[0])
        np.testing.assert_allclose(bone_directions(back)[LIMBS], bone_directions(positions)[LIMBS], atol=1e-6)
        assert np.linalg.norm(back - positions, axis=1).max() < 0.05


def test_bones_that_turn_right_round_are_no_trouble() -> None:
    upside_down = forward_kinematics(np.zeros(3), -T_POSE)
    rotations = local_rotations(upside_down)
    assert np.isfinite(rotations).all()
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=1), 1.0)


def test_a_spine_that_lies_along_the_hips_still_gives_rotations() -> None:
    directions = T_POSE.copy()
    directions[INDEX["neck"] - 1] = directions[INDEX["left_hip"] - 1]
    rotations = global_rotations(forward_kinematics(np.zeros(3), directions))
    np.testing.assert_allclose(
        rotations @ rotations.swapaxes(-1, -2), np.tile(np.eye(3), (17, 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
