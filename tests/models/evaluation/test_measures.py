import numpy as np
import pytest

from models.evaluation.measures import (
    CONTACT_HEIGHT,
    FROZEN_SPEED,
    Plausible,
    back_turned,
    bone_change,
    facing_poses,
    farthest,
    frozen_share,
    jerk,
    joint_speeds,
    longest_frozen,
    longest_run,
    penetration,
    quick_share,
    repetition_share,
    rhythm_strength,
    running_mean,
    toe_slide,
)
from models.motion.features import turn
from models.motion.foot_contact import TOE_CONTACT_HEIGHT, TOES
from models.motion.skeleton import FRAME_RATE, INDEX, FloatArray, joint_speed
from tests.synthetic import swinging_figure


def still(frames: int) -> FloatArray:
    return np.repeat(swinging_figure(1), frames, axis=0)


def on_the_floor(frames: int) -> FloatArray:
    """A figure that stands, the balls of both feet exactly where those of a standing foot are."""
    positions = still(frames).copy()
    positions[..., 1] += TOE_CONTACT_HEIGHT - positions[..., TOES, 1].min()
    positions[:, TOES, 1] = TOE_CONTACT_HEIGHT
    return positions


def restless(frames: int, seed: int = 0) -> FloatArray:
    """Movement that does not come back: each arm wanders by itself."""
    rng = np.random.default_rng(seed)
    wander = np.cumsum(rng.standard_normal((frames, 2, 3)), axis=0)
    kernel = np.hanning(31) / np.hanning(31).sum()
    smooth = np.apply_along_axis(lambda track: np.convolve(track, kernel, "same"), 0, wander)
    positions = still(frames).copy()
    positions[:, [INDEX["left_wrist"], INDEX["right_wrist"]]] += 0.1 * smooth
    return positions


def test_the_running_mean_of_a_line_is_the_line() -> None:
    np.testing.assert_allclose(running_mean(np.arange(10.0), 3), np.arange(1.0, 9.0))


def test_who_does_not_move_is_frozen_all_the_time() -> None:
    assert frozen_share(still(300)) == 1.0
    assert longest_frozen(still(300)) == pytest.approx(299 / FRAME_RATE)


def test_who_dances_is_never_frozen() -> None:
    assert frozen_share(swinging_figure(300)) == 0.0 and longest_frozen(swinging_figure(300)) == 0.0


def test_walking_stiffly_is_frozen_because_speed_is_relative_to_the_pelvis() -> None:
    sliding = still(120) + np.arange(120)[:, None, None] * np.array([0.05, 0.0, 0.0])
    assert frozen_share(sliding) == 1.0


def test_a_pause_of_three_seconds_is_found_and_measured() -> None:
    dance = swinging_figure(150)
    paused = np.concatenate([dance, np.repeat(dance[-1:], 90, axis=0), dance[::-1]])
    assert longest_frozen(paused) == pytest.approx(3.0, abs=0.2)
    assert 0.1 < frozen_share(paused) < 0.3


def test_the_threshold_of_frozen_is_a_mean_joint_speed() -> None:
    def drift(speed: float) -> FloatArray:
        positions = still(90).copy()
        positions[:, 1:, 0] += np.arange(90)[:, None] * speed / FRAME_RATE
        return positions

    assert joint_speed(drift(0.1)).mean() == pytest.approx(0.1, rel=1e-3)
    assert frozen_share(drift(0.9 * FROZEN_SPEED)) == 1.0 and frozen_share(drift(1.1 * FROZEN_SPEED)) == 0.0


def test_jerk_of_a_cubic_is_its_third_derivative() -> None:
    time = np.arange(60) / FRAME_RATE
    positions = np.zeros((60, 17, 3))
    positions[..., 1] = (2.0 * time**3)[:, None]
    assert jerk(positions) == pytest.approx(12.0, rel=1e-6)


def test_noise_raises_jerk_and_the_share_of_quick_movement() -> None:
    dance = swinging_figure(300)
    noisy = dance + np.random.default_rng(0).normal(0, 0.003, dance.shape)
    assert jerk(noisy) > 3 * jerk(dance)
    assert quick_share(noisy) > 3 * quick_share(dance)


@pytest.mark.parametrize(("rate", "low", "high"), [(2.0, 0.0, 0.01), (8.0, 0.99, 1.0)])
def test_quick_movement_is_above_five_hertz(rate: float, low: float, high: float) -> None:
    positions = still(300).copy()
    positions[:, 5, 0] += 0.05 * np.sin(2 * np.pi * rate * np.arange(300) / FRAME_RATE)
    assert low <= quick_share(positions) <= high


def test_sliding_feet_are_measured_in_metres_a_second() -> None:
    sliding = on_the_floor(60) + np.arange(60)[:, None, None] * np.array([0.3, 0.0, 0.4]) / FRAME_RATE
    assert toe_slide(sliding) == pytest.approx(0.5, rel=1e-3)
    assert toe_slide(on_the_floor(60)) == 0.0


def test_only_the_foot_on_the_floor_slides() -> None:
    positions = on_the_floor(60)
    positions[:, INDEX["left_toe"], 1] = CONTACT_HEIGHT + 0.01
    positions[:, INDEX["left_toe"], 0] += np.arange(60) / FRAME_RATE
    assert toe_slide(positions) == 0.0
    positions[:, INDEX["left_toe"], 1] = CONTACT_HEIGHT - 0.01
    assert toe_slide(positions) == pytest.approx(0.5, rel=1e-3)  # one foot at 1 m/s, the other at rest


