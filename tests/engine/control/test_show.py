import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from engine.control.operator import Operator
from engine.control.show import Show, ShowFile, ShowService, read_show
from engine.runtime.faults import StartError
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame
from models.data.kinds import repertoire_of
from models.emotion.palette import DEFAULT_PALETTE

NEUTRAL, HAPPY, SAD = (DEFAULT_PALETTE.one_hot(i) for i in range(3))
ONE = np.ones(1, dtype=np.float32)
WALK = repertoire_of("walk")
ROOT = Path(__file__).parents[3]


def show_of(text: str) -> Show:
    return Show.of(ShowFile(**tomllib.loads(text)), DEFAULT_PALETTE)


TWO = """
[[cue]]
at = 10
emotion = "happy"
energy = 1
[[cue]]
at = 20
glide = 10
emotion = "sad"
"""


def test_a_cue_comes_over_its_glide() -> None:
    emotion = show_of(TWO).emotion
    for moment, share in ((20, 0.0), (20, 0.0), (25, 0.5), (30, 1.0), (1000, 1.0)):
        weights = emotion.at(moment, NEUTRAL)
        assert weights is not None
        np.testing.assert_allclose(weights, (1 - share) * HAPPY + share * SAD, atol=1e-6)


def test_what_a_cue_leaves_out_stays() -> None:
    show = show_of(TWO)
    assert show.energy.at(100, ONE) == 1.0 and show.influence.at(100, ONE) is None
    assert show.repertoire.at(100, WALK) is None


def test_the_first_cue_comes_at_its_time_and_over_its_glide_from_what_was_before() -> None:
    emotion = show_of(TWO).emotion
    assert emotion.at(9.9, NEUTRAL) is None
    for moment, share in ((10, 0.0), (15, 0.5), (19.9, 0.99)):
        expected = (1 - share) * NEUTRAL + share * HAPPY
        np.testing.assert_allclose(emotion.at(moment, NEUTRAL), expected, atol=1e-5)


def test_a_loop_comes_back_from_where_it_was() -> None:
    emotion = show_of("length = 40\n" + TWO.replace("at = 10", "at = 0\nglide = 4")).emotion
    np.testing.assert_allclose(emotion.at(0, NEUTRAL), NEUTRAL)
    np.testing.assert_allclose(emotion.at(40, NEUTRAL), SAD)
    np.testing.assert_allclose(emotion.at(42, NEUTRAL), (HAPPY + SAD) / 2)
    np.testing.assert_allclose(emotion.at(44 + 400, NEUTRAL), HAPPY)


def test_a_loop_whose_first_cue_is_late_keeps_the_last_one_until_then() -> None:
    emotion = show_of("length = 40\n" + TWO).emotion
    np.testing.assert_allclose(emotion.at(45, NEUTRAL), SAD)
    np.testing.assert_allclose(emotion.at(55, NEUTRAL), (HAPPY + SAD) / 2)


def test_a_cue_that_comes_early_glides_from_where_the_last_one_got_to() -> None:
    energy = show_of("""
        length = 10
        [[cue]]
        at = 0
        glide = 4
        energy = 2
        [[cue]]
        at = 2
        glide = 16
        energy = 0
    """).energy
    for moment, expected in ((2.0, 1.0), (6.0, 0.75), (9.999, 0.5), (10.0, 0.5), (12.0, 1.25), (4010.0, 2 / 3)):
        assert energy.at(moment, 0 * ONE) == pytest.approx(expected, abs=1e-3)


def test_weights_sum_to_one_at_every_moment() -> None:
    show = read_show(ROOT / "assets" / "show.toml", DEFAULT_PALETTE)
    for moment in np.linspace(0, 1300, 500):
        weights = show.emotion.at(float(moment), NEUTRAL)
        assert weights is not None and weights.sum() == pytest.approx(1, abs=1e-5) and (weights >= 0).all()


