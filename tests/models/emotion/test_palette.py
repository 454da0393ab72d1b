import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.emotion.palette import DATASET_EMOTIONS, DEFAULT_PALETTE, NORMS, Palette, UnknownEmotion, norm_point

coordinate = st.floats(-1, 1, allow_nan=False)


@given(coordinate, coordinate)
def test_weights_of_any_point_sum_to_one(valence: float, arousal: float) -> None:
    weights = DEFAULT_PALETTE.weights_at(valence, arousal)
    assert (weights >= 0).all()
    assert abs(float(weights.sum()) - 1) < 1e-5


@given(coordinate, coordinate, st.floats(-1e-4, 1e-4))
def test_weights_are_continuous(valence: float, arousal: float, step: float) -> None:
    before = DEFAULT_PALETTE.weights_at(valence, arousal)
    after = DEFAULT_PALETTE.weights_at(valence + step, arousal)
    assert np.abs(after - before).max() < 0.02


@pytest.mark.parametrize("index", range(8))
def test_a_palette_point_is_exactly_its_emotion(index: int) -> None:
    weights = DEFAULT_PALETTE.weights_at(*DEFAULT_PALETTE.points[index])
    np.testing.assert_array_equal(weights, DEFAULT_PALETTE.one_hot(index))


def test_a_point_that_is_no_point_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        DEFAULT_PALETTE.weights_at(float("nan"), 0.0)


@pytest.mark.parametrize("word", ["happy", " HAPPY ", "Happiness", "joy"])
def test_happy_has_many_names(word: str) -> None:
    np.testing.assert_array_equal(DEFAULT_PALETTE.resolve(word).weights, DEFAULT_PALETTE.one_hot(1))


@pytest.mark.parametrize("word", DATASET_EMOTIONS)
def test_all_seven_dataset_names_mean_something(word: str) -> None:
    resolved = DEFAULT_PALETTE.resolve(word)
    assert abs(float(resolved.weights.sum()) - 1) < 1e-5


def test_a_blend_says_what_it_is_made_of() -> None:
    resolved = DEFAULT_PALETTE.resolve("fear")
    assert np.count_nonzero(resolved.weights) == 3
    assert resolved.note is not None and resolved.note.startswith("fear is not in the palette: angry ")
    assert DEFAULT_PALETTE.resolve("sad").note is None


def test_a_palette_with_the_dataset_words_uses_them_itself() -> None:
    palette = Palette(("calm", "Fear"), ((0.2, -0.5), (-0.6, 0.6)))
    np.testing.assert_array_equal(palette.resolve("fear").weights, [0, 1])
    np.testing.assert_array_equal(palette.resolve("afraid").weights, [0, 1])


def test_an_unknown_word_is_told_what_there_is() -> None:
    with pytest.raises(UnknownEmotion, match="neutral, happy, sad"):
        DEFAULT_PALETTE.resolve("bored")


def test_the_card_gives_the_palette_back() -> None:
    assert Palette.from_card(json.loads(json.dumps(DEFAULT_PALETTE.to_card()))) == DEFAULT_PALETTE


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "valence", "arousal"]), inner)
    ),
)


@given(json_values)
def test_a_card_of_anything_is_a_palette_or_one_line(value: object) -> None:
    try:
        palette = Palette.from_card(value)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert len(palette) > 0


@pytest.mark.parametrize(
    "card",
    [
        [],
        [{"name": "calm", "valence": float("nan"), "arousal": 0}],
        [{"name": "calm", "valence": 0, "arousal": 2}],
        [{"name": "calm", "valence": True, "arousal": 0}],
        [{"name": "calm", "valence": 0, "arousal": 0}, {"name": "Calm", "valence": 1, "arousal": 0}],
        [{"name": "x" * 100, "valence": 0, "arousal": 0}],
    ],
)
def test_an_impossible_palette_is_refused(card: list) -> None:
    with pytest.raises(ValueError, match="palette"):
        Palette.from_card(card)


def test_every_entry_stands_where_its_word_was_rated() -> None:
    """1 to 9 onto -1 to 1: people rated "happy" 8.47 and 6.05."""
    assert DEFAULT_PALETTE.points[1] == pytest.approx((0.8675, 0.2625))
    assert DEFAULT_PALETTE.points == tuple(norm_point(name) for name in DEFAULT_PALETTE.names)
    assert set(DATASET_EMOTIONS) <= set(NORMS)
    assert all(1 <= rating <= 9 for ratings in NORMS.values() for rating in ratings)
