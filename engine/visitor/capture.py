"""What camera and video file have in common: frames as RGB, checked, put into a mailbox."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

# OpenCV reads these once: they keep its and FFmpeg's chatter off the terminal, and a camera that hangs from
# holding the service for ten seconds.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")

import cv2

from engine.runtime.faults import TemporaryFault
from engine.runtime.metrics import Metrics
from engine.runtime.service import Service
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame

MAX_WIDTH = 1280
MIN_SIDE, MAX_SIDE = 16, 8192
MAX_REJECTED = 30
"""Unusable frames in a row after which the source counts as failed."""
MAX_WAIT_S = 0.2
USUAL_RATE = 30.0


def usable(image: Any) -> bool:
    """Whether this is a frame: (height, width, 3) uint8 of a size that cameras and files have."""
    return (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and min(image.shape[:2]) >= MIN_SIDE
        and max(image.shape[:2]) <= MAX_SIDE
    )


def prepared(image: Any, mirror: bool) -> NDArray[np.uint8]:
    """OpenCV's BGR frame as RGB, contiguous and read-only, at most 1280 wide, mirrored if asked."""
    height, width = image.shape[:2]
    if width > MAX_WIDTH:
        size = (MAX_WIDTH, max(round(height * MAX_WIDTH / width), 1))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if mirror:
        image = cv2.flip(image, 1)
    picture = np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    picture.setflags(write=False)
    return picture


class Capture(Service):
    """Puts the frames of a source into `frames`; `_video` is what they are read from."""

    name = "capture"
    max_step, max_open, max_close = 3.0, 30.0, 30.0

    def __init__(self, source: str, frames: Mailbox[CameraFrame], metrics: Metrics, *, mirror: bool) -> None:
        super().__init__(metrics)
        self._source, self._frames, self._mirror = source, frames, mirror
        self._video: cv2.VideoCapture | None = None
        self._sequence = self._rejected = 0

    def close(self) -> None:
        """Let go of the source."""
        video, self._video = self._video, None
        if video is not None:
            video.release()

    def abandon(self) -> None:
        """Leave the source to the thread that hangs in it."""
        self._video = None

    def _put(self, image: Any, captured_at: float) -> None:
        if self.superseded:
            return
        if not usable(image):
            self._rejected += 1
            self.metrics.count("capture.rejected")
            if self._rejected >= MAX_REJECTED:
                raise TemporaryFault(f"{self._source} gives nothing but unusable pictures")
            return
        self._rejected = 0
        self._show(prepared(image, self._mirror), captured_at)

    def _show(self, image: NDArray[np.uint8], captured_at: float) -> None:
        self._frames.put(CameraFrame(image, captured_at, self._sequence))
        self._sequence += 1
        self.metrics.count("capture.frames")


def opened(video: cv2.VideoCapture) -> cv2.VideoCapture | None:
    """The capture if it opened, otherwise None."""
    if video.isOpened():
        return video
    video.release()
    return None
