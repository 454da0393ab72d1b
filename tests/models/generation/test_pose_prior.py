import numpy as np
import torch

from models.generation.generator import Generator
from models.generation.pose_prior import MAX_DEVIATIONS, RETURN_RATE, PosePrior
from models.motion.features import FEATURE_SIZE, POSE_SIZE, positions_to_features
from models.network.card import default_checkpoint
from models.network.checkpoint import read_checkpoint
from models.network.motion_space import MotionSpace
from tests.synthetic import swinging_figure

POSES = positions_to_features(swinging_figure(200, rate=0.4))[:, :POSE_SIZE]


def fitted() -> PosePrior:
    space = MotionSpace(2, 8)
    space.fit(POSES, np.random.default_rng(0).normal(size=(100, 2, FEATURE_SIZE)).astype(np.float32))
    return PosePrior.of(space)


def test_a_pose_that_bodies_take_stays_as_it_is_where_they_move() -> None:
    bodies = fitted()
    moved = np.abs(bodies.project(POSES) - POSES)
    assert moved.max() < RETURN_RATE * 0.15, "only the little that counts as stiff"


def test_what_no_body_does_dies_away_without_a_leap() -> None:
    bodies = fitted()
    pose = POSES[50] + 0.3 * bodies.axes[:, bodies.reach == 0][:, 0]
    begun = pose = pose[None]
    first = bodies.project(pose)
    assert 0 < np.abs(first - pose).max() <= RETURN_RATE * 0.45
    for _ in range(100):
        pose = bodies.project(pose)
    stiff = bodies.axes[:, bodies.reach == 0]
    assert np.abs((begun - bodies.mean) @ stiff).max() > 0.2
    assert np.abs((pose - bodies.mean) @ stiff).max() < 1e-3


def test_a_limb_that_reaches_further_than_any_is_led_back_to_the_farthest() -> None:
    bodies = fitted()
    widest = int(bodies.reach.argmax())
    pose = (bodies.mean + 3 * bodies.reach[widest] * bodies.axes[:, widest])[None]
    for _ in range(100):
        pose = bodies.project(pose)
    np.testing.assert_allclose((pose - bodies.mean) @ bodies.axes[:, widest], bodies.reach[widest], rtol=1e-3)


def test_the_dancer_that_ships_keeps_its_hips() -> None:
    checkpoint = read_checkpoint(default_checkpoint())
    generator = Generator(checkpoint)
    state = generator.initial_state(8, seed=1)
    weights = np.eye(8, dtype=np.float32)
    with torch.inference_mode():
        for _ in range(900):
            state = generator.step(state, weights)
    bodies = PosePrior.of(checkpoint.space)
    along = (state.pose - bodies.mean) @ bodies.axes
    spread = checkpoint.space.body_spread.numpy()
    assert np.abs(along[:, spread < 1e-3]).max() < 0.03
    assert (np.abs(along) < 1.5 * np.maximum(MAX_DEVIATIONS * spread, 0.06)).mean() > 0.97
