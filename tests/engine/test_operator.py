import math

import numpy as np
import pytest

from engine.mailbox import Mailbox
from engine.operator import Controls, Operator
from models.palette import DEFAULT_PALETTE


@pytest.fixture
def operator() -> Operator:
    return Operator(DEFAULT_PALETTE, Mailbox())


def now(operator: Operator) -> Controls:
    controls = operator.mailbox.latest()
    assert controls is not None
    return controls


def test_it_begins_in_the_first_emotion(operator: Operator) -> None:
    np.testing.assert_array_equal(now(operator).emotion_target, DEFAULT_PALETTE.one_hot(0))
    assert now(operator).emotion_changed_at is None


def test_an_emotion_is_set_by_name_or_by_index(operator: Operator) -> None:
    operator.set_emotion("SAD")
    np.testing.assert_array_equal(now(operator).emotion_target, DEFAULT_PALETTE.one_hot(2))
    operator.set_emotion(7)
    np.testing.assert_array_equal(now(operator).emotion_target, DEFAULT_PALETTE.one_hot(7))
    assert now(operator).emotion_changed_at is not None and now(operator).caption is None


def test_a_blend_is_said_on_the_screen_and_in_the_log(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        operator.set_emotion("fear")
    assert "fear is not in the palette" in (now(operator).caption or "")
    assert "fear is not in the palette" in caplog.text


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 5.0])
def test_one_weight_leaves_the_rest_to_the_others_in_proportion(operator: Operator, weight: float) -> None:
    operator.set_valence_arousal(0.2, 0.3)
    before = now(operator).emotion_target
    operator.set_weight("happy", weight)
    after = now(operator).emotion_target
    assert after[1] == pytest.approx(min(weight, 1.0)) and after.sum() == pytest.approx(1.0)
    if weight < 1:
        others = np.delete(after, 1) / np.delete(before, 1)
        np.testing.assert_allclose(others, others[0], rtol=1e-4)


def test_taking_away_the_only_emotion_shares_it_among_the_others(operator: Operator) -> None:
    operator.set_weight("neutral", 0.0)
    np.testing.assert_allclose(now(operator).emotion_target, [0] + [1 / 7] * 7, rtol=1e-5)


def test_values_are_kept_in_their_range(operator: Operator) -> None:
    operator.set_influence(3)
    operator.set_energy(-1)
    operator.set_glide(1e9)
    assert (now(operator).influence, now(operator).energy, now(operator).glide_s) == (1.0, 0.0, 60.0)


def test_every_new_start_is_counted(operator: Operator) -> None:
    operator.reset()
    operator.reset()
    assert now(operator).resets == 2


@pytest.mark.parametrize(
    "attempt",
    [
        lambda o: o.set_emotion("bored"),
        lambda o: o.set_emotion(8),
        lambda o: o.set_emotion(-1),
        lambda o: o.set_weight("fear", 0.5),
        lambda o: o.set_weight("happy", math.nan),
        lambda o: o.set_valence_arousal(math.inf, 0),
        lambda o: o.set_influence(math.nan),
        lambda o: o.set_mode("party"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(operator: Operator, attempt) -> None:  # type: ignore[no-untyped-def]
    before = now(operator)
    with pytest.raises(ValueError):
        attempt(operator)
    assert now(operator) is before
