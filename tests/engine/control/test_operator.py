import math
import time

import numpy as np
import pytest

from engine.control.controls import Controls
from engine.control.operator import RETURN_RATE, Operator
from engine.streams.mailbox import Mailbox
from models.data.kinds import DEFAULT_REPERTOIRE, repertoire_of
from models.emotion.palette import DEFAULT_PALETTE


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
        lambda o: o.set_weight("bored", 0.5),
        lambda o: o.set_weight(8, 0.5),
        lambda o: o.toggle_emotion(0),
        lambda o: o.toggle_emotion(8),
        lambda o: o.change_intensity(math.nan),
        lambda o: o.set_weight("happy", math.nan),
        lambda o: o.set_valence_arousal(math.inf, 0),
        lambda o: o.set_influence(math.nan),
        lambda o: o.set_mode("party"),
        lambda o: o.set_repertoire("waltz"),
        lambda o: o.set_repertoire(3),
        lambda o: o.set_repertoire(-1),
        lambda o: o.set_repertoire([0, 0, 0]),
        lambda o: o.set_repertoire([1, 0]),
        lambda o: o.set_repertoire_weight("waltz", 0.5),
        lambda o: o.set_repertoire_weight(3, 0.5),
        lambda o: o.set_repertoire_weight("walk", math.nan),
    ],
)
def test_what_cannot_be_meant_changes_nothing(operator: Operator, attempt) -> None:  # type: ignore[no-untyped-def]
    before = now(operator)
    with pytest.raises(ValueError):
        attempt(operator)
    assert now(operator) is before


def test_shift_adds_to_the_blend_and_takes_out_again(operator: Operator) -> None:
    operator.set_emotion("happy")
    operator.toggle_emotion(5)
    np.testing.assert_allclose(now(operator).emotion_target[[1, 5]], 0.5)
    operator.toggle_emotion(7)
    np.testing.assert_allclose(now(operator).emotion_target[[1, 5, 7]], 1 / 3, rtol=1e-6)
    operator.toggle_emotion(1)
    np.testing.assert_allclose(now(operator).emotion_target[[5, 7]], 0.5, rtol=1e-6)
    assert now(operator).emotion_target.sum() == pytest.approx(1.0)


def test_intensity_leads_towards_neutral_and_back_without_forgetting_the_blend(operator: Operator) -> None:
    operator.set_emotion("angry")
    operator.change_intensity(-0.25)
    np.testing.assert_allclose(now(operator).emotion_target[[0, 3]], [0.25, 0.75])
    operator.change_intensity(-1.0)
    np.testing.assert_array_equal(now(operator).emotion_target, DEFAULT_PALETTE.one_hot(0))
    operator.set_intensity(1.0)
    np.testing.assert_array_equal(now(operator).emotion_target, DEFAULT_PALETTE.one_hot(3))


def test_intensity_stays_when_the_emotion_changes(operator: Operator) -> None:
    operator.set_intensity(0.5)
    operator.set_emotion("sad")
    np.testing.assert_allclose(now(operator).emotion_target[[0, 2]], 0.5)


def test_a_dataset_name_takes_a_weight_as_the_entry_or_blend_that_it_is(operator: Operator) -> None:
    operator.set_weight("anger", 0.4)
    np.testing.assert_allclose(now(operator).emotion_target[[0, 3]], [0.6, 0.4])
    operator.set_weight("surprise", 0.5)
    assert "surprise is not in the palette" in str(now(operator).caption)
    target, surprise = now(operator).emotion_target, DEFAULT_PALETTE.resolve("surprise").weights
    np.testing.assert_allclose(target[surprise > 0], 0.5 * surprise[surprise > 0], rtol=1e-5)
    assert target.sum() == pytest.approx(1.0)


