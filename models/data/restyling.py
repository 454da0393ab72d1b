"""Emotion as a change of posture, amplitude and tempo that any movement can be given.

After Amaya, Bruderlin & Calvert 1996, "Emotion from Motion": what an emotion changes in movement that was acted
in it and neutrally too, applied to movement that nobody acted in an emotion, such as a dance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.data.clips import PALETTE_LABELS, Clips, emotion_of
from models.data.emotion_profile import ACTED_SET, FEATURE_NAMES, MIN_FRAMES, EmotionProfiles
from models.motion.features import (
    DIRECTIONS,
    POSE_SIZE,
    features_to_positions,
    mirror_features,
    positions_to_features,
)
from models.motion.skeleton import BONE_COUNT, FloatArray, joint_speed, unit_vectors

UNACTED_STYLE = "normal"
RESTYLING_SIZE = 1.6
"""How much stronger a restyled clip shows an emotion than the actors did: a classifier then names it as
often."""

DEVIATION_FLOOR = 0.03
"""Added to deviations before their ratio is taken: a bone that hardly moves says little."""
SPEED_FLOOR = 0.01
"""Metres a second added to speeds before their ratio is taken."""
ACCENT = 0.35
"""The power of `Restyling.accent` for an emotion whose acted sharpness is a deviation above neutral's: with it
restyled dances are as much sharper."""
ACCENT_FRAMES, PHRASE_FRAMES = 3, 20
"""Deviations in frames of the two means of speed that are compared for an accent."""
TEMPO_LIMITS = (0.6, 1.5)
"""The slowest and the quickest that a movement is played."""


@dataclass(frozen=True, eq=False)
class Restyling:
    """For each of P emotions: `shift` (P, 49) of the mean pose (bone directions in the heading frame, pelvis
    height in metres), `amplitude` (P, 49), the factor of deviations from the mean, `tempo` (P,), and `accent`
    (P,): the power of its own speed, against that around it, by which movement is played quicker where it is
    quick."""

    shift: FloatArray
    amplitude: FloatArray
    tempo: FloatArray
    accent: FloatArray

    @classmethod
    def none(cls, count: int) -> "Restyling":
        """The one that changes nothing."""
        zeros = np.zeros((count, POSE_SIZE), dtype=np.float32)
        ones, none = np.ones(count, dtype=np.float32), np.zeros(count, dtype=np.float32)
        return cls(zeros, np.ones_like(zeros), ones, none)

    @classmethod
    def fit(cls, clips: Clips, indices: Sequence[int], emotions: Sequence[str]) -> "Restyling":
        """Measurements on acted clips against the first emotion's of the same content, mirror images included;
        where there are none, nothing changes."""
        means, deviations, speeds = _statistics(clips, indices, emotions)
        result = cls.none(len(emotions))
        if not means[0]:
            return result
        profiles = EmotionProfiles.fit(clips, indices, emotions)
        for emotion in range(1, len(emotions)):
            both = sorted(set(means[0]) & set(means[emotion]))
            if not both:
                continue
            shifts = [means[emotion][c] - means[0][c] for c in both]
            ratios = [
                np.log((deviations[emotion][c] + DEVIATION_FLOOR) / (deviations[0][c] + DEVIATION_FLOOR))
                for c in both
            ]
            result.shift[emotion] = np.mean(shifts, axis=0)
            result.amplitude[emotion] = np.exp(np.mean(ratios, axis=0))
            result.accent[emotion] = ACCENT * profiles.profiles[emotion, FEATURE_NAMES.index("sharpness")]
            result.tempo[emotion] = np.exp(
                np.mean(
                    [np.log((speeds[emotion][c] + SPEED_FLOOR) / (speeds[0][c] + SPEED_FLOOR)) for c in both]
                )
            )
        return result

    def blend(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Shift and amplitude (..., 49) of emotions of weights (..., P)."""
        return weights @ self.shift, np.exp(weights @ np.log(self.amplitude))

    def pose(self, pose: FloatArray, mean: FloatArray, weights: FloatArray, size: float) -> FloatArray:
        """Poses (..., 49), whose movement has the mean pose (..., 49), in emotions of weights (..., P) at
        `size` times what the actors did."""
        shift, amplitude = self.blend(weights)
        changed = mean + size * shift + (pose - mean) * amplitude**size
        directions = changed[..., DIRECTIONS].reshape(*changed.shape[:-1], BONE_COUNT, 3)
        changed[..., DIRECTIONS] = unit_vectors(directions).reshape(*changed.shape[:-1], -1)
        return changed

    def clip(self, features: FloatArray, emotion: int, size: float) -> FloatArray:
        """A clip's features (T, 52) in an emotion, (T', 52): posture and amplitude at `size` times what the
        actors did, tempo and accents as theirs."""
        tempo = float(np.clip(self.tempo[emotion], *TEMPO_LIMITS))
        played = _replayed(features, tempo, float(self.accent[emotion]))
        weights = np.eye(len(self.tempo), dtype=np.float32)[emotion]
        pose = played[:, :POSE_SIZE]
        played[:, :POSE_SIZE] = self.pose(pose, pose.mean(axis=0), weights, size)
        return played


