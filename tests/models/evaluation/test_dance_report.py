import numpy as np
import pytest

from models.data.clips import Clips
from models.data.restyling import Restyling
from models.data.synthetic import swinging_figure
from models.evaluation.dance_classifier import (
    ANSWERS,
    DanceWindows,
    classifier_error,
    dance_share,
    is_dance,
    train_dance_classifier,
)
from models.evaluation.dance_reference import DanceReference, build_dance_reference
from models.evaluation.dance_report import measure_dances
from models.evaluation.emotion_classifier import INPUTS, LONG_FRAMES, ClassifierConfig
from models.evaluation.rollouts import Rollouts
from models.motion.features import features_to_positions, positions_to_features, turn
from models.motion.skeleton import FloatArray

EMOTIONS = ("neutral", "happy")
QUICK = ClassifierConfig(steps=150, batch=24, width=24, learning_rate=3e-3)


def dancing(frames: int = 130, phase: float = 0.0) -> FloatArray:
    """A figure that swings its arms and bounces, which no act of these does."""
    figure = swinging_figure(frames, rate=1.5, turn=0.2, phase=phase)
    bounce = 0.06 * np.abs(np.sin(2 * np.pi * np.arange(frames) / 15))
    return (figure + np.array([0.0, 1.0, 0.0]) * bounce[:, None, None]).astype(np.float32)


def clips() -> Clips:
    """Acts of two emotions in two contents, and two dances that nobody acted in any."""
    rows: list[tuple[FloatArray, str, str, str]] = []
    for content, rate in (("bow", 0.3), ("walk", 0.5)):
        for take in range(3):
            calm = swinging_figure(100, rate=rate, phase=take)
            rows.append((calm, "1", content, "normal"))
            lively = swinging_figure(100, rate=1.6 * rate, phase=take)
            lively[:, [5, 8], 1] += 0.1
            rows.append((lively, "1", content, "happy"))
    for content in ("salsa", "whirl"):
        rows += [(dancing(phase=take), "cmu", content, "normal") for take in range(3)]
    movements, datasets, contents, styles = zip(*rows, strict=True)
    names = tuple(f"clip-{i}" for i in range(len(rows)))
    starts = np.cumsum([0] + [len(movement) for movement in movements])
    return Clips(np.concatenate(movements), starts, names, datasets, contents, styles)


@pytest.fixture(scope="module")
def reference() -> DanceReference:
    known = clips()
    everything = list(range(len(known)))
    restyling = Restyling.fit(known, everything, EMOTIONS)
    classifier = train_dance_classifier(known, everything, restyling, QUICK)
    error = classifier_error(classifier, known, everything, restyling, range(2))
    return build_dance_reference(known, EMOTIONS, classifier, restyling, error)


def rollouts(*dances: tuple[FloatArray, int]) -> Rollouts:
    positions = np.stack([dance for dance, _ in dances]).astype(np.float32)
    weights = np.eye(2, dtype=np.float32)[[emotion for _, emotion in dances]]
    weights = np.repeat(weights[:, None], positions.shape[1], axis=1)
    return Rollouts(positions, weights, EMOTIONS, np.zeros(len(dances), dtype=bool))


def on_one_skeleton(positions: FloatArray) -> FloatArray:
    return features_to_positions(positions_to_features(positions))


def test_floor_work_is_dance_and_karate_is_none() -> None:
    assert is_dance("salsa") and is_dance("breakdance") and not is_dance("karate-kata") and not is_dance("bow")


def test_windows_are_drawn_of_dances_and_acts_alike() -> None:
    known = clips()
    draw = DanceWindows(known, range(len(known)), Restyling.none(2))
    windows, answers = draw(np.random.default_rng(0), 200)
    assert windows.shape == (200, LONG_FRAMES, INPUTS) and np.isfinite(windows).all()
    assert 0.4 < answers.mean() < 0.6


def test_a_classifier_needs_both() -> None:
    known = clips()
    acts = [i for i in range(len(known)) if not is_dance(known.contents[i])]
    with pytest.raises(ValueError, match="of dances and of acts"):
        DanceWindows(known, acts, Restyling.none(2))


def test_dances_are_told_from_acts(reference: DanceReference) -> None:
    assert reference.classifier.emotions == ANSWERS
    assert max(reference.classifier_error) < 0.2
    assert dance_share(reference.classifier, dancing(phase=0.5)) > 0.8
    assert dance_share(reference.classifier, swinging_figure(130, rate=0.4)) < 0.2
    assert np.isnan(dance_share(reference.classifier, dancing(40)))


def test_dances_are_measured_beside_real_ones(reference: DanceReference) -> None:
    dance, act = dancing(300), on_one_skeleton(swinging_figure(300, rate=0.5))
    away = turn(dance, np.full((300, 1), np.pi)).astype(np.float32)
    report = measure_dances(
        rollouts((on_one_skeleton(dance), 0), (act, 1)), rollouts((act, 0), (away, 1)), reference
    )
    shares = report.figures["dance_share"]
    assert shares[0] > 0.8 and shares[1] < 0.2
    assert report.figures["speed_m_s"][0] > 1.2 * report.figures["speed_m_s"][1]
    assert set(report.contents[0]) <= {"salsa", "whirl"}
    met = {bar.name: bar.met for bar in report.bars}
    assert not met["dance share"] and met["frozen while dancing"]
    values = report.as_values()
    assert values["measures"]["dance_share"]["neutral"] == pytest.approx(shares[0], abs=1e-4)


def test_who_looks_away_has_the_back_turned(reference: DanceReference) -> None:
    figure = swinging_figure(300, rate=0.5)
    away = turn(figure, np.full((300, 1), np.pi)).astype(np.float32)
    some = rollouts((figure, 0), (away, 1))
    report = measure_dances(some, some, reference)
    assert report.figures["back_turned"].tolist() == [0.0, 1.0]
    assert report.figures["max_back_s"].tolist() == [0.0, 10.0]
    assert not {bar.name: bar.met for bar in report.bars}["back turned"]


def test_an_emotion_that_nobody_dances_is_not_measured(reference: DanceReference) -> None:
    some = rollouts((dancing(300), 0))
    report = measure_dances(some, some, reference)
    assert np.isnan(report.figures["dance_share"][1]) and report.contents[1] == {}
    assert report.as_values()["measures"]["dance_share"]["happy"] is None


def test_clips_without_dances_are_no_reference() -> None:
    known = clips()
    acts = [i for i in range(len(known)) if not is_dance(known.contents[i])]
    restyling = Restyling.fit(known, acts, EMOTIONS)
    classifier = train_dance_classifier(known, range(len(known)), restyling, ClassifierConfig(steps=1, width=8))
    without = Clips(
        np.concatenate([known.clip(i) for i in acts]),
        np.cumsum([0] + [len(known.clip(i)) for i in acts]),
        *(tuple(getattr(known, name)[i] for i in acts) for name in ("names", "datasets", "contents", "styles")),
    )
    with pytest.raises(ValueError, match="dance"):
        build_dance_reference(without, EMOTIONS, classifier, restyling, (0.0, 0.0))
