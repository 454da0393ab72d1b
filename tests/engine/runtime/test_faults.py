"""What goes wrong in weeks, one fault after the other: the installation goes on, records it, and mends
itself."""

import errno
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pygame
import pytest

import app
from engine.control.controls import Controls
from engine.control.operator import Operator
from engine.control.show import ShowService, read_show
from engine.dancer import inference_service as dance_module
from engine.dancer.inference_service import TICK, InferenceService, is_plausible
from engine.installation import Installation
from engine.osc import output as osc_out_module
from engine.osc import server as osc_server
from engine.osc.input import OscIn
from engine.osc.message import floats
from engine.osc.output import OscOut, ResampledOutput
from engine.osc.packet import SECONDS_TO_1970
from engine.osc.target import Target
from engine.render.emotion_lights import LiveColours, colours_path
from engine.runtime import service as room_module
from engine.runtime.bounded_log import begin_log, watchdogs_log
from engine.runtime.faults import Fault, StartError, TemporaryFault
from engine.runtime.heartbeat import tell_systemd
from engine.runtime.metrics import Metrics
from engine.runtime.service import MAX_HANGING, Service, stop_all
from engine.screen import frame_pacer as pacing_module
from engine.screen import window as window_module
from engine.screen.display import Screen
from engine.screen.frame_pacer import FramePacer
from engine.screen.window import Window
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame, DancerFrame, Pose
from engine.visitor import camera as capture
from engine.visitor import pose_service as pose_module
from engine.visitor.camera import BLACK_AFTER, FROZEN_AFTER, Capture, usable
from engine.visitor.landmarks import BodyLandmarks
from engine.visitor.pose_detector import PoseDetector, SearchSchedule
from engine.visitor.pose_service import PoseService
from models.emotion.palette import DEFAULT_PALETTE
from tests.engine.osc_reader import read_message
from tests.synthetic import moved_by, swinging_figure

SLEEP, DAY = 600.0, 86_400.0


class Clock:
    """Time that passes only when somebody waits or says so."""

    def __init__(self) -> None:
        self.now, self.set_by = 1000.0, 0.0

    def perf_counter(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now + self.set_by

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 1e-5)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (capture, dance_module, osc_out_module, osc_server, pacing_module, window_module):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(Service, "sleep", lambda _, seconds: clock.sleep(seconds))
    return clock


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "FIRST_BACK_OFF", 0.005)
    monkeypatch.setattr(Service, "max_back_off", 0.01)
    monkeypatch.setattr(capture, "ROAMS_AFTER", 0.0)


def wait_until(condition: Callable[[], object]) -> None:
    end = time.perf_counter() + 5
    while not condition():
        assert time.perf_counter() < end, "it did not happen"
        time.sleep(0.002)


# The camera


def noisy(seed: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (*size, 3), dtype=np.uint8)


class Bus:
    """Where cameras are plugged in: index -> what the camera there gives, or nothing."""

    def __init__(self) -> None:
        self.cameras: dict[int, Callable[[], np.ndarray | None]] = {}
        self.released = 0

    def open(self, index: int) -> Any:
        def read() -> tuple[bool, np.ndarray | None]:
            image = self.cameras[index]() if index in self.cameras else None
            return image is not None, image

        return SimpleNamespace(
            isOpened=lambda: index in self.cameras, set=lambda *_: True, read=read, release=self._release
        )

    def _release(self) -> None:
        self.released += 1


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    bus = Bus()
    monkeypatch.setattr(cv2, "VideoCapture", bus.open)
    return bus


def camera(source: str) -> tuple[Capture, Mailbox[CameraFrame]]:
    frames: Mailbox[CameraFrame] = Mailbox()
    return Capture(source, frames, Metrics()), frames


