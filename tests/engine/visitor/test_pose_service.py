"""The pose service: with a made-up detector, and once with the real one where a model is cached."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from engine.runtime.faults import PermanentFault, TemporaryFault
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame, Pose
from engine.visitor import pose_service
from engine.visitor.landmarks import BodyLandmarks
from engine.visitor.pose_bundle import MODEL_NAME, PoseModelError, cache_folder
from engine.visitor.pose_detector import (
    MULTI_PERSON_S,
    SEARCH_INTERVAL_S,
    PoseDetector,
    SearchSchedule,
    landmarks_of,
)
from engine.visitor.pose_service import NICENESS, PoseService, lower_priority
from models.motion.features import heading
from models.motion.skeleton import INDEX
from tests.engine.fakes import standing_landmarks

MEDIA = Path(__file__).resolve().parents[4] / "shared" / "media"


@pytest.fixture(autouse=True)
def no_way_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rooms are opened here in the main thread, and niceness is never given back."""
    monkeypatch.setattr(pose_service, "lower_priority", lambda: None)


def test_the_thread_of_the_room_gives_way_and_the_others_do_not() -> None:
    if sys.platform != "linux":
        pytest.skip("niceness by thread is Linux's")
    niceness: list[int] = []

    def service() -> None:
        lower_priority()
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    usual = os.getpriority(os.PRIO_PROCESS, os.getpid())
    thread = threading.Thread(target=service)
    thread.start()
    thread.join()
    assert niceness == [min(usual + NICENESS, 19)]
    assert os.getpriority(os.PRIO_PROCESS, os.getpid()) == usual


class FakeDetector:
    """Finds in every frame what the test put into `found`."""

    found: ClassVar[list[BodyLandmarks]] = []
    error: Exception | None = None

    def __init__(self, model: Path) -> None:
        self.closed = False

    def detect(self, frame: CameraFrame) -> list[BodyLandmarks]:
        if FakeDetector.error is not None:
            raise FakeDetector.error
        return FakeDetector.found

    def look_around(self, frame: CameraFrame) -> None:
        """There is nobody else."""

    def close(self) -> None:
        self.closed = True


class Stage:
    """A pose service that is stepped by hand, thirty frames a second."""

    def __init__(self) -> None:
        self.frames: Mailbox[CameraFrame] = Mailbox()
        self.poses: Mailbox[Pose] = Mailbox()
        self.metrics = Metrics()
        self.service = PoseService(self.frames, self.poses, self.metrics)
        self.now = time.perf_counter()
        self.service.open()

    def show(self, *bodies: BodyLandmarks, after: float = 1 / 30) -> Pose:
        FakeDetector.found = list(bodies)
        self.now += after
        self.frames.put(CameraFrame(np.zeros((720, 1280, 3), dtype=np.uint8), self.now, 0))
        self.service.step()
        latest = self.poses.latest()
        assert latest is not None
        return latest


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(pose_service, "PoseDetector", FakeDetector)
    monkeypatch.setattr(pose_service, "find_pose_model", lambda path: Path("model.task"))
    monkeypatch.setattr(pose_service, "FRAME_TIMEOUT_S", 0.001)
    monkeypatch.setattr(FakeDetector, "found", [])
    monkeypatch.setattr(FakeDetector, "error", None)
    return Stage()


def test_in_an_empty_room_the_detector_looks_less_often_and_at_once_where_somebody_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(stage.service, "sleep", waits.append)
    for _ in range(5):
        stage.show(after=0.1)
    assert not any(waits)
    stage.show(after=pose_service.IDLE_AFTER_S)
    stage.show()
    assert waits[-1] == pose_service.IDLE_REST_S < 0.2
    assert stage.show(standing_landmarks()).present
    stage.show(standing_landmarks())
    assert waits[-1] == 0.0


