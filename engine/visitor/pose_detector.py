"""MediaPipe's pose landmarker: a frame in, the landmarks of everybody in it out."""

import contextlib
import logging
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from engine.runtime.native_stderr import kept_off_terminal
from engine.streams.values import CameraFrame
from engine.visitor.landmarks import BodyLandmarks, is_person

log = logging.getLogger(__name__)

NUM_POSES = 3
"""The visitor and two others: whoever is not found cannot be told apart."""
SEARCH_INTERVAL_S = 0.5
"""Seconds between two looks for others, while one person is in view. Where more people are looked for than
there are, MediaPipe searches all of every frame, 29 ms on two cores and not 17; and it smooths landmarks only
where one is looked for. Whoever comes in and crosses within this time is not known yet."""
MULTI_PERSON_S = 2.0
"""Seconds for which everybody is looked for in each frame, after nobody or more than one was seen."""


def import_mediapipe() -> tuple[Any, Any, Any]:
    """MediaPipe, its vision tasks and its BaseOptions; whoever needs no camera needs none of them."""
    try:
        with without_plots():
            return _import_mediapipe()
    except (AttributeError, ImportError):  # a version that does more with matplotlib than to import it
        return _import_mediapipe()


def _import_mediapipe() -> tuple[Any, Any, Any]:
    import mediapipe
    from mediapipe.tasks.python import vision
    from mediapipe.tasks.python.core.base_options import BaseOptions

    return mediapipe, vision, BaseOptions


@contextlib.contextmanager
def without_plots() -> Iterator[None]:
    """Empty modules stand in for matplotlib while MediaPipe is imported, which would plot landmarks with it:
    half a second of a start, and seconds of the very first, when matplotlib looks for fonts."""
    if "matplotlib" in sys.modules:
        yield
        return
    package, pyplot = ModuleType("matplotlib"), ModuleType("matplotlib.pyplot")
    package.pyplot = pyplot  # type: ignore[attr-defined]
    sys.modules.update({module.__name__: module for module in (package, pyplot)})
    try:
        yield
    finally:
        for module in (package, pyplot):
            sys.modules.pop(module.__name__, None)


class PoseDetector:
    """Follows people through a video; frames must come in the order in which they were taken.

    Raises ValueError or RuntimeError when MediaPipe refuses the model. Its native library writes a hundred
    lines to stderr when it begins and ends; version 1.2 has no switch against them (GLOG_minloglevel and
    TF_CPP_MIN_LOG_LEVEL do nothing), so they are debug lines of the log.
    """

    _searched = False
    """whether it has searched a frame: the first time it writes more"""

    def __init__(self, model: Path) -> None:
        with kept_off_terminal(log):
            self._begin(model)

    def _begin(self, model: Path) -> None:
        """Load MediaPipe and the networks."""
        mediapipe, vision, BaseOptions = import_mediapipe()
        self._picture_of: Any = mediapipe.Image
        self._format = mediapipe.ImageFormat.SRGB

        def landmarker(num_poses: int) -> Any:
            options = vision.PoseLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(model)),
                running_mode=vision.RunningMode.VIDEO,
                num_poses=num_poses,
            )
            return vision.PoseLandmarker.create_from_options(options)

        self._of_everybody = landmarker(NUM_POSES)
        try:
            self._of_one = landmarker(1)
        except BaseException:
            self._of_everybody.close()
            raise
        self._turns = SearchSchedule()
        self._timestamp = -1

    def detect(self, frame: CameraFrame) -> list[BodyLandmarks]:
        """Everybody who was found; what cannot be a person is left out. More than one is only looked for where
        somebody else was seen lately: see `look_around`."""
        # MediaPipe refuses a timestamp that is not later than the one before.
        self._timestamp = max(self._timestamp + 1, int(frame.captured_at * 1000))
        alone = self._turns.alone(frame.captured_at)
        result = self._search(self._of_one if alone else self._of_everybody, frame)
        if alone and not result.pose_landmarks:
            # it looked where somebody was when one was last looked for
            alone, result = False, self._search(self._of_everybody, frame)
        self._turns.found(len(result.pose_landmarks), frame.captured_at, everybody=not alone)
        height, width = frame.image.shape[:2]
        people = zip(result.pose_landmarks, result.pose_world_landmarks, strict=True)
        bodies = [landmarks_of(seen, world, width, height) for seen, world in people]
        return [body for body in bodies if is_person(body)]

    def look_around(self, frame: CameraFrame) -> None:
        """Now and then search the frame that was just answered for others, so that they are followed from the
        next one on: apart from the answer, which is sooner and steadier without it."""
        if self._turns.due(frame.captured_at):
            result = self._search(self._of_everybody, frame)
            self._turns.found(len(result.pose_landmarks), frame.captured_at, everybody=True)

    def _search(self, landmarker: Any, frame: CameraFrame) -> Any:
        picture = self._picture_of(image_format=self._format, data=frame.image)
        if self._searched:
            return landmarker.detect_for_video(picture, self._timestamp)
        self._searched = True
        with kept_off_terminal(log):
            return landmarker.detect_for_video(picture, self._timestamp)

    def close(self) -> None:
        """Free the networks."""
        with kept_off_terminal(log):
            try:
                self._of_one.close()
            finally:
                self._of_everybody.close()


class SearchSchedule:
    """When one person is looked for and when everybody. Times are those of the frames, in seconds."""

    def __init__(self) -> None:
        self._company_until = math.inf
        """until when there may be others, or nobody; not known at first"""
        self._searched_at = -math.inf

    def alone(self, time: float) -> bool:
        """Whether one person is enough to look for."""
        return time >= self._company_until

    def due(self, time: float) -> bool:
        """Whether it is time to look around."""
        return time >= self._searched_at + SEARCH_INTERVAL_S

    def found(self, count: int, time: float, *, everybody: bool) -> None:
        """So many people were found."""
        if everybody:
            self._searched_at = time
        if count != 1 or self._company_until == math.inf:
            self._company_until = time + MULTI_PERSON_S


def landmarks_of(seen: list[Any], world: list[Any], width: int, height: int) -> BodyLandmarks:
    """One person; what lies outside the frame was guessed, whatever visibility the network gives it."""
    shares = np.array([(mark.x, mark.y) for mark in seen], dtype=np.float32)
    inside = ((shares >= 0.0) & (shares <= 1.0)).all(axis=1)
    visibility = np.array([mark.visibility or 0.0 for mark in seen], dtype=np.float32)
    return BodyLandmarks(
        picture=shares * np.array([width, height], dtype=np.float32),
        world=np.array([(mark.x, mark.y, mark.z) for mark in world], dtype=np.float32),
        visibility=np.where(inside, visibility, np.float32(0.0)),
    )
