"""Generated dances measured beside real ones."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.data.clips import Clips, split_clips
from models.data.kinds import kind_of
from models.data.restyling import Restyling
from models.evaluation.dance_classifier import ANSWERS, classifier_error, train_dance_classifier
from models.evaluation.dance_reference import DanceReference, build_dance_reference
from models.evaluation.emotion_classifier import (
    LONG_FRAMES,
    SHORT_FRAMES,
    ClassifierConfig,
    ClassifierError,
    EmotionClassifier,
    load_classifier,
    save_classifier,
    train_classifier,
    windows_of,
)
from models.evaluation.reference import Reference, averaged, sample_features
from models.evaluation.report import LongDance, Measurements, Report
from models.evaluation.rollouts import Rollouts, RolloutsError, switches_of
from models.generation.generator import Generator
from models.motion.skeleton import FRAME_RATE, FloatArray

LOOK_INTERVAL_FRAMES = 3
"""Frames between two looks of the classifier after a switch."""


def evaluate_rollouts(rollouts: Rollouts, reference: Reference) -> Report:
    """Measure every dance; what an emotion that nobody dances would be is NaN. Raises RolloutsError if their
    palette is not the reference's, or if none keeps one emotion."""
    if rollouts.palette != reference.emotions:
        raise RolloutsError(f"these dances are of {', '.join(rollouts.palette)}, the classifier knows others")
    if not np.isfinite(rollouts.positions).all():
        raise RolloutsError("a dancer left the finite numbers; the checkpoint is broken or badly trained")
    if rollouts.positions.shape[1] <= LONG_FRAMES:
        raise RolloutsError(f"dances of {rollouts.positions.shape[1]} frames; expected more than {LONG_FRAMES}")
    steady = np.flatnonzero(rollouts.steady)
    if not len(steady):
        raise RolloutsError("no dance keeps one emotion from beginning to end, and those are measured")
    values = {
        dance: reference.values_of(rollouts.positions[dance])
        for dance in tqdm(steady.tolist(), unit="dance", desc="measures", disable=None)
    }
    mismatched = rollouts.mismatched[steady]
    parts = {}
    if mismatched.any() and not mismatched.all():
        parts = {"its own": steady[~mismatched], "another": steady[mismatched]}
    return Report(
        reference.emotions,
        reference.real,
        reference.floor,
        reference.looped,
        measured(rollouts, reference, values, steady),
        {name: measured(rollouts, reference, values, chosen) for name, chosen in parts.items()},
        responses(rollouts, reference.emotion_classifier),
    )


def measured(
    rollouts: Rollouts, reference: Reference, values: dict[int, dict[str, float]], chosen: NDArray[np.int64]
) -> Measurements:
    """The chosen dances together, by emotion; `values` holds the measures of each."""
    size = len(reference.emotions)
    generated = {name: np.full(size, np.nan) for name in reference.real}
    confusion = np.full((size, size), np.nan)
    features: list[FloatArray] = []
    rng = np.random.default_rng(0)
    for emotion in range(size):
        some = [dance for dance in chosen.tolist() if rollouts.emotions[dance, 0] == emotion]
        if not some:
            continue
        dances = [rollouts.positions[dance] for dance in some]
        lengths = [len(dance) for dance in dances]
        for name, column in generated.items():
            column[emotion] = averaged(name, [values[dance][name] for dance in some], lengths)
        confusion[emotion] = classified(reference.emotion_classifier, dances).mean(axis=0)
        features.append(sample_features(reference.emotion_classifier, dances, rng))
    distance = reference.distance(np.concatenate(features)) if features else float("nan")
    return Measurements(generated, confusion, distance)


def classified(emotion_classifier: EmotionClassifier, dances: Sequence[FloatArray]) -> FloatArray:
    """Shares (N, P) of the windows of 2 s of each dance that the classifier takes for each emotion."""
    rows = []
    for dance in dances:
        said = emotion_classifier.look(windows_of(dance, LONG_FRAMES, FRAME_RATE).astype(np.float32))[0].argmax(
            axis=1
        )
        rows.append(np.bincount(said, minlength=len(emotion_classifier.emotions)) / max(len(said), 1))
    return np.array(rows)


