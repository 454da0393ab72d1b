"""How far the joints found in a video are from reference keypoints of the same video.

    python -m engine.visitor.landmark_error VIDEO KEYPOINTS.json

KEYPOINTS.json is a list with one object per frame: keypoint name -> {"x": pixels, "y": pixels}, as in the tests
of tensorflow/tfjs-models (COCO's 17 keypoints). Twelve of them are joints here; eyes, ears and nose are not.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engine.streams.values import CameraFrame
from engine.visitor.landmarks import LANDMARKS_OF_JOINT, joints_in_picture
from engine.visitor.person_tracker import PersonTracker, detection_of
from engine.visitor.pose_bundle import PoseModelError
from engine.visitor.pose_detector import PoseDetector
from engine.visitor.pose_model import find_pose_model
from models.motion.skeleton import INDEX, FloatArray

HEAD_OF_REFERENCE = "nose"


def main(arguments: list[str] | None = None) -> int:
    """Print the mean error per keypoint and overall, in pixels and as a share of the body's height."""
    parser = argparse.ArgumentParser(prog="python -m engine.visitor.landmark_error", description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("keypoints", type=Path)
    parser.add_argument("--model", type=Path, default=None, help="a pose_landmarker bundle")
    given = parser.parse_args(arguments)
    try:
        names, reference, heights = read_keypoints(given.keypoints)
        found = joints_in_video(given.video, find_pose_model(given.model))
    except (OSError, KeyError, ValueError, PoseModelError) as error:
        parser.error(str(error))
    frames = min(len(found), len(reference))
    chosen = [INDEX[name] for name in names]
    errors = pixel_errors(found[:frames, chosen], reference[:frames])
    height = float(heights[:frames].mean())
    missed = int(np.isnan(errors).any(axis=1).sum())
    sys.stdout.write(f"{frames} frames, {missed} without a person; body height {height:.0f} pixels\n")
    per_joint = np.nanmean(errors, axis=0)
    for name, pixels in [*zip(names, per_joint, strict=True), ("mean", float(np.nanmean(errors)))]:
        sys.stdout.write(f"{name:15s} {pixels:6.2f} px  {100 * pixels / height:5.2f} % of body height\n")
    return 0


def read_keypoints(path: Path) -> tuple[list[str], FloatArray, FloatArray]:
    """(joint names (K,), keypoints (T, K, 2) in pixels, body heights (T,) in pixels).

    The height of a body is that of its frame, from the nose to the lower ankle.
    """
    frames: list[dict[str, dict[str, float]]] = json.loads(path.read_text(encoding="utf-8"))
    names = [name for name in LANDMARKS_OF_JOINT if name in frames[0]]
    points = np.array([[(frame[name]["x"], frame[name]["y"]) for name in names] for frame in frames])
    nose = np.array([frame[HEAD_OF_REFERENCE]["y"] for frame in frames])
    return names, points, points[..., 1].max(axis=1) - nose


def joints_in_video(video: Path, model: Path) -> FloatArray:
    """The visitor's joints (T, 17, 2) in pixels in every frame of a video, NaN where nobody was found.

    Raises ValueError when there is no frame.
    """
    detector, visitors = PoseDetector(model), PersonTracker()
    capture: Any = cv2.VideoCapture(str(video))
    rate = capture.get(cv2.CAP_PROP_FPS) or 30.0
    joints: list[FloatArray] = []
    while (picture := capture.read()[1]) is not None:
        image = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        at = len(joints) / rate
        frame = CameraFrame(image, at, len(joints))
        bodies = detector.detect(frame)
        detector.look_around(frame)
        height, width = image.shape[:2]
        index = visitors.choose([detection_of(body, width, height) for body in bodies], at)
        joints.append(np.full((17, 2), np.nan) if index is None else joints_in_picture(bodies[index]))
    capture.release()
    detector.close()
    if not joints:
        raise ValueError(f"{video}: no picture can be read from it; expected a video file")
    return np.stack(joints)


def pixel_errors(found: FloatArray, reference: FloatArray) -> FloatArray:
    """Distances (T, K) in pixels of points (T, K, 2)."""
    return np.linalg.norm(found - reference, axis=-1)


if __name__ == "__main__":
    sys.exit(main())
