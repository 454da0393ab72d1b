"""What generated dances are measured against: real clips, measured in the same way, and a classifier."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.data.clips import Clips, emotion_of, split_clips
from models.evaluation import measures
from models.evaluation.copying import CopyDetector
from models.evaluation.emotion_classifier import (
    LONG_FRAMES,
    SHORT_FRAMES,
    EmotionClassifier,
    frechet,
    windows_of,
)
from models.evaluation.nearest_poses import NearestPoses
from models.motion.skeleton import FRAME_RATE, FloatArray, joint_speed

FEATURE_WINDOWS = 160
"""Windows of each emotion that enter a Fréchet distance: it grows as samples shrink, so all are alike."""
SPLITS = 5
"""Ways to split real clips in two for the distance of real from real."""
STREAM_FRAMES = 120 * FRAME_RATE
"""Frames of real clips one after another in which repetition is looked for."""

WORST = ("longest_frozen_s", "farthest_m", "bone_change_m")
"""Measures of which the largest counts and not the mean."""
OF_UNSEEN = ("off_manifold_share", "copied_share")
"""Measures that compare with the training clips, so of real clips only held-out ones are measured."""

Measure = Callable[[FloatArray], float]


@dataclass(frozen=True, eq=False)
class Reference:
    """Real motion as the measures see it. `real` holds measure -> (P,) values, one an emotion."""

    emotions: tuple[str, ...]
    emotion_classifier: EmotionClassifier
    plausible: measures.Plausible
    manifold: NearestPoses
    copies: CopyDetector
    real: dict[str, FloatArray]
    looped: float
    """share of windows that repeat in a real clip that is played in a loop"""
    classified: dict[int, FloatArray]
    """window length -> (P, P) shares: row the real emotion of held-out clips, column what the classifier
    said"""
    halves: list[tuple[FloatArray, FloatArray]]
    """the classifier's features of the real clips split in two, as many of each emotion, in several ways"""
    speeds: list[FloatArray]
    """of each emotion the joint speed of every real frame, m/s"""

    def values_of(self, dance: FloatArray) -> dict[str, float]:
        """Every measure of one dance."""
        taken = measures_with(self.plausible, self.manifold, self.copies)
        return {name: take(dance) for name, take in taken.items()}

    @cached_property
    def floor(self) -> float:
        """Fréchet distance of real from real, the mean of the ways to split."""
        return float(np.mean([frechet(*pair) for pair in self.halves]))

    def distance(self, features: FloatArray) -> float:
        """Fréchet distance of the classifier's features (N, 64) of dances from real: from each half, the
        mean."""
        return float(np.mean([frechet(features, half) for pair in self.halves for half in pair]))


def averaged(name: str, values: ArrayLike, lengths: ArrayLike) -> float:
    """A measure of some dances of so many frames: the mean by length of what is known, or the `WORST`."""
    values, lengths = np.asarray(values, dtype=float), np.asarray(lengths, dtype=float)
    known = np.isfinite(values)
    if not known.any():
        return float("nan")
    if name in WORST:
        return float(values[known].max())
    return float(np.average(values[known], weights=lengths[known]))


def measures_with(
    plausible: measures.Plausible, manifold: NearestPoses, copies: CopyDetector
) -> dict[str, Measure]:
    """Name, with its unit, -> function of positions (T, 17, 3)."""
    return {
        "speed_m_s": lambda dance: float(joint_speed(dance).mean()),
        "frozen_share": measures.frozen_share,
        "longest_frozen_s": measures.longest_frozen,
        "jerk_m_s3": measures.jerk,
        "quick_share": measures.quick_share,
        "toe_slide_m_s": measures.toe_slide,
        "penetration_m": measures.penetration,
        "too_fast_share": plausible.too_fast,
        "out_of_height_share": plausible.out_of_height,
        "off_manifold_share": manifold.off_share,
        "repetition_share": measures.repetition_share,
        "copied_share": copies.copied_share,
        "farthest_m": measures.farthest,
        "bone_change_m": measures.bone_change,
    }