@pytest.mark.parametrize(("takes", "rests"), [(0.0, False), (0.06, True)])
def test_a_slow_detector_rests_so_that_others_can_work(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, takes: float, rests: bool
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(stage.service, "sleep", waits.append)
    clock = [time.perf_counter()]
    monkeypatch.setattr(pose_service.time, "perf_counter", lambda: clock[0])

    def detect(self: FakeDetector, frame: CameraFrame) -> list[BodyLandmarks]:
        clock[0] += takes
        return FakeDetector.found

    monkeypatch.setattr(FakeDetector, "detect", detect)
    for _ in range(pose_service.MEASURED_DETECTIONS):
        stage.show(standing_landmarks())
    assert not any(waits), "one slow picture is chance"
    stage.show(standing_landmarks())
    assert (
        waits[-1] == pytest.approx(pose_service.REST_SHARE * (takes - pose_service.QUICK_ENOUGH_S))
    ) == rests
    assert waits[-1] == 0.0 or rests


def test_a_visitor_stands_on_the_floor_where_the_picture_shows_them(stage):
    seen = stage.show(standing_landmarks(middle=(840.0, 360.0)))
    assert seen.present and seen.captured_at == stage.now
    assert seen.positions.shape == (17, 3) and seen.positions.dtype == np.float32
    assert seen.positions[0, 0] == pytest.approx(1.0, rel=0.01)
    assert seen.positions[:, 1].min() == pytest.approx(0.0, abs=1e-5)
    assert heading(seen.positions) == pytest.approx(0.0, abs=1e-5)
    assert seen.confidence.min() == 1.0


def test_nobody_in_the_picture_is_nobody(stage):
    empty = stage.show()
    assert not empty.present and empty.positions is None


def test_a_missed_visitor_is_held_and_then_gone_with_the_last_pose_kept(stage):
    stage.show(standing_landmarks())
    held = stage.show()
    assert held.present and held.confidence.max() == 0.0
    gone = stage.show(after=1.2)
    assert not gone.present and gone.positions is not None


def test_the_visitor_is_kept_when_others_come(stage):
    stage.show(standing_landmarks(middle=(640.0, 360.0)))
    for i in range(10):
        place = 640.0 + 4 * i
        seen = stage.show(standing_landmarks(middle=(200.0, 360.0)), standing_landmarks(middle=(place, 360.0)))
        assert abs(seen.positions[0, 0] - (place - 640) / 200) < 0.1


def test_without_frames_the_visitor_is_gone_after_a_second(stage):
    stage.now = time.perf_counter() - 1.5
    stage.show(standing_landmarks())
    stage.service.step()
    assert not stage.poses.latest().present
    version = stage.poses.version
    stage.service.step()
    assert stage.poses.version == version


def blank(taken_at: float) -> CameraFrame:
    return CameraFrame(np.zeros((64, 64, 3), dtype=np.uint8), taken_at, 0)


@pytest.mark.parametrize(("age", "rate", "answered"), [(0.020, 30, 1), (0.004, 30, 0), (0.020, 10, 0)])
def test_a_frame_that_has_waited_for_long_is_left_for_the_next(stage, monkeypatch, age, rate, answered):
    """The detector is free again `age` after a frame came: is it better to wait for the next?"""
    monkeypatch.setattr(pose_service, "FRAME_TIMEOUT_S", 5.0)
    stage.frames.put(blank(stage.now))
    stage.service.step()
    old, fresh = blank(stage.now + 1 / rate), blank(stage.now + 2 / rate)
    stage.frames.put(old)
    free_at = stage.frames.put_at + age
    coming = threading.Timer(0.25, stage.frames.put, [fresh])
    coming.start()
    assert stage.service._next_frame(free_at) is (old, fresh)[answered]
    coming.join()


def test_an_old_frame_is_answered_when_no_other_comes(stage):
    stage.frames.put(blank(stage.now))
    stage.service.step()
    old = blank(stage.now + 1e-4)  # less after the first than the service waits here for a third
    stage.frames.put(old)
    assert stage.service._next_frame(stage.frames.put_at + 0.1) is old


def test_what_was_done_is_counted(stage):
    stage.show(standing_landmarks())
    stage.show()
    assert stage.metrics.counted("pose.frames") == 2
    assert stage.metrics.counted("pose.found") == 1
    assert stage.metrics.percentiles("pose.detect") is not None


def test_a_detector_that_fails_is_tried_again_and_nobody_is_left_behind(stage):
    stage.show(standing_landmarks())
    FakeDetector.error = RuntimeError("graph died")
    with pytest.raises(TemporaryFault, match="graph died"):
        stage.show(standing_landmarks())
    stage.service.close()
    assert not stage.poses.latest().present


@pytest.mark.parametrize(("named", "kind"), [(Path("mine.task"), PermanentFault), (None, TemporaryFault)])
def test_without_a_model_the_room_says_why_and_a_missing_network_may_come_back(stage, monkeypatch, named, kind):
    def none_found(path: Path | None) -> Path:
        raise PoseModelError("no pose model: get it there")

    monkeypatch.setattr(pose_service, "find_pose_model", none_found)
    stage.service._model = named
    with pytest.raises(kind, match="get it there"):
        stage.service.open()
    stage.service.close()


def test_a_model_that_mediapipe_refuses_is_said_in_one_line(stage, monkeypatch):
    def refuse(model: Path) -> None:
        raise ValueError("bad bundle\nwith details")

    monkeypatch.setattr(pose_service, "PoseDetector", refuse)
    with pytest.raises(TemporaryFault, match=r"bad bundle$"):
        stage.service.open()


@pytest.fixture
def real_model() -> Path:
    model = cache_folder() / MODEL_NAME
    if not model.is_file():
        pytest.skip(f"no pose model at {model}; python app.py fetches it once")
    return model


def test_the_real_detector_follows_the_person_in_the_reference_video(real_model):
    video = MEDIA / "pose_1.mp4"
    if not video.is_file():
        pytest.skip(f"{video} is not there")
    import cv2

    poses: Mailbox[Pose] = Mailbox()
    frames: Mailbox[CameraFrame] = Mailbox()
    service = PoseService(frames, poses, Metrics(), model=real_model)
    service.open()
    capture = cv2.VideoCapture(str(video))
    for number in range(15):
        image = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        frames.put(CameraFrame(image, 100.0 + number / 30, number))
        service.step()
    capture.release()
    latest = poses.latest()
    service.close()
    assert latest is not None and latest.present and latest.positions is not None
    assert 1.2 < latest.positions[INDEX["head"], 1] < 2.0
    assert abs(latest.positions[0, 0]) < 0.2
    assert abs(np.degrees(heading(latest.positions))) < 30


class Searches:
    """MediaPipe's part of a detector of `FakeDetector`'s kind: people in view, and how many were looked for."""

    def __init__(self) -> None:
        self.people = 1
        self.lost = 0  # searches for one person that are to fail
        self.looked_for: list[int] = []
        self.detector: Any = object.__new__(PoseDetector)
        self.detector._picture_of = lambda **_: None
        self.detector._format, self.detector._timestamp, self.detector._turns = None, -1, SearchSchedule()
        self.detector._of_one, self.detector._of_everybody = self._landmarker(1), self._landmarker(3)

    def _landmarker(self, most: int) -> SimpleNamespace:
        def detect_for_video(picture: None, timestamp: int) -> SimpleNamespace:
            self.looked_for.append(most)
            marks = [SimpleNamespace(x=0.5, y=0.02 * i, z=0.1, visibility=0.9) for i in range(33)]
            lost = most == 1 and self.lost > 0
            self.lost -= lost
            found = [marks] * (0 if lost else min(self.people, most))
            return SimpleNamespace(pose_landmarks=found, pose_world_landmarks=found)

        return SimpleNamespace(detect_for_video=detect_for_video)

    def watch(self, start: float, seconds: float) -> list[int]:
        """How many people were looked for in each search of so many seconds of pictures."""
        self.looked_for.clear()
        for i in range(round(seconds * 30)):
            frame = CameraFrame(np.zeros((48, 64, 3), dtype=np.uint8), start + i / 30, i)
            self.detector.detect(frame)
            self.detector.look_around(frame)
        return list(self.looked_for)


def test_one_person_is_followed_alone_with_a_look_around_now_and_then():
    searches = Searches()
    assert set(searches.watch(0.0, 2.0)) == {3}  # whether there are others is not known yet
    searched = searches.watch(2.0, 10.0)
    assert searched.count(1) == 300 and 18 <= searched.count(3) <= 20


def test_a_second_person_is_seen_within_half_a_second_and_everybody_until_they_are_gone():
    searches = Searches()
    searches.watch(0.0, 4.0)
    searches.people = 2
    searched = searches.watch(4.0, 3.0)
    assert searched[: round(SEARCH_INTERVAL_S * 30) + 1].count(3) == 1 and set(searched[20:]) == {3}
    searches.people = 1
    assert set(searches.watch(7.0, MULTI_PERSON_S - 0.1)) == {3}
    assert searches.watch(7.0 + MULTI_PERSON_S, 1.0).count(1) == 30


def test_who_is_lost_by_the_search_for_one_is_found_in_the_same_picture():
    searches = Searches()
    searches.watch(0.0, 4.0)
    searches.lost = 1
    frame = CameraFrame(np.zeros((48, 64, 3), dtype=np.uint8), 4.0, 0)
    searches.looked_for.clear()
    assert len(searches.detector.detect(frame)) == 1 and searches.looked_for == [1, 3]
    assert searches.watch(4.0 + 1 / 30, 0.3) == [1] * 9  # and alone again


def test_while_nobody_is_there_everybody_is_looked_for():
    searches = Searches()
    searches.watch(0.0, 4.0)
    searches.people = 0
    assert set(searches.watch(4.0, 5.0)[1:]) == {3}


def test_the_real_detector_finds_a_second_person_who_comes_in(real_model):
    video = MEDIA / "pose_1.mp4"
    if not video.is_file():
        pytest.skip(f"{video} is not there")
    import cv2

    capture = cv2.VideoCapture(str(video))
    person = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)[:, 100:470]
    capture.release()
    wall = np.full_like(person, 128)
    detector = PoseDetector(real_model)
    counts = []
    for i in range(120):
        two = i / 30 >= 3.0
        frame = CameraFrame(np.hstack([person, person if two else wall]), 10.0 + i / 30, i)
        counts.append(len(detector.detect(frame)))
        detector.look_around(frame)
    detector.close()
    assert set(counts[5:90]) == {1} and set(counts[90 + round(SEARCH_INTERVAL_S * 30) + 2 :]) == {2}


