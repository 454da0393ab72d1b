"""MediaPipe's pose landmarker: a picture in, the landmarks of everybody in it out."""

from pathlib import Path
from typing import Any

import numpy as np

from engine.landmarks import BodyLandmarks, is_person
from engine.values import CameraFrame

NUM_POSES = 3
"""The visitor and two others: whoever is not found cannot be told apart. On two busy cores a picture with one
person costs 17 ms with 2 or 3 (the detector looks for more in every picture) against 11 ms with 1; three people
cost 27 ms, still within a frame."""


class PoseDetector:
    """Follows people through a video; frames must come in the order in which they were taken.

    Raises ValueError or RuntimeError when MediaPipe refuses the model. Its native library writes a few lines to
    stderr at the start; version 1.2 has no switch against them (GLOG_minloglevel and TF_CPP_MIN_LOG_LEVEL do
    nothing).
    """

    def __init__(self, model: Path, num_poses: int = NUM_POSES) -> None:
        # Imported here: it takes a second, and whoever needs no camera needs no MediaPipe.
        import mediapipe
        from mediapipe.tasks.python import vision
        from mediapipe.tasks.python.core.base_options import BaseOptions

        self._picture_of: Any = mediapipe.Image
        self._format = mediapipe.ImageFormat.SRGB
        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.VIDEO,
            num_poses=num_poses,
        )
        self._landmarker = vision.PoseLandmarker.create_from_options(options)
        self._timestamp = -1

    def detect(self, frame: CameraFrame) -> list[BodyLandmarks]:
        """Everybody who was found; what cannot be a person is left out."""
        # MediaPipe refuses a timestamp that is not later than the one before.
        self._timestamp = max(self._timestamp + 1, int(frame.captured_at * 1000))
        picture = self._picture_of(image_format=self._format, data=frame.image)
        result = self._landmarker.detect_for_video(picture, self._timestamp)
        height, width = frame.image.shape[:2]
        people = zip(result.pose_landmarks, result.pose_world_landmarks, strict=True)
        bodies = [landmarks_of(seen, world, width, height) for seen, world in people]
        return [body for body in bodies if is_person(body)]

    def close(self) -> None:
        """Free the networks."""
        self._landmarker.close()


def landmarks_of(seen: list[Any], world: list[Any], width: int, height: int) -> BodyLandmarks:
    """One person; what lies outside the picture was guessed, whatever visibility the network gives it."""
    shares = np.array([(mark.x, mark.y) for mark in seen], dtype=np.float32)
    inside = ((shares >= 0.0) & (shares <= 1.0)).all(axis=1)
    visibility = np.array([mark.visibility or 0.0 for mark in seen], dtype=np.float32)
    return BodyLandmarks(
        picture=shares * np.array([width, height], dtype=np.float32),
        world=np.array([(mark.x, mark.y, mark.z) for mark in world], dtype=np.float32),
        visibility=np.where(inside, visibility, np.float32(0.0)),
    )
