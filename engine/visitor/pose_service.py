"""The pose service: camera frames in, the visitor's pose out."""

import math
import os
import statistics as figures
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from engine.runtime.faults import PermanentFault, TemporaryFault
from engine.runtime.malloc import give_back
from engine.runtime.metrics import Metrics
from engine.runtime.service import MAX_BACK_OFF, Service
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame, Pose
from engine.visitor.person_tracker import PersonTracker, detection_of
from engine.visitor.pose_bundle import PoseModelError
from engine.visitor.pose_detector import PoseDetector
from engine.visitor.pose_filter import PoseFilter
from engine.visitor.pose_model import find_pose_model

Answer = TypeVar("Answer")

NICENESS = 10
FRAME_TIMEOUT_S = 0.2
STALE = 0.25
"""Share of the time between two frames that one may have lain there when the detector is free again. An older
one is left for the next, which is answered sooner after it was taken; and where the detector is slow, others
get a pause to work in."""
QUICK_ENOUGH_S = 0.045
"""Seconds that a detection may take on a machine that has time for all of them."""
REST_SHARE = 1.5
"""Seconds of rest after each detection for each second that detections take longer: on a slow machine a visitor
is looked for less often, so that the dance and the frame keep their time."""
MAX_REST_S = 0.2
MEASURED_DETECTIONS = 15
"""Detections whose median says how long they take."""
NOBODY_AFTER_S = 1.0
"""Seconds without a frame after which the visitor counts as gone."""
FRAMES_MISSED = 2.5
"""How many frames may fail to come before that, where a camera gives hardly one a second."""
MAX_NOBODY_S = 3.0
IDLE_AFTER_S = 10.0
"""Seconds with nobody in view after which the detector looks less often."""
IDLE_REST_S = 0.1
"""Seconds that it rests then after each detection: whoever comes is seen within 0.2 s all the same."""