def _replayed(features: FloatArray, tempo: float, accent: float) -> FloatArray:
    """Features (T, 52) played at a tempo that varies with the movement's own speed, (T', 52)."""
    speed = joint_speed(features_to_positions(features))
    speed = np.concatenate([speed[:1], speed]) + 0.05
    near, around = _smoothed(speed, ACCENT_FRAMES), _smoothed(speed, PHRASE_FRAMES)
    rate = np.clip(near / around, 1 / 3, 3.0) ** accent
    rate = np.clip(tempo * rate * np.mean(1 / rate), 0.5 * TEMPO_LIMITS[0], 1.5 * TEMPO_LIMITS[1])
    clock = np.concatenate([[0.0], np.cumsum(1 / rate[:-1])])
    at = np.interp(np.arange(int(clock[-1]) + 1), clock, np.arange(len(features)))
    first = np.minimum(at.astype(np.int64), len(features) - 2)
    share = (at - first)[:, None]
    played = (1 - share) * features[first] + share * features[first + 1]
    played[:, POSE_SIZE:] *= np.interp(at, np.arange(len(rate)), rate)[:, None]
    return played.astype(np.float32)


def _smoothed(values: FloatArray, deviation: int) -> FloatArray:
    """Values (T,) under a Gaussian of a deviation in frames."""
    reach = np.arange(-3 * deviation, 3 * deviation + 1)
    kernel = np.exp(-0.5 * np.square(reach / deviation))
    return np.convolve(np.pad(values, 3 * deviation, mode="edge"), kernel / kernel.sum(), mode="valid")


def _statistics(
    clips: Clips, indices: Sequence[int], emotions: Sequence[str]
) -> tuple[list[dict[str, FloatArray]], list[dict[str, FloatArray]], list[dict[str, float]]]:
    """For each emotion content -> mean (49,), deviation (49,) and mean joint speed of its acted clips."""
    found: list[dict[str, list[FloatArray]]] = [{} for _ in emotions]
    speeds: list[dict[str, list[float]]] = [{} for _ in emotions]
    for i in indices:
        emotion = emotion_of(clips.labels[i], emotions)
        if emotion is None or clips.datasets[i] != ACTED_SET or len(clips.clip(i)) < MIN_FRAMES:
            continue
        features = positions_to_features(clips.clip(i))
        content = clips.contents[i]
        found[emotion].setdefault(content, []).extend(
            [features[:, :POSE_SIZE], mirror_features(features)[:, :POSE_SIZE]]
        )
        speeds[emotion].setdefault(content, []).append(float(joint_speed(clips.clip(i)).mean()))
    means = [{c: np.mean([p.mean(axis=0) for p in some], axis=0) for c, some in own.items()} for own in found]
    spreads = [{c: np.mean([p.std(axis=0) for p in some], axis=0) for c, some in own.items()} for own in found]
    return means, spreads, [{c: float(np.mean(s)) for c, s in own.items()} for own in speeds]


def is_unacted(label: str) -> bool:
    """Whether a clip shows ordinary movement of people who were asked for no emotion in any of their clips: it
    is restyled into each."""
    acted = any(label in labels for labels in PALETTE_LABELS.values())
    return label.split("/", 1)[1] == UNACTED_STYLE and not acted
