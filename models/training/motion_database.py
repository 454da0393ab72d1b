"""Clips as features, end to end, each also mirrored, and each that nobody acted restyled into every emotion."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.clips import PALETTE_LABELS, Clips
from models.data.kinds import KINDS, kind_of
from models.data.restyling import RESTYLING_SIZE, Restyling, is_unacted
from models.motion.features import POSE_SIZE, features_to_positions, mirror_features, positions_to_features
from models.motion.skeleton import FloatArray, joint_speed

MIN_FRAMES = 16
"""Frames that a clip must have, rest cut, to be used."""


def condition_names(palette_names: Sequence[str], clips: Clips) -> tuple[str, ...]:
    """What the network tells apart: the palette's emotions in their order, then every other style of the data
    sets in which those emotions were acted."""
    emotional = {label for name in palette_names for label in PALETTE_LABELS.get(name, ())}
    acted = {label.split("/", 1)[0] for label in emotional & set(clips.labels)}
    labels = {label for label in clips.labels if label.split("/", 1)[0] in acted} - emotional
    return (*palette_names, *sorted({label.split("/", 1)[1] for label in labels}))


def condition_of(label: str, names: Sequence[str]) -> int | None:
    """Index in `condition_names` of a clip's label "dataset/style", None for a style that is not learnt."""
    for name, labels in PALETTE_LABELS.items():
        if label in labels and name in names:
            return names.index(name)
    style = label.split("/", 1)[1]
    return names.index(style) if style in names and style not in PALETTE_LABELS else None


@dataclass(frozen=True)
class MotionDatabase:
    """Clips as features, usually with rest cut off, each also mirrored, end to end."""

    features: FloatArray  # (N, 52)
    speed: FloatArray  # (N,) m/s of each frame, relative to the pelvis
    starts: NDArray[np.int64]  # (S + 1,)
    condition: NDArray[np.int64]  # (S,)
    kind: NDArray[np.int64]  # (S,) index in `models.data.kinds.KINDS`
    content: NDArray[np.str_]  # (S,) data set and content

    def danced(self, at: FloatArray, tempo: FloatArray | float) -> FloatArray:
        """Features (..., 52) at times (...) in frames, inside a clip by a frame or more, of who dances it at a
        tempo (...). Between frames they are Catmull-Rom splines."""
        first = np.floor(at).astype(np.int64)
        t = (at - first)[..., None].astype(np.float32)
        before, here, there, after = (
            self.features[np.minimum(first + k, len(self.features) - 1)] for k in (-1, 0, 1, 2)
        )
        bend = 2 * before - 5 * here + 4 * there - after + t * (3 * (here - there) + after - before)
        features = here + 0.5 * t * (there - before + t * bend)
        features[..., POSE_SIZE:] *= np.asarray(tempo, dtype=np.float32)[..., None]
        return features


def build_database(
    clips: Clips,
    indices: Sequence[int],
    names: Sequence[str],
    restyling: Restyling | None = None,
    *,
    keep_rest: bool = False,
) -> MotionDatabase:
    """Features of the chosen clips of a kind and a style that are learnt; `keep_rest` leaves the rest at their
    ends as it is. With `restyling` each clip that nobody acted in an emotion counts once in every emotion in
    which nobody acted its kind."""
    features, speeds, starts, conditions, kinds, contents = [], [], [0], [], [], []
    acted = {(condition_of(clips.labels[i], names), kind_of(clips.contents[i])) for i in indices}
    for i in indices:
        positions, kind = clips.clip(i), kind_of(clips.contents[i])
        condition = condition_of(clips.labels[i], names)
        shown = [] if condition is None else [condition]
        if restyling is not None and is_unacted(clips.labels[i]):
            shown = [e for e in range(len(restyling.tempo)) if e == 0 or (e, kind) not in acted]
        if len(positions) < MIN_FRAMES or kind is None:
            continue
        speed = joint_speed(positions)
        first, last = (0, len(positions)) if keep_rest else trim_rest(np.concatenate([speed[:1], speed]))
        if last - first < MIN_FRAMES:
            continue
        whole = positions_to_features(positions)[first:last]
        for condition in shown:
            styled = whole
            if restyling is not None and is_unacted(clips.labels[i]):
                styled = restyling.clip(whole, condition, RESTYLING_SIZE)
            for version in (styled, mirror_features(styled)):
                features.append(version)
                speeds.append(speed_of_features(version))
                starts.append(starts[-1] + len(version))
                conditions.append(condition)
                kinds.append(KINDS.index(kind))
                contents.append(f"{clips.datasets[i]}/{clips.contents[i]}")
    if not features:
        raise ValueError(
            f"no clip to learn from is longer than {MIN_FRAMES} frames: there is nothing to train on"
        )
    return MotionDatabase(
        np.concatenate(features),
        np.concatenate(speeds),
        np.array(starts),
        np.array(conditions),
        np.array(kinds),
        np.array(contents),
    )


def speed_of_features(features: FloatArray) -> FloatArray:
    """Mean joint speed (T,) in m/s relative to the pelvis of each frame of features (T, 52)."""
    speed = joint_speed(features_to_positions(features))
    return np.concatenate([speed[:1], speed]).astype(np.float32)


def trim_rest(speed: FloatArray, rest_share: float = 0.25, keep: int = 5) -> tuple[int, int]:
    """First and one-past-last frame of a clip without the rest at its ends, `keep` frames of it left.

    Rest is a speed under `rest_share` of the clip's median.
    """
    moving = np.flatnonzero(speed > rest_share * np.median(speed))
    if len(moving) == 0:
        return 0, len(speed)
    return max(int(moving[0]) - keep, 0), min(int(moving[-1]) + 1 + keep, len(speed))