class PoseService(Service):
    """Finds the visitor in every new frame and puts a `Pose`.

    `model` is a pose_landmarker bundle; without it one is found or made (`engine.visitor.pose_model`). While
    the visitor is missed for less than a second the last pose is held with confidence 0.
    """

    name = "pose"
    max_back_off = 300.0  # where there is no network it is asked for now and then, not four times a minute
    max_step, max_open, max_close = 10.0, 900.0, 30.0  # a slow network may fetch the model for long

    def __init__(
        self,
        frames: Mailbox[CameraFrame],
        poses: Mailbox[Pose],
        metrics: Metrics,
        *,
        model: Path | None = None,
    ) -> None:
        super().__init__(metrics)
        self._frames = frames
        self._poses = poses
        self._model = model
        self._version = 0
        self._answered_at = -math.inf
        self._detector: PoseDetector | None = None
        self._followed: int | None = None
        self._took: deque[float] = deque(maxlen=MEASURED_DETECTIONS)
        self._looked_for = 0.0
        """seconds that the last look around took"""
        self._last = Pose(present=False, captured_at=time.perf_counter())
        self._seen_at = self._last.captured_at
        self._interval, self._frame_timeout = math.inf, NOBODY_AFTER_S
        self._forget()

    def open(self) -> None:
        """Load the networks. Raises PermanentFault for a named file that is no model, else TemporaryFault."""
        self._forget()
        lower_priority()
        try:
            detector = PoseDetector(find_pose_model(self._model))
            if self.superseded:
                detector.close()
                raise TemporaryFault("the pose model came too late")
            self._detector = detector
        except PoseModelError as error:
            raise self._refusal(f"no visitor can be seen: {error}") from None
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise self._refusal(f"MediaPipe cannot start the pose model: {reason}") from error
        self.max_back_off = MAX_BACK_OFF  # the model is there; what fails now is worth trying again soon

    def _refusal(self, what: str) -> PermanentFault | TemporaryFault:
        """A file that was named stays as it is; a network that is down may come back."""
        return PermanentFault(what) if self._model else TemporaryFault(what)

    def step(self) -> None:
        """Wait for a frame, at most 0.2 s, and answer it with a pose; on a slow machine rest first."""
        self.sleep(self._rest())
        frame = self._next_frame(time.perf_counter())
        if frame is not None:
            detector = self._detector
            assert detector is not None
            self._put(self._pose_in(frame, detector))
            began = time.perf_counter()
            self._asked(detector, detector.look_around, frame)
            self._looked_for = time.perf_counter() - began
            return
        now = time.perf_counter()
        if self._last.present and now - self._last.captured_at > self._frame_timeout:
            self._forget()
            self._put(self._nobody(now))

    def _rest(self) -> float:
        """Seconds to leave the machine to others after a detection."""
        if not self._last.present and self._last.captured_at - self._seen_at > IDLE_AFTER_S:
            return IDLE_REST_S
        if len(self._took) < MEASURED_DETECTIONS:
            return 0.0
        longer = figures.median(self._took) - QUICK_ENOUGH_S
        return min(REST_SHARE * longer + self._looked_for, MAX_REST_S) if longer > 0.0 else 0.0

    def _next_frame(self, free_at: float) -> CameraFrame | None:
        """The frame to answer for a detector that is free since then, None if there is none in 0.2 s."""
        version, frame = self._frames.newer_than(self._version, FRAME_TIMEOUT_S)
        if frame is None:
            return None
        passed = max(version - self._version, 1)
        interval = (frame.captured_at - self._answered_at) / passed
        if free_at - self._frames.put_at > STALE * interval and interval < FRAME_TIMEOUT_S:
            version, fresh = self._frames.newer_than(version, FRAME_TIMEOUT_S)
            frame = fresh or frame
        # one long wait is a pause, and two of them are the camera's rate
        usual, self._interval = min(interval, self._interval), interval
        if math.isfinite(usual):
            self._frame_timeout = min(max(FRAMES_MISSED * usual, NOBODY_AFTER_S), MAX_NOBODY_S)
        self._version, self._answered_at = version, frame.captured_at
        return frame

    def close(self) -> None:
        """Free the networks; whoever was there is gone until the service works again."""
        detector, self._detector = self._detector, None
        if self._last.present:
            self._put(self._nobody(time.perf_counter()))
        if detector is not None:
            detector.close()

    def abandon(self) -> None:
        """Leave the networks to the thread that hangs in them; nobody is there until new ones work."""
        self._detector = None
        self.close()

    def _pose_in(self, frame: CameraFrame, detector: PoseDetector) -> Pose:
        began = time.perf_counter()
        bodies = self._asked(detector, detector.detect, frame)
        if self.superseded:
            raise TemporaryFault("the pose came too late")
        took = time.perf_counter() - began
        self._took.append(took)
        self.metrics.duration("pose.detect", took)
        self.metrics.count("pose.frames")

        height, width = frame.image.shape[:2]
        at = frame.captured_at
        detections = [detection_of(body, width, height) for body in bodies]
        index = self._visitors.choose(detections, at, self._frame_timeout)
        if bodies:
            self._seen_at = at
        visitor = self._visitors.visitor
        if visitor is None:
            return self._nobody(at)
        if visitor != self._followed:
            self._followed, self._body = visitor, PoseFilter()
        if index is None:
            positions, confidence = self._body.predict(at)
        else:
            self.metrics.count("pose.found")
            positions, confidence = self._body.update(bodies[index], width, at)
        return Pose(True, at, positions, confidence)

    def _asked(
        self, detector: PoseDetector, question: Callable[[CameraFrame], Answer], frame: CameraFrame
    ) -> Answer:
        """What the detector says to a question; one that is left behind meanwhile is closed."""
        try:
            return question(frame)
        except (RuntimeError, ValueError) as error:
            raise TemporaryFault(f"the pose detector failed on a frame: {error}") from error
        finally:
            if self.superseded:
                detector.close()
                give_back()

    def _nobody(self, at: float) -> Pose:
        return Pose(False, at, self._last.positions, self._last.confidence)

    def _put(self, pose: Pose) -> None:
        self._last = pose
        self._poses.put(pose)

    def _forget(self) -> None:
        self._visitors = PersonTracker()
        self._followed = None
        self._body = PoseFilter()


def lower_priority() -> None:
    """Let this thread, and those that it starts, wait for the others: Linux knows niceness by thread.

    The detector takes both cores of a small machine for most of a frame, and a pose may come a little later;
    the dance and the frame may not. Counted from the niceness of the process: on a machine that works for
    others too, a thread far behind them would wait for its turn with the interpreter in its hands.
    """
    if sys.platform == "linux":
        usual = os.getpriority(os.PRIO_PROCESS, os.getpid())
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(usual + NICENESS, 19))
