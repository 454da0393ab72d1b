from dataclasses import replace

import numpy as np
import pytest

from models.data.clips import Clips
from models.data.restyling import DEVIATION_FLOOR, TEMPO_LIMITS, Restyling
from models.motion.features import (
    DIRECTIONS,
    HEIGHT,
    POSE_SIZE,
    features_to_positions,
    mirror_features,
    positions_to_features,
)
from models.motion.skeleton import INDEX, FloatArray, joint_speed
from tests.synthetic import clips_of, swinging_figure

EMOTIONS = ("neutral", "happy", "sad")
HAPPY, SAD = 1, 2
FRAMES = 240
FOREARM = 3 * (INDEX["left_wrist"] - 1)
"""The first of the three features of a bone that swings."""


def bouncing(rate: float = 1.0, bounce: float = 0.1, height: float = 0.9) -> FloatArray:
    """Positions (240, 17, 3) of a figure that swings its limbs and bounces about a height."""
    positions = swinging_figure(FRAMES, rate=rate)
    moved = bounce * np.sin(2 * np.pi * rate * np.arange(FRAMES) / 30)
    positions[..., 1] += (height + moved - positions[:, 0, 1])[:, None]
    return positions


def acted(**happy: float) -> Clips:
    """Two contents that are acted in neutral and happy, and one that is acted in neutral alone."""
    return clips_of(
        [
            ("1", "wave", "normal", bouncing()),
            ("1", "wave", "happy", bouncing(**happy)),
            ("1", "walk", "normal", bouncing(rate=0.5)),
            ("1", "walk", "happy", bouncing(**{"rate": 0.5, **happy})),
            ("1", "bow", "normal", bouncing(rate=3.0, height=0.3)),
        ]
    )


def fitted(clips: Clips) -> Restyling:
    return Restyling.fit(clips, range(len(clips)), EMOTIONS)


def some_restyling() -> Restyling:
    """One that changes everything in happy and in sad, the other way round."""
    rng = np.random.default_rng(0)
    shift = rng.normal(0, 0.1, POSE_SIZE)
    amplitude = rng.uniform(0.6, 1.6, POSE_SIZE)
    both = [
        np.stack(part).astype(np.float32)
        for part in ((0 * shift, shift, -shift), (0 * shift + 1, amplitude, 1 / amplitude))
    ]
    return Restyling(*both, np.float32([1.0, 1.25, 0.8]), np.float32([0.0, 0.5, -0.2]))


def changes_nothing(restyling: Restyling) -> bool:
    none = Restyling.none(len(EMOTIONS))
    return all(np.array_equal(value, getattr(none, name)) for name, value in vars(restyling).items())


def test_a_lower_body_is_found_as_a_shift() -> None:
    restyling = fitted(acted(height=0.8))
    assert restyling.shift[HAPPY, HEIGHT] == pytest.approx(-0.1, abs=1e-4)
    np.testing.assert_allclose(restyling.shift[HAPPY, DIRECTIONS], 0.0, atol=1e-4)
    np.testing.assert_allclose(restyling.amplitude[HAPPY], 1.0, atol=1e-3)
    assert restyling.tempo[HAPPY] == pytest.approx(1.0, abs=1e-3)


def test_a_larger_bounce_is_found_as_an_amplitude() -> None:
    restyling = fitted(acted(bounce=0.2))
    deviation = 0.1 / np.sqrt(2)
    expected = (2 * deviation + DEVIATION_FLOOR) / (deviation + DEVIATION_FLOOR)
    assert restyling.amplitude[HAPPY, HEIGHT] == pytest.approx(expected, rel=0.01)
    np.testing.assert_allclose(restyling.amplitude[HAPPY, DIRECTIONS], 1.0, atol=1e-3)
    assert abs(restyling.shift[HAPPY, HEIGHT]) < 1e-3