def build_reference(clips: Clips, emotions: Sequence[str], emotion_classifier: EmotionClassifier) -> Reference:
    """Measure the real clips. The classifier must be trained on the training half of `split_clips` alone."""
    training, held_out = (half.tolist() for half in split_clips(clips))
    shown = np.array([-1 if (e := emotion_of(label, emotions)) is None else e for label in clips.labels])
    everything = [clips.clip(i) for i in np.flatnonzero(shown >= 0).tolist()]
    plausible = measures.Plausible.of(everything)
    manifold = NearestPoses.of([clips.clip(i) for i in training], [clips.clip(i) for i in held_out])
    copies = CopyDetector.of([clips.clip(i) for i in training])
    taken = measures_with(plausible, manifold, copies)
    columns: dict[str, list[float]] = {name: [] for name in taken}
    speeds = []
    rng = np.random.default_rng(0)
    for emotion in range(len(emotions)):
        indices = np.flatnonzero(shown == emotion).tolist()
        real = [clips.clip(i) for i in indices if len(clips.clip(i)) > SHORT_FRAMES]
        unseen = [clips.clip(i) for i in indices if i in set(held_out)] or real
        stream = np.concatenate([real[i] for i in rng.permutation(len(real))])[:STREAM_FRAMES]
        for name, measure in taken.items():
            some = unseen if name in OF_UNSEEN else [stream] if name == "repetition_share" else real
            values = [measure(dance) for dance in some]
            columns[name].append(averaged(name, values, [len(dance) for dance in some]))
        speeds.append(np.concatenate([joint_speed(clip) for clip in real]))
    return Reference(
        tuple(emotions),
        emotion_classifier,
        plausible,
        manifold,
        copies,
        {name: np.array(values) for name, values in columns.items()},
        looped_share(everything),
        {
            length: confusion_of(emotion_classifier, clips, shown, held_out, length)
            for length in (LONG_FRAMES, SHORT_FRAMES)
        },
        [_halves(emotion_classifier, clips, shown, rng) for _ in range(SPLITS)],
        speeds,
    )


def looped_share(clips: Sequence[FloatArray]) -> float:
    """`measures.repetition_share` of the first clip of four seconds, or the longest, in a loop."""
    clip = next((clip for clip in clips if len(clip) >= 4 * FRAME_RATE), max(clips, key=len))
    return measures.repetition_share(np.concatenate([clip] * (STREAM_FRAMES // len(clip))))


def confusion_of(
    emotion_classifier: EmotionClassifier,
    clips: Clips,
    shown: NDArray[np.int64],
    indices: Sequence[int],
    length: int,
) -> FloatArray:
    """Shares (P, P) of the windows of `length` frames of the clips: row what they show, column what is said."""
    size = len(emotion_classifier.emotions)
    counts = np.zeros((size, size))
    for i in indices:
        windows = windows_of(clips.clip(i), length, FRAME_RATE // 2)
        if shown[i] >= 0 and len(windows):
            said = emotion_classifier.look(windows.astype(np.float32))[0].argmax(axis=1)
            np.add.at(counts, (shown[i], said), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def sample_features(
    emotion_classifier: EmotionClassifier, dances: Sequence[FloatArray], rng: np.random.Generator
) -> FloatArray:
    """The classifier's features (FEATURE_WINDOWS, 64) of windows drawn evenly from dances of one emotion."""
    windows = [windows_of(dance, LONG_FRAMES, 5) for dance in dances if len(dance) >= LONG_FRAMES]
    together = np.concatenate(windows).astype(np.float32)
    chosen = rng.choice(len(together), FEATURE_WINDOWS, replace=len(together) < FEATURE_WINDOWS)
    return emotion_classifier.look(together[chosen])[1]


def _halves(
    emotion_classifier: EmotionClassifier, clips: Clips, shown: NDArray[np.int64], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Features of every other clip of each emotion, in random order, and of the rest."""
    halves: tuple[list[FloatArray], list[FloatArray]] = ([], [])
    for emotion in range(len(emotion_classifier.emotions)):
        long = [i for i in np.flatnonzero(shown == emotion).tolist() if len(clips.clip(i)) >= LONG_FRAMES]
        order = rng.permutation(long).tolist()
        for half, features in enumerate(halves):
            chosen = [clips.clip(i) for i in order[half::2]] or [clips.clip(i) for i in order]
            features.append(sample_features(emotion_classifier, chosen, rng))
    return np.concatenate(halves[0]), np.concatenate(halves[1])
