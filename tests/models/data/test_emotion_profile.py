import numpy as np
import pytest

from models.data.clips import Clips
from models.data.emotion_profile import FEATURE_NAMES, EmotionProfiles, movement_features
from models.motion.features import features_to_positions, positions_to_features, turn
from models.motion.skeleton import INDEX, FloatArray
from tests.synthetic import clips_of, swinging_figure

EMOTIONS = ("neutral", "happy", "sad", "angry")
UP, FORWARD = (0.0, 1.0, 0.0), (0.0, 1.0, 0.6)


def figure(rate: float = 1.0, phase: float = 0.0, **bones: tuple[float, float, float]) -> FloatArray:
    """Positions (90, 17, 3) of a figure that swings, with some bones held in a direction."""
    features = positions_to_features(swinging_figure(90, rate=rate, phase=phase))
    for joint, direction in bones.items():
        first = 3 * (INDEX[joint] - 1)
        features[:, first : first + 3] = np.array(direction) / np.linalg.norm(direction)
    return features_to_positions(features)


def changes(positions: FloatArray, before: FloatArray | None = None) -> dict[str, float]:
    """How each feature differs from that of the plain figure."""
    usual = figure() if before is None else before
    difference = movement_features(positions) - movement_features(usual)
    return dict(zip(FEATURE_NAMES, difference, strict=True))


def test_faster_swings_raise_speed_acceleration_and_jerk_by_powers_of_the_rate() -> None:
    changed = changes(figure(rate=2.0))
    for power, name in enumerate(("speed", "acceleration", "jerk"), start=1):
        assert changed[name] == pytest.approx(power * np.log(2), abs=0.25)
    assert abs(changed["inclination of trunk"]) < 0.02 and abs(changed["travel"]) < 0.02


def test_bent_knees_raise_the_bend_of_knees_alone() -> None:
    bent = {"left_knee": (0, -1, 0.7), "right_knee": (0, -1, 0.7), "left_ankle": (0, -1, -0.7)}
    changed = changes(figure(**bent, right_ankle=(0, -1, -0.7)))
    assert changed["bend of knees"] > 0.5
    assert abs(changed["bend of elbows"]) < 1e-3 and abs(changed["height of hands"]) < 1e-3


def test_raised_hands_raise_the_height_of_hands() -> None:
    raised = {f"{side}_{joint}": UP for side in ("left", "right") for joint in ("elbow", "wrist")}
    changed = changes(figure(**raised))
    assert changed["height of hands"] > 0.7
    assert abs(changed["bend of knees"]) < 1e-3 and abs(changed["height of head"]) < 1e-3
    assert changed["hands against feet"] < -0.5, "hands that are held are slower than feet that go"


def test_a_trunk_that_leans_forward_is_inclined_wherever_it_faces() -> None:
    leaning = figure(neck=FORWARD)
    for yaw in (0.0, 2.0, -1.2):
        changed = changes(turn(leaning, np.full((90, 1), yaw)))
        assert changed["inclination of trunk"] == pytest.approx(np.arctan(0.6), abs=0.02)


def test_a_bowed_head_is_inclined_and_the_trunk_is_not() -> None:
    changed = changes(figure(head=(0, 0.5, 1.0)))
    assert changed["inclination of head"] > 0.5 and abs(changed["inclination of trunk"]) < 1e-3


def test_elbows_held_out_and_a_wide_stance_are_seen() -> None:
    assert changes(figure(left_elbow=(1, -0.2, 0), right_elbow=(-1, -0.2, 0)))["elbows out"] > 0.1
    wide = changes(figure(left_knee=(0.5, -1, 0), right_knee=(-0.5, -1, 0)))
    assert wide["width of stance"] > 0.2


def test_who_stays_in_place_travels_less_and_who_bounces_bounces_more() -> None:
    moved = figure()
    moved[..., [0, 2]] -= moved[:, :1, [0, 2]]
    moved[..., 1] += 0.05 * np.sin(0.6 * np.arange(90))[:, None]
    changed = changes(moved)
    assert changed["travel"] < -2 and changed["bounce"] > 1
    assert abs(changed["speed"]) < 1e-3, "speed is that of the limbs"


