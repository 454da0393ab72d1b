"""What is seen and danced is on disk afterwards; a disk that is full ends the recording and nothing else."""

import os
import subprocess
import sys
import threading
import time

import av
import cv2
import numpy as np
import pygame
import pytest

from engine.runtime.metrics import Metrics
from engine.screen.dance_journal import DanceJournal, recover
from engine.screen.recorder import Recorder, Recording
from engine.streams.values import DancerFrame
from models.data.bvh import read_bvh
from models.motion.skeleton import JOINTS

PALETTE = ("neutral", "happy")


def frame(index):
    positions = np.arange(51, dtype=np.float32).reshape(17, 3) / 50 + index / 100
    return DancerFrame(index, index / 30, positions, np.array([0.0, 1.0], dtype=np.float32))


def record(recording, pictures=12, size=(64, 48)):
    surface = pygame.Surface(size, 0, 32)
    for i in range(pictures):
        surface.fill((10 * i, 30, 200))
        while recording._pictures.full():
            time.sleep(0.005)
        recording.see(surface, 5.0 + (i + 0.1) / 30)
        recording.dance(frame(i))
    recording.stop()


def test_every_picture_and_every_frame_is_written(tmp_path):
    recording = Recording(tmp_path / "shows" / "dance", PALETTE, Metrics())
    record(recording)
    with av.open(str(tmp_path / "shows" / "dance.mp4")) as film:
        pictures = [picture.to_ndarray(format="rgb24") for picture in film.decode(video=0)]
    assert len(pictures) == 12 and recording.left_out == 0
    assert pictures[3].shape == (48, 64, 3)
    assert abs(float(pictures[9][..., 0].mean()) - 90) < 12
    with np.load(tmp_path / "shows" / "dance.npz") as file:
        assert file["positions"].shape == (1, 12, 17, 3) and file["emotion"][0] == "happy"
        assert tuple(file["joints"]) == JOINTS
    assert len(read_bvh(tmp_path / "shows" / "dance.bvh").frames) == 12


def test_odd_sides_and_a_window_that_changes_its_size_still_make_a_film(tmp_path):
    recording = Recording(tmp_path / "odd", PALETTE, Metrics())
    for i, size in enumerate([(65, 49), (65, 49), (120, 80)]):
        recording.see(pygame.Surface(size, 0, 32), 1.0 + i / 30 + 0.001)
    recording.stop()
    with av.open(str(tmp_path / "odd.mp4")) as film:
        assert [(p.width, p.height) for p in film.decode(video=0)] == [(64, 48)] * 3


@pytest.mark.parametrize("failing", ["mkdir", "film"])
def test_a_disk_that_is_full_ends_the_recording_and_is_a_fault(tmp_path, monkeypatch, failing):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    if failing == "film":
        monkeypatch.setattr(av, "open", full)
    else:
        (tmp_path / "blocked").write_text("a file where a folder is wanted")
    metrics = Metrics()
    recording = Recording(tmp_path / ("blocked" if failing == "mkdir" else "x") / "dance", PALETTE, metrics)
    recording.see(pygame.Surface((64, 48), 0, 32), 1.0)
    recording._thread.join(5.0)
    assert not recording.alive
    [fault] = metrics.faults()
    assert fault["room"] == "recorder"
    recording.see(pygame.Surface((64, 48), 0, 32), 2.0)
    recording.dance(frame(0))


def test_the_key_starts_and_ends_a_recording(tmp_path):
    recorder = Recorder(tmp_path, PALETTE, Metrics())
    assert recorder.recording is None
    recorder.toggle()
    running = recorder.recording
    assert running is not None
    running.see(pygame.Surface((64, 48), 0, 32), 1.0)
    recorder.toggle()
    assert recorder.recording is None
    recorder.close()
    assert len(list(tmp_path.glob("dance-*.mp4"))) == 1


def test_a_saved_picture_is_a_png_of_what_was_seen_then(tmp_path):
    recorder, surface = Recorder(tmp_path / "new", PALETTE, Metrics()), pygame.Surface((63, 49), 0, 32)
    surface.fill((200, 10, 30))
    surface.set_at((62, 48), (1, 2, 3))
    recorder.save(surface)
    surface.fill((0, 0, 0))  # the next picture is drawn already
    recorder.close()
    [path] = (tmp_path / "new").glob("picture-*.png")
    saved = pygame.image.load(path)
    assert saved.get_size() == (63, 49)
    assert saved.get_at((5, 5))[:3] == (200, 10, 30) and saved.get_at((62, 48))[:3] == (1, 2, 3)


def test_a_picture_that_cannot_be_saved_is_a_fault(tmp_path):
    metrics = Metrics()
    (tmp_path / "full").write_text("no folder can be made here")
    recorder = Recorder(tmp_path / "full" / "disk", PALETTE, metrics)
    recorder.save(pygame.Surface((64, 48), 0, 32))
    recorder.close()
    assert metrics.faults()[0]["room"] == "recorder"


