from dataclasses import replace

import numpy as np
import pytest

from models.data.clips import join_clips
from models.data.kinds import KINDS, TRAINING_REPERTOIRE
from models.data.restyling import Restyling, is_unacted
from models.motion.features import DIRECTIONS, POSE_SIZE, positions_to_features
from models.motion.skeleton import FloatArray
from models.network.conditioning import DESCRIPTOR, EXEMPLAR_SIZE, EXEMPLARS
from models.network.speed_encoding import SPEED_HORIZON_FRAMES, encode_speed, future_mean_speed
from models.training import dataset
from models.training.dataset import CONTENT_POWER, WAY_BACK, WindowSampler
from models.training.motion_database import MotionDatabase, build_database, condition_names, trim_rest
from tests.synthetic import TINY, clips_of, swinging_figure, synthetic_clips, synthetic_sampler

DANCE, GESTURE, WALK = map(KINDS.index, ("dance", "gesture", "walk"))
PALETTE = ("neutral", "happy", "sad", "angry", "timid", "proud", "tired", "energetic")


def test_conditions_are_the_palette_and_then_the_other_styles() -> None:
    assert condition_names(PALETTE, synthetic_clips()) == (*PALETTE, "giant")


def test_styles_of_sets_in_which_nobody_acted_an_emotion_are_no_conditions() -> None:
    others = [("3", "walk", style, swinging_figure(40)) for style in ("normal", "zombie", "giant")]
    clips = join_clips([synthetic_clips(), clips_of(others)])
    assert condition_names(PALETTE, clips) == (*PALETTE, "giant")  # the giant of set 1
    assert condition_names(PALETTE, clips_of(others)) == PALETTE


def test_ordinary_movement_of_those_who_acted_nothing_is_restyled() -> None:
    assert is_unacted("3/normal")
    assert not is_unacted("1/normal") and not is_unacted("2/normal") and not is_unacted("3/zombie")


def test_a_clip_that_nobody_acted_in_an_emotion_counts_once_in_each() -> None:
    clips = join_clips([synthetic_clips(), clips_of([("3", "salsa", "normal", swinging_figure(70))])])
    names, salsa = condition_names(PALETTE, clips), len(clips) - 1
    tempi = np.ones(len(PALETTE), dtype=np.float32)
    tempi[1] = 1.25
    restyling = replace(Restyling.none(len(PALETTE)), tempo=tempi)
    database = build_database(clips, [0, salsa], names, restyling)
    own = database.content == "3/salsa"
    assert database.condition[own].tolist() == np.repeat(range(8), 2).tolist(), "and as a mirror image"
    assert (database.kind[own] == DANCE).all()
    lengths = np.diff(database.starts)[own]
    assert (lengths[2:4] == int(69 / 1.25) + 1).all() and (np.delete(lengths, [2, 3]) == 70).all()
    # What was acted stays what it is, and without restyling the other shows no emotion.
    np.testing.assert_allclose(database.features[:70], positions_to_features(clips.clip(0)), atol=1e-6)
    assert not (build_database(clips, [0, salsa], names).content == "3/salsa").any()


def test_where_actors_showed_a_kind_in_an_emotion_nothing_is_restyled_into_it() -> None:
    acted = [("1", "bow", "happy", swinging_figure(70)), ("1", "walk", "sad", swinging_figure(70))]
    clips = clips_of([*acted, ("3", "wave", "normal", swinging_figure(70))])
    database = build_database(clips, range(3), PALETTE, Restyling.none(len(PALETTE)))
    own = database.content == "3/wave"
    assert set(database.condition[own]) == set(range(8)) - {PALETTE.index("happy")}


def test_a_bank_leaves_out_what_is_no_kind_of_movement() -> None:
    acted = [("1", content, "normal", swinging_figure(40)) for content in ("breakdance", "laugh", "dance")]
    assert build_database(clips_of(acted), range(3), PALETTE).content.tolist() == ["1/dance"] * 2