def test_movement_in_bursts_is_sharper() -> None:
    features = positions_to_features(swinging_figure(400, rate=0.5))
    clock = np.cumsum(np.where(np.arange(90) % 30 < 5, 6.0, 1.0)).astype(int)
    assert changes(features_to_positions(features[clock]))["sharpness"] > 0.3


def test_the_features_say_nothing_of_where_a_body_stands_and_faces() -> None:
    dance = figure(rate=1.3, neck=FORWARD)
    moved = turn(dance, np.full((90, 1), 2.2)) + np.array([4.0, 0.0, -3.0])
    np.testing.assert_allclose(movement_features(moved), movement_features(dance), atol=1e-3)


def raised(rate: float, phase: float) -> FloatArray:
    return figure(rate, phase, left_wrist=UP, right_wrist=UP)


def bowed(rate: float, phase: float) -> FloatArray:
    return figure(rate, phase, neck=FORWARD, head=(0, 0.2, 1))


def acted() -> Clips:
    """Two contents acted in neutral, happy (quicker, hands up) and sad (slower, bowed), a few times each."""
    parts = []
    for content, rate in (("wave", 0.8), ("walk", 1.3)):
        for phase in (0.0, 0.7, 1.4):
            parts += [
                ("1", content, "normal", figure(rate, phase)),
                ("1", content, "happy", raised(1.3 * rate, phase)),
                ("1", content, "sad", bowed(0.7 * rate, phase)),
            ]
    return clips_of(parts)


def fitted(clips: Clips) -> EmotionProfiles:
    return EmotionProfiles.fit(clips, range(len(clips)), EMOTIONS)


def test_a_profile_is_what_an_emotion_changes() -> None:
    profiles = fitted(acted()).profiles
    at = {name: index for index, name in enumerate(FEATURE_NAMES)}
    happy, sad = profiles[1], profiles[2]
    assert happy[at["speed"]] > 0 > sad[at["speed"]]
    assert happy[at["height of hands"]] > 0 and sad[at["inclination of trunk"]] > 0
    assert not profiles[0].any() and not profiles[3].any(), "of neutral, and of what nobody acted"


def test_the_emotion_of_another_content_is_told_by_its_profile() -> None:
    profiles = fitted(acted())
    neutral = [figure(1.7, phase) for phase in (0.2, 0.9)]
    for emotion, dances in {
        1: [raised(2.1, phase) for phase in (0.2, 0.9)],
        2: [bowed(1.2, phase) for phase in (0.2, 0.9)],
    }.items():
        likeness = profiles.compare(neutral, dances)
        assert likeness.argmax() == emotion and likeness[emotion] > 0.6
        assert likeness[0] == 0.0 and likeness[3] == 0.0
        against = profiles.compare(dances, neutral)
        np.testing.assert_allclose(against, -likeness, atol=1e-9)


def test_movement_that_differs_in_nothing_is_like_no_emotion() -> None:
    neutral = [figure(1.7)]
    assert not fitted(acted()).compare(neutral, neutral).any()


def test_only_acted_clips_that_are_long_enough_count() -> None:
    clips = acted()
    wild = [("2", "wave", "normal", figure(5.0)), ("1", "wave", "normal", figure(5.0)[:29])]
    parts = list(
        zip(clips.datasets, clips.contents, clips.styles, map(clips.clip, range(len(clips))), strict=True)
    )
    more = fitted(clips_of([*parts, *wild]))
    np.testing.assert_allclose(more.profiles, fitted(clips).profiles)


def test_without_acted_neutral_clips_there_is_nothing_to_compare_with() -> None:
    clips = clips_of([("1", "wave", "happy", figure()), ("3", "salsa", "normal", figure())])
    with pytest.raises(ValueError, match="no acted clip shows"):
        fitted(clips)
