import numpy as np
import torch

from models.features import positions_to_features
from models.motion_space import MotionSpace, steps_of
from models.skeleton import joint_speed
from tests.synthetic import swinging_figure


def test_the_speed_of_steps_is_that_of_the_joints() -> None:
    positions = swinging_figure(40)
    steps = steps_of(torch.from_numpy(positions_to_features(positions)))
    measured = MotionSpace(8, 16).speed(steps[None, 10:18])
    np.testing.assert_allclose(measured, joint_speed(positions[10:19]).mean(), rtol=0.02)