def test_a_body_in_the_floor_penetrates_it_by_so_many_metres() -> None:
    assert penetration(on_the_floor(30)) == pytest.approx(0.0, abs=1e-6)
    sunk = on_the_floor(30)
    sunk[:15, :, 1] -= 0.02
    assert penetration(sunk) == pytest.approx(0.01, abs=1e-6)


def test_the_farthest_from_the_middle_is_seen_from_above() -> None:
    positions = still(3).copy()
    positions[1, 0] = (3.0, 9.0, -4.0)
    assert farthest(positions) == pytest.approx(5.0)


def test_a_bone_that_grows_is_found() -> None:
    positions = still(10).copy()
    assert bone_change(swinging_figure(200)) < 1e-5
    positions[3, INDEX["head"], 1] += 0.01
    assert bone_change(positions) > 0.008


def test_real_movement_is_plausible_to_itself_and_a_leap_is_not() -> None:
    clips = [swinging_figure(400, rate=rate) for rate in (0.5, 1.0)]
    plausible = Plausible.of(clips)
    assert all(plausible.too_fast(clip) <= 0.003 for clip in clips)
    assert all(plausible.out_of_height(clip) <= 0.003 for clip in clips)
    flying = clips[0].copy()
    flying[100:200, :, 1] += 1.0
    assert plausible.out_of_height(flying) == pytest.approx(0.25, abs=0.01)
    assert plausible.too_fast(flying) == pytest.approx(2 / 399, abs=0.003)
    assert plausible.too_fast(swinging_figure(400, rate=4.0)) > 0.1


def test_joint_speeds_are_in_the_world() -> None:
    positions = still(10) + np.arange(10)[:, None, None] * np.array([0.1, 0.0, 0.0])
    np.testing.assert_allclose(joint_speeds(positions), 3.0, rtol=1e-4)


def test_facing_poses_forget_place_and_heading() -> None:
    dance = swinging_figure(40, turn=0.5)
    moved = turn(dance, np.array(1.3)) + np.array([2.0, 0.0, -1.0])
    np.testing.assert_allclose(facing_poses(moved), facing_poses(dance), atol=1e-5)


def test_a_looped_clip_repeats_and_a_restless_one_does_not() -> None:
    loop = np.tile(restless(120), (8, 1, 1))
    assert repetition_share(loop) > 0.9
    assert repetition_share(restless(960)) < 0.1


def test_a_loop_repeats_wherever_it_is_danced_and_whichever_way_it_faces() -> None:
    pieces = [turn(restless(120), np.array(0.7 * i)) + np.array([0.4 * i, 0.0, 0.0]) for i in range(8)]
    assert repetition_share(np.concatenate(pieces)) > 0.9


def test_the_first_time_through_a_loop_is_no_repetition() -> None:
    twice = np.tile(restless(240), (2, 1, 1))
    assert 0.4 < repetition_share(twice) < 0.7


def test_a_loop_that_trembles_a_little_still_repeats() -> None:
    loop = np.tile(swinging_figure(90, rate=0.7), (6, 1, 1))
    wobble = np.random.default_rng(1).normal(0, 0.002, loop.shape)
    assert repetition_share(loop + wobble) > 0.9


def test_standing_still_repeats_as_well() -> None:
    assert repetition_share(still(300)) == 1.0


def test_movement_too_short_to_repeat_says_so() -> None:
    assert np.isnan(repetition_share(swinging_figure(100)))


def turning(yaw: np.ndarray) -> np.ndarray:
    """A figure that stands and looks where yaw (T,) says."""
    return turn(np.repeat(swinging_figure(1), len(yaw), axis=0), yaw[:, None]).astype(np.float32)


def test_the_back_is_turned_beyond_120_degrees_from_the_audience() -> None:
    yaw = np.radians([0.0, 100.0, -115.0, 125.0, 180.0, -130.0])
    assert back_turned(turning(yaw)).tolist() == [False, False, False, True, True, True]


def test_the_longest_run_is_that_of_one_stretch() -> None:
    flags = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1], dtype=bool)
    assert longest_run(flags) == pytest.approx(3 / 30) and longest_run(np.zeros(9, dtype=bool)) == 0.0


def test_steps_in_time_have_a_rhythm_and_steps_at_random_have_less() -> None:
    frames = 20 * 30
    standing = np.repeat(swinging_figure(1), frames, axis=0)

    def stepping(times: np.ndarray) -> np.ndarray:
        steps = standing.copy()
        for count, first in enumerate(times):
            foot = (12, 16)[count % 2]
            steps[first : first + 6, foot, 1] += 0.15 * np.sin(np.linspace(0, np.pi, 6))
        return steps

    even = np.arange(5, frames - 10, 15)
    uneven = np.sort(np.random.default_rng(0).integers(5, frames - 10, len(even)))
    assert rhythm_strength(stepping(even)) > 0.8 > 2 * rhythm_strength(stepping(uneven))
    assert np.isnan(rhythm_strength(stepping(even)[:200]))