class Pictures:
    """Gives a fresh picture each time, without hurry."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> np.ndarray:
        time.sleep(0.001)
        self.count += 1
        return noisy(self.count)


def test_a_camera_that_is_plugged_in_later_is_found(bus: Bus, quick: None) -> None:
    service, frames = camera("camera:1")
    service.start()
    wait_until(service.metrics.faults)
    assert frames.latest() is None
    bus.cameras[1] = Pictures()
    wait_until(lambda: frames.version > 2)
    service.stop()
    [fault] = service.metrics.faults()
    assert "camera 1 cannot be opened" in fault["what"] and fault["recovered_after_s"] is not None


def test_a_camera_that_comes_back_under_another_number_is_found(bus: Bus, quick: None) -> None:
    bus.cameras[0] = Pictures()
    service, frames = camera("camera:0")
    service.start()
    wait_until(lambda: frames.version > 2)
    del bus.cameras[0]
    wait_until(service.metrics.faults)
    bus.cameras[2] = Pictures()
    before = frames.version
    wait_until(lambda: frames.version > before + 2)
    service.stop()
    assert all(fault["recovered_after_s"] is not None for fault in service.metrics.faults())


def test_a_camera_that_was_named_and_never_seen_is_not_replaced_by_another(bus: Bus) -> None:
    bus.cameras[0] = Pictures()
    with pytest.raises(TemporaryFault):
        camera("camera:1")[0].open()
    anyone, _ = camera("camera")
    del bus.cameras[0]
    bus.cameras[3] = Pictures()
    anyone.open()
    assert anyone._camera == 3


def test_black_pictures_are_a_fault_until_the_light_comes(bus: Bus, clock: Clock) -> None:
    service, frames = camera("camera:0")
    images = [np.zeros((48, 64, 3), dtype=np.uint8)] * 20 + [noisy(1)]
    bus.cameras[0] = lambda: images.pop(0)
    service.open()
    for _ in range(20):
        service.step()
        clock.now += BLACK_AFTER / 10
    [fault] = service.metrics.faults()
    assert "black" in fault["what"] and fault["recovered_after_s"] is None and frames.version == 20
    service.step()
    assert service.metrics.faults()[0]["recovered_after_s"] is not None


def test_a_frozen_picture_opens_the_camera_again_until_it_moves(bus: Bus, clock: Clock) -> None:
    service, _ = camera("camera:0")
    images = [noisy(1)] * 12 + [noisy(2)]
    bus.cameras[0] = lambda: images.pop(0)
    service.open()
    with pytest.raises(TemporaryFault, match="same picture"):
        for _ in range(12):
            service.step()
            clock.now += FROZEN_AFTER / 8
    service.close()
    service.open()
    while images:
        moves = len(images) == 1
        try:
            service.step()
        except TemporaryFault:
            assert not moves
    assert bus.released == 1


def test_a_camera_that_begins_as_it_ended_works_again_at_once(bus: Bus, clock: Clock) -> None:
    service, frames = camera("camera:0")
    first, images = noisy(1), [noisy(1)]
    bus.cameras[0] = lambda: images.pop(0)
    service.open()
    service.step()
    for _ in range(3):  # it hung or froze for a while, and was opened anew
        service.close()
        clock.now += 2 * FROZEN_AFTER
        images = [first, first, noisy(2), first]
        service.open()
        service.step()
        service.step()
    assert frames.version == 7 and not images


def test_cut_and_wildly_sized_pictures_do_no_harm(bus: Bus) -> None:
    sizes = [(48, 64), (1, 1), (2160, 3840), (8192, 20), (17, 4000), (0, 64), (720, 1280), (9000, 16)]
    images: list[np.ndarray] = [noisy(1, size) for size in sizes]
    images += [noisy(1)[:, :, :2], noisy(1).astype(np.float32), noisy(1)[:, :, 0]]
    good = sum(usable(image) for image in images)
    service, frames = camera("camera:0")
    bus.cameras[0] = lambda: images.pop(0)
    service.open()
    while images:
        service.step()
        latest = frames.latest()
        assert latest is not None and latest.image.shape[1] <= capture.MAX_WIDTH
    assert frames.version == good and service.metrics.counted("capture.rejected") == len(sizes) + 3 - good


def test_a_camera_that_blocks_for_ever_is_left_behind(bus: Bus, quick: None) -> None:
    stuck, blocked = threading.Event(), threading.Event()

    def block() -> np.ndarray:
        blocked.set()
        stuck.wait(10)
        return noisy(99)

    bus.cameras[0] = block
    service, frames = camera("camera:0")
    service.start()
    first = service._thread
    assert blocked.wait(5)
    bus.cameras[0] = Pictures()
    for second in range(6):
        service.check_hang(time.perf_counter() + second)
    wait_until(lambda: frames.version > 3)
    stuck.set()
    first.join(5)
    assert not first.is_alive() and bus.released == 1 and service._thread is not first
    wait_until(lambda: service.metrics.faults()[0]["recovered_after_s"] is not None)
    before = frames.version
    wait_until(lambda: frames.version > before)
    service.stop()
    assert "hangs" in service.metrics.faults()[0]["what"]


def test_threads_that_hang_do_not_pile_up(bus: Bus) -> None:
    stuck = threading.Event()

    def block() -> None:
        stuck.wait(10)

    bus.cameras[0] = block
    service, _ = camera("camera:0")
    service.start()
    for second in range(100):
        wait_until(lambda: service._timeout == service.max_step)
        service.check_hang(1000.0 + second)
    assert sum(thread.is_alive() for thread in service._left_behind) == MAX_HANGING
    assert len(service.metrics.faults()) == 1
    stuck.set()
    service.stop()


# The detector


def standing(x: float = 640.0) -> BodyLandmarks:
    """Somebody whose landmarks are those of the swinging figure, seen from the front."""
    body = swinging_figure(1)[0]
    places = {11: 3, 12: 6, 13: 4, 14: 7, 15: 5, 16: 8, 23: 9, 24: 13, 25: 10, 26: 14, 27: 11, 28: 15}
    places |= {31: 12, 32: 16}
    joints = np.stack([body[places.get(i, 2)] for i in range(33)]) - body[0]
    world = (joints * [1.0, -1.0, -1.0]).astype(np.float32)
    picture = (world[:, :2] * 200 + [x, 360]).astype(np.float32)
    return BodyLandmarks(picture, world, np.ones(33, dtype=np.float32))


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
    assert detector.detect(CameraFrame(noisy(1), 1.0, 0)) == []


def test_a_visitor_lost_and_found_every_other_frame_stays_and_does_not_jump(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sight = Sight(monkeypatch)
    seen = [sight.see(*([standing()] if i % 2 == 0 else [])) for i in range(40)]
    assert all(pose.present for pose in seen)
    positions = np.stack([pose.positions for pose in seen if pose.positions is not None])
    assert np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() < 0.05


def test_sides_that_flip_now_and_then_are_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    sight, body = Sight(monkeypatch), standing()
    seen = [sight.see(body.with_sides_swapped() if i in (10, 11, 20) else body) for i in range(30)]
    positions = np.stack([pose.positions for pose in seen if pose.positions is not None])
    assert np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() < 0.05


def test_the_visitor_is_the_same_after_somebody_has_crossed(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = Sight(monkeypatch)
    seen = []
    for i in range(61):
        bodies = [standing(400 + 8 * i), standing(880 - 8 * i)]
        seen.append(sight.see(*(bodies if i % 2 else bodies[::-1])))
    where = [float(pose.positions[0, 0]) for pose in seen if pose.positions is not None]
    ends = np.array([where[0], where[-1]])
    assert abs(ends[1] - ends[0]) > 1.5 and np.abs(np.diff(where)).max() < 0.15


def test_a_camera_of_one_picture_a_second_still_shows_a_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = Sight(monkeypatch)
    assert all(sight.see(standing(), after=1.0).present for _ in range(5))


def test_a_camera_slower_than_that_does_not_make_the_visitor_come_and_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pose_module, "FRAME_TIMEOUT", 0.001)
    sight = Sight(monkeypatch)
    clock = [sight.now]
    monkeypatch.setattr(pose_module.time, "perf_counter", lambda: clock[0])
    for _ in range(3):
        sight.see(standing(), after=1.05)
    visitor = sight.service._visitors.visitor
    for _ in range(5):
        clock[0] = sight.now + 1.04
        sight.service.step()  # no frame yet
        pose = sight.poses.latest()
        assert pose is not None and pose.present
        sight.see(standing(), after=1.05)
        assert sight.service._visitors.visitor == visitor


def test_a_detector_that_hangs_leaves_nobody_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = Sight(monkeypatch)
    assert sight.see(standing()).present
    sight.service.abandon()
    latest = sight.poses.latest()
    assert latest is not None and not latest.present
    sight.service.open()
    assert sight.see(standing()).present


def test_once_a_detector_has_been_there_it_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PoseService.max_back_off > 60
    assert Sight(monkeypatch).service.max_back_off <= 15


# The dance


class Studio:
    """A dance that is stepped by hand."""

    def __init__(self, checkpoint: Path) -> None:
        controls: Mailbox[Controls] = Mailbox()
        self.operator = Operator(DEFAULT_PALETTE, controls)
        self.sent: list[DancerFrame] = []
        self.dance = InferenceService(
            checkpoint, controls, Mailbox(), Mailbox(), self.sent.append, Metrics(), seed=3
        )
        self.dance.open()

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.dance._due = dance_module.time.perf_counter()
            self.dance.step()

    def next_state(self, change: Callable[[Any], Any]) -> None:
        """Let the network's next step come out changed."""
        generator = self.dance._generator
        assert generator is not None
        original = generator.apply

        def once(*arguments: Any, **options: Any) -> Any:
            generator.apply = original  # type: ignore[method-assign]
            return change(original(*arguments, **options))

        generator.apply = once  # type: ignore[method-assign]

    def largest_jump(self) -> float:
        positions = np.stack([frame.positions for frame in self.sent])
        assert np.isfinite(positions).all()
        return float(np.linalg.norm(np.diff(positions, axis=0), axis=-1).max())


