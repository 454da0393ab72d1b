"""The capture service: frames from a camera or a video file, at their own pace, as RGB."""

import math
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# OpenCV reads these once: they keep its and FFmpeg's chatter off the terminal, and a camera that hangs from
# holding the service for ten seconds.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")

import cv2

from engine.runtime.fault_tracker import FaultTracker
from engine.runtime.faults import StartError, TemporaryFault
from engine.runtime.metrics import Metrics
from engine.runtime.service import Service
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame
from engine.visitor.camera_health import BLACK_AFTER_S, FROZEN_AFTER_S, CameraHealth

CAMERA_WIDTH, CAMERA_HEIGHT, CAMERA_RATE = 1280, 720, 30
MAX_WIDTH = 1280
MIN_SIDE, MAX_SIDE = 16, 8192
READ_TIMEOUT_MS = 500
MAX_REJECTED = 30
"""Unusable frames in a row after which the source counts as failed."""
ROAM_AFTER_S = 4.0
"""Seconds for which a camera that was lost may come back before another one is taken in its place."""
WAKE_UP_S = 2.0
"""Seconds after a new opening in which a camera that gives the frame it ended with is not frozen yet."""
MAX_WAIT_S = 0.2
EARLY_ENOUGH_S = 0.001
"""Seconds that are not worth waiting for."""
MAX_LATE_SHARE = 0.25
"""Share of a frame's time by which the first one of a loop may be late; else it waits for the next beat."""
MAX_LATE_S = 5.0
"""Seconds behind which a file is not caught up any more: the machine slept, and the film goes on from there."""
MAX_CATCH_UP_S = 0.3
"""Seconds spent on skipping late frames before one is shown anyway, on a machine too slow for the file."""
USUAL_RATE = 30.0

LAST_INDEX = 9
"""Cameras are looked for under the numbers up to this."""

CAMERA = re.compile(r"camera(?::(\d{1,3}))?")


def check_source(source: str) -> None:
    """Raises StartError unless `source` is a camera, a readable video file, or "none".

    Whether the camera is there is not asked: it may be plugged in later.
    """
    if source == "none" or camera_index(source) is not None:
        return
    path = Path(source)
    if not os.path.exists(path):  # other than that of pathlib, it is False for what lies behind a locked door
        raise StartError(
            f"--source {source}: neither a source nor a file that is there; expected camera, camera:N, the "
            "path of a video file, osc, osc:PORT, or none"
        )
    if not os.path.isfile(path):
        raise StartError(f"--source {source}: not a file; give the path of a video file")
    video = _opened(cv2.VideoCapture(str(path)))
    readable = video is not None and usable(video.read()[1])
    if video is not None:
        video.release()
    if not readable:
        raise StartError(
            f"--source {source}: no picture can be read from it; give a video file that plays, for example MP4"
        )


