"""Automatic: hysteresis, the schedule without a visitor, and the way from poses to weights."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.control.operator import Operator
from engine.runtime.faults import PermanentFault
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import Pose, VisitorEmotion
from engine.visitor.emotion_recognition import (
    IDLE_INTERVAL_S,
    LEAD_TIMEOUT_S,
    EmotionRecognition,
    Hysteresis,
    default_movement_classifier,
    idle_emotion,
    palette_map,
)
from engine.visitor.movement_accuracy import seen_by_camera
from models.emotion.palette import DEFAULT_PALETTE, Palette
from models.evaluation.emotion_classifier import EmotionClassifier
from models.evaluation.movement_classifier import read_movement_classifier, simulate_camera
from models.motion.skeleton import bone_directions
from tests.synthetic import swinging_figure


def chances(**shares: float) -> np.ndarray:
    values = np.zeros(8)
    for name, share in shares.items():
        values[DEFAULT_PALETTE.names.index(name)] = share
    return values


def test_another_emotion_leads_only_when_it_is_likelier_for_a_while() -> None:
    leader = Hysteresis()
    assert leader.see(chances(sad=0.6, happy=0.4), 0.0) == 2
    assert leader.see(chances(sad=0.48, happy=0.52), 10.0) == 2  # not clearly
    for moment in (20.0, 20.0 + 0.9 * LEAD_TIMEOUT_S):
        assert leader.see(chances(sad=0.2, happy=0.8), moment) == 2  # not long
    assert leader.see(chances(sad=0.2, happy=0.8), 20.0 + 1.1 * LEAD_TIMEOUT_S) == 1


def test_a_rival_who_gives_way_begins_anew() -> None:
    leader = Hysteresis()
    leader.see(chances(sad=1.0), 0.0)
    leader.see(chances(happy=1.0), 1.0)
    leader.see(chances(sad=1.0), 1.5)
    assert leader.see(chances(happy=1.0), 1.1 + LEAD_TIMEOUT_S) == 2


def test_the_schedule_is_slow_and_visits_every_emotion() -> None:
    moments = np.arange(0, 16 * IDLE_INTERVAL_S, 0.5)
    weights = np.stack([idle_emotion(float(moment), 8) for moment in moments])
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert np.abs(np.diff(weights, axis=0)).max() < 0.1
    assert (weights.max(axis=0) == 1.0).all()


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_the_schedule_stays_nowhere_for_two_visits(count: int) -> None:
    visits = [
        int(np.argmax(idle_emotion((visit + 0.9) * IDLE_INTERVAL_S, count))) for visit in range(400 * count)
    ]
    assert count == 1 or all(before != after for before, after in pairwise(visits))
    rounds = np.array(visits).reshape(-1, count)
    assert (np.sort(rounds, axis=1) == np.arange(count)).all()


class Service:
    """The service with a clock of its own and without a network."""

    def __init__(self, emotion_classifier: EmotionClassifier | None) -> None:
        self.shown: Mailbox[VisitorEmotion | None] = Mailbox()
        self.operator = Operator(DEFAULT_PALETTE, Mailbox())
        self.operator.set_automatic(True)
        self.service = EmotionRecognition(
            Mailbox(), self.shown, self.operator, Metrics(), emotion_classifier=None
        )
        self.service._classifier, self.service._began = emotion_classifier, 0.0
        self.service._to_palette = np.eye(8, dtype=np.float32)
        self.now = 0.0

    @property
    def target(self) -> np.ndarray:
        controls = self.operator.mailbox.latest()
        assert controls is not None
        return controls.emotion_target

    def move(self, seconds: float) -> None:
        for positions in swinging_figure(int(30 * seconds)):
            self.now += 1 / 30
            self.service.see(Pose(True, self.now, positions, np.ones(17, dtype=np.float32)))
            if int(self.now * 30) % 8 == 0:
                self.service.update(self.now)


class Always(EmotionClassifier):
    """Sees one emotion in everything."""

    def __init__(self, name: str) -> None:
        super().__init__(DEFAULT_PALETTE.names, 8, 0.0)
        self.seen = chances(**{name: 1.0}).astype(np.float32)

    def look(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert windows.shape == (1, 60, 101) and np.isfinite(windows).all()
        return self.seen[None], np.zeros((1, 64))


def test_what_the_visitor_shows_becomes_the_emotion() -> None:
    service = Service(Always("angry"))
    service.move(1.0)
    assert service.shown.latest() is None  # not long enough to classifier
    service.move(12.0)
    shown = service.shown.latest()
    assert shown is not None and shown.weights[3] > 0.99
    assert service.target[3] > 0.9 and service.target.sum() == pytest.approx(1)
    service.move(20.0)
    assert service.target[3] > 0.985, "it arrives"


def test_when_the_visitor_has_gone_it_follows_the_schedule() -> None:
    service = Service(Always("angry"))
    service.move(8.0)
    service.service.see(Pose(False, service.now + 0.1))
    assert service.shown.latest() is None
    targets = []
    for _ in range(400):
        service.now += 0.25
        service.service.update(service.now)
        targets.append(service.target)
    assert targets[-1][3] < 0.1 and len({int(t.argmax()) for t in targets}) >= 3
    assert np.abs(np.diff(targets, axis=0)).sum(axis=1).max() < 0.4


def test_while_a_hand_is_on_the_emotion_the_visitor_waits() -> None:
    service = Service(Always("angry"))
    service.operator.set_emotion("sad")
    service.move(8.0)
    assert service.target[2] == 1 and service.shown.latest() is not None


def test_without_a_classifier_the_piece_goes_on_and_says_why(tmp_path: Path) -> None:
    service = EmotionRecognition(
        Mailbox(),
        Mailbox(),
        Operator(DEFAULT_PALETTE, Mailbox()),
        Metrics(),
        emotion_classifier=tmp_path / "no.safetensors",
    )
    with pytest.raises(PermanentFault, match=r"no\.safetensors"):
        service.open()


def test_where_no_classifier_may_be_used_the_service_opens_and_follows_the_schedule() -> None:
    service = Service(None)
    service.service.open()
    targets = []
    for _ in range(12):
        service.move(8.0)  # a visitor is there all the time
        targets.append(service.target)
    assert len({int(t.argmax()) for t in targets}) >= 3
    assert service.shown.latest() is None


def test_the_classifier_that_ships_knows_the_palette_and_its_accuracy() -> None:
    emotion_classifier = read_movement_classifier(default_movement_classifier())
    assert emotion_classifier.emotions == DEFAULT_PALETTE.names
    card = json.loads(default_movement_classifier().with_suffix(".json").read_text(encoding="utf-8"))
    assert card["licence"] == "CC BY-NC 4.0" and card["right_mean"] > 0.6
    with torch.inference_mode():
        assert np.isfinite(emotion_classifier.look(np.zeros((1, 60, 101), dtype=np.float32))[0]).all()


def test_names_are_mapped_to_whatever_palette_dances() -> None:
    palette = Palette(("Anger", "calm"), ((-0.6, 0.3), (0.4, -0.8)))
    np.testing.assert_array_equal(palette_map(("angry", "proud"), palette), [[1, 0], [0, 0]])


@pytest.mark.parametrize("camera", [simulate_camera, seen_by_camera])
def test_a_body_before_the_camera_stands_on_the_floor_and_is_still_the_body(camera) -> None:  # type: ignore[no-untyped-def]
    figure = swinging_figure(60)
    seen = camera(figure, np.random.default_rng(0))
    assert seen.shape == figure.shape and np.isfinite(seen).all()
    assert np.abs(seen[:, 0, 2]).max() < 1e-6 and np.abs(seen[..., 1].min(axis=1)).max() < 0.1
    up = bone_directions(seen)[:, 0, 1]
    assert up.min() > 0.7