@pytest.fixture
def studio(checkpoint_file: Path) -> Studio:
    return Studio(checkpoint_file)


def test_a_network_that_leaps_across_the_stage_begins_anew_without_a_jump(studio: Studio) -> None:
    studio.ticks(10)
    studio.next_state(lambda state: moved_by(state, 30.0))
    studio.ticks(10)
    assert studio.largest_jump() < 0.3
    [fault] = studio.dance.metrics.faults()
    assert fault["room"] == "inference" and fault["recovered_after_s"] < 5


def test_a_network_that_raises_goes_on_from_where_it_stood(studio: Studio) -> None:
    def fail(state: object) -> object:
        raise RuntimeError("out of memory")

    studio.ticks(10)
    studio.next_state(fail)
    with pytest.raises(RuntimeError):
        studio.ticks(1)
    studio.dance.close()
    studio.dance.open()
    studio.ticks(10)
    assert [frame.index for frame in studio.sent] == list(range(20)) and studio.largest_jump() < 0.3


def test_a_network_that_is_broken_in_memory_is_read_again(studio: Studio) -> None:
    studio.ticks(5)
    begin = studio.dance._begin
    studio.dance._begin = lambda *given: moved_by(begin(*given), np.nan)  # type: ignore
    studio.next_state(lambda state: moved_by(state, np.nan))
    with pytest.raises(TemporaryFault, match="checkpoint"):
        studio.ticks(1)
    del studio.dance._begin
    studio.dance.open()
    studio.ticks(5)
    assert studio.largest_jump() < 0.3 and all(is_plausible(frame.positions) for frame in studio.sent)


