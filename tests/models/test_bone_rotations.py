import numpy as np
import pytest

from models.bone_rotations import REST_DIRECTIONS, local_rotations, rotated_skeleton
from models.skeleton import BONE_LENGTHS, INDEX, bone_directions, forward_kinematics
from tests.synthetic import swinging_figure

IDENTITY = [1, 0, 0, 0]
LIMBS = [INDEX[f"{side}_{joint}"] - 1 for side in ("left", "right") for joint in ("elbow", "wrist", "ankle")]


def test_at_rest_nothing_is_turned() -> None:
    rest = forward_kinematics(np.zeros(3), REST_DIRECTIONS)
    np.testing.assert_allclose(local_rotations(rest), np.tile(IDENTITY, (17, 1)), atol=1e-9)


def test_a_body_that_turns_round_turns_at_the_pelvis_alone() -> None:
    rest = forward_kinematics(np.zeros(3), REST_DIRECTIONS)
    quarter = rest[:, [2, 1, 0]] * (1, 1, -1)  # about y, +z to +x
    rotations = local_rotations(quarter)
    np.testing.assert_allclose(rotations[0], [np.sqrt(0.5), 0, np.sqrt(0.5), 0], atol=1e-9)
    np.testing.assert_allclose(rotations[1:], np.tile(IDENTITY, (16, 1)), atol=1e-9)


@pytest.mark.parametrize("turn", [0.0, 1.0, 3.0])
def test_the_rotations_give_the_limbs_back(turn: float) -> None:
    for positions in swinging_figure(40, turn=turn)[::7]:
        rotations = local_rotations(positions)
        np.testing.assert_allclose(np.linalg.norm(rotations, axis=1), 1.0)
        back = rotated_skeleton(rotations, positions[0], BONE_LENGTHS)
        np.testing.assert_allclose(bone_directions(back)[LIMBS], bone_directions(positions)[LIMBS], atol=1e-6)
        assert np.linalg.norm(back - positions, axis=1).max() < 0.05


def test_bones_that_turn_right_round_are_no_trouble() -> None:
    upside_down = forward_kinematics(np.zeros(3), -REST_DIRECTIONS)
    rotations = local_rotations(upside_down)
    assert np.isfinite(rotations).all()
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=1), 1.0)
