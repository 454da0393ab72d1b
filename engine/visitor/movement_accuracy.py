"""How often the classifier of movement is right about people in front of the camera.

    python -m engine.visitor.movement_accuracy --data clips.npz

Held-out clips are put before a pinhole camera, seen as landmarks with the noise and the losses that a detector
has, and taken through the whole camera path (`engine.visitor.pose_filter`); then two-second windows are
classified.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from engine.visitor.emotion_recognition import default_movement_classifier
from engine.visitor.landmarks import LANDMARK_COUNT, LANDMARKS_OF_JOINT, BodyLandmarks
from engine.visitor.pose_filter import PoseFilter
from models.data.clips import ClipsError, emotion_of, read_clips, split_clips
from models.evaluation.emotion_classifier import LONG_FRAMES, ClassifierError, windows_of
from models.evaluation.movement_classifier import LIMBS, read_movement_classifier
from models.motion.features import turn
from models.motion.skeleton import FRAME_RATE, INDEX, JOINTS, FloatArray, mirror_positions

WIDTH, HEIGHT, FOCAL, DISTANCE = 1280, 720, 900.0, 3.5
"""Pixels of the frame, focal length in pixels, metres from the camera to the visitor."""
PICTURE_NOISE, WORLD_NOISE = 2.0, np.array([0.006, 0.006, 0.02])
"""Deviation in pixels, and in metres to the side, upwards and in depth."""
LOSS_CHANCE = 0.01
"""Chance for each limb in each frame that it is lost for the next half to two seconds."""


def seen_by_camera(positions: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Positions (T, 17, 3) as the camera path gives them for a body that moves like that before a camera."""
    around = turn(positions - positions[:1, :1] * (1, 0, 1), np.array(rng.uniform(-0.6, 0.6)))
    path, lost_until = PoseFilter(), np.zeros(len(LIMBS))
    bodies = []
    for frame, body in enumerate(around):
        begin = rng.uniform(size=len(LIMBS)) < LOSS_CHANCE / 3
        lost_until = np.where(begin, frame + rng.uniform(0.5, 2.0, len(LIMBS)) * FRAME_RATE, lost_until)
        visibility = np.full(len(JOINTS), 0.95)
        for limb, until in zip(LIMBS, lost_until, strict=True):
            visibility[list(limb)] = 0.95 if frame >= until else 0.1
        landmarks = landmarks_of(body, visibility, rng)
        bodies.append(path.update(landmarks, WIDTH, frame / FRAME_RATE)[0])
    return np.stack(bodies)


def landmarks_of(body: FloatArray, visibility: FloatArray, rng: np.random.Generator) -> BodyLandmarks:
    """The landmarks of joints (17, 3) on the floor before the camera, as MediaPipe would give them."""
    noisy = body + rng.normal(size=body.shape) * WORLD_NOISE
    world = np.zeros((LANDMARK_COUNT, 3), dtype=np.float32)
    picture = np.zeros((LANDMARK_COUNT, 2), dtype=np.float32)
    seen = np.zeros(LANDMARK_COUNT, dtype=np.float32)
    depth = np.maximum(DISTANCE - body[:, 2], 0.5)
    pixels = np.stack([body[:, 0], 1.0 - body[:, 1]], axis=1) * (FOCAL / depth)[:, None]
    pixels += (WIDTH / 2, HEIGHT / 2) + rng.normal(size=pixels.shape) * PICTURE_NOISE
    for name, those in LANDMARKS_OF_JOINT.items():
        joint = INDEX[name]
        if name in ("pelvis", "neck"):
            continue  # they are the middle of landmarks that other joints have
        for landmark in those:
            world[landmark] = (noisy[joint] - noisy[0]) * (1, -1, -1)
            picture[landmark], seen[landmark] = pixels[joint], visibility[joint]
    return BodyLandmarks(picture, world, seen)


def main(arguments: list[str] | None = None) -> int:
    """Print how often it is right, for each emotion."""
    parser = argparse.ArgumentParser(prog="python -m engine.visitor.movement_accuracy", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="clips, npz, as models.prepare writes them")
    parser.add_argument("--classifier", type=Path, default=default_movement_classifier())
    given = parser.parse_args(arguments)
    try:
        clips, emotion_classifier = read_clips(given.data), read_movement_classifier(given.classifier)
    except (ClipsError, ClassifierError) as error:
        parser.error(str(error))
    rng = np.random.default_rng(2)
    right: list[list[bool]] = [[] for _ in emotion_classifier.emotions]
    for clip in split_clips(clips)[1].tolist():
        emotion = emotion_of(clips.labels[clip], emotion_classifier.emotions)
        if emotion is None or len(clips.clip(clip)) < LONG_FRAMES:
            continue
        for positions in (clips.clip(clip), mirror_positions(clips.clip(clip))):
            windows = windows_of(seen_by_camera(positions, rng), LONG_FRAMES, FRAME_RATE // 2)
            right[emotion] += (
                emotion_classifier.look(windows.astype(np.float32))[0].argmax(axis=1) == emotion
            ).tolist()
    shares = [float(np.mean(some)) if some else float("nan") for some in right]
    for name, some, share in zip(emotion_classifier.emotions, right, shares, strict=True):
        sys.stdout.write(f"{name:12s} {share:4.0%} of {len(some)} windows\n")
    sys.stdout.write(f"{'mean':12s} {np.nanmean(shares):4.0%}, chance {1 / len(shares):.0%}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
