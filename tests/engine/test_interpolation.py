"""The picture between generated frames: steady, never backwards, never wild."""

import numpy as np

from engine.interpolation import DELAY, OVERRUN, FrameInterpolator, moment_at
from engine.values import DancerFrame
from models.skeleton import (
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


def play(frames, seconds, start=100.0, rate=60.0):
    """Positions of the pelvis at display times, each frame put once its stamp has come."""
    interpolator, waiting, shown = FrameInterpolator(), list(frames), []
    for picture in range(int(seconds * rate)):
        time = start + picture / rate
        while waiting and waiting[0].generated_at <= time:
            interpolator.put(waiting.pop(0))
        moment = interpolator.at(time)
        if moment is not None:
            shown.append(moment.positions[0])
    return np.array(shown)


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


def test_a_late_frame_takes_back_little():
    """A hand swings with 27 m/s^2 at most; some frames come 5 ms after the picture that should know them."""
    start, stamps = 100.011, [f.generated_at for f in walk(6.0, jitter=0.012)]
    hand = 0.3 * np.sin(2 * np.pi * 1.5 * np.arange(len(stamps)) / FRAME_RATE)
    frames = [frame(i, stamp, at=(hand[i], i, 0.0)) for i, stamp in enumerate(stamps)]
    shown = play(frames, 6.0, start)[120:]
    playheads = shown[:, 1].astype(float)  # what is linear is carried on as it is
    assert np.abs(np.diff(playheads) * 60.0 / FRAME_RATE - 1.0).max() < 0.02
    newest = np.searchsorted(stamps, start + np.arange(len(shown) + 120)[120:] / 60.0, side="right") - 1
    assert (playheads > newest + 0.1).sum() > 5
    told = np.array([moment_at(frames, playhead).positions[0, 0] for playhead in playheads])
    assert 0.0003 < np.abs(shown[:, 0] - told).max() < 0.0015


def test_the_picture_trails_the_newest_frame_by_one_frame():
    shown = play(walk(4.0), 4.0)
    lag = (len(shown) - 1) / 60.0 - shown[-1][0] / SPEED[0]
    assert abs(lag * FRAME_RATE - DELAY) < 0.1


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
    assert newest - 1e-6 <= shown[-1] <= newest + (OVERRUN + 0.1) * SPEED[0] / FRAME_RATE


def test_motion_between_frames_is_smooth_where_the_frames_are():
    frames = [
        frame(i, i / FRAME_RATE, at=(np.sin(2 * np.pi * 1.5 * i / FRAME_RATE), 0.0, 0.0)) for i in range(60)
    ]
    index = np.arange(5.0, 50.0, 0.25)
    shown = np.array([moment_at(frames, i).positions[0, 0] for i in index])
    assert np.abs(shown - np.sin(2 * np.pi * 1.5 * index / FRAME_RATE)).max() < 0.01


def test_bones_keep_their_lengths_between_frames():
    """An arm that swings by 40 degrees a frame."""
    swings = []
    for index in range(6):
        directions = np.tile(np.array([0.0, 1.0, 0.0], dtype=np.float32), (BONE_COUNT, 1))
        directions[3:5] = np.cos(0.7 * index), np.sin(0.7 * index), 0.0
        positions = forward_kinematics(np.zeros(3, dtype=np.float32), directions)
        swings.append(DancerFrame(index, index / FRAME_RATE, positions, np.ones(1, dtype=np.float32)))
    for moment in np.arange(0.0, 5.45, 0.05):
        shown = moment_at(swings, moment).positions
        lengths = np.linalg.norm(shown[1:] - shown[BONE_PARENTS], axis=-1)
        np.testing.assert_allclose(lengths, BONE_LENGTHS, rtol=1e-5)


def test_emotion_weights_glide_with_the_frames():
    frames = [frame(0, 0.0), frame(1, 1 / FRAME_RATE, weights=(0.0, 1.0))]
    assert np.allclose(moment_at(frames, 0.25).emotion_weights, (0.75, 0.25))


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
