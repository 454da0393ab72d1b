"""Automatic: what the visitor's movement shows sets the emotion; when nobody is there the emotion changes on a
schedule."""

from __future__ import annotations

import logging
import time
from collections import deque
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.control.operator import Operator
from engine.runtime.faults import PermanentFault
from engine.runtime.metrics import Metrics
from engine.runtime.service import Service
from engine.runtime.torch_import import TORCH_IMPORT
from engine.streams.mailbox import Mailbox
from engine.streams.pose_history import MAX_GAP_S, append_pose, resample
from engine.streams.values import Pose, VisitorEmotion
from models.emotion.palette import Palette, Weights
from models.motion.features import positions_to_features
from models.motion.skeleton import FRAME_RATE, FloatArray

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from models.evaluation.emotion_classifier import EmotionClassifier

WINDOW_S = 2.0
"""Seconds of movement that are classified."""
CLASSIFY_EVERY = 0.25
FEWEST_POSES = 20
"""Poses in a window with fewer of which it is not classified."""
MEAN_S = 1.5
"""Seconds over which judgements are averaged."""
MARGIN = 0.15
"""By how much another emotion must be likelier than the one that leads …"""
LEAD_TIMEOUT_S = 1.0
"""… and for how many seconds, before it leads."""
LEADERS_SHARE = 0.6
"""Weight that the leading emotion has at least."""
EASE_TIME_CONSTANT_S = 2.0
"""Seconds in which the weights come two thirds nearer to what is wanted."""
MIN_CHANGE = 0.02
"""Change of the weights, all together, below which nobody is told."""
IDLE_INTERVAL_S, IDLE_GLIDE_S = 24.0, 8.0
"""Seconds from one emotion to the next while nobody is there, and of the change between them."""


def default_movement_classifier() -> Path:
    """The classifier that ships, wherever the package was installed."""
    return Path(str(files("assets"))) / "movement_classifier.safetensors"


class Hysteresis:
    """Which emotion leads, with hysteresis: another one must be clearly likelier for a while."""

    def __init__(self) -> None:
        self.index: int | None = None
        self._rival: tuple[int, float] | None = None

    def see(self, chances: FloatArray, now: float) -> int:
        """The leading emotion, given the chances (P,) of all of them now."""
        likeliest = int(np.argmax(chances))
        if self.index is None:
            self.index = likeliest
        elif chances[likeliest] < chances[self.index] + MARGIN:
            self._rival = None
        elif self._rival is None or self._rival[0] != likeliest:
            self._rival = (likeliest, now)
        elif now - self._rival[1] >= LEAD_TIMEOUT_S:
            self.index, self._rival = likeliest, None
        return self.index


def idle_emotion(moment: float, count: int) -> Weights:
    """Weights (count,) at a moment in seconds while nobody is there: each emotion in turn, in an order that
    changes from round to round."""
    visit, past = divmod(moment, IDLE_INTERVAL_S)
    share = min(past / IDLE_GLIDE_S, 1.0)
    eased = share * share * (3 - 2 * share)
    weights = np.zeros(count, dtype=np.float32)
    weights[_visited(int(visit), count)] += eased
    weights[_visited(int(visit) - 1, count)] += 1 - eased
    return weights


def _visited(visit: int, count: int) -> int:
    """The emotion of one visit. A round begins where the one before did not end."""
    turn, place = divmod(max(visit, 0), count)
    if count < 3:
        return place
    order = np.random.default_rng(turn).permutation(count)
    if turn > 0 and order[0] == np.random.default_rng(turn - 1).permutation(count)[-1]:
        order[[0, 1]] = order[[1, 0]]  # its end stays what the next round looks at
    return int(order[place])


