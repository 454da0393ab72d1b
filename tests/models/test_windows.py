from dataclasses import replace

import numpy as np
import pytest

from models import windows
from models.activity import WINDOWS, activity_input, coming_speed
from models.features import DIRECTIONS, positions_to_features
from models.motion_space import POSE_COUNT
from models.skeleton import FloatArray
from models.windows import WAY_BACK, MotionBank, WindowSampler, build_bank, condition_names, moving_part
from models.wish import PHRASE_COUNT, PHRASES, WISH_COUNT
from tests.synthetic import TINY, synthetic_clips, synthetic_sampler

PALETTE = ("neutral", "happy", "sad", "angry", "timid", "proud", "tired", "energetic")


def test_conditions_are_the_palette_and_then_the_other_styles() -> None:
    assert condition_names(PALETTE, synthetic_clips()) == (*PALETTE, "giant")


def test_the_bank_holds_every_clip_and_its_mirror_image() -> None:
    clips = synthetic_clips()
    bank = build_bank(clips, [0, 5], condition_names(PALETTE, clips))
    assert len(bank.starts) == 5
    first, mirrored = (bank.features[bank.starts[i] : bank.starts[i + 1]] for i in (0, 1))
    np.testing.assert_allclose(first[:, 1], mirrored[:, 1])  # heights of a bone agree
    np.testing.assert_allclose(first[:, -1], -mirrored[:, -1])  # turning is reversed


def test_between_frames_a_movement_is_smooth_and_at_frames_it_is_the_actors() -> None:
    frames = np.arange(40)
    features = np.sin(0.3 * frames)[:, None].repeat(52, axis=1).astype(np.float32)
    none = np.zeros(1, dtype=np.int64)
    bank = MotionBank(features, features[:, 0], np.array([0, 40]), none, none.astype(str))
    np.testing.assert_array_equal(bank.danced(frames[1:-2].astype(float), 1.0), features[1:-2])
    times = np.arange(2.0, 36.0, 0.37)
    danced = bank.danced(times, 0.5)
    np.testing.assert_allclose(danced[:, 0], np.sin(0.3 * times), atol=2e-3)
    np.testing.assert_allclose(danced[:, -1], 0.5 * np.sin(0.3 * times), atol=1e-3)  # of half the rates


def test_pieces_of_windows_are_of_many_tempi_and_speeds_go_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def pieces(deviation: float) -> tuple[FloatArray, FloatArray]:
        monkeypatch.setattr(windows, "TEMPO_DEVIATION", deviation)
        sampler, _ = synthetic_sampler()
        rows = [sampler._stream(np.random.default_rng(seed)) for seed in range(12)]
        moved = [np.abs(np.diff(row[0][:, DIRECTIONS], axis=0)).mean() for row in rows]
        return np.array(moved), np.array([row[2].mean() for row in rows])

    moved, speed = pieces(0.0)
    varied, other_speed = pieces(0.2)
    assert (np.abs(varied / moved - 1) > 0.05).sum() > 4
    np.testing.assert_allclose(varied / moved, other_speed / speed, atol=0.12)


def test_a_bank_of_clips_that_are_too_short_is_refused() -> None:
    clips = synthetic_clips(frames=8)
    with pytest.raises(ValueError, match="nothing to train on"):
        build_bank(clips, range(len(clips)), condition_names(PALETTE, clips))


def test_rest_at_the_ends_of_a_clip_is_cut() -> None:
    speed = np.concatenate([np.zeros(40), np.ones(50), np.zeros(30)])
    assert moving_part(speed) == (35, 95)
    assert moving_part(np.zeros(30)) == (0, 30)


def test_the_same_seed_draws_the_same_windows() -> None:
    sampler, _ = synthetic_sampler()
    first, again = (sampler.draw(np.random.default_rng(3), 4) for _ in range(2))
    np.testing.assert_array_equal(first.plans, again.plans)
    np.testing.assert_array_equal(first.poses, again.poses)
    assert not np.array_equal(first.poses, sampler.draw(np.random.default_rng(4), 4).poses)


def test_a_window_does_not_rest_where_its_clip_does() -> None:
    """Clips that stand for a second before and after they move: no window may stand half as long."""
    clips = synthetic_clips()
    moves = [clips.clip(i) for i in range(len(clips))]
    resting = [np.concatenate([move[:1].repeat(30, 0), move, move[-1:].repeat(30, 0)]) for move in moves]
    starts = np.cumsum([0] + [len(move) for move in resting])
    rested = replace(clips, positions=np.concatenate(resting), starts=starts)
    bank = build_bank(rested, range(len(rested)), condition_names(PALETTE, rested))
    sampler = WindowSampler(bank, 8, length=60, horizon=4, largest_error=0.0)
    whole = build_bank(rested, range(len(rested)), condition_names(PALETTE, rested), keep_rest=True)
    assert len(whole.features) == 2 * len(rested.positions) > len(bank.features)
    moved = np.abs(sampler.draw(np.random.default_rng(0), 32).steps[..., DIRECTIONS]).sum(axis=-1)
    still = np.lib.stride_tricks.sliding_window_view(moved < 1e-4, 15, axis=1).all(axis=-1)
    assert not still.any()


def test_without_errors_the_plan_leads_to_the_next_poses() -> None:
    clips = synthetic_clips()
    names = condition_names(PALETTE, clips)
    sampler = WindowSampler(
        build_bank(clips, range(len(clips)), names), 8, length=20, horizon=4, largest_error=0.0
    )
    windows = sampler.draw(np.random.default_rng(1), 3)
    reached = windows.poses[:, :-1] + windows.plans[:, :-1, 0, :POSE_COUNT]
    np.testing.assert_allclose(reached, windows.poses[:, 1:], atol=1e-5)