def test_a_repertoire_is_set_by_name_by_index_or_by_weights(operator: Operator) -> None:
    np.testing.assert_array_equal(now(operator).repertoire, repertoire_of(DEFAULT_REPERTOIRE))
    operator.set_repertoire("Walk")
    np.testing.assert_array_equal(now(operator).repertoire, [0, 0, 1])
    operator.set_repertoire(1)
    np.testing.assert_array_equal(now(operator).repertoire, [0, 1, 0])
    assert now(operator).caption == "repertoire: gesture" and now(operator).captioned_at is not None
    operator.set_repertoire([8, 2, 0])
    np.testing.assert_allclose(now(operator).repertoire, [0.8, 0.2, 0])
    assert now(operator).caption == "repertoire: dance 80 %, gesture 20 %"


def test_one_weight_of_the_repertoire_leaves_the_rest_to_the_others_in_proportion(operator: Operator) -> None:
    operator.set_repertoire([0.6, 0.2, 0.2])
    operator.set_repertoire_weight("walk", 0.6)
    np.testing.assert_allclose(now(operator).repertoire, [0.3, 0.1, 0.6], rtol=1e-6)
    operator.set_repertoire_weight(2, 5.0)
    np.testing.assert_array_equal(now(operator).repertoire, [0, 0, 1])
    operator.set_repertoire_weight("walk", 0.0)
    np.testing.assert_array_equal(now(operator).repertoire, [0.5, 0.5, 0])


@pytest.mark.parametrize("default", [(1.0, 0.0, 0.0), (0.9, 0.05, 0.05)])
def test_the_next_repertoire_goes_round_the_kinds_and_the_default(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, default: tuple[float, ...]
) -> None:
    monkeypatch.setattr("engine.control.operator.DEFAULT_REPERTOIRE", default)
    operator.set_repertoire(default)
    seen = []
    for _ in range(4):
        operator.next_repertoire()
        seen.append(now(operator).repertoire.tolist())
    dance, gesture, walk = np.eye(3).tolist()
    if default == (1.0, 0.0, 0.0):
        assert seen == [gesture, walk, dance, gesture]
    else:
        assert seen == [dance, gesture, walk, repertoire_of(default).tolist()]
    operator.set_repertoire([1, 1, 0])
    operator.next_repertoire()
    assert now(operator).repertoire.tolist() == dance


SAD = DEFAULT_PALETTE.one_hot(2)
WALK = repertoire_of("walk")


def test_the_emotion_and_the_repertoire_leave_each_other_alone(operator: Operator) -> None:
    operator.set_emotion("sad")
    operator.set_repertoire("walk")
    np.testing.assert_array_equal(now(operator).emotion_target, SAD)
    operator.set_emotion("happy")
    np.testing.assert_array_equal(now(operator).repertoire, WALK)


def test_a_hand_on_the_repertoire_goes_over_the_show_and_comes_back_little_by_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: moment)
    operator = Operator(DEFAULT_PALETTE, Mailbox(), hold=30.0)
    operator.show_cue(SAD, repertoire=WALK)
    np.testing.assert_array_equal(now(operator).repertoire, WALK)
    assert now(operator).caption is None, "a show has no captions"
    operator.set_repertoire("gesture")
    seen = []
    for _ in range(100):
        moment += 0.5
        operator.show_cue(SAD, repertoire=WALK)
        seen.append(now(operator).repertoire)
    np.testing.assert_array_equal(seen[58], [0, 1, 0])
    np.testing.assert_allclose(seen[61], [0, 1 - 3 * RETURN_RATE / 2, 3 * RETURN_RATE / 2], rtol=1e-5)
    np.testing.assert_array_equal(seen[-1], WALK)
    np.testing.assert_allclose(np.sum(seen, axis=1), 1.0, rtol=1e-5)


def test_the_visitor_sets_the_emotion_only_while_automatic_is_on(operator: Operator) -> None:
    operator.suggest_emotion(SAD)
    np.testing.assert_array_equal(now(operator).emotion_target, DEFAULT_PALETTE.one_hot(0))
    operator.toggle_automatic()
    operator.suggest_emotion(SAD)
    np.testing.assert_array_equal(now(operator).emotion_target, SAD)
    assert now(operator).automatic and now(operator).caption == "automatic on"
    operator.toggle_automatic()
    assert not now(operator).automatic


