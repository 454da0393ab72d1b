import json
import shutil
import signal
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pygame
import pytest

import app
from engine import installation as module
from engine.installation import Installation
from engine.osc.monitor import StreamCheck
from engine.runtime.metrics import Metrics
from engine.runtime.service import Service
from engine.screen.presenter import Presenter
from engine.settings import parse_settings
from engine.visitor import pose_service as pose_module
from engine.visitor.capture import Capture
from engine.visitor.emotion_recognition import EmotionRecognition
from engine.visitor.pose_bundle import PoseModelError
from models.data.kinds import repertoire_of
from models.network.card import card_path
from tests.endurance.shown_motion import Watcher

STATS = {
    "render": {"frames", "fps", "frame_ms"},
    "capture": {"frames", "fps", "dropped"},
    "pose": {"detect_ms", "found_ratio"},
    "inference": {"ticks", "step_ms", "late_ticks"},
    "osc": {"bundles", "send_errors"},
    "latency": {"visitor_to_osc_ms", "emotion_to_osc_ms"},
    "memory": {"rss_mb_start", "rss_mb_end", "rss_mb_max"},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings that leave the usual ports alone and draw a small picture."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "piece.toml"
    path.write_text(f'osc_targets = ["127.0.0.1:{port}"]\nosc_in = "off"\nwidth = 320\nheight = 180\n')
    return path


def run(config: Path, checkpoint: Path, *arguments: str, seconds: float = 1.0) -> tuple[int, dict]:
    stats = config.with_name("stats.json")
    given = ["--config", str(config), "--checkpoint", str(checkpoint), "--stats", str(stats)]
    status = app.main([*given, "--seconds", str(seconds), *arguments])
    return status, json.loads(stats.read_text()) if stats.exists() else {}


def test_a_source_on_the_port_of_the_controls_is_refused_in_one_line(
    config: Path, checkpoint_file: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _ = run(config, checkpoint_file, "--source", "osc:19000", "--osc-in", "127.0.0.1:19000")
    assert status == 2
    assert "19000" in capsys.readouterr().err + caplog.text


def test_with_nobody_and_no_screen_it_dances_and_streams(config: Path, checkpoint_file: Path) -> None:
    port = int(config.read_text().split('"]')[0].rsplit(":", 1)[1])
    check, stop = StreamCheck(), threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", port))
        receiver.settimeout(0.05)

        def receive() -> None:
            while not stop.is_set():
                try:
                    check.take(receiver.recv(65_535))
                except TimeoutError:
                    continue

        listener = threading.Thread(target=receive)
        listener.start()
        status, stats = run(config, checkpoint_file, "--source", "none", "--headless")
        stop.set()
        listener.join()
    assert status == 0
    for part, names in STATS.items():
        assert names <= set(stats[part])
    assert stats["inference"]["ticks"] > 5 and stats["render"]["frames"] > 5
    assert stats["osc"]["bundles"] == stats["inference"]["ticks"]
    assert check.verdict() == [] and check.bundles > 5


def test_without_a_display_it_says_so_and_goes_on(
    config: Path, checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # which shows nothing
    status, stats = run(config, checkpoint_file, "--source", "none")
    assert status == 0 and stats["inference"]["ticks"] > 5 and stats["render"]["frames"] > 5
    assert "running headless" in caplog.text
    [fault] = stats["faults"]
    assert fault["room"] == "display" and fault["recovered_after_s"] is None


def test_while_no_picture_can_be_drawn_no_heart_beats(
    config: Path, checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a scene that an artist is at work on")

    beats: list[int] = []
    monkeypatch.setattr(module, "tell_systemd", beats.append)
    with monkeypatch.context() as broken:
        broken.setattr(Presenter, "draw", fail)
        _, stats = run(config, checkpoint_file, "--source", "none", "--headless")
    assert stats["osc"]["bundles"] > 5 and len(beats) == 1  # the one with which it leaves
    run(config, checkpoint_file, "--source", "none", "--headless")
    assert len(beats) > 3


def film(path: Path, frames: int = 30) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 8 * i, dtype=np.uint8))
    writer.release()
    return path


def test_without_a_pose_model_it_dances_without_a_visitor(
    config: Path, checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none_to_be_had(path: Path | None) -> Path:
        raise PoseModelError("no pose model; provide one with pose_model in the settings")

    monkeypatch.setattr(pose_module, "find_pose_model", none_to_be_had)
    source = str(film(tmp_path / "film.avi"))
    status, stats = run(config, checkpoint_file, "--source", source, "--loop", "--headless")
    assert status == 0 and stats["inference"]["ticks"] > 5 and stats["capture"]["frames"] > 3
    assert [fault["room"] for fault in stats["faults"]] == ["pose"]
    assert "provide one" in stats["faults"][0]["what"]


def test_a_camera_that_blocks_is_noticed_while_the_pictures_go_on(
    config: Path, checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()

    def read() -> tuple[bool, None]:
        let_go.wait(20)
        return False, None

    camera = SimpleNamespace(isOpened=lambda: True, set=lambda *_: True, read=read, release=lambda: None)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: camera)
    monkeypatch.setattr(Capture, "max_step", 0.3)
    monkeypatch.setattr("engine.visitor.sources.PoseService", lambda *_, **__: Idle(Metrics()))
    _, stats = run(config, checkpoint_file, "--source", "camera", "--headless", seconds=1.5)
    let_go.set()
    assert any("hangs" in fault["what"] for fault in stats["faults"] if fault["room"] == "capture")
    assert stats["inference"]["ticks"] > 20


class Idle(Service):
    """In place of a detector."""

    def step(self) -> None:
        self.sleep(0.05)


def test_without_a_camera_it_dances_by_itself(config: Path, checkpoint_file: Path) -> None:
    status, stats = run(config, checkpoint_file, "--source", "camera:97", "--headless", seconds=1.5)
    assert status == 0 and stats["inference"]["ticks"] > 10
    assert "capture" in [fault["room"] for fault in stats["faults"]]


def test_it_begins_with_the_repertoire_of_the_settings_and_leaves_it_to_the_show(
    config: Path, checkpoint_file: Path
) -> None:
    given = ["--config", str(config), "--checkpoint", str(checkpoint_file), "--source", "none", "--headless"]
    operator = Installation(parse_settings([*given, "--repertoire", "walk"])).operator
    assert operator.snapshot()[1].repertoire.tolist() == [0, 0, 1]
    operator.show_cue(None, repertoire=repertoire_of("gesture"))
    assert operator.snapshot()[1].repertoire.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("licence", "classified"),
    [("CC BY-NC 4.0", True), ("cc by-nc 4.0", True), ("MIT LICENCE", False), ("NCSA", False), (None, False)],
)
def test_a_dancer_that_may_be_sold_is_not_beside_a_classifier_that_may_not(
    config: Path, checkpoint_file: Path, tmp_path: Path, licence: str | None, classified: bool
) -> None:
    path = tmp_path / "own.safetensors"
    shutil.copyfile(checkpoint_file, path)
    card = json.loads(card_path(checkpoint_file).read_text(encoding="utf-8"))
    card["licence"] = licence
    told = {name: value for name, value in card.items() if value is not None}
    card_path(path).write_text(json.dumps(told), encoding="utf-8")
    given = ["--config", str(config), "--checkpoint", str(path), "--source", "none", "--headless"]
    services = Installation(parse_settings(given)).services
    service = next(service for service in services if isinstance(service, EmotionRecognition))
    assert (service.emotion_classifier is not None) == classified


def test_what_is_on_the_screen_can_be_watched(config: Path, checkpoint_file: Path) -> None:
    given = ["--config", str(config), "--checkpoint", str(checkpoint_file), "--source", "none", "--headless"]
    piece = Installation(parse_settings([*given, "--seconds", "1"]))
    watcher = Watcher(piece)
    piece.run()
    shown_at = [time for time, _ in watcher.pictures]
    assert len(shown_at) > 10 and sorted(set(shown_at)) == shown_at
    assert len(watcher.frames) > 10 and watcher.pictures[-1][1].shape == (17, 3)
    assert not [fault for fault in piece.metrics.faults() if fault["room"] == "render"]


def test_the_dancer_is_seen_before_what_draws_every_scene_has_been_made(
    config: Path, checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "compile_all", lambda **_: time.sleep(30.0))
    monkeypatch.setattr(
        "engine.render.raster.jit.JitFunction.compile", lambda _: pytest.fail("machine code was asked for")
    )
    status, stats = run(config, checkpoint_file, "--source", "none", "--headless", seconds=1.5)
    assert status == 0 and not stats["faults"]
    assert stats["startup_s"] - stats["first_picture_s"] < 20.0


def test_a_room_that_opens_late_keeps_nobody_from_saying_that_it_dances(
    config: Path, checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MAX_START_UP_S", 3.0)
    monkeypatch.setattr(module.EmotionRecognition, "open", lambda service: service.sleep(30.0))
    caplog.set_level("INFO")
    status, stats = run(config, checkpoint_file, "--source", "none", "--headless", seconds=0.5)
    assert status == 0 and "dancing" in caplog.messages and "no dance" not in caplog.text
    assert 2.0 < stats["startup_s"] - stats["first_picture_s"] < 20.0


def test_what_cannot_be_compiled_is_one_line_and_status_2(
    config: Path, checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: bool) -> None:
        raise ImportError("Numba needs NumPy 2.3\nor less")

    monkeypatch.setattr(module, "compile_all", fail)
    status, _ = run(config, checkpoint_file, "--source", "none", "--headless", seconds=30.0)
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert status == 2 and "NumPy 2.3 or less; install" in line


WAYS = ["SIGTERM", "SIGINT", "the window is closed", *(["SIGHUP"] if hasattr(signal, "SIGHUP") else [])]


@pytest.mark.parametrize("way", WAYS)
def test_it_leaves_in_good_order_and_within_two_seconds(
    config: Path,
    checkpoint_file: Path,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    asked_at: list[float] = []
    draw = Presenter.draw

    def drawn(self: Presenter, *given: Any, **times: Any) -> None:
        draw(self, *given, **times)
        if not asked_at and self._frames.version > 40:
            asked_at.append(time.perf_counter())
            if way.startswith("SIG"):
                signal.raise_signal(getattr(signal, way))
            else:
                pygame.event.post(pygame.event.Event(pygame.QUIT))

    monkeypatch.setattr(Presenter, "draw", drawn)
    before = {thread.name for thread in threading.enumerate()}
    status, stats = run(config, checkpoint_file, "--source", "none", "--headless", seconds=60)
    assert status == 0 and time.perf_counter() - asked_at[0] < 2.0
    assert stats["render"]["frames"] > 0 and not pygame.display.get_init()
    assert f"leaving: {way if way.startswith('SIG') else 'somebody quit at the window'}" in caplog.text
    services = {"inference", "osc_in", "osc_rates", "movement_emotion", "capture", "pose"} - before
    assert not services & {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--emotion", "bored"], "bored"),
        (["--source", "absent.mp4"], "absent.mp4"),
        (["--source", "camera:x"], "camera:x"),
        (["--stats", "absent/folder/s.json"], "absent/folder/s.json"),
        (["--checkpoint", "absent.safetensors"], "absent.json"),
        (["--checkpoint", str(Path(__file__).parent)], "a folder"),
        (["--pose-model", "absent.task", "--source", "none"], "absent.task"),
        (["--recordings", __file__], "not a folder"),
        *((["--watchdog", name], "cannot write") for name in ("--log=.", "--log=" + 300 * "a")),
        *(([f"--{name}", 300 * "a"], "aaa") for name in ("source", "checkpoint", "stats", "pose-model")),
        (["--source", "osc", "--osc-in", "off", "--osc-senders", "10.0.0.0/8"], "--osc-in"),
    ],
)
def test_what_is_wrong_at_the_start_is_one_line_and_status_2(
    config: Path, checkpoint_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    given = ["--config", str(config), "--checkpoint", str(checkpoint_file), "--headless", "--seconds", "1"]
    assert app.main([*given, *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("app.py: ") and named in error


def test_broken_weights_are_one_line_and_status_2(
    config: Path, checkpoint_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing of the kind")
    shutil.copy(card_path(checkpoint_file), card_path(broken))
    status, _ = run(config, broken, "--source", "none", "--headless", seconds=30)
    assert status == 2
    assert "broken.safetensors: not a whole safetensors file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--log", "a.log"], ["--log=a.log"], ["--loop", "--log=a.log", "--seed", "x"]]
)
def test_the_log_is_found_on_a_command_line_that_is_wrong_otherwise(arguments: list[str]) -> None:
    assert app.named_log(arguments) == Path("a.log")
    assert app.named_log(["--log"]) is app.named_log(["--log="]) is app.named_log(["a.log"]) is None
