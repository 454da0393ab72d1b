"""Which exemplars tell their emotion."""

import numpy as np
import pytest

from models.network.conditioning import EXEMPLAR_SIZE
from models.network.exemplar_selection import class_posterior, sparsity, tilt_to_mean


def phrases_at(*speeds: float, count: int = 8) -> np.ndarray:
    """`count` exemplars of one emotion that move at the given speeds in the mean descriptor."""
    table = np.zeros((count, EXEMPLAR_SIZE))
    table[:, 0] = np.resize(speeds, count)
    return table


def separate(exemplars: np.ndarray) -> np.ndarray:
    """Each exemplar from a clip of its own."""
    return np.arange(exemplars.shape[0] * exemplars.shape[1]).reshape(exemplars.shape[:2])


def test_a_movement_that_one_emotion_alone_shows_tells_it() -> None:
    exemplars = np.stack([phrases_at(0.03), phrases_at(1.2)])
    assert (class_posterior(exemplars, separate(exemplars)) > 0.99).all()


def test_standing_that_two_emotions_share_tells_neither() -> None:
    exemplars = np.stack([phrases_at(0.03, 1.2), phrases_at(0.03, 0.3)])
    shares = class_posterior(exemplars, separate(exemplars))
    np.testing.assert_allclose(shares[:, ::2], 0.45, atol=0.05)
    assert (shares[:, 1::2] > 0.9).all()


def test_a_manner_of_its_own_tells_as_a_speed_does() -> None:
    exemplars = np.stack([phrases_at(0.3), phrases_at(0.3)])
    exemplars[1, :, 3] = 3.0
    assert (class_posterior(exemplars, separate(exemplars)) > 0.99).all()


def test_a_clip_does_not_vouch_for_itself() -> None:
    exemplars = np.stack([phrases_at(0.3), phrases_at(0.3)])
    clips = separate(exemplars)
    assert (class_posterior(exemplars, clips)[0] > 0.4).all()
    clips[0] = 0  # one clip only, and all that is like it in other clips is of the other emotion
    assert (class_posterior(exemplars, clips)[0] < 0.01).all()


def test_far_from_everything_all_are_as_likely() -> None:
    exemplars = np.stack([phrases_at(0.02), phrases_at(1.2)])
    clips = separate(exemplars)
    clips[0] = 0
    np.testing.assert_allclose(class_posterior(exemplars, clips)[0], 0.5, atol=0.01)


def test_what_tells_is_not_livelier_than_what_actors_do() -> None:
    speeds = np.linspace(0.1, 1.1, 40)
    shares = speeds**2  # the livelier, the better it tells
    chances = tilt_to_mean(shares, speeds)
    assert chances.sum() == pytest.approx(1.0)
    assert chances @ speeds == pytest.approx(speeds.mean(), rel=1e-6)
    tilt = np.diff(np.log(chances / shares)) / np.diff(speeds)
    np.testing.assert_allclose(tilt, tilt[0], rtol=1e-6)  # the shares, times an exponential
    assert tilt[0] < 0


@pytest.mark.parametrize("livelier", [0.8, 1.25])
def test_it_can_be_livelier_or_calmer_on_purpose(livelier: float) -> None:
    speeds = np.linspace(0.1, 1.1, 40)
    chances = tilt_to_mean(np.ones(40), speeds, livelier)
    assert chances @ speeds == pytest.approx(livelier * speeds.mean(), rel=1e-6)


def test_shares_that_ask_for_no_other_speed_stay_as_they_are() -> None:
    speeds = np.array([0.2, 0.4, 0.4, 0.6])
    shares = np.array([0.5, 0.1, 0.9, 0.5])
    np.testing.assert_allclose(tilt_to_mean(shares, speeds), shares / 2, rtol=1e-6)
    np.testing.assert_allclose(tilt_to_mean(shares, np.full(4, 0.3)), shares / 2, rtol=1e-6)


def test_an_emotion_of_few_clips_has_scarce_phrases() -> None:
    chance = np.random.default_rng(0)
    many, few = chance.standard_normal((2, 64, EXEMPLAR_SIZE))
    few = few[:4].repeat(16, axis=0) + 0.02 * few
    exemplars = np.stack([many, few])
    exemplars[..., 0] = 0.3
    plenty, little = sparsity(exemplars)
    assert plenty < 0.2 and little > 0.7


def test_one_phrase_again_and_again_says_nothing_of_how_many_there_are() -> None:
    assert sparsity(np.stack([phrases_at(0.3), phrases_at(0.3, 0.3001)])).tolist() == [
        0.0,
        pytest.approx(1, abs=0.01),
    ]
