import numpy as np
import pytest

from models.data.literature import FINDINGS, from_literature
from models.data.restyling import Restyling
from models.emotion.palette import DEFAULT_PALETTE
from models.motion.features import HEIGHT, features_to_positions, mirror_features, positions_to_features
from models.motion.skeleton import INDEX, FloatArray, joint_speed
from tests.synthetic import swinging_figure

NAMES = DEFAULT_PALETTE.names


def restyled(name: str) -> FloatArray:
    """Positions of a figure that swings its limbs, in an emotion."""
    restyling = from_literature(Restyling.none(len(NAMES)), NAMES, NAMES)
    features = positions_to_features(swinging_figure(240))
    return features_to_positions(restyling.clip(features, NAMES.index(name), 1.0))


def head(positions: FloatArray) -> float:
    """How far the head is before the neck, metres."""
    return float((positions[:, INDEX["head"], 2] - positions[:, INDEX["neck"], 2]).mean())


def test_every_emotion_but_neutral_has_findings() -> None:
    assert set(FINDINGS) == set(NAMES) - {"neutral"}


@pytest.mark.parametrize(("calm", "lively"), [("sad", "neutral"), ("timid", "happy"), ("neutral", "energetic")])
def test_movement_is_slower_or_quicker_as_was_found(calm: str, lively: str) -> None:
    assert joint_speed(restyled(calm)).mean() < 0.9 * joint_speed(restyled(lively)).mean()


def test_the_head_hangs_when_sad_and_is_tilted_back_when_proud() -> None:
    assert head(restyled("sad")) > head(restyled("neutral")) + 0.02
    assert head(restyled("proud")) < head(restyled("neutral")) - 0.02


def test_the_proud_open_their_arms_and_the_timid_keep_them_close() -> None:
    def width(name: str) -> float:
        elbows = restyled(name)[:, [INDEX["left_elbow"], INDEX["right_elbow"]], 0]
        return float((elbows[:, 0] - elbows[:, 1]).mean())

    assert width("timid") + 0.04 < width("neutral") < width("proud") - 0.04


def test_bent_knees_lower_the_pelvis_by_as_much_as_the_legs_grow_shorter() -> None:
    restyling = from_literature(Restyling.none(len(NAMES)), NAMES, NAMES)
    shift = restyling.shift[NAMES.index("timid")]
    assert -0.05 < shift[HEIGHT] < 0.0


def test_left_and_right_are_changed_alike() -> None:
    restyling = from_literature(Restyling.none(len(NAMES)), NAMES, NAMES)
    for shift in restyling.shift:
        mirrored = mirror_features(np.concatenate([shift, np.zeros(3)]))
        np.testing.assert_allclose(mirrored[: len(shift)], shift, atol=1e-6)


def test_what_was_acted_stays_and_so_does_what_nobody_studied() -> None:
    names = ("neutral", "happy", "bored")
    before = Restyling.none(3)
    before.shift[1] = 0.3
    after = from_literature(before, names, ["neutral", "bored"])
    for name, value in vars(after).items():
        np.testing.assert_array_equal(value, getattr(before, name))
