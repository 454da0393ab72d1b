"""The picture between generated frames: steady, never backwards, never wild."""

from collections.abc import Iterable

import numpy as np
import pytest

from engine.streams.interpolation import DELAY_FRAMES, MAX_OVERRUN_FRAMES, FrameInterpolator, Moment
from engine.streams.values import DancerFrame, Pose
from models.motion.skeleton import (
    BONE_COUNT,
    BONE_LENGTHS,
    BONE_PARENTS,
    FRAME_RATE,
    JOINT_COUNT,
    forward_kinematics,
)

SPEED = np.array([0.9, 0.0, -0.4], dtype=np.float32)
"""Metres per second of the walking dancer of these tests."""


def frame(index, stamp, *, at=None, weights=(1.0, 0.0)):
    place = SPEED * (index / FRAME_RATE) if at is None else at
    positions = np.tile(np.asarray(place, dtype=np.float32), (JOINT_COUNT, 1))
    return DancerFrame(index, stamp, positions, np.array(weights, dtype=np.float32))


def moments(frames: Iterable[DancerFrame], seconds: float, start=100.0, rate=60.0) -> list[Moment]:
    """The dancer at display times, each frame put once its stamp has come."""
    interpolator, waiting, shown = FrameInterpolator(), list(frames), []
    for picture in range(int(seconds * rate)):
        time = start + picture / rate
        while waiting and waiting[0].generated_at <= time:
            interpolator.put(waiting.pop(0))
        moment = interpolator.at(time)
        if moment is not None:
            shown.append(moment)
    return shown


def play(frames, seconds, start=100.0, rate=60.0):
    """Positions of the pelvis at display times."""
    return np.array([moment.positions[0] for moment in moments(frames, seconds, start, rate)])


def walk(seconds, jitter=0.0, start=100.0, seed=0):
    random = np.random.default_rng(seed)
    late = random.uniform(0.0, jitter, int(seconds * FRAME_RATE)) if jitter else np.zeros(10_000)
    return [frame(i, start + i / FRAME_RATE + late[i]) for i in range(int(seconds * FRAME_RATE))]


def test_constant_velocity_in_is_constant_velocity_out():
    velocity = np.diff(play(walk(4.0), 4.0), axis=0)[120:] * 60.0
    assert np.allclose(velocity, SPEED, atol=0.003)


def test_jittered_stamps_make_no_steps():
    velocity = np.diff(play(walk(6.0, jitter=0.012), 6.0), axis=0)[120:] * 60.0
    assert np.abs(velocity - SPEED).max() < 0.08 * np.abs(SPEED).max()


@pytest.mark.parametrize("jitter", [0.0, 0.006, 0.012, 0.02])
@pytest.mark.parametrize("phase", [0.0, 0.004, 0.008, 0.011, 0.015])
def test_a_swing_stays_a_swing_however_early_or_late_its_frames_come(jitter, phase):
    """A hand swings 30 cm to either side, 1.5 times a second: 27 m/s^2 at most."""
    stamps = [f.generated_at for f in walk(6.0, jitter=jitter)]
    hand = 0.3 * np.sin(2 * np.pi * 1.5 * np.arange(len(stamps)) / FRAME_RATE)
    shown = play([frame(i, stamp, at=(hand[i], i, 0.0)) for i, stamp in enumerate(stamps)], 6.0, 100.0 + phase)
    shown = shown[120:]
    playheads = shown[:, 1].astype(float)  # what is linear stays linear
    assert np.abs(np.diff(playheads) * 60.0 / FRAME_RATE - 1.0).max() < 0.02
    told = 0.3 * np.sin(2 * np.pi * 1.5 * playheads / FRAME_RATE)
    assert np.abs(shown[:, 0] - told).max() < 0.012
    acceleration = np.diff(shown[:, 0], n=2) * 60.0**2
    assert np.abs(acceleration).max() < (1.05 if jitter == 0.0 else 1.9) * 27.0
    assert np.sqrt(np.square(acceleration).mean()) < 1.1 * 27.0 / np.sqrt(2.0)


