"""Real dances and acts, as generated ones are measured beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.clips import Clips, emotion_of, split_clips
from models.data.emotion_profile import EmotionProfiles
from models.data.kinds import kind_of
from models.data.restyling import RESTYLING_SIZE, Restyling, is_unacted
from models.evaluation import measures
from models.evaluation.contents import NearestContents, content_windows, effective_number, shares_of
from models.evaluation.copying import CopyDetector
from models.evaluation.emotion_classifier import EmotionClassifier
from models.evaluation.nearest_poses import NearestPoses
from models.motion.features import features_to_positions, positions_to_features
from models.motion.skeleton import FRAME_RATE, FloatArray, joint_speed

COVERAGE_WINDOWS = 400
"""Windows of each emotion that precision and recall are measured on."""
MEASURES: dict[str, Callable[[FloatArray], float]] = {
    "speed_m_s": lambda dance: float(joint_speed(dance).mean()),
    "jerk_m_s3": measures.jerk,
    "toe_slide_m_s": measures.toe_slide,
    "rhythm": measures.rhythm_strength,
}


@dataclass(frozen=True, eq=False)
class DanceReference:
    """Real dances and acts as the measures see them. `real` holds measure -> (P,), in each emotion: restyled
    where nobody acted it, but for `toe_slide_m_s`, which restyling itself would change."""

    emotions: tuple[str, ...]
    classifier: EmotionClassifier
    profiles: EmotionProfiles
    dances: NearestContents
    acts: list[NearestContents]
    """of each emotion, as it was acted"""
    copies: CopyDetector
    manifold: NearestPoses
    real: dict[str, FloatArray]
    coverage: list[tuple[FloatArray, FloatArray]]
    """windows of each emotion's dances split in two halves of clips"""
    effective_dances: float
    effective_acts: FloatArray  # (P,)
    classifier_error: tuple[float, float]
    """shares of held-out windows: acts taken for dance, dances taken for acts"""


def styled_dances(clips: Clips, restyling: Restyling) -> list[list[FloatArray]]:
    """For each emotion the unacted dances (T, 17, 3) of at least 3 s, restyled into it, on one skeleton."""
    chosen = [
        i
        for i in range(len(clips))
        if kind_of(clips.contents[i]) == "dance"
        and is_unacted(clips.labels[i])
        and len(clips.clip(i)) > 3 * FRAME_RATE
    ]
    return [
        [
            features_to_positions(restyling.clip(positions_to_features(clips.clip(i)), emotion, RESTYLING_SIZE))
            for i in chosen
        ]
        for emotion in range(len(restyling.tempo))
    ]


def build_dance_reference(
    clips: Clips,
    emotions: Sequence[str],
    classifier: EmotionClassifier,
    restyling: Restyling,
    classifier_error: tuple[float, float],
) -> DanceReference:
    """Measure the real clips. Raises ValueError where there are no dances or no neutral acts."""
    styled = styled_dances(clips, restyling)
    if not styled[0]:
        raise ValueError("no clip of these is a dance of three seconds")
    real = {
        name: np.array([mean_known([measure(dance) for dance in dances]) for dances in styled])
        for name, measure in MEASURES.items()
    }
    real["toe_slide_m_s"][:] = real["toe_slide_m_s"][0]
    training, held_out = (half.tolist() for half in split_clips(clips))
    kinds = [kind_of(content) for content in clips.contents]
    dancing = [i for i in range(len(clips)) if kinds[i] == "dance"]
    acts, effective = [], []
    for emotion in range(len(emotions)):
        own = [
            i
            for i in range(len(clips))
            if emotion_of(clips.labels[i], emotions) == emotion and kinds[i] in ("gesture", "walk")
        ]
        known = NearestContents.fit([clips.clip(i) for i in own], [clips.contents[i] for i in own])
        acts.append(known)
        effective.append(_effective(known.contents))
    dances = NearestContents.fit([clips.clip(i) for i in dancing], [clips.contents[i] for i in dancing])
    movement = [
        [pose for i in half if kinds[i] for pose in _styled_everywhere(clips, i, restyling)]
        for half in (training, held_out)
    ]
    return DanceReference(
        tuple(emotions),
        classifier,
        EmotionProfiles.fit(clips, range(len(clips)), emotions),
        dances,
        acts,
        CopyDetector.of([clips.clip(i) for i in dancing if i in set(training)]),
        NearestPoses.of(*movement),
        real,
        [(half_second_windows(some[::2]), half_second_windows(some[1::2])) for some in styled],
        _effective(dances.contents),
        np.array(effective),
        classifier_error,
    )


def _styled_everywhere(clips: Clips, i: int, restyling: Restyling) -> list[FloatArray]:
    """A clip as it is; one that nobody acted in an emotion in every emotion, of which each has every fifth
    frame."""
    if not is_unacted(clips.labels[i]):
        return [clips.clip(i)]
    features = positions_to_features(clips.clip(i))
    emotions = range(len(restyling.tempo))
    return [features_to_positions(restyling.clip(features, e, RESTYLING_SIZE)) for e in emotions]


def half_second_windows(dances: Sequence[FloatArray]) -> FloatArray:
    """At most `COVERAGE_WINDOWS` windows of positions (T, 17, 3), one each half a second, as
    `content_windows`."""
    windows = np.concatenate([content_windows(dance, FRAME_RATE // 2).numpy() for dance in dances])
    chosen = np.random.default_rng(0).permutation(len(windows))[:COVERAGE_WINDOWS]
    return windows[chosen]


def _effective(contents: NDArray[np.str_]) -> float:
    return effective_number(np.array(list(shares_of(contents).values())))


def mean_known(values: Sequence[float] | FloatArray) -> float:
    """The mean of the finite values, NaN without any."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