def responses(rollouts: Rollouts, emotion_classifier: EmotionClassifier) -> FloatArray:
    """Seconds from each switch of emotion until the classifier, who sees the second before, says the new one.

    A switch that is never recognised counts as the time until the next one.
    """
    times = []
    for positions, weights in zip(rollouts.positions, rollouts.emotion_weights, strict=True):
        if not (switches := switches_of(weights)):
            continue
        windows = windows_of(positions, SHORT_FRAMES, LOOK_INTERVAL_FRAMES).astype(np.float32)
        said = emotion_classifier.look(windows)[0].argmax(axis=1)
        ends = np.arange(len(said)) * LOOK_INTERVAL_FRAMES + SHORT_FRAMES - 1  # the last frame of each window
        for frame, emotion, until in switches:
            right = np.flatnonzero((ends > frame) & (ends <= until) & (said == emotion))
            times.append(((ends[right[0]] if len(right) else until) - frame) / FRAME_RATE)
    return np.array(times)


def find_emotion_classifier(
    path: Path, clips: Clips, emotions: Sequence[str], train_config: ClassifierConfig | None = None
) -> EmotionClassifier:
    """The classifier in the file, or a new one, trained and kept there. Raises ClassifierError."""
    if path.exists():
        return load_classifier(path, emotions)
    train_config = train_config or ClassifierConfig()
    emotion_classifier = train_classifier(clips, split_clips(clips)[0].tolist(), emotions, train_config)
    save_classifier(path, emotion_classifier, train_config)
    return emotion_classifier


def find_dance_reference(path: Path, clips: Clips, emotions: Sequence[str]) -> DanceReference | None:
    """Real dances to measure against, with the classifier in the file or a new one that is kept there; None
    where the clips hold no dances or nothing acted to compare emotions with. Raises ClassifierError."""
    training, held_out = (half.tolist() for half in split_clips(clips))
    if not any(kind_of(content) == "dance" for content in clips.contents):
        return None
    restyling = Restyling.fit(clips, training, emotions)
    try:
        if path.exists():
            classifier = load_classifier(path, ANSWERS)
        else:
            classifier = train_dance_classifier(clips, training, restyling)
            save_classifier(path, classifier, ClassifierConfig())
        error = classifier_error(classifier, clips, held_out, restyling, range(0, len(emotions), 3))
        return build_dance_reference(clips, emotions, classifier, restyling, error)
    except ClassifierError:
        raise
    except ValueError as error:
        print(f"models.evaluate: dances are not measured: {error}", file=sys.stderr)
        return None


def long_dances(generator: Generator, minutes: float) -> LongDance:
    """Let one dancer of each emotion dance for long, and see whether the last minute is like the first."""
    size = len(generator.checkpoint.palette)
    weights = np.eye(size, dtype=np.float32)
    state = generator.initial_state(size, seed=3)
    frames = round(minutes * 60 * FRAME_RATE)
    minute = 60 * FRAME_RATE
    speed, heights = np.empty((frames, size)), np.empty((frames, size))
    for frame in tqdm(range(frames), unit="frame", desc=f"{minutes:g} minutes", disable=None):
        before = state.positions
        state = generator.step(state, weights)
        moved = (state.positions[:, 1:] - state.positions[:, :1]) - (before[:, 1:] - before[:, :1])
        speed[frame] = np.linalg.norm(moved, axis=-1).mean(axis=-1) * FRAME_RATE
        heights[frame] = state.positions[:, 0, 1]
    ratio = speed[-minute:].mean(axis=0) / speed[:minute].mean(axis=0)
    finite = bool(np.isfinite(speed).all())
    heights_found = (float(heights.min()), float(heights.max()))
    return LongDance(minutes, finite, heights_found, (float(ratio.min()), float(ratio.max())))