def test_segments_are_found_by_emotion_and_kind() -> None:
    sampler, _ = synthetic_sampler()
    database = sampler.database
    for kind in (DANCE, GESTURE):
        segments, shares = sampler.segments_of(1, kind)
        assert (database.condition[segments] == 1).all() and (database.kind[segments] == kind).all()
        assert len(segments) == 2 and shares.sum() == pytest.approx(1.0)
        assert sampler.shows(1, kind, 70) and not sampler.shows(1, kind, 71)
    assert not sampler.shows(1, WALK, 1)
    with pytest.raises(KeyError):
        sampler.segments_of(1, WALK)


def test_kinds_are_drawn_as_they_are_learnt_and_said_with_the_wish() -> None:
    sampler, _ = synthetic_sampler()
    kinds = sampler.draw(np.random.default_rng(0), 400).conditioning[:, 0, DESCRIPTOR.stop :]
    said = np.isfinite(kinds).all(axis=1)
    assert 0.8 < said.mean() < 0.97, "some windows are of any kind"
    assert (kinds[said].sum(axis=1) == 1.0).all()
    dances, gestures = TRAINING_REPERTOIRE[DANCE], TRAINING_REPERTOIRE[GESTURE]
    assert kinds[said, DANCE].mean() == pytest.approx(dances / (dances + gestures), abs=0.08)


def test_a_rare_content_is_drawn_by_the_root_of_its_length() -> None:
    acted = [("1", "dance", "normal", swinging_figure(90)) for _ in range(4)]
    clips = clips_of([*acted, ("1", "salsa", "normal", swinging_figure(90, rate=0.5))])
    sampler = WindowSampler(build_database(clips, range(5), PALETTE), 8, length=24, horizon=4)
    segments, shares = sampler.segments_of(0, DANCE)
    assert shares[sampler.database.content[segments] == "1/salsa"].sum() == pytest.approx(1 / 3, abs=0.02)


def test_the_bank_holds_every_clip_and_its_mirror_image() -> None:
    clips = synthetic_clips()
    database = build_database(clips, [0, 5], condition_names(PALETTE, clips))
    assert len(database.starts) == 5
    first, mirrored = (database.features[database.starts[i] : database.starts[i + 1]] for i in (0, 1))
    np.testing.assert_allclose(first[:, 1], mirrored[:, 1])  # heights of a bone agree
    np.testing.assert_allclose(first[:, -1], -mirrored[:, -1])  # turning is reversed


def test_between_frames_a_movement_is_smooth_and_at_frames_it_is_the_actors() -> None:
    frames = np.arange(40)
    features = np.sin(0.3 * frames)[:, None].repeat(52, axis=1).astype(np.float32)
    none = np.zeros(1, dtype=np.int64)
    database = MotionDatabase(features, features[:, 0], np.array([0, 40]), none, none, none.astype(str))
    np.testing.assert_array_equal(database.danced(frames[1:-2].astype(float), 1.0), features[1:-2])
    times = np.arange(2.0, 36.0, 0.37)
    danced = database.danced(times, 0.5)
    np.testing.assert_allclose(danced[:, 0], np.sin(0.3 * times), atol=2e-3)
    np.testing.assert_allclose(danced[:, -1], 0.5 * np.sin(0.3 * times), atol=1e-3)  # of half the rates


def test_pieces_of_windows_are_of_many_tempi_and_speeds_go_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def pieces(deviation: float) -> tuple[FloatArray, FloatArray]:
        monkeypatch.setattr(dataset, "TEMPO_DEVIATION", deviation)
        sampler, _ = synthetic_sampler()
        rows = [sampler._sample_stream(np.random.default_rng(seed)) for seed in range(12)]
        moved = [np.abs(np.diff(row[0][:, DIRECTIONS], axis=0)).mean() for row in rows]
        return np.array(moved), np.array([row[2].mean() for row in rows])

    moved, speed = pieces(0.0)
    varied, other_speed = pieces(0.2)
    assert (np.abs(varied / moved - 1) > 0.05).sum() > 4
    np.testing.assert_allclose(varied / moved, other_speed / speed, atol=0.12)


