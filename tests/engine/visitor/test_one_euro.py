"""The One-Euro filter."""

import numpy as np

from engine.visitor.one_euro import MAX_GAP_S, OneEuroFilter


def test_a_still_point_that_jitters_comes_out_much_calmer():
    noise = np.random.default_rng(1).normal(0.0, 0.005, (120, 4, 3))
    smooth = OneEuroFilter()
    out = np.stack([smooth(frame, i / 30) for i, frame in enumerate(noise)])
    assert np.diff(out[30:], axis=0).std() < np.diff(noise[30:], axis=0).std() / 3


def test_a_fast_point_is_followed_within_a_frame_and_a_half():
    smooth = OneEuroFilter()
    out = [smooth(np.array([[2.0 * i / 30, 0.0, 0.0]]), i / 30)[0, 0] for i in range(60)]
    assert 2.0 * 59 / 30 - out[-1] < 2.0 * 1.5 / 30


def test_irregular_times_leave_a_steady_movement_steady():
    times = np.cumsum(np.random.default_rng(2).uniform(0.01, 0.08, 100))
    smooth = OneEuroFilter()
    out = np.array([smooth(np.array([[time, 0.0, 0.0]]), time)[0, 0] for time in times])
    behind = times - out
    assert behind[20:].max() < 0.1 and (np.diff(out) > 0).all()


def test_a_nan_keeps_the_last_value_of_that_point_only():
    smooth = OneEuroFilter()
    smooth(np.array([[1.0, 1.0], [2.0, 2.0]]), 0.0)
    out = smooth(np.array([[np.nan, 5.0], [2.1, 2.0]]), 0.03)
    assert out[0].tolist() == [1.0, 1.0] and 2.0 < out[1, 0] < 2.1
    assert np.isfinite(smooth(np.array([[1.1, 1.0], [2.1, 2.0]]), 0.06)).all()


def test_a_point_that_was_never_seen_stays_nan_until_it_is():
    smooth = OneEuroFilter()
    assert np.isnan(smooth(np.array([[np.nan, 0.0]]), 0.0)).all()
    assert smooth(np.array([[3.0, 4.0]]), 0.03).tolist() == [[3.0, 4.0]]


def test_after_a_gap_the_point_starts_afresh():
    smooth = OneEuroFilter()
    smooth(np.array([[0.0]]), 0.0)
    assert smooth(np.array([[7.0]]), MAX_GAP_S + 0.1).tolist() == [[7.0]]


def test_a_time_that_does_not_advance_changes_nothing():
    smooth = OneEuroFilter()
    smooth(np.array([[0.0]]), 1.0)
    assert smooth(np.array([[9.0]]), 1.0).tolist() == [[0.0]]
    assert smooth(np.array([[9.0]]), 0.5).tolist() == [[0.0]]


def test_what_it_gives_out_is_not_its_own_memory():
    smooth = OneEuroFilter()
    smooth(np.array([[1.0]]), 0.0)[:] = 99.0
    assert smooth(np.array([[1.0]]), 0.03).tolist() == [[1.0]]
