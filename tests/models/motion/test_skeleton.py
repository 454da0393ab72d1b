import numpy as np

from models.motion.skeleton import (
    BONE_LENGTHS,
    BONE_PARENTS,
    INDEX,
    JOINTS,
    PARENTS,
    bone_directions,
    forward_kinematics,
    joint_speed,
    mirror_positions,
)
from tests.synthetic import swinging_figure


def test_every_parent_comes_before_its_joint() -> None:
    assert len(JOINTS) == len(PARENTS) == 17
    assert all(parent < joint for joint, parent in enumerate(PARENTS))


def test_forward_kinematics_gives_exactly_the_bone_lengths() -> None:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(5, 16, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    positions = forward_kinematics(np.zeros((5, 3)), directions)
    lengths = np.linalg.norm(positions[:, 1:] - positions[:, BONE_PARENTS], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(BONE_LENGTHS, (5, 16)), rtol=1e-6)
    np.testing.assert_allclose(bone_directions(positions), directions, atol=1e-6)


def test_a_bone_of_no_length_points_up() -> None:
    np.testing.assert_array_equal(bone_directions(np.zeros((17, 3)))[0], [0, 1, 0])


def test_the_mirror_image_swaps_hands_and_sides() -> None:
    positions = swinging_figure(3)
    mirrored = mirror_positions(positions)
    left, right = INDEX["left_wrist"], INDEX["right_wrist"]
    np.testing.assert_allclose(mirrored[:, left], positions[:, right] * [-1, 1, 1])
    np.testing.assert_array_equal(mirror_positions(mirrored), positions)


def test_speed_is_relative_to_the_pelvis() -> None:
    still = np.repeat(swinging_figure(1), 4, axis=0)
    carried = still + np.arange(4)[:, None, None]
    np.testing.assert_allclose(joint_speed(carried), 0.0, atol=1e-4)
    raised = still.copy()
    raised[1:, INDEX["head"], 1] += 0.16
    np.testing.assert_allclose(joint_speed(raised)[0], 0.16 / 16 * 30, rtol=1e-4)