def test_a_landmark_outside_the_picture_counts_as_not_seen():
    marks = [SimpleNamespace(x=0.5, y=1.2 if i > 22 else 0.5, z=0.0, visibility=0.9) for i in range(33)]
    body = landmarks_of(marks, marks, 640, 480)
    assert body.visibility[23:].max() == 0.0 and body.visibility[:23].min() == pytest.approx(0.9)
    assert body.picture[0].tolist() == [320.0, 240.0]


def test_the_real_detector_sees_nobody_in_an_empty_room(real_model):
    service = PoseService(frames := Mailbox(), poses := Mailbox(), Metrics(), model=real_model)
    service.open()
    frames.put(CameraFrame(np.full((480, 640, 3), 90, dtype=np.uint8), 5.0, 0))
    service.step()
    service.close()
    latest = poses.latest()
    assert latest is not None and not latest.present


def run_python(*lines: str, path: Path | None = None) -> None:
    root = Path(__file__).parents[3]
    folders = [*([path] if path else []), root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, filter(None, folders)))}
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=root, env=environment, check=True, timeout=120)


def test_mediapipe_is_loaded_without_matplotlib_and_leaves_it_to_others() -> None:
    run_python(
        "import sys",
        "from engine.visitor.pose_detector import import_mediapipe, without_plots",
        "assert import_mediapipe()[1].PoseLandmarker and 'matplotlib' not in sys.modules",
        "import matplotlib.figure",
        "with without_plots():",
        "    import matplotlib.pyplot",
        "assert matplotlib.pyplot.plot and matplotlib.figure.Figure",
    )


@pytest.mark.parametrize(
    "line",
    [
        "import matplotlib.pyplot as plots; plots.rcParams",
        "from matplotlib import ticker",
        "import matplotlib.axes",
    ],
)
def test_a_mediapipe_that_cannot_do_without_matplotlib_gets_it(tmp_path: Path, line: str) -> None:
    vision = tmp_path / "mediapipe" / "tasks" / "python" / "vision"
    (vision.parent / "core").mkdir(parents=True)
    vision.mkdir()
    for folder in (vision, vision.parent, vision.parent / "core", vision.parents[1], vision.parents[2]):
        (folder / "__init__.py").touch()
    (vision.parent / "core" / "base_options.py").write_text("BaseOptions = 1")
    (vision / "__init__.py").write_text(f"{line}\nimport matplotlib\nVERSION = matplotlib.__version__")
    run_python(
        "from engine.visitor.pose_detector import import_mediapipe",
        "assert import_mediapipe()[1].VERSION",
        path=tmp_path,
    )
