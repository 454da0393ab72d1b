"""The measure of how smooth the screen is knows what is smooth."""

import numpy as np
import pytest

from tests.endurance.shown_motion import evenly, movement


def falling(times: np.ndarray) -> np.ndarray:
    """Positions (N, 17, 3) of joints that all fall at 9 m/s^2."""
    positions = np.zeros((len(times), 17, 3))
    positions[..., 1] = -4.5 * np.square(times)[:, None]
    return positions


def test_a_fall_accelerates_evenly_whenever_it_is_looked_at() -> None:
    even, uneven = np.arange(200) / 60, np.cumsum(np.random.default_rng(0).uniform(0.010, 0.023, 200))
    for times in (even, uneven):
        acceleration, jerk = movement(falling(times), times)
        assert acceleration == pytest.approx(9.0, rel=1e-6) and jerk < 1e-6


def test_pictures_of_other_times_than_those_they_are_shown_at_jerk() -> None:
    shown_at = np.arange(200) / 60
    begun_at = shown_at + np.random.default_rng(0).uniform(0.0, 0.003, 200)
    _, jerk = movement(falling(begun_at), shown_at)
    assert jerk > 1000.0


def test_frames_are_shown_evenly_between_themselves() -> None:
    frames = falling(np.arange(60) / 30)
    pictures, times = evenly(frames)
    np.testing.assert_allclose(pictures[2:-2], falling(times)[2:-2], atol=1e-9)