def test_quicker_movement_is_found_as_a_tempo() -> None:
    clips = clips_of(
        [("1", "wave", "normal", bouncing(rate=1.0)), ("1", "wave", "happy", bouncing(rate=1.3))]
        + [("1", "walk", "normal", bouncing(rate=0.5)), ("1", "walk", "happy", bouncing(rate=0.65))]
    )
    restyling = fitted(clips)
    assert restyling.tempo[HAPPY] == pytest.approx(1.3, rel=0.02)
    np.testing.assert_allclose(restyling.amplitude[HAPPY], 1.0, atol=0.05)


def test_neutral_and_an_emotion_that_nobody_acted_change_nothing() -> None:
    restyling = fitted(acted(height=0.8, bounce=0.2))
    none = Restyling.none(1)
    for name, value in vars(restyling).items():
        for emotion in (0, SAD):
            np.testing.assert_array_equal(value[emotion], getattr(none, name)[0])


@pytest.mark.parametrize("spoiled", ["dataset", "content", "neutral", "short"])
def test_without_the_same_content_acted_in_both_nothing_changes(spoiled: str) -> None:
    clips = acted(height=0.8)
    if spoiled == "dataset":
        clips = replace(clips, datasets=("2",) * len(clips))
    if spoiled == "content":
        clips = replace(clips, contents=tuple(f"{i}" for i in range(len(clips))))
    if spoiled == "neutral":
        clips = replace(clips, styles=("happy",) * len(clips))
    if spoiled == "short":
        clips = clips_of([("1", "wave", style, bouncing()[:20]) for style in ("normal", "happy")])
    assert changes_nothing(fitted(clips))


def test_left_and_right_are_changed_alike() -> None:
    clips = acted()
    happy = swinging_figure(FRAMES, turn=0.5)
    happy[:, INDEX["left_wrist"]] += [0.0, 0.2, 0.0]
    clips.positions[FRAMES : 2 * FRAMES] = happy
    shift = fitted(clips).shift[HAPPY]
    assert np.abs(shift[FOREARM : FOREARM + 3]).max() > 0.05
    mirrored = mirror_features(np.concatenate([shift, np.zeros(3)]))[:POSE_SIZE]
    np.testing.assert_allclose(mirrored, shift, atol=1e-5)


def poses_and_mean() -> tuple[FloatArray, FloatArray]:
    poses = positions_to_features(bouncing())[:, :POSE_SIZE]
    return poses, poses.mean(axis=0)


@pytest.mark.parametrize("size", [0.0, 1.0, 1.6])
def test_directions_of_a_restyled_pose_are_of_length_one(size: float) -> None:
    poses, mean = poses_and_mean()
    changed = some_restyling().pose(poses, mean, np.float32([0.2, 0.5, 0.3]), size)
    lengths = np.linalg.norm(changed[:, DIRECTIONS].reshape(-1, 16, 3), axis=-1)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-5)


def test_an_emotion_of_size_nothing_changes_nothing() -> None:
    poses, mean = poses_and_mean()
    changed = some_restyling().pose(poses, mean, np.float32([0.0, 1.0, 0.0]), 0.0)
    np.testing.assert_allclose(changed, poses, atol=1e-5)


def test_posture_and_amplitude_grow_with_the_size() -> None:
    poses, mean = poses_and_mean()
    restyling, happy = some_restyling(), np.eye(3, dtype=np.float32)[HAPPY]
    means, spreads = [], []
    for size in (0.0, 1.0, 2.0):
        height = restyling.pose(poses, mean, happy, size)[:, HEIGHT]
        means.append(height.mean() - mean[HEIGHT])
        spreads.append(height.std() / poses[:, HEIGHT].std())
    np.testing.assert_allclose(means, restyling.shift[HAPPY, HEIGHT] * np.arange(3), atol=1e-5)
    np.testing.assert_allclose(spreads, restyling.amplitude[HAPPY, HEIGHT] ** np.arange(3), rtol=1e-3)


