"""Pictures from a camera or a video file."""

import os
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from engine.runtime.faults import StartError, TemporaryFault
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame
from engine.visitor import camera as camera_module
from engine.visitor import video_file
from engine.visitor.capture import Capture, prepared, usable
from engine.visitor.sources import capture_of, check_source

RATE = 50.0
FRAMES = 6


@pytest.fixture
def video(tmp_path: Path) -> str:
    """Six frames at 50 fps; the left half is red, the right half is as grey as the frame's number times 40."""
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (64, 48))
    for number in range(FRAMES):
        picture = np.full((48, 64, 3), number * 40, dtype=np.uint8)
        picture[:, :32] = (0, 0, 255)
        writer.write(picture)
    writer.release()
    return str(path)


class Clock:
    """Time that passes only when somebody waits, so that a test needs none."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(camera_module, "time", clock)
    monkeypatch.setattr(video_file, "time", clock)
    monkeypatch.setattr(Capture, "sleep", lambda _, seconds: setattr(clock, "now", clock.now + seconds))
    return clock


def service(source: str, **options: bool) -> tuple[Capture, Mailbox[CameraFrame]]:
    frames: Mailbox[CameraFrame] = Mailbox()
    return capture_of(source, frames, Metrics(), **options), frames


def grey(frame: CameraFrame) -> int:
    """The number that the fixture painted into the frame."""
    return round(float(frame.image[:, 40:].mean()) / 40)


def play(opened: Capture, frames: Mailbox[CameraFrame], steps: int) -> list[CameraFrame]:
    shown: list[CameraFrame] = []
    for _ in range(steps):
        version = frames.version
        opened.step()
        if frames.version > version:
            shown.append(frames.latest())
    return shown


def test_a_file_gives_every_frame_at_its_own_pace_and_then_is_finished(video, clock):
    opened, frames = service(video)
    opened.open()
    shown = play(opened, frames, 20)
    assert [grey(frame) for frame in shown] == list(range(FRAMES))
    assert [frame.sequence for frame in shown] == list(range(FRAMES))
    np.testing.assert_allclose(np.diff([frame.captured_at for frame in shown]), 1 / RATE, atol=1e-6)
    assert opened.finished and opened.metrics.counted("capture.frames") == FRAMES
    opened.close()


def test_late_frames_are_skipped_and_not_slowed(video, clock):
    opened, frames = service(video)
    opened.open()
    first = play(opened, frames, 1)[0]
    clock.now += 3.5 / RATE
    second = play(opened, frames, 1)[0]
    assert (grey(first), grey(second)) == (0, 3)


def test_a_loop_starts_again_at_the_end(video, clock):
    opened, frames = service(video, loop=True)
    opened.open()
    shown = [grey(frame) for frame in play(opened, frames, 40)]
    assert shown[: FRAMES + 3] == [*range(FRAMES), 0, 1, 2] and not opened.finished


@pytest.mark.parametrize("seconds_to_rewind", [0.0, 0.2 / RATE, 1.7 / RATE])
def test_a_loop_keeps_step_over_its_seam(video, clock, monkeypatch, seconds_to_rewind):
    def slow(source: str) -> cv2.VideoCapture | None:
        clock.now += seconds_to_rewind
        return open_video(source)

    open_video = video_file.open_video
    oversleep = lambda _, seconds: setattr(clock, "now", clock.now + seconds + 0.02 / RATE)  # noqa: E731
    monkeypatch.setattr(Capture, "sleep", oversleep)
    opened, frames = service(video, loop=True)
    opened.open()
    monkeypatch.setattr(video_file, "open_video", slow)
    shown = play(opened, frames, 3 * FRAMES + 12)
    assert [grey(frame) for frame in shown[: 2 * FRAMES]] == [*range(FRAMES), *range(FRAMES)]
    beats = np.diff([frame.captured_at for frame in shown]) * RATE
    np.testing.assert_allclose(np.cumsum(beats), np.round(np.cumsum(beats)), atol=0.25)
    longest = {0.0: 1, 0.2 / RATE: 1, 1.7 / RATE: 2}[seconds_to_rewind]
    assert np.round(beats).max() == longest


def test_a_film_stands_on_its_first_frame_until_the_dance_begins(video, clock):
    begun = [False]
    opened, frames = service(video, begun=lambda: begun[0])
    opened.open()
    waiting = [grey(frame) for frame in play(opened, frames, 50)]
    assert waiting == [0] and not opened.finished
    begun[0] = True
    assert [grey(frame) for frame in play(opened, frames, 40)][:5] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("loop", [False, True])
def test_a_still_image_is_a_camera_that_stands_still(tmp_path, clock, loop):
    path = tmp_path / "still.png"
    cv2.imwrite(str(path), np.full((48, 64, 3), 80, dtype=np.uint8))
    opened, frames = service(str(path), loop=loop)
    opened.open()
    shown = play(opened, frames, 60)
    assert len(shown) > 40 and {grey(frame) for frame in shown} == {2} and not opened.finished
    times = np.diff([frame.captured_at for frame in shown])
    assert times.min() >= 0 and times[5:].mean() == pytest.approx(1 / 30, rel=0.1)


def variable_rate(path: Path, times: list[float]) -> None:
    """A film of frames, as grey as their numbers, at these times in seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, at in enumerate(times):
            picture = np.full((48, 64, 3), number * 40, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(at * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_frames_are_shown_at_the_times_that_the_file_names(tmp_path, clock):
    times = [0.0, 0.02, 0.04, 0.3, 0.55]
    variable_rate(tmp_path / "film.mp4", times)
    opened, frames = service(str(tmp_path / "film.mp4"))
    opened.open()
    shown = play(opened, frames, 40)
    assert [grey(frame) for frame in shown] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose([frame.captured_at - shown[0].captured_at for frame in shown], times, atol=0.002)


@pytest.mark.parametrize("suffix", [".ts", ".webm", ".mjpeg", ".mp4"])
def test_a_loop_of_any_container_has_no_fault_and_no_pause(tmp_path, clock, suffix):
    path, codec = (
        tmp_path / f"film{suffix}",
        {".webm": "libvpx", ".mjpeg": "mjpeg", ".ts": "mpeg2video"}.get(suffix, "mpeg4"),
    )
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(30):
            picture = np.full((48, 64, 3), number % 5 * 40, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    opened, frames = service(str(path), loop=True)
    opened.open()
    shown = play(opened, frames, 200)
    assert len(shown) > 60 and {grey(frame) for frame in shown} == {0, 1, 2, 3, 4}
    assert np.diff([frame.captured_at for frame in shown]).max() < 0.1


def test_a_name_with_a_colon_is_a_file_and_one_that_is_no_text_is_refused(video, tmp_path, monkeypatch):
    Path(video).rename(tmp_path / "clip:1.avi") if sys.platform != "win32" else None
    monkeypatch.chdir(tmp_path)
    if sys.platform != "win32":
        check_source("clip:1.avi")
        undecodable = os.fsdecode(os.fsencode(str(tmp_path / "T")) + b"\xe4nzer.avi")
        Path(undecodable).write_bytes(b"film")
        with pytest.raises(StartError, match="not UTF-8"):
            check_source(undecodable)


def test_pictures_are_rgb_contiguous_and_read_only(video, clock):
    opened, frames = service(video)
    opened.open()
    image = play(opened, frames, 1)[0].image
    assert image.dtype == np.uint8 and image.shape == (48, 64, 3)
    assert image.flags.c_contiguous and not image.flags.writeable
    red, green, blue = image[:, 4:24].reshape(-1, 3).mean(axis=0)
    assert red > 200 and max(green, blue) < 60


def test_a_file_is_mirrored_only_when_asked(video, clock):
    for mirror, side in ((None, 0), (True, 1)):
        opened, frames = service(video, mirror=mirror)
        opened.open()
        image = play(opened, frames, 1)[0].image
        assert np.argmax([image[:, :32, 0].mean(), image[:, 32:, 0].mean()]) == side


def test_a_wide_picture_is_scaled_down_and_keeps_its_shape():
    assert prepared(np.zeros((1080, 1920, 3), dtype=np.uint8), False).shape == (720, 1280, 3)
    assert prepared(np.zeros((720, 1280, 3), dtype=np.uint8), True).shape == (720, 1280, 3)


@pytest.mark.parametrize(
    "image",
    [
        None,
        np.zeros((0, 0, 3), dtype=np.uint8),
        np.zeros((48, 64), dtype=np.uint8),
        np.zeros((48, 64, 4), dtype=np.uint8),
        np.zeros((2, 9000, 3), dtype=np.uint8),
        np.zeros((48, 64, 3), dtype=np.float32),
    ],
)
def test_absurd_pictures_are_not_usable(image):
    assert not usable(image)


@pytest.mark.parametrize("source", ["camera", "camera:0", "camera:12", "none"])
def test_cameras_need_no_check(source):
    check_source(source)


def test_a_video_that_plays_is_a_good_source(video):
    check_source(video)


@pytest.mark.parametrize(
    "source", ["webcam", "camera:", "camera:x", "camera:-1", "missing.mp4", "/nowhere/a.mp4", ""]
)
def test_a_wrong_source_is_named_with_what_was_expected(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StartError) as error:
        check_source(source)
    assert source in str(error.value) and "video file" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_video_is_refused(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    for path in (text, tmp_path):
        with pytest.raises(StartError, match="video file"):
            check_source(str(path))


class FakeCamera:
    """A camera that gives the pictures it was given and then fails."""

    def __init__(self, *pictures: np.ndarray | None, there: bool = True) -> None:
        self.pictures = list(pictures)
        self.there = there
        self.asked: dict[int, float] = {}
        self.released = False

    def isOpened(self) -> bool:
        return self.there

    def set(self, name: int, value: float) -> bool:
        self.asked[name] = value
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        return (True, self.pictures.pop(0)) if self.pictures else (False, None)

    def release(self) -> None:
        self.released = True


def camera_room(monkeypatch, camera: FakeCamera, source: str = "camera:3", **options: bool):
    opened_as = []
    monkeypatch.setattr(cv2, "VideoCapture", lambda index: opened_as.append(index) or camera)
    return (*service(source, **options), opened_as)


def test_a_camera_is_opened_by_its_number_and_asked_for_small_delay(monkeypatch):
    camera = FakeCamera(np.zeros((48, 64, 3), dtype=np.uint8))
    opened, frames, opened_as = camera_room(monkeypatch, camera)
    opened.open()
    before = time.perf_counter()
    opened.step()
    frame = frames.latest()
    assert opened_as == [3] and camera.asked[cv2.CAP_PROP_BUFFERSIZE] == 1
    assert camera.asked[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert frame is not None and before <= frame.captured_at <= time.perf_counter()


def test_a_camera_is_mirrored_unless_told_otherwise(monkeypatch):
    picture = np.zeros((48, 64, 3), dtype=np.uint8)
    picture[:, :32] = 255
    for mirror, bright_side in ((None, 63), (False, 0)):
        opened, frames, _ = camera_room(monkeypatch, FakeCamera(picture), mirror=mirror)
        opened.open()
        opened.step()
        assert frames.latest().image[0, bright_side, 0] == 255


def test_no_camera_and_a_camera_that_leaves_are_temporary(monkeypatch):
    missing = FakeCamera(there=False)
    opened, _, _ = camera_room(monkeypatch, missing)
    with pytest.raises(TemporaryFault, match="camera 3"):
        opened.open()
    assert missing.released
    opened, _, _ = camera_room(monkeypatch, FakeCamera())
    opened.open()
    with pytest.raises(TemporaryFault, match="camera 3"):
        opened.step()
    opened.close()
    opened.close()


def test_a_camera_that_gives_only_rubbish_is_a_fault_in_the_end(monkeypatch):
    opened, frames, _ = camera_room(monkeypatch, FakeCamera(*[np.zeros((1, 1, 3), dtype=np.uint8)] * 50))
    opened.open()
    with pytest.raises(TemporaryFault, match="unusable"):
        for _ in range(50):
            opened.step()
    assert frames.latest() is None


def test_a_file_that_vanished_is_temporary(tmp_path):
    opened, _ = service(str(tmp_path / "gone.avi"))
    with pytest.raises(TemporaryFault, match="gone"):
        opened.open()
    opened.close()


def test_the_thread_plays_a_file_and_stops(video):
    opened, frames = service(video)
    opened.start()
    try:
        assert frames.newer_than(0, 2.0)[1] is not None
    finally:
        opened.stop()
    assert opened.metrics.faults() == []
