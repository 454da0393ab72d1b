"""Emotion seen in how something is danced: the difference from neutral movement in sixteen features.

A classifier of emotion that has only seen acts knows no dance. These features come from the literature on
emotional movement (Wallbott 1998, doi:10.1002/(SICI)1099-0992(1998110)28:6<879::AID-EJSP901>3.0.CO;2-W;
Castellano, Villalba & Camurri 2007, doi:10.1007/978-3-540-74889-2_7; Aristidou et al. 2015,
doi:10.1111/cgf.12598) and say nothing about the content: the profile of an emotion is the standardised
difference of its features from those of neutral movement of the same content.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.data.clips import Clips, emotion_of
from models.motion.features import heading, turn
from models.motion.skeleton import FRAME_RATE, INDEX, FloatArray, lengths_of

FEATURE_NAMES = (
    "speed",
    "acceleration",
    "jerk",
    "hands against feet",
    "reach",
    "height of hands",
    "inclination of trunk",
    "inclination of head",
    "height of head",
    "elbows out",
    "bend of elbows",
    "bend of knees",
    "width of stance",
    "travel",
    "bounce",
    "sharpness",
)
MIN_FRAMES = 30
"""Frames under which a movement has no profile."""
ACTED_SET = "1"
"""The data set in which the same contents were acted in every emotion."""
_ARMS = [INDEX["left_wrist"], INDEX["right_wrist"]]
_ELBOWS = [INDEX["left_elbow"], INDEX["right_elbow"]]
_SHOULDERS = [INDEX["left_shoulder"], INDEX["right_shoulder"]]
_HIPS = [INDEX["left_hip"], INDEX["right_hip"]]
_KNEES = [INDEX["left_knee"], INDEX["right_knee"]]
_ANKLES = [INDEX["left_ankle"], INDEX["right_ankle"]]


def movement_features(positions: FloatArray) -> FloatArray:
    """The features (16,), in the order of `FEATURE_NAMES`, of positions (T, 17, 3), T >= 30, metres at 30 fps.

    Speeds and their like are natural logarithms, heights and distances metres, angles radians.
    """
    positions = np.asarray(positions, dtype=np.float64)
    body = positions - positions[:, :1]
    facing = turn(body, -heading(positions)[:, None])
    speed = lengths_of(np.diff(body, axis=0))[..., 0] * FRAME_RATE
    change = lengths_of(np.diff(body, n=2, axis=0))[..., 0] * FRAME_RATE**2
    jerk = lengths_of(np.diff(body, n=3, axis=0))[..., 0] * FRAME_RATE**3
    pelvis = positions[:, 0]
    travel = lengths_of(np.diff(pelvis[:, [0, 2]], axis=0))[..., 0] * FRAME_RATE
    trunk, head = facing[:, INDEX["neck"]], facing[:, INDEX["head"]] - facing[:, INDEX["neck"]]
    hands, elbows, ankles = facing[:, _ARMS], facing[:, _ELBOWS], facing[:, _ANKLES]
    total = change.mean(axis=1)
    return np.array(
        [
            _log(speed.mean()),
            _log(change.mean()),
            _log(jerk.mean()),
            _log(speed[:, _ARMS].mean()) - _log(speed[:, _ANKLES].mean()),
            lengths_of(hands - trunk[:, None]).mean(),
            (hands[..., 1] - trunk[:, None, 1]).mean(),
            np.arctan2(trunk[:, 2], trunk[:, 1]).mean(),
            np.arctan2(head[:, 2], head[:, 1]).mean(),
            head[:, 1].mean(),
            (np.abs(elbows[..., 0]) - np.abs(facing[:, _SHOULDERS, 0])).mean(),
            _bend(body, _SHOULDERS, _ELBOWS, _ARMS),
            _bend(body, _HIPS, _KNEES, _ANKLES),
            np.abs(ankles[:, 0, 0] - ankles[:, 1, 0]).mean(),
            _log(travel.mean()),
            _log(np.diff(pelvis[:, 1]).std() * FRAME_RATE),
            _log(np.percentile(total, 90)) - _log(np.median(total)),
        ]
    )


def _log(value: float) -> float:
    return float(np.log(value + 0.01))


def _bend(body: FloatArray, start: list[int], middle: list[int], end: list[int]) -> float:
    """Mean bend in radians of two joints, 0 for a straight limb."""
    upper, lower = body[:, middle] - body[:, start], body[:, end] - body[:, middle]
    cosine = (upper * lower).sum(axis=-1) / np.maximum(lengths_of(upper) * lengths_of(lower), 1e-9)[..., 0]
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)).mean())


@dataclass(frozen=True, eq=False)
class EmotionProfiles:
    """The acted profile of each emotion: `profiles` (P, 16) in units of `scale` (16,), zeros for neutral (the
    first) and for an emotion that nobody acted."""

    emotions: tuple[str, ...]
    profiles: FloatArray
    scale: FloatArray

    @classmethod
    def fit(cls, clips: Clips, indices: Sequence[int], emotions: Sequence[str]) -> "EmotionProfiles":
        """Measurements on acted clips: per content that both show, an emotion's mean against neutral's.

        Raises ValueError where neutral was acted in no content.
        """
        means, scale = acted_means(clips, indices, emotions)
        profiles = np.zeros((len(emotions), len(FEATURE_NAMES)))
        for emotion in range(1, len(emotions)):
            both = sorted(set(means[0]) & set(means[emotion]))
            if both:
                profiles[emotion] = np.mean([means[emotion][c] - means[0][c] for c in both], axis=0) / scale
        return cls(tuple(emotions), profiles, scale)

    def compare(self, neutral: Sequence[FloatArray], emotional: Sequence[FloatArray]) -> FloatArray:
        """Cosines (P,) with each acted profile, 0 for neutral, of some dances against neutral ones."""
        difference = np.mean([movement_features(dance) for dance in emotional], axis=0)
        difference = (
            difference - np.mean([movement_features(dance) for dance in neutral], axis=0)
        ) / self.scale
        lengths = np.linalg.norm(self.profiles, axis=1) * np.linalg.norm(difference)
        return self.profiles @ difference / np.maximum(lengths, 1e-9)


def acted_means(
    clips: Clips, indices: Sequence[int], emotions: Sequence[str]
) -> tuple[list[dict[str, FloatArray]], FloatArray]:
    """For each emotion content -> mean features (16,) of its acted clips, and the deviation (16,) of clips of
    one content and emotion and of emotions together. Raises ValueError without neutral clips."""
    found: list[dict[str, list[FloatArray]]] = [{} for _ in emotions]
    for i in indices:
        emotion = emotion_of(clips.labels[i], emotions)
        if emotion is None or clips.datasets[i] != ACTED_SET or len(clips.clip(i)) < MIN_FRAMES:
            continue
        found[emotion].setdefault(clips.contents[i], []).append(movement_features(clips.clip(i)))
    if not found or not found[0]:
        raise ValueError("no acted clip shows the first emotion of the palette, from which others differ")
    means = [{content: np.mean(some, axis=0) for content, some in own.items()} for own in found]
    around = [
        value - np.mean([own[content] for own in means if content in own], axis=0)
        for own, all_of in zip(means, found, strict=True)
        for content, values in all_of.items()
        for value in values
    ]
    return means, np.maximum(np.std(around, axis=0), 1e-3)