class EmotionRecognition(Service):
    """Judges the visitor's movement four times a second; puts the weights, and asks the operator for them."""

    name = "movement_emotion"

    def __init__(
        self,
        poses: Mailbox[Pose],
        shown: Mailbox[VisitorEmotion | None],
        operator: Operator,
        metrics: Metrics,
        *,
        emotion_classifier: Path | None,
    ) -> None:
        """Without an `emotion_classifier` the emotion changes on a schedule while `automatic` is on."""
        super().__init__(metrics)
        self._poses, self._shown, self._operator = poses, shown, operator
        self.emotion_classifier = emotion_classifier
        self._classifier: EmotionClassifier | None = None
        self._history: deque[Pose] = deque(maxlen=int(2 * WINDOW_S * 2 * FRAME_RATE))
        self._version = 0
        self._began = time.perf_counter()
        self._due = self._weighed_at = 0.0
        self._weights: Weights | None = None
        self._told: Weights | None = None
        self._chances: FloatArray | None = None
        self._forget()

    def open(self) -> None:
        """Read the classifier, if there should be one. Raises PermanentFault if it cannot be read."""
        if self.emotion_classifier is None:
            log.info("the classifier of movement may not be used commercially: automatic follows a schedule")
            return
        try:
            with TORCH_IMPORT:
                from models.evaluation.movement_classifier import ClassifierError, read_movement_classifier
        except ImportError as error:
            raise PermanentFault(str(error)) from None
        try:
            self._classifier = read_movement_classifier(self.emotion_classifier)
        except ClassifierError as error:
            raise PermanentFault(f"the visitor's movement is not classified: {error}") from None
        self._to_palette = palette_map(self._classifier.emotions, self._operator.palette)

    def step(self) -> None:
        """Wait for a pose, at most a moment, and classifier if it is time."""
        self._version, pose = self._poses.newer_than(self._version, CLASSIFY_EVERY)
        if pose is not None:
            self.see(pose)
        now = time.perf_counter()
        if now >= self._due:
            self._due = now + CLASSIFY_EVERY
            self.update(now)

    def close(self) -> None:
        """Say no more."""
        self._forget()

    def see(self, pose: Pose) -> None:
        """Take in one pose."""
        if self._history and pose.captured_at - self._history[-1].captured_at > MAX_GAP_S:
            self._forget()
        if not pose.present:
            self._forget()
        elif pose.positions is not None and np.isfinite(pose.positions).all():
            append_pose(self._history, pose)

    def update(self, now: float) -> None:
        """Classify the movement so far and ask the operator for what it shows, or for what the idle_emotion
        wants."""
        chances = self._classified()
        if chances is None:
            wanted = idle_emotion(now - self._began, len(self._operator.palette))
        else:
            share = 1.0 if self._chances is None else 1 - np.exp(-CLASSIFY_EVERY / MEAN_S)
            before = chances if self._chances is None else self._chances
            self._chances = before + share * (chances - before)
            wanted = self._led(self._chances, now)
            self._shown.put(VisitorEmotion(wanted, now))
        if chances is None and self._classifier is not None and self._history and self._weights is not None:
            return  # somebody is there but not seen long enough: what was before stays
        self._approach(wanted, now)

    def _led(self, chances: FloatArray, now: float) -> Weights:
        weights = (1 - LEADERS_SHARE) * chances
        weights[self._leader.see(chances, now)] += LEADERS_SHARE
        return (weights / weights.sum()).astype(np.float32)

    def _approach(self, wanted: Weights, now: float) -> None:
        if self._weights is None:
            moved = wanted
        else:
            share = np.float32(
                1 - np.exp(-min(now - self._weighed_at, EASE_TIME_CONSTANT_S) / EASE_TIME_CONSTANT_S)
            )
            moved = self._weights + share * (wanted - self._weights)
        self._weighed_at = now
        self._weights = (moved / moved.sum()).astype(np.float32)
        if self._told is None or np.abs(self._weights - self._told).sum() >= MIN_CHANGE:
            self._told = self._weights
        self._operator.suggest_emotion(self._told)

    def _classified(self) -> FloatArray | None:
        """Chances (P,) over the palette, None while too little has been seen."""
        if self._classifier is None or len(self._history) < FEWEST_POSES:
            return None
        times = np.array([pose.captured_at for pose in self._history])
        wanted = times[-1] - WINDOW_S + np.arange(1, int(WINDOW_S * FRAME_RATE) + 1) / FRAME_RATE
        if wanted[0] < times[0] or (times >= wanted[0]).sum() < FEWEST_POSES:
            return None
        from models.evaluation.emotion_classifier import classifier_inputs

        stacked = np.stack([pose.positions for pose in self._history if pose.positions is not None])
        window = classifier_inputs(positions_to_features(resample(times, stacked, wanted)))
        chances = self._classifier.look(window[None])[0][0] @ self._to_palette
        total = float(chances.sum())
        return chances / total if total > 0 and np.isfinite(total) else None

    def _forget(self) -> None:
        self._history.clear()
        self._leader = Hysteresis()
        self._chances = None
        self._shown.put(None)


def palette_map(emotions: tuple[str, ...], palette: Palette) -> FloatArray:
    """Matrix (classifier's emotions, P) from one's names to the other's; a name that is no emotion here counts
    for nothing."""
    rows = []
    for name in emotions:
        try:
            rows.append(palette.resolve(name).weights)
        except ValueError:
            rows.append(np.zeros(len(palette), dtype=np.float32))
    return np.stack(rows)
