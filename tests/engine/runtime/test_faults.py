"""Clocks that are set, files that are spoilt, and services that hang at the end."""

import errno
import logging
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import app
from engine.control.operator import Operator
from engine.control.show import ShowService, read_show
from engine.installation import Installation
from engine.render.emotion_lights import LiveColours, colours_path
from engine.runtime.bounded_log import begin_log, watchdogs_log
from engine.runtime.faults import Fault, StartError
from engine.runtime.heartbeat import tell_systemd
from engine.runtime.metrics import Metrics
from engine.runtime.service import Service, stop_all
from engine.streams.mailbox import Mailbox
from models.emotion.palette import DEFAULT_PALETTE
from tests.engine.fakes import DAY


def test_a_fault_is_over_after_a_monotonic_time(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Fault("room", "what")
    monkeypatch.setattr(time, "time", lambda: fault.time - DAY)
    fault.recover()
    assert fault.recovered_after_s is not None and 0 <= fault.recovered_after_s < 5


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
