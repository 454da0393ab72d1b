from pathlib import Path

import numpy as np
import pytest

from models.data.clips import read_clips
from models.motion.features import (
    HEIGHT,
    PLANAR_VELOCITY,
    YAW_RATE,
    features_to_positions,
    heading,
    mirror_features,
    positions_to_features,
)
from models.motion.skeleton import mirror_positions
from tests.synthetic import swinging_figure


def round_trip(positions: np.ndarray) -> np.ndarray:
    start = positions[0, 0, [0, 2]]
    return features_to_positions(positions_to_features(positions), start, float(heading(positions[:1])[0]))


def test_a_figure_comes_back_from_its_features() -> None:
    positions = swinging_figure(300, turn=0.7)
    np.testing.assert_allclose(round_trip(positions), positions, atol=1e-4)


def test_features_do_not_depend_on_place_and_heading() -> None:
    positions = swinging_figure(30)
    turned = positions[..., [2, 1, 0]] * [-1, 1, 1] + [4, 0, -2]  # a quarter turn about y
    np.testing.assert_allclose(positions_to_features(turned), positions_to_features(positions), atol=1e-4)


def test_rates_are_in_metres_and_radians_a_second() -> None:
    features = positions_to_features(swinging_figure(60, turn=0.5))
    np.testing.assert_allclose(features[5:, YAW_RATE], 0.5, atol=1e-3)
    np.testing.assert_allclose(features[5:, PLANAR_VELOCITY], [[0.0, 0.5]] * 55, atol=0.01)
    np.testing.assert_allclose(features[:, HEIGHT], 0.88, atol=1e-6)


def test_a_full_turn_does_not_jump() -> None:
    features = positions_to_features(swinging_figure(400, turn=2.0))
    assert np.abs(features[:, YAW_RATE] - 2.0).max() < 0.01


def test_mirrored_features_are_the_features_of_the_mirror_image() -> None:
    positions = swinging_figure(30, turn=0.4)
    expected = positions_to_features(mirror_positions(positions))
    np.testing.assert_allclose(mirror_features(positions_to_features(positions)), expected, atol=1e-5)


def test_one_frame_has_no_velocity() -> None:
    with pytest.raises(ValueError, match="two frames"):
        positions_to_features(swinging_figure(1))


def test_real_motion_comes_back_within_5_mm_and_does_not_drift(shared: Path) -> None:
    clips = read_clips(shared / "data" / "bandai17_train.npz")
    errors, drift, turn = [], [], []
    for i in range(0, len(clips), 40):
        positions = clips.clip(i)
        back = round_trip(positions)
        errors.append(np.linalg.norm(back - positions, axis=-1).mean())
        drift.append(np.linalg.norm(back[-1, 0] - positions[-1, 0]))
        difference = heading(back) - heading(positions)
        turn.append(np.abs(np.arctan2(np.sin(difference), np.cos(difference)))[-1])
    assert np.mean(errors) < 0.005
    assert max(drift) < 1e-4
    assert np.mean(turn) < 0.005
