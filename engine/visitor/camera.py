"""The capture service of a camera: frames at its own pace, and another camera in its place where it is lost."""

import math
import re
import time
from typing import Any

import cv2

from engine.runtime.fault_tracker import FaultTracker
from engine.runtime.faults import TemporaryFault
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame
from engine.visitor.camera_health import BLACK_AFTER_S, FROZEN_AFTER_S, CameraHealth
from engine.visitor.capture import Capture, opened, usable

CAMERA_WIDTH, CAMERA_HEIGHT, CAMERA_RATE = 1280, 720, 30
READ_TIMEOUT_MS = 500
ROAM_AFTER_S = 4.0
"""Seconds for which a camera that was lost may come back before another one is taken in its place."""
WAKE_UP_S = 2.0
"""Seconds after a new opening in which a camera that gives the frame it ended with is not frozen yet."""
LAST_INDEX = 9
"""Cameras are looked for under the numbers up to this."""

CAMERA = re.compile(r"camera(?::(\d{1,3}))?")


def camera_index(source: str) -> int | None:
    """N of "camera:N", 0 of "camera", None of anything else."""
    named = CAMERA.fullmatch(source)
    return int(named[1] or 0) if named else None


class Camera(Capture):
    """Puts every frame of `source`, "camera" or "camera:N", into `frames`.

    A camera that was lost, or that no number was given for, is looked for under other numbers too: what is
    plugged in again may have another one.
    """

    def __init__(
        self, source: str, frames: Mailbox[CameraFrame], metrics: Metrics, *, mirror: bool = True
    ) -> None:
        super().__init__(source, frames, metrics, mirror=mirror)
        self._wanted = self._camera = camera_index(source) or 0
        self._lost_at: float | None = None
        self._roams = source == "camera"
        self._watch = CameraHealth()
        self._darkness = FaultTracker(self.name, metrics)

    def open(self) -> None:
        """Open the camera. Raises TemporaryFault when that fails."""
        self._rejected = 0
        now = time.perf_counter()
        if self._sequence and self._lost_at is None:
            self._lost_at = now
        gone = self._lost_at is not None and now - self._lost_at >= ROAM_AFTER_S
        found = find_camera(self._wanted if gone else self._camera, self._roams or gone)
        if self.superseded and found is not None:
            found[1].release()
            raise TemporaryFault("the camera came too late")
        if found is None:
            raise TemporaryFault(
                f"camera {self._camera} cannot be opened (is it plugged in, free and allowed here?); "
                "the dancer dances alone"
            )
        if found[0] != self._camera:
            self.log.info("camera %d is taken in place of camera %d", found[0], self._camera)
        self._camera, self._video = found
        self._awake_by = time.perf_counter() + WAKE_UP_S if self._sequence else -math.inf

    def step(self) -> None:
        """Put one frame. Raises TemporaryFault when the camera fails."""
        video = self._video
        assert video is not None
        try:
            self._read(video)
        finally:
            if self.superseded:
                video.release()

    def _read(self, video: cv2.VideoCapture) -> None:
        read, image = video.read()
        awake_by, self._awake_by = self._awake_by, -math.inf
        while time.perf_counter() < awake_by and usable(image) and self._watch.is_as_before(image):
            if self.stopping:
                return
            read, image = video.read()
        if not read:
            raise TemporaryFault(f"camera {self._camera} gives no picture any more; is it still plugged in?")
        now = time.perf_counter()
        self._put(image, now)
        if usable(image):
            self._lost_at = None
        self._watch_over(image, now)

    def _watch_over(self, image: Any, now: float) -> None:
        """Record a frame that stays black, which may be the night; raise TemporaryFault for a frozen one."""
        if not usable(image) or self.superseded:
            return
        self._watch.see(image, now)
        if self._watch.black_for > BLACK_AFTER_S:
            what = f"camera {self._camera} gives a black picture; is it covered, or the light off?"
            if self._darkness.raised(what):
                self.log.warning("%s", what)
        elif not self._watch.black_for and self._darkness.cleared():
            self.log.info("the picture is no longer black")
        if self._watch.frozen_for > FROZEN_AFTER_S:
            raise TemporaryFault(f"camera {self._camera} gives the same picture again and again")


def find_camera(index: int, roam: bool) -> tuple[int, cv2.VideoCapture] | None:
    """(number, camera) of the one under `index`, or with `roam` of the first under any other number."""
    others = [number for number in range(LAST_INDEX + 1) if number != index] if roam else []
    for number in (index, *others):
        if (video := open_camera(number)) is not None:
            return number, video
    return None


def open_camera(index: int) -> cv2.VideoCapture | None:
    """The camera, asked for 1280x720 at 30 fps, or None. Whatever it cannot do it goes without."""
    video = opened(cv2.VideoCapture(index))
    if video is None:
        return None
    # Compressed frames first: over USB 2 an uncompressed 1280x720 comes at 10 fps.
    video.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    video.set(cv2.CAP_PROP_FRAME_WIDTH, CAMERA_WIDTH)
    video.set(cv2.CAP_PROP_FRAME_HEIGHT, CAMERA_HEIGHT)
    video.set(cv2.CAP_PROP_FPS, CAMERA_RATE)
    # One frame, so that the newest is never behind older ones.
    video.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    video.set(cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS)
    return video
