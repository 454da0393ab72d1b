"""What goes wrong with a camera in weeks: it is recorded, and mended."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from engine.runtime.faults import TemporaryFault
from engine.runtime.metrics import Metrics
from engine.runtime.service import MAX_HANGING
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame
from engine.visitor import capture
from engine.visitor.camera_health import BLACK_AFTER_S, FROZEN_AFTER_S
from engine.visitor.capture import Capture, usable
from engine.visitor.sources import capture_of
from tests.engine.fakes import SLEEP, Clock, wait_until


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
    return capture_of(source, frames, Metrics()), frames


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
        clock.now += BLACK_AFTER_S / 10
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
            clock.now += FROZEN_AFTER_S / 8
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
        clock.now += 2 * FROZEN_AFTER_S
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


def test_after_ten_minutes_of_sleep_a_film_goes_on_from_there(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 48))
    for seed in range(40):
        writer.write(noisy(seed))
    writer.release()
    frames: Mailbox[CameraFrame] = Mailbox()
    service = capture_of(str(path), frames, Metrics())
    service.open()
    for _ in range(5):
        service.step()
    clock.now += SLEEP
    before = frames.version
    for _ in range(10):
        service.step()
    assert frames.version > before + 2 and not service.finished
    service.close()
