"""Movement made by code, so that whatever needs clips can be tried without any data."""

from collections.abc import Sequence

import numpy as np

from models.data.clips import PALETTE_LABELS, Clips
from models.motion.skeleton import (
    BONE_COUNT,
    FRAME_RATE,
    INDEX,
    STANDING_POSE,
    FloatArray,
    forward_kinematics,
    unit_vectors,
)


def swinging_figure(frames: int, *, rate: float = 1.0, turn: float = 0.0, phase: float = 0.0) -> FloatArray:
    """Positions (frames, 17, 3) of a figure that swings its arms `rate` times a second, walks and turns."""
    time = np.arange(frames) / FRAME_RATE
    swing = 0.6 * np.sin(2 * np.pi * rate * time + phase)
    directions = np.tile(STANDING_POSE, (frames, 1, 1))
    for side, sign in (("left", 1), ("right", -1)):
        for joint in ("elbow", "wrist"):
            directions[:, INDEX[f"{side}_{joint}"] - 1, 2] += sign * swing
        for joint in ("knee", "ankle"):
            directions[:, INDEX[f"{side}_{joint}"] - 1, 2] -= 0.5 * sign * swing
    yaw = turn * time
    heading = np.stack([np.sin(yaw), np.zeros(frames), np.cos(yaw)], axis=-1)
    pelvis = np.cumsum(0.5 / FRAME_RATE * heading, axis=0) + [0.0, 0.88, 0.0]
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, y, z = np.moveaxis(directions, -1, 0)
    directions = np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)
    assert directions.shape[1] == BONE_COUNT
    return forward_kinematics(pelvis, unit_vectors(directions)).astype(np.float32)


CONTENTS = ("dance", "wave", "walk")
"""One content of each kind of movement, in the order of `models.data.kinds.KINDS`."""


def synthetic_clips(per_label: int = 2, frames: int = 70, contents: Sequence[str] = CONTENTS) -> Clips:
    """Clips of every label of the palette and of one other style, each with its own rate of swinging. The takes
    of a label are of one content after the other."""
    labels = [label for labels in PALETTE_LABELS.values() for label in labels] + ["1/giant"]
    movements, datasets, styles, names, shown = [], [], [], [], []
    for number, label in enumerate(labels):
        for take in range(per_label):
            rate = 0.4 + 0.15 * number
            movements.append(swinging_figure(frames, rate=rate, turn=0.3 * take, phase=take))
            dataset, style = label.split("/")
            datasets.append(dataset)
            styles.append(style)
            names.append(f"{dataset}-{style}-{take}")
            shown.append(contents[take % len(contents)])
    starts = np.cumsum([0] + [len(movement) for movement in movements])
    return Clips(np.concatenate(movements), starts, tuple(names), tuple(datasets), tuple(shown), tuple(styles))