def test_the_piece_does_not_wait_for_a_picture_to_be_saved(tmp_path, monkeypatch):
    slow, encode = threading.Event(), cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *given: slow.wait(5) and encode(*given))
    recorder = Recorder(tmp_path, PALETTE, Metrics())
    for _ in range(3):  # somebody leans on the key
        recorder.save(pygame.Surface((64, 48), 0, 32))
    assert not list(tmp_path.glob("*.png"))
    slow.set()
    recorder.close()
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_two_recordings_in_one_second_are_two_and_both_are_waited_for(tmp_path):
    recorder = Recorder(tmp_path, PALETTE, Metrics())
    beats = []
    for _ in range(2):
        recorder.toggle()
        recorder.recording.dance(frame(0))
        recorder.toggle()
        time.sleep(0.002)
    recorder.close(lambda: beats.append(1))
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_a_disk_that_fills_up_in_mid_film_ends_the_recording_and_nothing_else(tmp_path, monkeypatch):
    opened, written = av.open, []

    class Filling:
        """A film on a disk with service for three pictures."""

        def __init__(self, *given, **options):
            self._container = opened(*given, **options)

        def mux(self, packets):
            written.append(packets)
            if len(written) > 3:
                raise OSError(28, "No space left on device")
            self._container.mux(packets)

        def __getattr__(self, name):
            return getattr(self._container, name)

    monkeypatch.setattr(av, "open", Filling)
    metrics = Metrics()
    recording = Recording(tmp_path / "dance", PALETTE, metrics)
    for i in range(40):
        recording.see(pygame.Surface((64, 48), 0, 32), i / 30)
        recording.dance(frame(i))
        if not recording.alive:
            break
        recording._thread.join(0.02)
    recording._thread.join(5.0)
    assert not recording.alive and len(written) == 4
    [fault] = metrics.faults()
    assert fault["room"] == "recorder" and "No space left" in fault["what"]
    recording.see(pygame.Surface((64, 48), 0, 32), 9.0)
    recording.dance(frame(99))


RECORD = """
import os, sys, time
os.environ["SDL_VIDEODRIVER"] = "dummy"
import numpy as np, pygame
from pathlib import Path
from engine.runtime.metrics import Metrics
from engine.screen.recorder import Recording
from engine.streams.values import DancerFrame
from models.data.synthetic import swinging_figure
recording = Recording(Path(sys.argv[1]) / "dance", ("neutral", "happy"), Metrics())
surface = pygame.Surface((64, 48), 0, 32)
figure = swinging_figure(120)
for i in range(100):
    surface.fill((2 * i, 30, 200))
    recording.dance(DancerFrame(i, i / 30, figure[i], np.array([0, 1], dtype=np.float32)))
    recording.see(surface, (i + 0.1) / 30)
    time.sleep(0.01)
time.sleep(0.5)
print("recorded", flush=True)
time.sleep(60)
"""


def test_of_a_recording_that_was_killed_all_but_a_second_or_two_is_there(tmp_path):
    with subprocess.Popen([sys.executable, "-c", RECORD, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"recorded" + os.linesep.encode()
        process.kill()
    with av.open(str(tmp_path / "dance.mp4")) as film:
        assert 60 <= len(list(film.decode(video=0))) <= 100
    assert not (tmp_path / "dance.npz").exists()
    recover(tmp_path, 0.0)
    assert not (tmp_path / "dance.npz").exists()  # somebody may be writing it still
    journal = tmp_path / "dance.recording"
    os.utime(journal, (time.time() - 60, time.time() - 60))
    recover(tmp_path)
    with np.load(tmp_path / "dance.npz") as file:
        assert 60 <= file["positions"].shape[1] <= 100 and file["emotion"][0] == "happy"
    assert len(read_bvh(tmp_path / "dance.bvh").frames) >= 60 and not journal.exists()


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"[]\n", b"\xff\xfe", b'{"palette": [1]}\n', b'{"palette": []}\n' + bytes(900)]
)
def test_what_is_no_journal_is_left_alone_with_a_line(tmp_path, caplog, content):
    path = tmp_path / "dance.recording"
    path.write_bytes(content)
    os.utime(path, (time.time() - 60, time.time() - 60))
    recover(tmp_path)
    assert path.exists() and len(caplog.messages) == 1 and not (tmp_path / "dance.npz").exists()


def test_a_journal_that_was_cut_off_counts_as_far_as_it_goes(tmp_path):
    journal = DanceJournal(tmp_path / "dance", PALETTE)
    journal.append([frame(i) for i in range(10)])
    path = tmp_path / "dance.recording"
    path.write_bytes(path.read_bytes()[:-30])
    os.utime(path, (time.time() - 60, time.time() - 60))
    recover(tmp_path)
    with np.load(tmp_path / "dance.npz") as file:
        assert file["positions"].shape[1] == 9


def test_a_journal_that_was_left_a_moment_ago_is_looked_at_again(tmp_path, monkeypatch):
    """A watchdog starts the next process before ten seconds are over."""
    DanceJournal(tmp_path / "dance", PALETTE).append([frame(i) for i in range(10)])
    moments = [time.time()]
    monkeypatch.setattr(time, "time", lambda: moments[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: moments.__setitem__(0, moments[0] + seconds + 1))
    recover(tmp_path)
    assert (tmp_path / "dance.npz").exists() and not (tmp_path / "dance.recording").exists()