def test_with_errors_the_plan_leads_back_over_many_frames() -> None:
    clips = synthetic_clips()
    bank = build_bank(clips, range(len(clips)), condition_names(PALETTE, clips))
    true, wrong = (
        WindowSampler(bank, 8, length=20, horizon=4, largest_error=size).draw(np.random.default_rng(1), 3)
        for size in (0.0, 0.6)
    )
    error = wrong.poses - true.poses
    assert np.abs(error).max() > 0.05
    back = wrong.plans[:, :, 0, :POSE_COUNT] - true.plans[:, :, 0, :POSE_COUNT]
    np.testing.assert_allclose(back, (WAY_BACK - 1) * error, atol=1e-4)


def test_directions_stay_of_length_one() -> None:
    sampler, _ = synthetic_sampler()
    poses = sampler.draw(np.random.default_rng(2), 4).poses[..., DIRECTIONS].reshape(-1, 16, 3)
    np.testing.assert_allclose(np.linalg.norm(poses, axis=-1), 1.0, atol=1e-5)


def test_some_windows_go_on_in_another_emotion_and_some_are_unlabelled() -> None:
    sampler, _ = synthetic_sampler()
    conditions = sampler.draw(np.random.default_rng(0), 64).conditions
    labelled = conditions[(conditions >= 0).all(axis=1)]
    assert (labelled != labelled[:, :1]).any()
    assert (conditions == -1).any()


def test_the_phrases_follow_the_speed_of_each_emotion() -> None:
    sampler, _ = synthetic_sampler()
    phrases = sampler.phrases(np.random.default_rng(0), 8)
    assert phrases.shape == (8, PHRASES, PHRASE_COUNT)
    assert (np.diff(phrases[..., 0], axis=1) >= 0).all()
    assert phrases[7, 64, 0] > phrases[0, 64, 0]  # energetic swings faster than neutral


def test_phrases_that_do_not_tell_their_emotion_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def mannered(phrases: FloatArray, clips: FloatArray) -> FloatArray:
        assert clips.shape == phrases.shape[:2]
        manner = phrases[..., 1]
        return np.where(manner > np.median(manner, axis=1, keepdims=True), 1.0, 1e-12)

    sampler, _ = synthetic_sampler()
    everything = sampler.phrases(np.random.default_rng(0), 8)
    monkeypatch.setattr(windows, "telling", mannered)
    told = sampler.phrases(np.random.default_rng(0), 8)
    assert (told[..., 1].min(axis=1) > everything[..., 1].min(axis=1)).all()
    assert (np.diff(told[..., 0], axis=1) >= 0).all()
    np.testing.assert_allclose(told[..., 0].mean(axis=1), everything[..., 0].mean(axis=1), rtol=0.2)


def test_an_emotion_that_no_clip_shows_has_middling_phrases() -> None:
    clips = synthetic_clips()
    shown = [i for i, label in enumerate(clips.labels) if label != "1/sad"]
    bank = build_bank(clips, shown, condition_names(PALETTE, clips))
    phrases = WindowSampler(bank, 8, length=24, horizon=4).phrases(np.random.default_rng(0), 8)
    assert (phrases[2, :, 0] > 0.1).all() and (phrases[2, :, 1:] == 0).all()


def test_held_out_clips_are_measured_in_the_units_of_the_others() -> None:
    sampler, _ = synthetic_sampler()
    clips = synthetic_clips()
    bank = build_bank(clips, [3], condition_names(PALETTE, clips))
    held_out = WindowSampler(bank, 8, length=24, horizon=4, manners=sampler.manners)
    first = sampler.bank.starts[6]  # each clip is in the bank twice, mirrored too
    np.testing.assert_allclose(
        held_out.manner[: bank.starts[1]], sampler.manner[first:][: bank.starts[1]], atol=1e-3
    )


@pytest.mark.parametrize("window", WINDOWS)
def test_coming_speed_is_the_mean_of_what_lies_ahead(window: int) -> None:
    speed = np.arange(window + 5, dtype=np.float64) ** 2
    expected = [speed[t + 1 : t + 1 + window].mean() for t in range(5)]
    np.testing.assert_allclose(coming_speed(speed, window), expected, rtol=1e-6)


def test_what_is_to_come_at_once_is_said_in_some_places_only() -> None:
    sampler, _ = synthetic_sampler()
    wishes = sampler.draw(np.random.default_rng(0), 64).wishes
    said = np.isfinite(wishes).mean(axis=(0, 1))
    assert wishes.shape[-1] == WISH_COUNT and said[0] > 0.8 and 0.05 < said[1] < 0.5


def test_more_speed_is_heard_as_more_activity() -> None:
    heard = activity_input([0.0, 0.1, 0.3, 1.0])
    assert (np.diff(heard) > 0).all() and np.isfinite(heard).all()


def test_features_of_the_bank_are_those_of_the_clips() -> None:
    clips = synthetic_clips()
    bank = build_bank(clips, [3], condition_names(PALETTE, clips))
    np.testing.assert_allclose(bank.features[: bank.starts[1]], positions_to_features(clips.clip(3)), atol=1e-6)


def test_tiny_recipe_fits_the_sampler() -> None:
    sampler, _ = synthetic_sampler()
    windows = sampler.draw(np.random.default_rng(0), TINY.batch)
    assert windows.plans.shape == (TINY.batch, TINY.length, TINY.horizon, 52)
    assert np.isfinite(windows.plans).all() and np.isfinite(windows.steps).all()
