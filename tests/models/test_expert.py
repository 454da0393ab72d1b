from itertools import product

import numpy as np
import pytest

from models.activity import activity_input
from models.clips import Clips
from models.expert import Expert, coming_speed_in_clip
from models.features import POSE_COUNT
from models.kinds import KINDS
from models.skeleton import FloatArray
from models.windows import TEMPI, WindowSampler, build_bank, condition_names
from models.wish import WISH_COUNT
from tests.synthetic import synthetic_clips

PALETTE = ("neutral", "happy", "sad", "angry", "timid", "proud", "tired", "energetic")
HORIZON = 4
DANCE = KINDS.index("dance")


@pytest.fixture
def expert() -> Expert:
    return expert_of(synthetic_clips(per_label=3, contents=("dance",)))


def expert_of(clips: Clips) -> Expert:
    bank = build_bank(clips, range(len(clips)), condition_names(PALETTE, clips))
    return Expert(WindowSampler(bank, len(PALETTE), length=24, horizon=HORIZON))


def at(expert: Expert, frames: list[int]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Poses, steps and wishes of frames of a bank, as dancers would have them who do just that."""
    bank = expert.bank
    poses = bank.features[frames, :POSE_COUNT]
    before = bank.features[np.array(frames) - 1, :POSE_COUNT]
    steps = np.concatenate([poses - before, bank.features[frames, POSE_COUNT:]], axis=1)
    speed = activity_input(coming_speed_in_clip(bank)[frames])
    kinds = np.eye(len(KINDS))[bank.kind[np.searchsorted(bank.starts, frames, side="right") - 1]]
    wishes = np.column_stack([speed, expert.sampler.manner[frames], kinds])
    return poses, steps, wishes.astype(np.float32)


def frames_of(expert: Expert, condition: int) -> list[int]:
    """A frame in the middle of every clip that competes."""
    library = expert.library(condition, DANCE)
    return library.frames[5::20].tolist()


def test_who_dances_as_an_actor_did_is_told_to_go_on_as_the_actor_did(expert: Expert) -> None:
    library = expert.library(1, DANCE)
    frames = library.frames[5::20]
    plans = expert.answer(library, *at(expert, frames.tolist()))
    ahead = frames[:, None] + np.arange(HORIZON + 1)
    danced = np.diff(expert.bank.features[ahead, :POSE_COUNT], axis=1)
    np.testing.assert_allclose(plans[..., :POSE_COUNT], danced, atol=1e-6)
    travelled = expert.bank.features[ahead[:, 1:], POSE_COUNT:]
    np.testing.assert_allclose(plans[..., POSE_COUNT:], travelled, atol=1e-6)


def led(expert: Expert, *, pose_error: float = 0.0, step_error: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """The coming errors (N, horizon, 49) of the pose, and the plans, of dancers that strayed from a clip."""
    library = expert.library(1, DANCE)
    poses, steps, wishes = at(expert, frames_of(expert, 1))
    right = expert.answer(library, poses, steps, wishes)
    plans = expert.answer(library, poses + np.float32(pose_error), steps + np.float32(step_error), wishes)
    return pose_error + np.cumsum(plans - right, axis=1)[..., :POSE_COUNT], plans


def test_who_has_strayed_is_led_back(expert: Expert) -> None:
    errors, _ = led(expert, pose_error=0.02)
    size = np.abs(errors).mean(axis=(0, 2))
    assert (np.diff(size) < 0).all() and 0 < size[-1] < 0.02


def test_what_the_dancer_does_does_not_leap_to_what_the_actor_did(expert: Expert) -> None:
    """A step that is too fast dies away over the plan, instead of being cut off at its first frame."""
    errors, _ = led(expert, step_error=0.01)
    left = np.diff(np.abs(errors).mean(axis=(0, 2)), prepend=0.0)
    assert 0.004 < left[0] < 0.01 and (np.diff(left) < 0).all()


def test_who_is_asked_for_another_manner_is_answered_in_it(expert: Expert) -> None:
    """From one pose, each manner that an actor showed leads towards a clip of that manner."""
    library = expert.library(0, DANCE)
    frames = frames_of(expert, 0)
    poses, steps, wishes = at(expert, frames)
    first = [part[:1].repeat(len(frames), axis=0) for part in (poses, steps)]
    plans = expert.answer(library, *first, wishes)
    assert len(np.unique(plans.round(4), axis=0)) > 1


def test_an_emotion_is_answered_from_its_own_clips_of_the_kind() -> None:
    expert = expert_of(synthetic_clips(per_label=3))
    for condition, kind in product((0, 2, 6), range(len(KINDS))):
        library = expert.library(condition, kind)
        segment = np.searchsorted(expert.bank.starts, library.frames, side="right") - 1
        assert (expert.bank.condition[segment] == condition).all() and (expert.bank.kind[segment] == kind).all()
        within = expert.bank.starts[segment + 1] - library.frames
        assert (within > TEMPI[1] * HORIZON + 1).all(), "a plan ran on into another clip"


def test_it_answers_in_the_kinds_that_some_clip_shows() -> None:
    expert = expert_of(synthetic_clips(per_label=2))
    shown = expert.shown(len(PALETTE))
    assert shown.tolist() == [[True, True, False]] * len(PALETTE)  # dances and gestures, no walks
    with pytest.raises(KeyError):
        expert.library(1, KINDS.index("walk"))


def test_a_large_library_keeps_every_so_many_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = synthetic_clips(per_label=3, contents=("dance",))
    every = expert_of(clips).library(1, DANCE).frames
    monkeypatch.setattr("models.expert.MAX_FRAMES", len(every) // 3 + 1)
    np.testing.assert_array_equal(expert_of(clips).library(1, DANCE).frames, every[::3])


def test_who_is_asked_for_more_is_answered_with_more(expert: Expert) -> None:
    library = expert.library(0, DANCE)
    poses, steps, wishes = at(expert, frames_of(expert, 0))
    speeds = []
    for asked in (0.02, 3.0):
        wishes[..., 0] = activity_input(asked)
        speeds.append(np.abs(expert.answer(library, poses, steps, wishes)[..., :POSE_COUNT]).mean())
    assert speeds[0] <= speeds[1]


def test_a_movement_is_danced_at_the_tempo_that_was_asked_for(expert: Expert) -> None:
    """An eighth faster than the actor, a tenth slower, and never beyond what still looks like it."""
    library = expert.library(1, DANCE)
    frames = library.frames[5::20]
    poses, steps, wishes = at(expert, frames.tolist())
    speed = coming_speed_in_clip(expert.bank)[frames]
    for factor, tempo in ((1.125, 1.125), (0.9, 0.9), (3.0, TEMPI[1]), (0.1, TEMPI[0])):
        wishes[:, 0] = activity_input(factor * speed)
        ratio = expert._tempo(frames, wishes)
        np.testing.assert_allclose(ratio, tempo, rtol=1e-4)
        plans = expert._way(frames, ratio, poses, tempo * steps)
        reached = expert.bank.danced(frames + tempo * HORIZON, np.float32(tempo))
        moved = plans[..., :POSE_COUNT].sum(axis=1)
        np.testing.assert_allclose(moved, (reached - expert.bank.features[frames])[:, :POSE_COUNT], atol=1e-5)
        np.testing.assert_allclose(plans[:, -1, POSE_COUNT:], reached[:, POSE_COUNT:], atol=1e-5)


def test_any_speed_is_danced_at_the_tempo_of_the_actor(expert: Expert) -> None:
    library = expert.library(1, DANCE)
    wishes = np.full((1, WISH_COUNT), np.nan, dtype=np.float32)
    assert expert._tempo(library.frames[:1], wishes) == 1.0


def test_the_speed_to_come_ends_with_the_clip(expert: Expert) -> None:
    bank = expert.bank
    coming = coming_speed_in_clip(bank)
    stop = int(bank.starts[1])
    assert coming[stop - 2] == pytest.approx(bank.speed[stop - 1])
    assert coming[stop - 40] == pytest.approx(bank.speed[stop - 39 : stop - 9].mean(), rel=1e-4)
    assert np.isfinite(coming).all()
