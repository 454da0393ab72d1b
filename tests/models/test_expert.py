import numpy as np
import pytest

from models.activity import activity_input
from models.expert import Expert, coming_speed_in_clip
from models.motion_space import POSE_COUNT
from models.skeleton import FloatArray
from models.windows import MotionBank, WindowSampler, build_bank, condition_names
from tests.synthetic import synthetic_clips

PALETTE = ("neutral", "happy", "sad", "angry", "timid", "proud", "tired", "energetic")
HORIZON = 4


@pytest.fixture
def expert() -> Expert:
    clips = synthetic_clips(per_label=3)
    bank = build_bank(clips, range(len(clips)), condition_names(PALETTE, clips))
    return Expert(WindowSampler(bank, len(PALETTE), length=24, horizon=HORIZON))


def at(bank: MotionBank, frames: list[int]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Pose, step and activity of frames of a bank, as a dancer would have them who does just that."""
    poses = bank.features[frames, :POSE_COUNT]
    before = bank.features[np.array(frames) - 1, :POSE_COUNT]
    steps = np.concatenate([poses - before, bank.features[frames, POSE_COUNT:]], axis=1)
    return poses, steps, activity_input(coming_speed_in_clip(bank)[frames])


def frames_of(expert: Expert, condition: int) -> list[int]:
    """A frame in the middle of every clip that competes."""
    library = expert.library(np.random.default_rng(0), condition)
    return library.frames[5::20].tolist()


def test_who_dances_as_an_actor_did_is_told_to_go_on_as_the_actor_did(expert: Expert) -> None:
    library = expert.library(np.random.default_rng(0), 1)
    frames = library.frames[5::20]
    plans = expert.answer(library, *at(expert.bank, frames.tolist()))
    ahead = frames[:, None] + np.arange(HORIZON + 1)
    danced = np.diff(expert.bank.features[ahead, :POSE_COUNT], axis=1)
    np.testing.assert_allclose(plans[..., :POSE_COUNT], danced, atol=1e-6)
    np.testing.assert_array_equal(plans[..., POSE_COUNT:], expert.bank.features[ahead[:, 1:], POSE_COUNT:])


def test_who_has_strayed_is_led_back(expert: Expert) -> None:
    library = expert.library(np.random.default_rng(0), 1)
    frames = frames_of(expert, 1)
    poses, steps, activity = at(expert.bank, frames)
    right = expert.answer(library, poses, steps, activity)
    strayed = poses + np.float32(0.02)
    led = expert.answer(library, strayed, steps, activity)
    gap_now, gap_then = (
        0.02,
        np.abs((strayed + led.sum(axis=1)[:, :POSE_COUNT]) - (poses + right.sum(axis=1)[:, :POSE_COUNT])),
    )
    assert 0 < gap_then.mean() < 0.75 * gap_now


def test_an_emotion_is_answered_from_its_own_clips(expert: Expert) -> None:
    for condition in (0, 2, 6):
        library = expert.library(np.random.default_rng(1), condition)
        segment = np.searchsorted(expert.bank.starts, library.frames, side="right") - 1
        assert (expert.bank.condition[segment] == condition).all()
        within = expert.bank.starts[segment + 1] - library.frames
        assert (within > HORIZON).all(), "a plan ran on into another clip"


def test_who_is_asked_for_more_is_answered_with_more(expert: Expert) -> None:
    library = expert.library(np.random.default_rng(2), 0)
    poses, steps, _ = at(expert.bank, frames_of(expert, 0))
    speeds = [
        np.abs(
            expert.answer(library, poses, steps, np.full(len(poses), activity_input(asked)))[..., :POSE_COUNT]
        ).mean()
        for asked in (0.02, 3.0)
    ]
    assert speeds[0] <= speeds[1]


def test_the_speed_to_come_ends_with_the_clip(expert: Expert) -> None:
    bank = expert.bank
    coming = coming_speed_in_clip(bank)
    stop = int(bank.starts[1])
    assert coming[stop - 2] == pytest.approx(bank.speed[stop - 1])
    assert coming[stop - 40] == pytest.approx(bank.speed[stop - 39 : stop - 9].mean(), rel=1e-4)
    assert np.isfinite(coming).all()