def test_a_network_that_fails_all_the_time_does_not_fill_the_log(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(4):
        studio.next_state(lambda state: moved_by(state, 30.0))
        studio.ticks(1)
    assert len([line for line in caplog.records if "beginning anew" in line.message]) == 1


def test_a_machine_that_is_too_slow_leaves_ticks_out_and_keeps_time(clock: Clock, studio: Studio) -> None:
    def slowly(state: object) -> object:
        clock.now += 2.5 * TICK
        return state

    studio.dance._due = began = clock.now
    for _ in range(100):
        studio.next_state(slowly)
        studio.dance.step()
    assert clock.now - began == pytest.approx(250 * TICK, rel=0.02)  # never waits, never hurries
    assert clock.now - studio.dance._due < 8 * TICK
    assert studio.dance.metrics.counted("inference.late_ticks") > 100


def test_after_ten_minutes_of_sleep_nothing_comes_in_a_burst(clock: Clock, studio: Studio) -> None:
    studio.ticks(3)
    clock.now += SLEEP
    woke = clock.now
    for _ in range(12):
        studio.dance.step()
    assert clock.now - woke > 10 * TICK
    assert studio.dance.metrics.counted("inference.late_ticks") >= SLEEP / TICK - 10

    pacer = FramePacer(60.0)
    pacer.wait()
    clock.now += SLEEP
    woke = clock.now
    for _ in range(12):
        pacer.wait()
    assert clock.now - woke > 10 / 60


def test_after_ten_minutes_of_sleep_no_rate_is_caught_up(clock: Clock) -> None:
    out = OscOut([Target("127.0.0.1", 9, rate=120.0)], Metrics())
    sent: list[float] = []
    out.send_to = lambda *_: sent.append(clock.now) or True  # type: ignore
    rates = ResampledOutput(out, Metrics())
    rates.open()
    figure = swinging_figure(1)[0]
    out.frames.put(DancerFrame(0, clock.now, figure, DEFAULT_PALETTE.one_hot(0)))
    for _ in range(20):
        rates.step()
    clock.now += SLEEP
    woke, before = clock.now, len(sent)
    for _ in range(20):
        rates.step()
    assert len(sent) > before and clock.now - woke >= (len(sent) - before - 2) / 120
    out.close()


def test_after_ten_minutes_of_sleep_a_film_goes_on_from_there(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 48))
    for seed in range(40):
        writer.write(noisy(seed))
    writer.release()
    frames: Mailbox[CameraFrame] = Mailbox()
    service = Capture(str(path), frames, Metrics())
    service.open()
    for _ in range(5):
        service.step()
    clock.now += SLEEP
    before = frames.version
    for _ in range(10):
        service.step()
    assert frames.version > before + 2 and not service.finished
    service.close()