def camera_index(source: str) -> int | None:
    """N of "camera:N", 0 of "camera", None of anything else."""
    named = CAMERA.fullmatch(source)
    return int(named[1] or 0) if named else None


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
    """Puts every frame of `source` ("camera", "camera:N" or a video file) into `frames`.

    A file plays at its own pace: late frames are skipped, not slowed. With `loop` it starts again at its end,
    without it the service idles and `finished` is True. `mirror` None means cameras yes, files no.

    A camera that was lost, or that no number was given for, is looked for under other numbers too: what is
    plugged in again may have another one.
    """

    name = "capture"
    max_step, max_open, max_close = 3.0, 30.0, 30.0

    def __init__(
        self,
        source: str,
        frames: Mailbox[CameraFrame],
        metrics: Metrics,
        *,
        loop: bool = False,
        mirror: bool | None = None,
    ) -> None:
        super().__init__(metrics)
        self._source = source
        self._frames = frames
        self._loop = loop
        self._wanted = self._camera = camera_index(source)
        self._lost_at: float | None = None
        self._roams = source == "camera"
        self._watch = CameraHealth()
        self._darkness = FaultTracker(self.name, metrics)
        self._mirror = self._camera is not None if mirror is None else mirror
        self._video: cv2.VideoCapture | None = None
        self._sequence = 0
        self._finished = False

    @property
    def finished(self) -> bool:
        """Whether a file that does not loop has come to its end."""
        return self._finished

    def open(self) -> None:
        """Open the camera or the file. Raises TemporaryFault when that fails."""
        self._rejected = 0
        if self._camera is None:
            self._video = _opened(cv2.VideoCapture(self._source))
            if self._video is None:
                raise TemporaryFault(f"{self._source} cannot be opened; is the file still there?")
            if self.superseded:
                self._video.release()
                raise TemporaryFault(f"{self._source} came too late")
            self._begin(self._video)
            return
        assert self._wanted is not None
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
        """Put one frame, or wait a moment for the next one. Raises TemporaryFault when the source fails."""
        video = self._video
        assert video is not None
        try:
            if self._finished:
                self.sleep(MAX_WAIT_S)
            elif self._camera is not None:
                self._read_camera(video)
            else:
                self._play_file(video)
        finally:
            if self.superseded:
                video.release()

    def close(self) -> None:
        """Let go of the camera or the file."""
        video, self._video = self._video, None
        if video is not None:
            video.release()

    def abandon(self) -> None:
        """Leave the camera or the file to the thread that hangs in it."""
        self._video = None

    def _read_camera(self, video: cv2.VideoCapture) -> None:
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

    def _play_file(self, video: cv2.VideoCapture) -> None:
        """Put the frame whose time has come; skip those whose time is over."""
        early = self._started_at + self._position / self._rate - time.perf_counter()
        if early > EARLY_ENOUGH_S:
            self.sleep(min(early, MAX_WAIT_S))
            return
        if early < -MAX_LATE_S:
            self._started_at -= early
        give_up_at = time.perf_counter() + MAX_CATCH_UP_S
        read = video.grab()
        while read and self._late() and time.perf_counter() < give_up_at:
            self._position += 1
            self.metrics.count("capture.skipped")
            read = video.grab()
        if self.superseded:
            return
        if not read:
            self._end(video)
            return
        self._position += 1
        read, image = video.retrieve()
        self._put(image if read else None, time.perf_counter())

    def _late(self) -> bool:
        """Whether the time of the frame after the one just grabbed has come already."""
        return (time.perf_counter() - self._started_at) * self._rate >= self._position + 1

    def _end(self, video: cv2.VideoCapture) -> None:
        if self._position == 0:
            raise TemporaryFault(f"{self._source} gives no picture; is the file whole?")
        if not self._loop:
            self._finished = True
            self.log.info("%s is at its end", self._source)
            return
        if not video.set(cv2.CAP_PROP_POS_FRAMES, 0):
            raise TemporaryFault(f"{self._source} cannot be played again from its start")
        self._begin_again()

    def _begin(self, video: cv2.VideoCapture) -> None:
        rate = video.get(cv2.CAP_PROP_FPS)
        self._rate = rate if math.isfinite(rate) and 1.0 <= rate <= 240.0 else USUAL_RATE
        self._position = 0
        self._started_at = time.perf_counter()

    def _begin_again(self) -> None:
        """Go on at the start of a loop in step with the frames before."""
        self._started_at += self._position / self._rate
        over = (time.perf_counter() - self._started_at) * self._rate
        self._started_at += max(math.ceil(over - MAX_LATE_SHARE), 0) / self._rate
        self._position = 0

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
        self._lost_at = None
        self._frames.put(CameraFrame(prepared(image, self._mirror), captured_at, self._sequence))
        self._sequence += 1
        self.metrics.count("capture.frames")


def find_camera(index: int, roam: bool) -> tuple[int, cv2.VideoCapture] | None:
    """(number, camera) of the one under `index`, or with `roam` of the first under any other number."""
    others = [number for number in range(LAST_INDEX + 1) if number != index] if roam else []
    for number in (index, *others):
        if (video := open_camera(number)) is not None:
            return number, video
    return None


def open_camera(index: int) -> cv2.VideoCapture | None:
    """The camera, asked for 1280x720 at 30 fps, or None. Whatever it cannot do it goes without."""
    video = _opened(cv2.VideoCapture(index))
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


def _opened(video: cv2.VideoCapture) -> cv2.VideoCapture | None:
    """The capture if it opened, otherwise None."""
    if video.isOpened():
        return video
    video.release()
    return None