def test_a_frame_that_comes_early_leads_the_next_picture():
    interpolator, positions = FrameInterpolator(), np.zeros((JOINT_COUNT, 3), dtype=np.float32)
    led = []
    for i in range(40):
        stamp = 100.0 + i / FRAME_RATE - (0.011 if i == 39 else 0.0)
        visitor = Pose(True, float(i), positions, np.ones(JOINT_COUNT, dtype=np.float32))
        interpolator.put(DancerFrame(i, stamp, positions, np.ones(1, dtype=np.float32), visitor))
        for share in (0.0, 0.5):
            moment = interpolator.at(stamp + share / FRAME_RATE)
            led.append(moment.led_by.captured_at)
    assert led[-4:] == [38.0, 38.0, 39.0, 39.0]


@pytest.mark.parametrize("seconds", [0.3, 0.5, 1.0, 3.3, 10.0])
def test_after_a_pause_nobody_is_thrown(seconds):
    """The newest frame alone is known of all that passed, of a body that sways by 30 cm."""
    interpolator, time = FrameInterpolator(), 100.0
    for i in range(60):
        time = 100.0 + i / FRAME_RATE
        interpolator.put(frame(i, time, at=(0.3 * np.sin(0.3 * i), 0.0, 0.0)))
        interpolator.at(time)
    for i in range(60 + round(seconds * FRAME_RATE), 120 + round(seconds * FRAME_RATE)):
        time = 100.0 + i / FRAME_RATE
        interpolator.put(frame(i, time, at=(0.3 * np.sin(0.3 * i), 0.0, 0.0)))
        for later in (0.0, 0.5 / FRAME_RATE):
            assert abs(interpolator.at(time + later).positions[0, 0]) < 0.36


@pytest.mark.parametrize("rate", [1.0, 2.0, 3.5, 7.0])
def test_few_pictures_a_second_show_where_the_body_was(rate):
    interpolator = FrameInterpolator()
    for picture in range(40):
        time = 100.0 + picture / rate
        i = int((time - 100.0) * FRAME_RATE)
        interpolator.put(frame(i, 100.0 + i / FRAME_RATE, at=(0.3 * np.sin(0.3 * i), 0.0, 0.0)))
        assert abs(interpolator.at(time).positions[0, 0]) < 0.36


def test_times_that_go_back_show_the_newest_again():
    interpolator = FrameInterpolator()
    for walked in walk(1.0):
        interpolator.put(walked)
        newest = interpolator.at(walked.generated_at).positions
    np.testing.assert_array_equal(interpolator.at(100.5).positions, newest)
    assert np.linalg.norm(interpolator.at(101.0).positions[0] - newest[0]) < 1.3 / FRAME_RATE


def test_frames_that_come_all_at_once_are_danced_one_after_the_other():
    frames = [frame(i, 100.0 + (i if i < 40 else 43) / FRAME_RATE) for i in range(60)]
    frames = [*frames[:44], *(frame(i, 100.0 + i / FRAME_RATE) for i in range(44, 60))]
    steps = np.diff(play(frames, 2.0)[40:, 0]) * 60.0 / SPEED[0]
    assert steps.min() >= 0.0 and steps.max() < 1.5


@pytest.mark.parametrize("rate", [10.0, 25.0, 144.0])
def test_at_any_rate_of_pictures_the_pace_is_that_of_the_dance(rate):
    steps = np.diff(play(walk(6.0), 6.0, rate=rate)[:, 0])[int(2 * rate) :]
    assert steps * rate == pytest.approx(SPEED[0], abs=0.01)


def test_the_picture_trails_the_newest_frame_by_one_frame():
    shown = play(walk(4.0), 4.0)
    lag = (len(shown) - 1) / 60.0 - shown[-1][0] / SPEED[0]
    assert abs(lag * FRAME_RATE - DELAY_FRAMES) < 0.1