def test_a_hand_goes_over_show_and_automatic_for_the_hold_and_no_longer() -> None:
    operator = Operator(DEFAULT_PALETTE, Mailbox(), hold=0.05)
    operator.set_emotion("proud")
    operator.set_energy(1.5)
    operator.show_cue(SAD, influence=0.9, energy=0.2)
    assert now(operator).emotion_target[5] == 1 and now(operator).energy == 1.5
    assert now(operator).influence == 0.9  # which no hand had touched
    time.sleep(0.06)
    operator.show_cue(SAD, influence=0.9, energy=0.2)
    np.testing.assert_array_equal(now(operator).emotion_target, SAD)
    assert now(operator).energy < 1.5


def test_what_a_hand_has_left_comes_back_to_the_show_little_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: moment)
    operator = Operator(DEFAULT_PALETTE, Mailbox(), hold=30.0)
    operator.show_cue(None, energy=1.0)
    operator.set_energy(2.0)
    seen = []
    for _ in range(100):
        moment += 0.5
        operator.show_cue(None, energy=1.0)
        seen.append(now(operator).energy)
    assert seen[:59] == [2.0] * 59 and seen[-1] == 1.0
    assert max(-np.diff(seen)) <= RETURN_RATE * 0.5 + 1e-9
    operator.show_cue(None, energy=0.3)  # what no hand has touched since follows at once
    assert now(operator).energy == 0.3
    operator.set_energy(0.3)  # a hand that changes nothing is over with its hold, too
    moment += 31.0
    operator.show_cue(None, energy=0.3)
    operator.show_cue(None, energy=2.0)
    assert now(operator).energy == 2.0


def test_a_hand_on_the_intensity_leaves_the_emotion_to_the_show(operator: Operator) -> None:
    operator.set_intensity(0.5)
    operator.show_cue(SAD)
    np.testing.assert_allclose(now(operator).emotion_target[[0, 2]], 0.5)


def test_automatic_goes_over_the_emotion_of_the_show_but_not_over_its_energy(operator: Operator) -> None:
    operator.set_automatic(True)
    operator.suggest_emotion(DEFAULT_PALETTE.one_hot(1))
    operator.show_cue(SAD, energy=0.4)
    assert now(operator).emotion_target[1] == 1 and now(operator).energy == 0.4


def test_letting_go_gives_the_controls_back_at_once(operator: Operator) -> None:
    operator.set_emotion("proud")
    operator.set_energy(2.0)
    operator.release_all()
    operator.show_cue(SAD, energy=0.4)
    np.testing.assert_array_equal(now(operator).emotion_target, SAD)
    assert now(operator).energy == 0.4


def test_a_suggestion_that_changes_nothing_is_no_change(operator: Operator) -> None:
    operator.show_cue(SAD, repertoire=WALK)
    before = now(operator)
    operator.show_cue(SAD, repertoire=WALK.copy())
    assert now(operator) is before


def test_what_is_sent_again_and_again_is_asked_for_once(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    """A controller that sends its state all the time must not keep the caption, the log and the dance busy."""
    ways = (
        lambda: operator.set_emotion("fear"),
        lambda: operator.set_weights([0.5, 0.5, 0, 0, 0, 0, 0, 0]),
        lambda: operator.set_weight("sad", 0.25),
        lambda: operator.set_intensity(0.5),
        lambda: operator.set_valence_arousal(0.3, -0.2),
        lambda: operator.set_repertoire("walk"),
        lambda: operator.set_repertoire_weight("gesture", 0.25),
    )
    with caplog.at_level("INFO"):
        for ask in ways:
            ask()
            asked = now(operator)
            lines = len(caplog.records)
            for _ in range(3):
                ask()
            assert now(operator).emotion_changed_at == asked.emotion_changed_at
            assert now(operator).captioned_at == asked.captioned_at and len(caplog.records) == lines


def test_an_emotion_that_is_asked_for_again_stays_with_the_hand(operator: Operator) -> None:
    operator.set_emotion("sad")
    operator.release_all()
    operator.set_emotion("sad")
    operator.show_cue(DEFAULT_PALETTE.one_hot(1))
    np.testing.assert_array_equal(now(operator).emotion_target, DEFAULT_PALETTE.one_hot(2))