def test_the_room_works_the_operator() -> None:
    operator = Operator(DEFAULT_PALETTE, Mailbox())
    service = ShowService(show_of(TWO), operator, Metrics(), Mailbox())
    service.play(25)
    controls = operator.mailbox.latest()
    assert controls is not None and controls.energy == 1.0
    np.testing.assert_allclose(controls.emotion_target[[1, 2]], 0.5)


def test_the_repertoire_glides_from_cue_to_cue_and_stays_where_one_leaves_it_out() -> None:
    operator = Operator(DEFAULT_PALETTE, Mailbox())
    cues = """
        [[cue]]
        at = 10
        repertoire = "walk"
        [[cue]]
        at = 30
        glide = 0
        repertoire = { gesture = 0.2, walk = 0.6 }
        [[cue]]
        at = 40
        energy = 1.5
    """
    service = ShowService(show_of(cues), operator, Metrics(), Mailbox())
    for moment, expected in ((5, [1, 0, 0]), (15, [0.5, 0, 0.5]), (29, [0, 0, 1]), (99, [0, 0.25, 0.75])):
        service.play(moment)
        np.testing.assert_allclose(operator.snapshot()[1].repertoire, expected, atol=1e-6)


def test_the_first_cue_glides_from_what_a_hand_had_set_before() -> None:
    operator = Operator(DEFAULT_PALETTE, Mailbox(), hold=0.0)
    service = ShowService(show_of(TWO.replace("energy = 1", "energy = 0")), operator, Metrics(), Mailbox())
    service.play(0)
    operator.set_emotion("sad")
    operator.set_energy(2.0)
    operator.release_all()
    for moment in (9.9, 10.0, 15.0):
        service.play(moment)
    controls = operator.mailbox.latest()
    assert controls is not None and controls.energy == 1.0
    np.testing.assert_allclose(controls.emotion_target[[1, 2]], 0.5)


def test_the_show_begins_with_the_dance(monkeypatch: pytest.MonkeyPatch) -> None:
    operator, frames = Operator(DEFAULT_PALETTE, Mailbox()), Mailbox[DancerFrame]()
    service = ShowService(show_of("[[cue]]\nat = 0\nglide = 0\nenergy = 0.5"), operator, Metrics(), frames)
    monkeypatch.setattr(service, "sleep", lambda seconds: None)
    service.step()
    assert operator.snapshot()[1].energy == 1.0
    frames.put(DancerFrame(0, 0.0, np.zeros((17, 3), dtype=np.float32), HAPPY))
    service.step()
    assert operator.snapshot()[1].energy == 0.5


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "cue"),
        ("= 1", "not valid TOML"),
        ("[[cue]]\nat = 0\nemotion = 'bored'", "bored"),
        ("[[cue]]\nat = 0\nemotion = { sad = 0 }", "all be 0"),
        ("[[cue]]\nat = 0\nenergy = 7", "energy"),
        ("[[cue]]\nat = 0\nrepertoire = 'waltz'", "waltz"),
        ("[[cue]]\nat = 0\nrepertoire = { walk = 0 }", "not all 0"),
        ("[[cue]]\nat = 0\nrepertoire = { walk = 7 }", "repertoire"),
        ("[[cue]]\nat = 0\nspeed = 1", "speed"),
        ("[[cue]]\nat = nan", "at"),
        ("[[cue]]\nat = 5\n[[cue]]\nat = 5", "order"),
        ("length = 5\n[[cue]]\nat = 5", "over"),
        ("cue = 3", "cue"),
    ],
)
def test_a_wrong_show_is_one_line(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(StartError) as caught:
        read_show(path, DEFAULT_PALETTE)
    assert "\n" not in str(caught.value) and named in str(caught.value) and "wrong.toml" in str(caught.value)


def test_a_show_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="absent"):
        read_show(tmp_path / "absent.toml", DEFAULT_PALETTE)


def test_the_show_in_readme_is_one() -> None:
    readme = (ROOT / "docs" / "show-and-automatic.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", readme, flags=re.DOTALL)
    assert [show_of(text) for text in examples if "[[cue]]" in text]
