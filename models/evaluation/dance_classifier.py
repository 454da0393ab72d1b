"""Whether two seconds of movement are dance or an everyday act: a small network trained on real clips alone.

The negatives come from the same sources as the dances (walks in a style, karate, gestures, laughing), so that
the rig is no hint; and each clip also counts restyled into every emotion, so that neither posture nor tempo is.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.data.clips import Clips
from models.data.kinds import kind_of
from models.data.restyling import Restyling
from models.evaluation.emotion_classifier import (
    INPUTS,
    LONG_FRAMES,
    ClassifierConfig,
    EmotionClassifier,
    classifier_inputs,
    fit_classifier,
    windows_of,
)
from models.motion.features import features_to_positions, mirror_features, positions_to_features
from models.motion.skeleton import FRAME_RATE, FloatArray

ANSWERS = ("act", "dance")
FLOOR_WORK = ("breakdance",)
"""Dance, though it is not learnt."""
STYLED_SHARE = 0.7
"""Share of the windows that are restyled."""


def is_dance(content: str) -> bool:
    """Whether a content is dance."""
    return kind_of(content) == "dance" or content in FLOOR_WORK


class DanceWindows:
    """Draws windows of clips, dances and acts alike, each data set and content by the root of its length."""

    def __init__(self, clips: Clips, indices: Sequence[int], restyling: Restyling) -> None:
        self.movements: tuple[list[list[FloatArray]], ...] = ([], [])
        self.weights: list[NDArray[np.float64]] = []
        lengths: dict[tuple[str, str], int] = {}
        long = [i for i in indices if len(clips.clip(i)) >= LONG_FRAMES]
        for i in long:
            key = (clips.datasets[i], clips.contents[i])
            lengths[key] = lengths.get(key, 0) + len(clips.clip(i))
        weights: tuple[list[float], list[float]] = ([], [])
        rng = np.random.default_rng(0)
        for i in long:
            features = positions_to_features(clips.clip(i))
            emotions = list(range(len(restyling.tempo)))
            if len(emotions) > 1 and not is_dance(clips.contents[i]):
                emotions = rng.choice(
                    len(emotions), 2, replace=False
                ).tolist()  # there are a hundred times as many acts
            styled = [restyling.clip(features, int(e), float(rng.uniform(1.0, 2.0))) for e in emotions]
            answer = int(is_dance(clips.contents[i]))
            self.movements[answer].append([features, *(s for s in styled if len(s) >= LONG_FRAMES)])
            weights[answer].append(len(features) / lengths[clips.datasets[i], clips.contents[i]] ** 0.5)
        if not all(self.movements):
            raise ValueError("a classifier of dance needs clips of two seconds of dances and of acts")
        self.weights = [np.array(some) / np.sum(some) for some in weights]

    def frames(self) -> FloatArray:
        """Every frame of the clips once (N, 101)."""
        return np.concatenate([classifier_inputs(versions[0]) for some in self.movements for versions in some])

    def __call__(self, rng: np.random.Generator, count: int) -> tuple[FloatArray, NDArray[np.int64]]:
        """TrainingBatch (count, 60, 101) and what they are, index in `ANSWERS` (count,)."""
        answers = rng.integers(2, size=count)
        windows = np.empty((count, LONG_FRAMES, INPUTS), dtype=np.float32)
        for row, answer in enumerate(answers):
            some = self.movements[answer]
            versions = some[int(rng.choice(len(some), p=self.weights[answer]))]
            styled = len(versions) > 1 and rng.random() < STYLED_SHARE
            movement = versions[int(rng.integers(1, len(versions))) if styled else 0]
            first = int(rng.integers(len(movement) - LONG_FRAMES + 1))
            piece = movement[first : first + LONG_FRAMES]
            windows[row] = classifier_inputs(mirror_features(piece) if rng.random() < 0.5 else piece)
        return windows, answers


def train_dance_classifier(
    clips: Clips, indices: Sequence[int], restyling: Restyling, config: ClassifierConfig | None = None
) -> EmotionClassifier:
    """Trained on the clips at `indices`; the same each time on one machine. Raises ValueError."""
    return fit_classifier(
        DanceWindows(clips, indices, restyling), ANSWERS, config or ClassifierConfig(), "dance classifier"
    )


def dance_share(classifier: EmotionClassifier, positions: FloatArray) -> float:
    """Share of windows of 2 s, one a second, of positions (T, 17, 3) that are dance; NaN without any."""
    windows = windows_of(positions, LONG_FRAMES, FRAME_RATE).astype(np.float32)
    return float((classifier.look(windows)[0].argmax(axis=1) == 1).mean()) if len(windows) else float("nan")


def classifier_error(
    classifier: EmotionClassifier,
    clips: Clips,
    indices: Sequence[int],
    restyling: Restyling,
    emotions: Sequence[int],
) -> tuple[float, float]:
    """Shares of windows of held-out acts taken for dance, and of dances taken for acts, restyled into
    emotions."""
    wrong: tuple[list[float], list[float]] = ([], [])
    for i in indices:
        if len(clips.clip(i)) < LONG_FRAMES:
            continue
        features, dance = positions_to_features(clips.clip(i)), is_dance(clips.contents[i])
        for emotion in emotions:
            styled = features_to_positions(restyling.clip(features, emotion, 1.5))
            if np.isfinite(share := dance_share(classifier, styled)):
                wrong[dance].append(1.0 - share if dance else share)
    act, dance_error = (float(np.mean(some)) if some else float("nan") for some in wrong)
    return act, dance_error
