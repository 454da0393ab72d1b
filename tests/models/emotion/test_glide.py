import numpy as np
import pytest

from models.emotion.glide import EmotionGlide

A, B, C = np.eye(3, dtype=np.float32)


def test_a_glide_is_monotone_and_sums_to_one_at_every_instant() -> None:
    glide = EmotionGlide.at(A).toward(B, now=10.0, seconds=0.5)
    weights = np.stack([glide.weights_at(t) for t in np.linspace(9.9, 10.7, 200)])
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert (np.diff(weights[:, 0]) <= 0).all() and (np.diff(weights[:, 1]) >= 0).all()
    np.testing.assert_array_equal(weights[0], A)
    np.testing.assert_array_equal(weights[-1], B)


def test_half_the_time_is_three_quarters_of_the_way() -> None:
    glide = EmotionGlide.at(A).toward(B, now=0.0, seconds=2.0)
    np.testing.assert_allclose(glide.weights_at(1.0), [0.25, 0.75, 0.0])


def test_a_target_that_moves_all_the_time_is_followed() -> None:
    """A fader sends sixty targets a second; what is shown may lag behind it, but not for ever."""
    glide, seconds = EmotionGlide.at(A), 0.5
    for tick in range(120):
        time = tick / 60
        target = (1 - time / 2) * A + time / 2 * B
        glide = glide.toward(target.astype(np.float32), time, seconds)
    assert glide.weights_at(2.0)[1] > 1 - 0.6 * seconds


def test_no_time_means_at_once() -> None:
    np.testing.assert_array_equal(EmotionGlide.at(A).toward(B, 5.0, 0.0).weights_at(5.0), B)


def test_a_change_of_mind_goes_on_from_where_it_is() -> None:
    glide = EmotionGlide.at(A).toward(B, now=0.0, seconds=1.0)
    turned = glide.toward(C, now=0.4, seconds=1.0)
    np.testing.assert_allclose(turned.weights_at(0.4), glide.weights_at(0.4), atol=1e-6)
    np.testing.assert_array_equal(turned.weights_at(1.4), C)


def test_the_same_target_again_does_not_begin_anew() -> None:
    glide = EmotionGlide.at(A).toward(B, now=0.0, seconds=1.0)
    assert glide.toward(B.copy(), now=0.5, seconds=1.0) is glide


@pytest.mark.parametrize("time", [-1e9, 0.0, 1e9])
def test_a_glide_to_nowhere_stays(time: float) -> None:
    np.testing.assert_array_equal(EmotionGlide.at(A).weights_at(time), A)
