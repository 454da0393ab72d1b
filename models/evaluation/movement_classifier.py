"""Which emotion a visitor's movement shows: the evaluation's classifier, trained on bodies as a camera sees
them.

    python -m models.evaluation.movement_classifier --data clips.npz --out
    assets/movement_classifier.safetensors

A camera body has no place in depth, stands on the floor by definition, trembles (most of all in depth), and
loses limbs for a while. Each clip is therefore seen through `simulate_camera` before it is learnt from;
mirrored copies are added by the classifier's own training. The card beside the weights says how often it is
right.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.clips import Clips, ClipsError, emotion_of, read_clips, split_clips
from models.data.safe_files import read_text
from models.emotion.palette import DEFAULT_PALETTE
from models.evaluation.emotion_classifier import (
    LONG_FRAMES,
    ClassifierConfig,
    ClassifierError,
    EmotionClassifier,
    load_classifier,
    save_classifier,
    train_classifier,
)
from models.evaluation.reference import confusion_of
from models.motion.features import turn
from models.motion.skeleton import FRAME_RATE, INDEX, FloatArray, bone_directions, forward_kinematics
from models.network.card import MAX_CARD

RECIPE = ClassifierConfig(steps=1500, batch=96, width=64)
COPIES = 2
"""Times that each clip is seen, each time with other losses and from another side."""
NOISE = np.array([0.008, 0.008, 0.02])
"""Deviation in metres of the slow tremble of a joint to the side, upwards and in depth."""
NOISE_MEMORY = 0.8
"""How much of the tremble of one frame is still there in the next."""
LOST_SHARE = 0.25
"""Chance that a limb is lost somewhere in a clip, for each limb and each ten seconds."""
MAX_LOSS = 2.0
LIMBS = tuple(
    tuple(INDEX[f"{side}_{joint}"] for joint in joints)
    for side in ("left", "right")
    for joints in (("elbow", "wrist"), ("knee", "ankle", "toe"))
)
FEET = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("ankle", "toe")]
LICENCE = "CC BY-NC 4.0"


def simulate_camera(positions: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Positions (T, 17, 3) as the camera path gives them for somebody who moves like this; +z to the camera."""
    seen = turn(positions - positions[:1, :1] * (1, 0, 1), np.array(rng.uniform(-np.pi, np.pi)))
    sideways = seen[:, :1] * (1, 0, 0)
    tremble = np.zeros_like(seen)
    kick = rng.normal(size=seen.shape) * NOISE * np.sqrt(1 - NOISE_MEMORY**2) * rng.uniform(0.3, 1.5)
    for frame in range(1, len(seen)):
        tremble[frame] = NOISE_MEMORY * tremble[frame - 1] + kick[frame]
    around: FloatArray = seen + tremble
    _lose_limbs(around, rng)
    around -= around[:, :1]
    around = smoothed(around)
    feet = around[:, FEET, 1].min(axis=1)
    around[:, :, 1] -= feet[:, None]
    directions = bone_directions(around)
    return forward_kinematics(around[:, 0] + sideways[:, 0], directions).astype(np.float32)


def _lose_limbs(positions: FloatArray, rng: np.random.Generator) -> None:
    """Hold limbs still against their parents for a while, as the camera path does with what it does not see."""
    for limb in LIMBS:
        for _ in range(rng.poisson(LOST_SHARE * len(positions) / (10 * FRAME_RATE))):
            first = int(rng.integers(len(positions)))
            last = min(first + int(rng.uniform(0.2, MAX_LOSS) * FRAME_RATE), len(positions))
            root = limb[0] - 1  # shoulder or hip, which stands before its limb
            held = positions[first, limb, :] - positions[first, root]
            positions[first:last, limb, :] = positions[first:last, root][:, None] + held


def smoothed(positions: FloatArray) -> FloatArray:
    """A low-pass of 3 Hz, about what the camera path's filter does to slow movement."""
    share = 1 / (1 + FRAME_RATE / (2 * np.pi * 3.0))
    smooth: FloatArray = positions.copy()
    for frame in range(1, len(smooth)):
        smooth[frame] = smooth[frame - 1] + share * (positions[frame] - smooth[frame - 1])
    return smooth


def camera_clips(clips: Clips, indices: NDArray[np.int64], seed: int) -> Clips:
    """The clips at `indices` as the camera sees them."""
    rng = np.random.default_rng(seed)
    seen = [simulate_camera(clips.clip(int(i)), rng) for i in indices]

    def chosen(column: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(column[int(i)] for i in indices)

    return Clips(
        np.concatenate(seen),
        np.cumsum([0, *map(len, seen)]),
        *(chosen(column) for column in (clips.names, clips.datasets, clips.contents, clips.styles)),
    )


def train(clips: Clips, config: ClassifierConfig = RECIPE) -> tuple[EmotionClassifier, dict[str, float]]:
    """A classifier, and how often it is right about two-second windows of held-out clips seen through the
    camera.

    Raises ClassifierError.
    """
    emotions = DEFAULT_PALETTE.names
    shown = np.array([-1 if (e := emotion_of(label, emotions)) is None else e for label in clips.labels])
    training, held_out = (half[shown[half] >= 0] for half in split_clips(clips))
    seen = camera_clips(clips, np.tile(training, COPIES), seed=0)
    emotion_classifier = train_classifier(seen, range(len(seen)), emotions, config)
    unseen = camera_clips(clips, held_out, seed=1)
    confusion = confusion_of(emotion_classifier, unseen, shown[held_out], range(len(unseen)), LONG_FRAMES)
    return emotion_classifier, {name: round(float(confusion[i, i]), 3) for i, name in enumerate(emotions)}


def read_movement_classifier(path: Path) -> EmotionClassifier:
    """The classifier in a file, of whatever emotions its card names. Raises ClassifierError, one line."""
    try:
        emotions = json.loads(read_text(path.with_suffix(".json"), MAX_CARD))["emotions"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ClassifierError(
            f"{path}: no classifier of movement ({' '.join(str(error).split())[:200]})"
        ) from None
    return load_classifier(path, emotions)


def main(arguments: list[str] | None = None) -> int:
    """Train, report and write."""
    parser = argparse.ArgumentParser(
        prog="python -m models.evaluation.movement_classifier", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="clips, npz, as models.prepare writes them")
    parser.add_argument("--out", type=Path, required=True, help="weights, NAME.safetensors; a card lies beside")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        emotion_classifier, right = train(read_clips(given.data))
    except (ClipsError, ClassifierError) as error:
        parser.error(str(error))
    save_classifier(given.out, emotion_classifier, RECIPE)
    path = given.out.with_suffix(".json")
    card = json.loads(path.read_text(encoding="utf-8"))
    card |= {"data": [given.data.name], "licence": LICENCE, "right": right}
    card["right_mean"] = round(float(np.mean(list(right.values()))), 3)
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    for name, share in right.items():
        print(f"{name:12s} {share:.0%}")
    print(f"{'mean':12s} {card['right_mean']:.0%} of held-out windows, chance {1 / len(right):.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
