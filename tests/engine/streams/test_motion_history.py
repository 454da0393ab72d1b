"""Where the dancer was: the newest sample is the present, and what is old is forgotten."""

import numpy as np
import pytest

from engine.streams.motion_history import MAX_HISTORY_S, MAX_SAMPLES, SAMPLE_INTERVAL_S, MotionHistory


def dance(history, start, seconds, rate=60.0):
    """A dancer whose joints all lie at the time, and whose speeds are twice that."""
    for i in range(round(seconds * rate)):
        time = start + i / rate
        history.follow(np.full((17, 3), time, np.float32), np.full(17, 2.0 * time, np.float32), time)
    return time


@pytest.mark.parametrize("rate", [30.0, 60.0, 144.0])
def test_the_past_is_what_was_danced_however_long_ago_the_dance_began(rate):
    history, now = MotionHistory(), 0.0
    for second in range(70):  # some of them over the end of the memory
        now = dance(history, float(second), 1.0, rate)
        past = history.last(2.5)
        assert past.ages[-1] == 0.0 and past.ages[0] == pytest.approx(min(now, 2.5), abs=1.0 / 30.0)
        assert (np.diff(past.ages) < 0.0).all()
        assert (past.ages[:-2] - past.ages[2:])[:-1].min(initial=1.0) >= SAMPLE_INTERVAL_S - 1e-4
        np.testing.assert_allclose(past.positions[:, 3, 1], now - past.ages, atol=1e-4)
        np.testing.assert_allclose(past.speeds[:, 5], 2.0 * (now - past.ages), atol=1e-4)
    assert (
        MAX_HISTORY_S - 0.05 < history.last(60.0).ages[0] <= MAX_HISTORY_S
        and len(history.last(60.0).ages) <= MAX_SAMPLES
    )


def test_the_past_that_was_given_out_stays_as_it_was():
    history = MotionHistory()
    dance(history, 0.0, 1.0)
    past = history.last(1.0)
    before = past.positions.copy(), past.speeds.copy()
    dance(history, 1.0, 40.0)
    np.testing.assert_array_equal(past.positions, before[0])
    np.testing.assert_array_equal(past.speeds, before[1])


def test_a_gap_and_a_clock_that_goes_back_begin_anew():
    history = MotionHistory()
    assert len(history.last(1.0).ages) == 0
    dance(history, 0.0, 1.0)
    dance(history, 5.0, 0.5)
    assert history.last(8.0).ages[0] < 0.5
    dance(history, 2.0, 0.1)
    assert history.last(8.0).ages[0] <= 0.1
    history.clear()
    assert history.last(8.0).positions.shape == (0, 17, 3)
