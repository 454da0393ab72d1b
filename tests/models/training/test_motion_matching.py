from itertools import product

import numpy as np
import pytest

from models.data.clips import Clips
from models.data.kinds import KINDS
from models.motion.features import POSE_SIZE
from models.motion.skeleton import FloatArray
from models.network.conditioning import CONDITIONING_SIZE
from models.network.speed_encoding import encode_speed
from models.training.dataset import TEMPI, WindowSampler
from models.training.motion_database import build_database, condition_names
from models.training.motion_matching import MotionMatcher, future_mean_speed_in_clip
from tests.synthetic import synthetic_clips

PALETTE = ("neutral", "happy", "sad", "angry", "timid", "proud", "tired", "energetic")
HORIZON = 4
DANCE = KINDS.index("dance")


@pytest.fixture
def matcher() -> MotionMatcher:
    return expert_of(synthetic_clips(per_label=3, contents=("dance",)))


def expert_of(clips: Clips) -> MotionMatcher:
    motion = build_database(clips, range(len(clips)), condition_names(PALETTE, clips))
    return MotionMatcher(WindowSampler(motion, len(PALETTE), length=24, horizon=HORIZON))


def at(matcher: MotionMatcher, frames: list[int]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Poses, steps and conditioning of frames of a motion, as dancers would have them who do just that."""
    motion = matcher.motion
    poses = motion.features[frames, :POSE_SIZE]
    before = motion.features[np.array(frames) - 1, :POSE_SIZE]
    steps = np.concatenate([poses - before, motion.features[frames, POSE_SIZE:]], axis=1)
    speed = encode_speed(future_mean_speed_in_clip(motion)[frames])
    kinds = np.eye(len(KINDS))[motion.kind[np.searchsorted(motion.starts, frames, side="right") - 1]]
    conditioning = np.column_stack([speed, matcher.sampler.descriptor[frames], kinds])
    return poses, steps, conditioning.astype(np.float32)


def frames_of(matcher: MotionMatcher, condition: int) -> list[int]:
    """A frame in the middle of every clip that competes."""
    database = matcher.database(condition, DANCE)
    return database.frames[5::20].tolist()


def test_who_dances_as_an_actor_did_is_told_to_go_on_as_the_actor_did(matcher: MotionMatcher) -> None:
    database = matcher.database(1, DANCE)
    frames = database.frames[5::20]
    plans = matcher.plan(database, *at(matcher, frames.tolist()))
    ahead = frames[:, None] + np.arange(HORIZON + 1)
    danced = np.diff(matcher.motion.features[ahead, :POSE_SIZE], axis=1)
    np.testing.assert_allclose(plans[..., :POSE_SIZE], danced, atol=1e-6)
    travelled = matcher.motion.features[ahead[:, 1:], POSE_SIZE:]
    np.testing.assert_allclose(plans[..., POSE_SIZE:], travelled, atol=1e-6)


def led(
    matcher: MotionMatcher, *, pose_error: float = 0.0, step_error: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """The coming errors (N, horizon, 49) of the pose, and the plans, of dancers that strayed from a clip."""
    database = matcher.database(1, DANCE)
    poses, steps, conditioning = at(matcher, frames_of(matcher, 1))
    right = matcher.plan(database, poses, steps, conditioning)
    plans = matcher.plan(database, poses + np.float32(pose_error), steps + np.float32(step_error), conditioning)
    return pose_error + np.cumsum(plans - right, axis=1)[..., :POSE_SIZE], plans


def test_who_has_strayed_is_led_back(matcher: MotionMatcher) -> None:
    errors, _ = led(matcher, pose_error=0.02)
    size = np.abs(errors).mean(axis=(0, 2))
    assert (np.diff(size) < 0).all() and 0 < size[-1] < 0.02


def test_what_the_dancer_does_does_not_leap_to_what_the_actor_did(matcher: MotionMatcher) -> None:
    """A step that is too fast dies away over the plan, instead of being cut off at its first frame."""
    errors, _ = led(matcher, step_error=0.01)
    left = np.diff(np.abs(errors).mean(axis=(0, 2)), prepend=0.0)
    assert 0.004 < left[0] < 0.01 and (np.diff(left) < 0).all()


def test_who_is_asked_for_another_manner_is_answered_in_it(matcher: MotionMatcher) -> None:
    """From one pose, each descriptor that an actor showed leads towards a clip of that descriptor."""
    database = matcher.database(0, DANCE)
    frames = frames_of(matcher, 0)
    poses, steps, conditioning = at(matcher, frames)
    first = [part[:1].repeat(len(frames), axis=0) for part in (poses, steps)]
    plans = matcher.plan(database, *first, conditioning)
    assert len(np.unique(plans.round(4), axis=0)) > 1


def test_an_emotion_is_answered_from_its_own_clips_of_the_kind() -> None:
    matcher = expert_of(synthetic_clips(per_label=3))
    for condition, kind in product((0, 2, 6), range(len(KINDS))):
        database = matcher.database(condition, kind)
        segment = np.searchsorted(matcher.motion.starts, database.frames, side="right") - 1
        assert (matcher.motion.condition[segment] == condition).all() and (
            matcher.motion.kind[segment] == kind
        ).all()
        within = matcher.motion.starts[segment + 1] - database.frames
        assert (within > TEMPI[1] * HORIZON + 1).all(), "a plan ran on into another clip"


def test_it_answers_in_the_kinds_that_some_clip_shows() -> None:
    matcher = expert_of(synthetic_clips(per_label=2))
    shown = matcher.shown(len(PALETTE))
    assert shown.tolist() == [[True, True, False]] * len(PALETTE)  # dances and gestures, no walks
    with pytest.raises(KeyError):
        matcher.database(1, KINDS.index("walk"))


def test_a_large_library_keeps_every_so_many_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = synthetic_clips(per_label=3, contents=("dance",))
    every = expert_of(clips).database(1, DANCE).frames
    monkeypatch.setattr("models.training.motion_matching.MAX_FRAMES", len(every) // 3 + 1)
    np.testing.assert_array_equal(expert_of(clips).database(1, DANCE).frames, every[::3])


def test_who_is_asked_for_more_is_answered_with_more(matcher: MotionMatcher) -> None:
    database = matcher.database(0, DANCE)
    poses, steps, conditioning = at(matcher, frames_of(matcher, 0))
    speeds = []
    for asked in (0.02, 3.0):
        conditioning[..., 0] = encode_speed(asked)
        speeds.append(np.abs(matcher.plan(database, poses, steps, conditioning)[..., :POSE_SIZE]).mean())
    assert speeds[0] <= speeds[1]


def test_a_movement_is_danced_at_the_tempo_that_was_asked_for(matcher: MotionMatcher) -> None:
    """An eighth faster than the actor, a tenth slower, and never beyond what still looks like it."""
    database = matcher.database(1, DANCE)
    frames = database.frames[5::20]
    poses, steps, conditioning = at(matcher, frames.tolist())
    speed = future_mean_speed_in_clip(matcher.motion)[frames]
    for factor, tempo in ((1.125, 1.125), (0.9, 0.9), (3.0, TEMPI[1]), (0.1, TEMPI[0])):
        conditioning[:, 0] = encode_speed(factor * speed)
        ratio = matcher._tempo(frames, conditioning)
        np.testing.assert_allclose(ratio, tempo, rtol=1e-4)
        plans = matcher._inertialized_plan(frames, ratio, poses, tempo * steps)
        reached = matcher.motion.danced(frames + tempo * HORIZON, np.float32(tempo))
        moved = plans[..., :POSE_SIZE].sum(axis=1)
        np.testing.assert_allclose(moved, (reached - matcher.motion.features[frames])[:, :POSE_SIZE], atol=1e-5)
        np.testing.assert_allclose(plans[:, -1, POSE_SIZE:], reached[:, POSE_SIZE:], atol=1e-5)


def test_any_speed_is_danced_at_the_tempo_of_the_actor(matcher: MotionMatcher) -> None:
    database = matcher.database(1, DANCE)
    conditioning = np.full((1, CONDITIONING_SIZE), np.nan, dtype=np.float32)
    assert matcher._tempo(database.frames[:1], conditioning) == 1.0


def test_the_speed_to_come_ends_with_the_clip(matcher: MotionMatcher) -> None:
    motion = matcher.motion
    coming = future_mean_speed_in_clip(motion)
    stop = int(motion.starts[1])
    assert coming[stop - 2] == pytest.approx(motion.speed[stop - 1])
    assert coming[stop - 40] == pytest.approx(motion.speed[stop - 39 : stop - 9].mean(), rel=1e-4)
    assert np.isfinite(coming).all()