def test_a_bank_of_clips_that_are_too_short_is_refused() -> None:
    clips = synthetic_clips(frames=8)
    with pytest.raises(ValueError, match="nothing to train on"):
        build_database(clips, range(len(clips)), condition_names(PALETTE, clips))


def test_rest_at_the_ends_of_a_clip_is_cut() -> None:
    speed = np.concatenate([np.zeros(40), np.ones(50), np.zeros(30)])
    assert trim_rest(speed) == (35, 95)
    assert trim_rest(np.zeros(30)) == (0, 30)


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
    database = build_database(rested, range(len(rested)), condition_names(PALETTE, rested))
    sampler = WindowSampler(database, 8, length=60, horizon=4, input_noise=0.0)
    whole = build_database(rested, range(len(rested)), condition_names(PALETTE, rested), keep_rest=True)
    assert len(whole.features) == 2 * len(rested.positions) > len(database.features)
    moved = np.abs(sampler.draw(np.random.default_rng(0), 32).steps[..., DIRECTIONS]).sum(axis=-1)
    still = np.lib.stride_tricks.sliding_window_view(moved < 1e-4, 15, axis=1).all(axis=-1)
    assert not still.any()


def test_without_errors_the_plan_leads_to_the_next_poses() -> None:
    clips = synthetic_clips()
    names = condition_names(PALETTE, clips)
    sampler = WindowSampler(
        build_database(clips, range(len(clips)), names), 8, length=20, horizon=4, input_noise=0.0
    )
    windows = sampler.draw(np.random.default_rng(1), 3)
    reached = windows.poses[:, :-1] + windows.plans[:, :-1, 0, :POSE_SIZE]
    np.testing.assert_allclose(reached, windows.poses[:, 1:], atol=1e-5)


def test_with_errors_the_plan_leads_back_over_many_frames() -> None:
    clips = synthetic_clips()
    database = build_database(clips, range(len(clips)), condition_names(PALETTE, clips))
    true, wrong = (
        WindowSampler(database, 8, length=20, horizon=4, input_noise=size).draw(np.random.default_rng(1), 6)
        for size in (0.0, 0.6)
    )
    error = wrong.poses - true.poses
    assert np.abs(error).max() > 0.05
    back = wrong.plans[:, :, 0, :POSE_SIZE] - true.plans[:, :, 0, :POSE_SIZE]
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
    exemplars = sampler.exemplars(np.random.default_rng(0), 8)
    assert exemplars.shape == (8, len(KINDS), EXEMPLARS, EXEMPLAR_SIZE)
    assert (np.diff(exemplars[..., 0], axis=2) >= 0).all()
    # energetic swings faster than neutral
    assert (exemplars[7, [DANCE, GESTURE], 64, 0] > exemplars[0, [DANCE, GESTURE], 64, 0]).all()


def test_phrases_that_do_not_tell_their_emotion_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def mannered(exemplars: FloatArray, clips: FloatArray) -> FloatArray:
        assert clips.shape == exemplars.shape[:2]
        descriptor = exemplars[..., 1]
        return np.where(descriptor > np.median(descriptor, axis=1, keepdims=True), 1.0, 1e-12)

    sampler, _ = synthetic_sampler(contents=("dance",))
    everything = sampler.exemplars(np.random.default_rng(0), 8)[:, DANCE]
    monkeypatch.setattr(dataset, "class_posterior", mannered)
    told = sampler.exemplars(np.random.default_rng(0), 8)[:, DANCE]
    assert (told[..., 1].min(axis=1) > everything[..., 1].min(axis=1)).all()
    assert (np.diff(told[..., 0], axis=1) >= 0).all()
    np.testing.assert_allclose(told[..., 0].mean(axis=1), everything[..., 0].mean(axis=1), rtol=0.2)