# OSC


class Network:
    """A socket that does what the network does."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.sent: list[tuple[bytes, object]] = []

    def sendto(self, data: bytes, address: object) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append((data, address))

    def close(self) -> None:
        pass


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN])
def test_a_network_that_is_down_is_a_fault_and_is_over_when_it_is_back(number: int) -> None:
    metrics = Metrics()
    out = OscOut([Target("127.0.0.1", 9)], metrics)
    wait_until(lambda: out._found)
    out._socket.close()
    out._socket = network = Network()  # type: ignore[assignment]
    network.error = OSError(number, "down")
    for _ in range(100):
        assert not out._sent(out.targets[0], [b"x"])
    [fault] = metrics.faults()
    assert fault["room"] == "osc" and "127.0.0.1:9" in fault["what"] and fault["recovered_after_s"] is None
    assert out.targets[0] in out._wanted  # whose address may have changed
    network.error = None
    assert out._sent(out.targets[0], [b"x"])
    assert metrics.faults()[0]["recovered_after_s"] is not None
    out.close()


def test_a_full_buffer_is_counted_and_is_no_fault() -> None:
    metrics = Metrics()
    out = OscOut([Target("127.0.0.1", 9)], metrics)
    wait_until(lambda: out._found)
    out._socket.close()
    out._socket = network = Network()  # type: ignore[assignment]
    network.error = BlockingIOError(errno.EAGAIN, "full")
    assert not out._sent(out.targets[0], [b"x"])
    assert metrics.counted("osc.send_errors") == 1 and metrics.faults() == []
    out.close()


def test_the_heartbeat_goes_to_every_target_in_every_format() -> None:
    out = OscOut([Target("127.0.0.1", 9), Target("127.0.0.1", 10, "aitoolbox", 60.0)], Metrics())
    wait_until(lambda: len(out._found) == 2)
    out._socket.close()
    out._socket = network = Network()  # type: ignore[assignment]
    out.send_heartbeat(7)
    assert [read_message(data) for data, _ in network.sent] == [("/heartbeat", "i", [7])] * 2
    assert [address for _, address in network.sent] == [("127.0.0.1", 9), ("127.0.0.1", 10)]
    out.close()


def test_a_port_that_is_taken_at_the_start_is_listened_on_once_it_is_free(quick: None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        controls: Mailbox[Controls] = Mailbox()
        operator = Operator(DEFAULT_PALETTE, controls)
        service = OscIn("127.0.0.1", other.getsockname()[1], operator, Metrics())
        service.start()
        wait_until(service.metrics.faults)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def heard() -> bool:
            sender.sendto(floats("/energy", [0.5]), ("127.0.0.1", service.port))
            latest = controls.latest()
            return latest is not None and latest.energy == 0.5

        wait_until(heard)
    wait_until(lambda: service.metrics.faults()[0]["recovered_after_s"] is not None)
    service.stop()


# Clocks


def test_a_clock_that_is_set_back_a_day_changes_no_duration(clock: Clock) -> None:
    service = OscIn("127.0.0.1", 0, operator := Operator(DEFAULT_PALETTE, Mailbox()), Metrics())
    tag = int((clock.time() + 2 + SECONDS_TO_1970) * 2**32)
    message = floats("/energy", [0.5])
    size = len(message).to_bytes(4, "big")
    service._take(b"#bundle\0" + tag.to_bytes(8, "big") + size + message, ("127.0.0.1", 5000))
    clock.set_by = -DAY
    clock.now += 2.1
    service._obey_postponed()
    latest = operator.mailbox.latest()
    assert latest is not None and latest.energy == 0.5


def test_a_fault_is_over_after_a_monotonic_time(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Fault("room", "what")
    monkeypatch.setattr(time, "time", lambda: fault.time - DAY)
    fault.recover()
    assert fault.recovered_after_s is not None and 0 <= fault.recovered_after_s < 5


# Files


def test_a_show_that_is_edited_into_nonsense_goes_on_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "show.toml"
    path.write_text("[[cue]]\nat = 0\nglide = 0\nenergy = 0.4\n")
    operator = Operator(DEFAULT_PALETTE, Mailbox())
    service = ShowService(read_show(path, DEFAULT_PALETTE), operator, Metrics(), Mailbox())
    path.write_text("[[cue]\nenergy = 'nonsense")
    service.play(1.0)
    latest = operator.mailbox.latest()
    assert latest is not None and latest.energy == pytest.approx(0.4)


@pytest.mark.parametrize("nonsense", [b"[sad", b"\xff\xfe\x00", b"", b"#" * (2**20 + 1), None])
def test_lights_that_are_edited_into_nonsense_stay_as_they_were(tmp_path: Path, nonsense: bytes | None) -> None:
    path = tmp_path / "emotions.toml"
    path.write_bytes(colours_path().read_bytes())
    live = LiveColours(path)
    before = live.at(1.0)
    if nonsense is None:
        path.unlink()
    else:
        path.write_bytes(nonsense)
    assert live.at(2.0) is before and live.mistake
    path.write_bytes(colours_path().read_bytes() + b"\n")
    assert live.at(3.0) is not before and live.mistake is None


def test_lights_that_cannot_be_read_at_the_start_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "emotions.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StartError, match=r"emotions\.toml"):
        LiveColours(path)


def test_figures_that_a_full_disk_does_not_take_are_a_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    piece: Any = SimpleNamespace(settings=SimpleNamespace(stats=tmp_path / "s.json"), _figures=lambda _: {})
    Installation._write_figures(piece, 1.0)
    assert "No space left" in caplog.text


def test_the_log_turns_over_and_survives_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    before, errors = list(root.handlers), logging.raiseExceptions
    path = tmp_path / "piece.log"
    try:
        begin_log(path)
        [handler] = [one for one in root.handlers if one not in before]
        assert isinstance(handler, logging.handlers.RotatingFileHandler)
        handler.maxBytes = 1000
        for number in range(200):
            handler.emit(logging.makeLogRecord({"msg": f"line {number}"}))
        files = list(tmp_path.iterdir())
        assert len(files) == 6 and sum(file.stat().st_size for file in files) < 6000

        def full(text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(handler, "stream", SimpleNamespace(write=full, close=lambda: None))
        monkeypatch.setattr(handler, "shouldRollover", lambda record: False)
        handler.emit(logging.makeLogRecord({"msg": "lost"}))
    finally:
        root.handlers, logging.raiseExceptions = before, errors
    with pytest.raises(StartError, match="--log"):
        begin_log(tmp_path / "absent" / "piece.log")
    assert watchdogs_log(path) == tmp_path / "piece.watchdog.log"


def test_what_is_wrong_at_the_start_stands_in_the_log_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under pythonw on Windows, or on a wall without a keyboard, nobody sees the terminal."""
    root = logging.getLogger()
    before, errors = list(root.handlers), logging.raiseExceptions
    path = tmp_path / "piece.log"
    try:
        assert app.main(["--log", str(path), "--emotion", "hapy", "--headless", "--source", "none"]) == 2
        assert app.main(["--no-such-thing", "--log", str(path)]) == 2
    finally:
        for handler in set(root.handlers) - set(before):
            handler.close()
        root.handlers, logging.raiseExceptions = before, errors
    written = path.read_text(encoding="utf-8")
    assert written.count("ERROR") == 2 and "hapy" in written and "no-such-thing" in written
    assert "hapy" in capsys.readouterr().err


