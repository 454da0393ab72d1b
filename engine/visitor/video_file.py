"""The capture service of a video file: frames at the times that the file names."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.runtime.faults import TemporaryFault
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame
from engine.visitor.capture import MAX_WAIT_S, USUAL_RATE, Capture, opened

EARLY_ENOUGH_S = 0.001
"""Seconds that are not worth waiting for."""
MAX_LATE_SHARE = 0.25
"""Share of a frame's time by which the first one of a loop may be late; else it waits for the next beat."""
MAX_LATE_S = 5.0
"""Seconds behind which a file is not caught up any more: the machine slept, and the film goes on from there."""
MAX_CATCH_UP_S = 0.3
"""Seconds spent on skipping late frames before one is shown anyway, on a machine too slow for the file."""
MAX_FRAME_S = 60.0
"""Seconds that one frame of a file may be shown; times of a file that say more are wrong."""


class VideoFile(Capture):
    """Puts the frames of a video file into `frames`.

    It plays at its own times, variable ones too, and late frames are skipped, not slowed. It starts when
    `begun` says so; until then its first frame stands. With `loop` it starts again at its end, without it the
    service idles and `finished` is True. A file of one frame is a camera that stands still.
    """

    def __init__(
        self,
        source: str,
        frames: Mailbox[CameraFrame],
        metrics: Metrics,
        *,
        loop: bool = False,
        mirror: bool = False,
        begun: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(source, frames, metrics, mirror=mirror)
        self._loop, self._begun = loop, begun
        self._finished = False
        self._newest: NDArray[np.uint8] | None = None
        self._still: NDArray[np.uint8] | None = None
        self._grabbed = False
        self._position = 0
        self._due = self._step = self._first_stamp = self._started_at = 0.0
        self._rate = USUAL_RATE

    @property
    def finished(self) -> bool:
        """Whether a file that does not loop has come to its end."""
        return self._finished

    def open(self) -> None:
        """Open the file. Raises TemporaryFault when that fails."""
        self._rejected = 0
        self._video = open_video(self._source)
        if self._video is None:
            raise TemporaryFault(f"{self._source} cannot be opened; is the file still there?")
        if self.superseded:
            self._video.release()
            raise TemporaryFault(f"{self._source} came too late")
        self._begin(self._video)

    def step(self) -> None:
        """Put one frame, or wait a moment for the next one. Raises TemporaryFault when the file fails."""
        video = self._video
        assert video is not None
        try:
            if self._finished:
                self.sleep(MAX_WAIT_S)
            elif self._still is not None:
                self._show(self._still, time.perf_counter())
                self.sleep(1.0 / USUAL_RATE)
            else:
                self._play(video)
        finally:
            if self.superseded:
                video.release()

    def _play(self, video: cv2.VideoCapture) -> None:
        """Put the frame whose time has come; skip those whose time is over."""
        if not self._grabbed and not self._grab(video):
            self._end()
            return
        if self._position > 1 and not self._begun():  # the first frame stands until the dance begins
            self.sleep(1.0 / USUAL_RATE)
            self._started_at = time.perf_counter() - self._due
            return
        early = self._started_at + self._due - time.perf_counter()
        if early > EARLY_ENOUGH_S:
            self.sleep(min(early, MAX_WAIT_S))
            return
        if early < -MAX_LATE_S:
            self._started_at -= early
        give_up_at = time.perf_counter() + MAX_CATCH_UP_S
        while self._late() and time.perf_counter() < give_up_at:
            self.metrics.count("capture.skipped")
            if not self._grab(video):
                self._end()
                return
        if self.superseded:
            return
        read, image = video.retrieve()
        self._grabbed = False
        self._put(image if read else None, time.perf_counter())

    def _grab(self, video: cv2.VideoCapture) -> bool:
        """Take the next frame of the file, and its time from the start; False at the end."""
        self._grabbed = video.grab()
        if not self._grabbed:
            return False
        stamp = video.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        if self._position == 0:
            self._first_stamp, self._due = stamp, 0.0
        else:
            due = stamp - self._first_stamp
            if not (math.isfinite(due) and 0.0 < due - self._due < MAX_FRAME_S):  # a file without times
                due = self._due + 1.0 / self._rate
                self._first_stamp = stamp - due
            self._step, self._due = due - self._due, due
        self._position += 1
        return True

    def _late(self) -> bool:
        """Whether the time of the frame after the one just grabbed has come already."""
        return time.perf_counter() - self._started_at >= self._due + self._step

    def _end(self) -> None:
        if self._position == 0:
            raise TemporaryFault(f"{self._source} gives no picture; is the file whole?")
        if self._position == 1 and self._newest is not None:
            self._still = self._newest
            return
        if not self._loop:
            self._finished = True
            self.log.info("%s is at its end", self._source)
            return
        # many files cannot be played from their start again without being opened again
        fresh = open_video(self._source)
        if fresh is None:
            raise TemporaryFault(f"{self._source} cannot be opened again; is the file still there?")
        if self._video is not None:
            self._video.release()
        self._video = fresh
        self._begin_again()

    def _begin(self, video: cv2.VideoCapture) -> None:
        rate = video.get(cv2.CAP_PROP_FPS)
        self._rate = rate if math.isfinite(rate) and 1.0 <= rate <= 240.0 else USUAL_RATE
        self._position, self._grabbed = 0, False
        self._due, self._step = 0.0, 1.0 / self._rate
        self._started_at = time.perf_counter()

    def _begin_again(self) -> None:
        """Go on at the start of a loop in step with the frames before."""
        self._started_at += self._due + self._step
        over = (time.perf_counter() - self._started_at) * self._rate
        self._started_at += max(math.ceil(over - MAX_LATE_SHARE), 0) / self._rate
        self._position, self._grabbed = 0, False

    def _show(self, image: NDArray[np.uint8], captured_at: float) -> None:
        self._newest = image
        super()._show(image, captured_at)


def open_video(source: str) -> cv2.VideoCapture | None:
    """The video file, or None. Its whole path, for FFmpeg takes what stands before a colon for a protocol."""
    return opened(cv2.VideoCapture(str(Path(source).absolute())))
