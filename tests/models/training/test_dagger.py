from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.data.kinds import KINDS, TRAINING_REPERTOIRE
from models.motion.features import POSE_SIZE, positions_to_features
from models.network.checkpoint import Checkpoint
from models.network.conditioning import CONDITIONING_SIZE, DESCRIPTOR
from models.training import dagger
from models.training.dagger import ROLLOUT_FRAMES, DaggerBuffer
from models.training.dataset import WindowSampler, concatenated
from models.training.motion_database import build_database, condition_names, condition_of
from models.training.motion_matching import MotionMatcher
from tests.synthetic import swinging_figure, synthetic_clips

LENGTH = 24


@pytest.fixture
def company(dancer: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> DaggerBuffer:
    monkeypatch.setattr(dagger, "DANCERS", 3)
    monkeypatch.setattr(dagger, "MAX_DANCE_FRAMES", 2 * ROLLOUT_FRAMES)
    clips = synthetic_clips()
    database = build_database(clips, range(len(clips)), condition_names(dancer.palette.names, clips))
    matcher = MotionMatcher(
        WindowSampler(database, len(dancer.palette), length=LENGTH, horizon=dancer.space.horizon)
    )
    prompts = [positions_to_features(swinging_figure(60, rate=rate)) for rate in (0.5, 1.0)]
    own = replace(dancer, network=deepcopy(dancer.network))
    return DaggerBuffer(own, matcher, prompts, np.random.default_rng(0), LENGTH)


def test_there_is_nothing_to_draw_from_before_the_first_act(company: DaggerBuffer) -> None:
    assert not company.ready
    company.roll_out()
    assert company.ready


def test_windows_are_pieces_of_the_dance_with_what_was_asked_for(company: DaggerBuffer) -> None:
    company.roll_out()
    windows = company.draw(np.random.default_rng(1), 8)
    assert windows.poses.shape == (8, LENGTH, POSE_SIZE) and windows.plans.shape[:2] == (8, LENGTH)
    assert (
        np.isfinite(windows.conditioning[..., [0, *range(2, CONDITIONING_SIZE)]]).all()
        and np.isfinite(windows.plans).all()
    )
    assert (windows.conditions == windows.conditions[:, :1]).all(), "one emotion an act"
    # Each step led from the pose before it to its own.
    moved = np.diff(windows.poses, axis=1)
    np.testing.assert_allclose(windows.steps[:, 1:, :POSE_SIZE], moved, atol=1e-5)


def test_they_go_into_one_batch_with_windows_of_clips(company: DaggerBuffer) -> None:
    company.roll_out()
    rng = np.random.default_rng(1)
    real, own = company.matcher.sampler.draw(rng, 2), company.draw(rng, 3)
    batch = concatenated(real, own)
    for name, part in vars(batch).items():
        assert len(part) == 5 and part.dtype == vars(real)[name].dtype, name
    np.testing.assert_array_equal(batch.poses[2:], own.poses)


def test_the_company_dances_with_the_weights_of_the_moment(company: DaggerBuffer) -> None:
    """Weights that were made to leave the numbers must show in the very next act."""
    company.roll_out()
    with torch.no_grad():
        company.checkpoint.network.head.bias.fill_(torch.nan)
    company.roll_out()
    assert not np.isfinite(company.draw(np.random.default_rng(0), 50).poses).all()


def test_a_new_dance_forgets_the_old_one(company: DaggerBuffer) -> None:
    """No window may leap from the end of one dance to the prompt of the next."""
    for _ in range(3):
        company.roll_out()
    windows = company.draw(np.random.default_rng(0), 50)
    moved = np.abs(np.diff(windows.poses, axis=1) - windows.steps[:, 1:, :POSE_SIZE])
    assert moved.max() < 1e-5


def test_each_dance_is_also_answered_as_if_another_emotion_had_been_asked_for(company: DaggerBuffer) -> None:
    company.roll_out()
    windows = company.draw(np.random.default_rng(0), 200)
    asked: dict[bytes, set[int]] = {}
    for poses, conditions in zip(windows.poses, windows.conditions, strict=True):
        asked.setdefault(poses.tobytes(), set()).add(int(conditions[0]))
    assert max(len(emotions) for emotions in asked.values()) == 2, "the same movement, two emotions"
    kinds = windows.conditioning[:, 0, DESCRIPTOR.stop :].argmax(axis=1)
    for emotion, kind in np.unique(np.stack([windows.conditions[:, 0], kinds], axis=1), axis=0).tolist():
        rows = (windows.conditions[:, 0] == emotion) & (kinds == kind)
        told = (
            part[rows].reshape(-1, part.shape[-1])
            for part in (windows.poses, windows.steps, windows.conditioning)
        )
        answer = company.matcher.plan(company.matcher.database(emotion, kind), *told)
        np.testing.assert_allclose(windows.plans[rows].reshape(answer.shape), answer, atol=1e-4)


def test_an_emotion_that_no_clip_shows_is_not_rehearsed(dancer: Checkpoint) -> None:
    clips = synthetic_clips()
    names = condition_names(dancer.palette.names, clips)
    all_shown = build_database(clips, range(len(clips)), names)
    lost = int(all_shown.condition[0])
    kept = [i for i, label in enumerate(clips.labels) if condition_of(label, names) != lost]
    sampler = WindowSampler(
        build_database(clips, kept, names), len(dancer.palette), length=LENGTH, horizon=dancer.space.horizon
    )
    matcher = MotionMatcher(sampler)
    shown = matcher.shown(len(dancer.palette))
    assert not shown[lost].any() and shown.any(axis=1).sum() == len(dancer.palette) - 1
    prompts = [positions_to_features(swinging_figure(60))]
    company = DaggerBuffer(dancer, matcher, prompts, np.random.default_rng(0), LENGTH)
    company.roll_out()
    assert not (company.draw(np.random.default_rng(0), 200).conditions == lost).any()


def test_only_kinds_that_clips_show_are_asked_for_and_they_are_danced(company: DaggerBuffer) -> None:
    for _ in range(2):
        company.roll_out()
    kinds = company.draw(np.random.default_rng(0), 200).conditioning[..., DESCRIPTOR.stop :]
    assert set(np.unique(kinds)) == {0.0, 1.0} and (kinds.sum(axis=-1) == 1.0).all()
    assert (kinds == kinds[:, :1]).all(), "one kind an act"
    assert not kinds[..., KINDS.index("walk")].any(), "no clip shows it"
    assert company._state is not None
    np.testing.assert_array_equal(company._state.request.kind, company._asked[:, 1])


def test_emotions_are_asked_for_alike_and_kinds_as_they_are_learnt(
    company: DaggerBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dagger, "DANCERS", 8000)
    emotions, kinds = company._anything().T
    np.testing.assert_allclose(np.bincount(emotions) / 8000, 1 / 8, atol=0.02)
    dances, gestures = TRAINING_REPERTOIRE[:2]
    assert (kinds == 0).mean() == pytest.approx(dances / (dances + gestures), abs=0.03)


def test_there_is_something_to_draw_from_while_a_new_dance_begins(
    company: DaggerBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(company, "length", ROLLOUT_FRAMES + 1)
    for _ in range(4):  # a dance is two acts
        company.roll_out()
    for _ in range(2):
        company.roll_out()
        assert company.ready