# The display, and the end


def test_a_display_that_is_lost_is_opened_again_and_pictures_go_on(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    window = Window(Screen(size=(160, 90), headless=True), title="test", metrics=metrics)
    lost = iter([False] * 5 + [True])

    def flip() -> None:
        if next(lost, False):
            raise pygame.error("video system not initialized")

    monkeypatch.setattr(pygame.display, "flip", flip)
    left, drawn = iter(range(120)), []
    window.run(lambda surface, now: drawn.append(now), lambda *_: None, lambda: next(left, None) is None)
    assert len(drawn) == 120 and np.diff(drawn).max() < 0.1
    [fault] = metrics.faults()
    assert fault["room"] == "display" and fault["recovered_after_s"] is not None
    assert window._lost_at is None and window.canvas.get_size() == (160, 90)
    window.close()


def test_a_window_that_cannot_be_opened_again_goes_on_unseen(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(Screen(size=(160, 90), headless=True), title="test", metrics=(kept := Metrics()))

    def refuse(*_: object, **__: object) -> None:
        raise pygame.error("no available video device")

    monkeypatch.setattr(pygame.display, "flip", refuse)
    monkeypatch.setattr(window, "_open", refuse)
    left, drawn = iter(range(300)), []
    window.run(lambda surface, now: drawn.append(now), lambda *_: None, lambda: next(left, None) is None)
    assert len(drawn) == 300 and np.diff(drawn).max() < 0.1
    assert kept.faults()[0]["recovered_after_s"] is None
    window.close()


class Deaf(Service):
    """Does not hear that it should stop."""

    def __init__(self) -> None:
        super().__init__(Metrics())
        self.ending = threading.Event()

    def step(self) -> None:
        self.ending.wait(10)


def test_rooms_that_hang_do_not_add_up_when_the_piece_ends() -> None:
    services = [Deaf() for _ in range(8)]
    for service in services:
        service.start()
    began = time.perf_counter()
    stop_all(services, 0.1)
    assert time.perf_counter() - began < 0.5
    for service in services:
        service.ending.set()


def test_systemd_is_told_where_it_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("this system has no Unix sockets")
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell_systemd(1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(0.2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setattr("engine.runtime.heartbeat.sys.platform", "linux")
        tell_systemd(1)
        assert b"WATCHDOG=1" in listener.recv(100)
    tell_systemd(2)  # nobody listens any more