def test_a_rare_content_gets_its_share_of_the_phrases_however_little_it_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nine clips of one dance and a clip of another that is quicker: two fifths of the exemplars are of it."""
    movements = [swinging_figure(90, rate=0.4, phase=take) for take in range(9)] + [
        swinging_figure(90, rate=1.6, turn=0.5)
    ]
    clips = clips_of([("1", "dance", "normal", movement) for movement in movements[:-1]])
    clips = join_clips([clips, clips_of([("1", "salsa", "normal", movements[-1])])])
    sampler = WindowSampler(build_database(clips, range(10), PALETTE), 8, length=24, horizon=4)
    usual = (sampler.exemplars(np.random.default_rng(0), 8)[0, DANCE, :, 0] > 0.6).mean()
    assert usual == pytest.approx(1 / (1 + 9**CONTENT_POWER), abs=0.1)
    rare = np.flatnonzero(sampler.database.content == "1/salsa")
    monkeypatch.setattr(dataset, "class_posterior", lambda _, clips: np.where(np.isin(clips, rare), 1e-6, 1.0))
    told = (sampler.exemplars(np.random.default_rng(0), 8)[0, DANCE, :, 0] > 0.6).mean()
    assert told == pytest.approx(usual, abs=0.1)


def test_a_kind_that_no_clip_shows_has_middling_phrases() -> None:
    sampler, _ = synthetic_sampler()
    exemplars = sampler.exemplars(np.random.default_rng(0), 8)
    np.testing.assert_allclose(exemplars[:, WALK, :, 0], 0.3)
    assert not exemplars[:, WALK, :, 1:].any() and exemplars[:, GESTURE, :, 1:].any()


def test_an_emotion_that_no_clip_shows_has_middling_phrases() -> None:
    clips = synthetic_clips()
    shown = [i for i, label in enumerate(clips.labels) if label != "1/sad"]
    database = build_database(clips, shown, condition_names(PALETTE, clips))
    exemplars = WindowSampler(database, 8, length=24, horizon=4).exemplars(np.random.default_rng(0), 8)
    assert (exemplars[2, ..., 0] > 0.1).all() and (exemplars[2, ..., 1:] == 0).all()


def test_held_out_clips_are_measured_in_the_units_of_the_others() -> None:
    sampler, _ = synthetic_sampler()
    clips = synthetic_clips()
    database = build_database(clips, [3], condition_names(PALETTE, clips))
    held_out = WindowSampler(database, 8, length=24, horizon=4, descriptor_space=sampler.descriptor_space)
    first = sampler.database.starts[6]  # each clip is in the database twice, mirrored too
    np.testing.assert_allclose(
        held_out.descriptor[: database.starts[1]], sampler.descriptor[first:][: database.starts[1]], atol=1e-3
    )


@pytest.mark.parametrize("window", [SPEED_HORIZON_FRAMES, 8])
def test_coming_speed_is_the_mean_of_what_lies_ahead(window: int) -> None:
    speed = np.arange(window + 5, dtype=np.float64) ** 2
    expected = [speed[t + 1 : t + 1 + window].mean() for t in range(5)]
    np.testing.assert_allclose(future_mean_speed(speed, window), expected, rtol=1e-6)


def test_more_speed_is_heard_as_more_activity() -> None:
    heard = encode_speed([0.0, 0.1, 0.3, 1.0])
    assert (np.diff(heard) > 0).all() and np.isfinite(heard).all()


def test_features_of_the_bank_are_those_of_the_clips() -> None:
    clips = synthetic_clips()
    database = build_database(clips, [3], condition_names(PALETTE, clips))
    np.testing.assert_allclose(
        database.features[: database.starts[1]], positions_to_features(clips.clip(3)), atol=1e-6
    )


def test_tiny_recipe_fits_the_sampler() -> None:
    sampler, _ = synthetic_sampler()
    windows = sampler.draw(np.random.default_rng(0), TINY.batch)
    assert windows.plans.shape == (TINY.batch, TINY.length, TINY.horizon, 52)
    assert np.isfinite(windows.plans).all() and np.isfinite(windows.steps).all()