def test_a_blend_of_emotions_lies_between_them() -> None:
    restyling = some_restyling()
    weights = np.float32([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]])
    shift, amplitude = restyling.blend(weights)
    np.testing.assert_array_equal(shift[1], restyling.shift[HAPPY])
    np.testing.assert_allclose(amplitude[1], restyling.amplitude[HAPPY], rtol=1e-5)
    np.testing.assert_allclose(shift[2], (shift[0] + shift[1]) / 2, atol=1e-6)
    np.testing.assert_allclose(amplitude[2], np.sqrt(amplitude[0] * amplitude[1]), rtol=1e-5)
    # Of opposite emotions nothing is left.
    opposite = restyling.blend(np.float32([0, 0.5, 0.5]))
    np.testing.assert_allclose(opposite[0], 0.0, atol=1e-6)
    np.testing.assert_allclose(opposite[1], 1.0, rtol=1e-5)


def played(features: FloatArray, tempo: float = 1.0, accent: float = 0.0) -> FloatArray:
    one = Restyling.none(1)
    given = np.float32([tempo]), np.float32([accent])
    return replace(one, tempo=given[0], accent=given[1]).clip(features, 0, 1.0)


def speed_of(features: FloatArray) -> FloatArray:
    return joint_speed(features_to_positions(features))


def test_a_clip_that_nothing_changes_is_the_same() -> None:
    features = positions_to_features(bouncing())
    np.testing.assert_allclose(Restyling.none(3).clip(features, HAPPY, 1.6), features, atol=1e-5)


def test_a_clip_takes_on_posture_amplitude_and_tempo_of_the_emotion() -> None:
    clips = acted(height=0.8, bounce=0.2, rate=1.3)
    styled = fitted(clips).clip(positions_to_features(clips.clip(0)), HAPPY, 1.0)
    acted_height = positions_to_features(clips.clip(1))[:, HEIGHT]
    assert styled[:, HEIGHT].mean() == pytest.approx(acted_height.mean(), abs=0.01)
    assert 0.1 / np.sqrt(2) < styled[:, HEIGHT].std() <= acted_height.std()
    assert len(styled) < FRAMES


@pytest.mark.parametrize("tempo", [0.8, 1.25])
def test_at_another_tempo_a_clip_is_as_much_shorter_and_quicker(tempo: float) -> None:
    features = positions_to_features(swinging_figure(FRAMES, turn=0.3))
    changed = played(features, tempo=tempo)
    assert len(changed) == pytest.approx(FRAMES / tempo, abs=2)
    np.testing.assert_allclose(
        changed[:, POSE_SIZE:].mean(axis=0), tempo * features[:, POSE_SIZE:].mean(axis=0), atol=0.01
    )
    assert speed_of(changed).mean() == pytest.approx(tempo * speed_of(features).mean(), rel=0.02)
    # The same way is danced.
    ends = [features_to_positions(part)[-1, 0] for part in (features, changed)]
    np.testing.assert_allclose(ends[0], ends[1], atol=0.05)


@pytest.mark.parametrize(("asked", "taken"), [(0.1, TEMPO_LIMITS[0]), (9.0, TEMPO_LIMITS[1])])
def test_no_clip_is_played_slower_or_quicker_than_the_limits(asked: float, taken: float) -> None:
    features = positions_to_features(bouncing())
    np.testing.assert_allclose(played(features, tempo=asked), played(features, tempo=taken), atol=1e-6)


def uneven() -> FloatArray:
    """Features (240, 52) of swings that are quick for half a second every two seconds, and slow between."""
    at = np.arange(FRAMES)
    clock = np.cumsum(np.where(at % 60 < 15, 3.0, 0.5))
    source = positions_to_features(swinging_figure(600, rate=0.7))
    return source[clock.astype(int)]


def test_an_accent_makes_quick_parts_quicker_and_slow_ones_slower_in_about_the_same_time() -> None:
    features = uneven()
    sharper = played(features, accent=0.4)
    assert len(sharper) == pytest.approx(FRAMES, rel=0.03)

    def contrast(movement: FloatArray) -> float:
        speed = np.convolve(speed_of(movement), np.ones(5) / 5, mode="valid")
        return float(np.percentile(speed, 90) / np.median(speed))

    assert contrast(sharper) > 1.1 * contrast(features)
    assert contrast(played(features, accent=-0.4)) < 0.95 * contrast(features)