def test_a_gap_holds_and_never_jumps_back_or_ahead():
    frames = [*walk(3.0)]
    late = [frame(i, f.generated_at + (0.5 if i >= 45 else 0.0)) for i, f in enumerate(frames)]
    shown = play(late, 3.4)[30:, 0]
    steps = np.diff(shown)
    assert steps.min() >= -1e-6
    assert steps.max() < 1.3 * SPEED[0] / 60.0
    assert shown[-1] > 0.8 * SPEED[0] * 2.5


def test_without_new_frames_the_dancer_comes_to_rest_near_the_last_one():
    shown = play(walk(1.0), 3.0)[:, 0]
    newest = SPEED[0] * 29 / FRAME_RATE
    assert np.abs(np.diff(shown[-30:])).max() < 1e-5
    assert newest - 1e-6 <= shown[-1] <= newest + (MAX_OVERRUN_FRAMES + 0.1) * SPEED[0] / FRAME_RATE


def test_bones_keep_their_lengths_between_frames():
    """An arm that swings by 40 degrees a frame."""
    swings = []
    for index in range(6):
        directions = np.tile(np.array([0.0, 1.0, 0.0], dtype=np.float32), (BONE_COUNT, 1))
        directions[3:5] = np.cos(0.7 * index), np.sin(0.7 * index), 0.0
        positions = forward_kinematics(np.zeros(3, dtype=np.float32), directions)
        swings.append(DancerFrame(index, index / FRAME_RATE, positions, np.ones(1, dtype=np.float32)))
    shown_at = moments(swings, 0.3, start=0.0, rate=600.0)
    assert len(shown_at) > 150
    for shown in (moment.positions for moment in shown_at):
        lengths = np.linalg.norm(shown[1:] - shown[BONE_PARENTS], axis=-1)
        np.testing.assert_allclose(lengths, BONE_LENGTHS, rtol=1e-5)


def test_emotion_weights_glide_with_the_frames():
    frames = [
        frame(i, 100.0 + i / FRAME_RATE, weights=(max(1.0 - i / 30, 0.0), min(i / 30, 1.0))) for i in range(60)
    ]
    weights = np.array([moment.emotion_weights for moment in moments(frames, 2.0)])
    assert np.allclose(weights.sum(axis=1), 1.0, atol=1e-5)
    steps = np.diff(weights[:, 1])
    assert steps.min() >= -1e-6 and steps[10:50] == pytest.approx(1 / 60, abs=0.004) and weights[-1, 1] == 1.0


def test_the_visitor_glides_with_the_frames():
    def known(i: int) -> DancerFrame:
        positions = np.full((JOINT_COUNT, 3), i, dtype=np.float32)
        visitor = Pose(True, float(i), positions, np.ones(JOINT_COUNT, dtype=np.float32))
        return DancerFrame(i, 100.0 + i / FRAME_RATE, positions, np.ones(1, dtype=np.float32), visitor)

    shown = moments([known(i) for i in range(60)], 2.0)
    steps = np.diff([moment.visitor.positions[0, 0] for moment in shown[20:100]])
    assert steps == pytest.approx(0.5, abs=0.15)


def test_a_frame_with_a_nan_is_not_shown():
    interpolator = FrameInterpolator()
    for good in walk(0.2):
        interpolator.put(good)
    interpolator.put(frame(6, 100.2, at=(np.nan, 0.0, 0.0)))
    assert np.isfinite(interpolator.at(100.25).positions).all()


def test_a_new_start_shows_the_new_dance_at_once():
    interpolator = FrameInterpolator()
    for old in walk(1.0):
        interpolator.put(old)
    interpolator.at(101.0)
    interpolator.put(frame(0, 101.02, at=(5.0, 0.0, 0.0)))
    assert np.allclose(interpolator.at(101.03).positions[0], (5.0, 0.0, 0.0))


def test_before_the_first_frame_there_is_nothing():
    assert FrameInterpolator().at(1.0) is None
