"""Where the grid of ticks goes when poses come in."""

import numpy as np
import pytest

from engine.dancer.inference_service import TICK
from engine.runtime.phase_lock import FAR_GAIN, LATE_GAIN, phase_correction


def waits(came_at: np.ndarray) -> np.ndarray:
    """Seconds that each pose of the last quarter waits for its tick, the grid moving with each."""
    due, waited = 0.0, []
    for came in came_at:
        due += TICK * np.ceil((came - due) / TICK)
        waited.append(due - came)
        due += phase_correction(came, due + TICK, TICK)
    return np.array(waited[-len(waited) // 4 :])


@pytest.mark.parametrize("rate", [30.0, 29.97, 25.0, 15.0])
def test_ticks_come_to_stand_where_poses_have_just_come_in(rate: float) -> None:
    chance = np.random.default_rng(0)
    came_at = 0.021 + np.arange(1800) / rate + np.abs(chance.normal(0.0, 0.003, 1800))
    waited = waits(came_at)
    if rate == 25.0:  # beats at every phase of the ticks: no place is better
        assert waited.mean() == pytest.approx(TICK / 2, rel=0.25)
    else:
        assert np.median(waited) < 0.007
        assert (waited > TICK / 2).mean() < 0.2


def test_ticks_find_a_camera_again_that_comes_at_another_phase() -> None:
    chance = np.random.default_rng(0)
    steps = np.arange(3600)
    came_at = steps / 30 + 0.010 * (steps // 120) + np.abs(chance.normal(0.0, 0.003, len(steps)))
    waited = waits(came_at)
    assert np.median(waited) < 0.007
    assert (waited > TICK / 2).mean() < 0.2


@pytest.mark.parametrize("rate", [25.0, 28.7])
def test_poses_that_come_at_any_phase_change_the_pace_of_the_dance_by_less_than_a_thousandth(
    rate: float,
) -> None:
    chance, moved = np.random.default_rng(1), 0.0
    for came in np.arange(9000) / rate + chance.normal(0.0, 0.008, 9000):
        moved += phase_correction(came, moved, TICK)
    assert abs(moved) < 0.001 * 9000 / rate


def test_the_grid_never_moves_far() -> None:
    shifts = [phase_correction(came, 1.0, TICK) for came in np.linspace(0.0, 1.0, 1000)]
    assert min(shifts) >= -FAR_GAIN * TICK and max(shifts) <= LATE_GAIN * TICK
    assert phase_correction(1.0, 1.0, TICK) == 0.0
