import numpy as np
import torch

from models.motion.features import POSE_SIZE, positions_to_features
from models.motion.skeleton import INDEX, joint_speed
from models.network.motion_space import METRES_MOVED, MotionSpace, frame_deltas
from tests.synthetic import swinging_figure


def test_the_speed_of_steps_is_that_of_the_joints() -> None:
    positions = swinging_figure(40)
    steps = frame_deltas(torch.from_numpy(positions_to_features(positions)))
    measured = MotionSpace(8, 16).speed(steps[None, 10:18])
    np.testing.assert_allclose(measured, joint_speed(positions[10:19]).mean(), rtol=0.02)


def test_a_plan_keeps_a_slow_nod_beside_limbs_that_swing() -> None:
    """A head that a plan leaves out strays and cannot be led back: after a minute it hangs."""
    positions = swinging_figure(400)
    features = positions_to_features(positions)
    nod = 3 * (INDEX["head"] - 1)
    angle = 0.2 * np.sin(0.05 * np.arange(len(features)))
    features[:, nod : nod + 3] = np.stack([0 * angle, np.cos(angle), np.sin(angle)], axis=1)
    steps = frame_deltas(torch.from_numpy(features)).float()
    plans = steps.unfold(0, 8, 1).mT
    space = MotionSpace(8, 12)
    space.fit(features[:, :POSE_SIZE], plans.numpy())
    kept = space.decode(space.encode(plans)).sum(dim=1)[:, nod + 2]
    meant = plans.sum(dim=1)[:, nod + 2]
    assert (kept - meant).square().mean() < 0.1 * meant.square().mean()


def test_the_units_of_one_space_do_not_enter_another() -> None:
    """Units of a checkpoint are copied into its space; descriptors of a later fit must not be measured in
    them."""
    before = METRES_MOVED.copy()
    MotionSpace(8, 12).metres_moved.mul_(2.0)
    np.testing.assert_array_equal(METRES_MOVED, before)
    np.testing.assert_array_equal(MotionSpace(8, 12).metres_moved, before)
