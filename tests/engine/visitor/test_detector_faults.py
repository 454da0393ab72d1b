"""What a detector gets wrong, and what becomes of the visitor."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame, Pose
from engine.visitor import pose_service as pose_module
from engine.visitor.landmarks import BodyLandmarks
from engine.visitor.pose_detector import PoseDetector, SearchSchedule
from engine.visitor.pose_service import PoseService
from tests.engine.fakes import standing_landmarks


class Sight:
    """A pose service that is stepped by hand, with a detector that finds what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[BodyLandmarks] = []
        self.frames: Mailbox[CameraFrame] = Mailbox()
        self.poses: Mailbox[Pose] = Mailbox()
        detector = SimpleNamespace(
            detect=lambda frame: self.found, look_around=lambda frame: None, close=lambda: None
        )
        monkeypatch.setattr(pose_module, "PoseDetector", lambda model: detector)
        monkeypatch.setattr(pose_module, "find_pose_model", lambda path: Path("model.task"))
        monkeypatch.setattr(pose_module, "lower_priority", lambda: None)
        self.service = PoseService(self.frames, self.poses, Metrics())
        self.now = time.perf_counter()
        self.service.open()

    def see(self, *bodies: BodyLandmarks, after: float = 1 / 30) -> Pose:
        self.found, self.now = list(bodies), self.now + after
        self.frames.put(CameraFrame(np.zeros((720, 1280, 3), dtype=np.uint8), self.now, 0))
        self.service.step()
        pose = self.poses.latest()
        assert pose is not None
        return pose


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), 25.0])
def test_a_body_of_nan_or_forty_metres_is_nobody(scale: float) -> None:
    marks = [SimpleNamespace(x=0.5, y=0.1 * i, z=0.0, visibility=1.0) for i in range(33)]
    world = [SimpleNamespace(x=0.1, y=0.05 * i * scale, z=0.0, visibility=1.0) for i in range(33)]
    detector: Any = object.__new__(PoseDetector)
    detector._timestamp, detector._format, detector._picture_of = -1, None, lambda **_: None
    result = SimpleNamespace(pose_landmarks=[marks], pose_world_landmarks=[world])
    detector._turns = SearchSchedule()
    detector._of_one = None
    detector._of_everybody = SimpleNamespace(detect_for_video=lambda *_: result)
    assert detector.detect(CameraFrame(np.zeros((48, 64, 3), dtype=np.uint8), 1.0, 0)) == []


def test_a_visitor_lost_and_found_every_other_frame_stays_and_does_not_jump(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sight = Sight(monkeypatch)
    seen = [sight.see(*([standing_landmarks()] if i % 2 == 0 else [])) for i in range(40)]
    assert all(pose.present for pose in seen)
    positions = np.stack([pose.positions for pose in seen if pose.positions is not None])
    assert np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() < 0.05


def test_sides_that_flip_now_and_then_are_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    sight, body = Sight(monkeypatch), standing_landmarks()
    seen = [sight.see(body.with_sides_swapped() if i in (10, 11, 20) else body) for i in range(30)]
    positions = np.stack([pose.positions for pose in seen if pose.positions is not None])
    assert np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() < 0.05


def test_the_visitor_is_the_same_after_somebody_has_crossed(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = Sight(monkeypatch)
    seen = []
    for i in range(61):
        bodies = [standing_landmarks((400 + 8 * i, 360)), standing_landmarks((880 - 8 * i, 360))]
        seen.append(sight.see(*(bodies if i % 2 else bodies[::-1])))
    where = [float(pose.positions[0, 0]) for pose in seen if pose.positions is not None]
    ends = np.array([where[0], where[-1]])
    assert abs(ends[1] - ends[0]) > 1.5 and np.abs(np.diff(where)).max() < 0.15


def test_a_camera_of_one_picture_a_second_still_shows_a_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = Sight(monkeypatch)
    assert all(sight.see(standing_landmarks(), after=1.0).present for _ in range(5))


def test_a_camera_slower_than_that_does_not_make_the_visitor_come_and_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pose_module, "FRAME_TIMEOUT_S", 0.001)
    sight = Sight(monkeypatch)
    clock = [sight.now]
    monkeypatch.setattr(pose_module.time, "perf_counter", lambda: clock[0])
    for _ in range(3):
        sight.see(standing_landmarks(), after=1.05)
    visitor = sight.service._visitors.visitor
    for _ in range(5):
        clock[0] = sight.now + 1.04
        sight.service.step()  # no frame yet
        pose = sight.poses.latest()
        assert pose is not None and pose.present
        sight.see(standing_landmarks(), after=1.05)
        assert sight.service._visitors.visitor == visitor


def test_a_detector_that_hangs_leaves_nobody_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = Sight(monkeypatch)
    assert sight.see(standing_landmarks()).present
    sight.service.abandon()
    latest = sight.poses.latest()
    assert latest is not None and not latest.present
    sight.service.open()
    assert sight.see(standing_landmarks()).present


def test_once_a_detector_has_been_there_it_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PoseService.max_back_off > 60
    assert Sight(monkeypatch).service.max_back_off <= 15
