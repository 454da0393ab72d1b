"""The watchdog: small programs stand for the installation, and its clock is the test's where it would have to
wait."""

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.osc.addresses import HEARTBEAT
from engine.osc.message import message_head
from engine.runtime import watchdog as module
from engine.runtime.heartbeat import Heartbeat
from engine.runtime.stall_timer import StallTimer
from engine.runtime.watchdog import Watchdog
from engine.streams.mailbox import Mailbox

ROOT = Path(__file__).parents[3]
BEAT = "import os,sys,time; os.write(1, b'noise\\nheartbeat 1\\n'); "


def piece(program: str) -> list[str]:
    return [sys.executable, "-S", "-c", program]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACK_OFF", 0.001)
    monkeypatch.setattr(module, "MAX_BACK_OFF", 0.001)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)


class Told(Watchdog):
    """A watchdog whose piece ends with one given status after the other."""

    def __init__(self, *statuses: int) -> None:
        super().__init__([], 10.0)
        self.statuses, self.started, self.waits = list(statuses), 0, []
        self.cleared: list[bool] = []

    def _watch(self, *, clear_cache: bool = False) -> int:
        self.started += 1
        self.cleared.append(clear_cache)
        return self.statuses.pop(0)

    def _until_allowed(self, now: float) -> float:
        allowed = super()._until_allowed(now)
        self.waits.append(allowed)
        return 0.0


@pytest.mark.parametrize("status", [0, 2])
def test_a_piece_that_somebody_quits_or_that_is_set_wrong_is_not_started_again(status: int) -> None:
    watchdog = Told(status, 0)
    assert watchdog.run() == status and watchdog.started == 1


def test_a_setting_that_is_spoilt_while_it_runs_is_tried_until_it_is_mended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HEALTHY_AFTER", -1.0)  # every life counts as one that worked
    watchdog = Told(2, 2, 2, 0)
    assert watchdog.run() == 0 and watchdog.started == 4


def test_a_piece_that_dies_ten_times_is_started_ten_times() -> None:
    watchdog = Told(*[-9] * 10, 0)
    assert watchdog.run() == 0 and watchdog.started == 11
    assert len(watchdog.restarts) == 10


def test_two_deaths_soon_after_the_start_clear_the_cache_once() -> None:
    watchdog = Told(-11, -11, -11, -11, 0)
    watchdog.run()
    assert watchdog.cleared == [False, False, True, False, False]


def test_deaths_after_a_while_do_not_clear_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EARLY_DEATH_S", 0.0)
    watchdog = Told(-11, -11, -11, 0)
    watchdog.run()
    assert not any(watchdog.cleared)


@pytest.mark.skipif(sys.platform != "linux", reason="the damage is to an ELF file")
def test_a_piece_that_dies_of_damaged_machine_code_compiles_it_anew(tmp_path: Path) -> None:
    path = tmp_path / "sums.py"
    path.write_text(
        "import os\n"
        "from engine.render.raster.jit import compile_all, compiled\n"
        "from engine.runtime.heartbeat import CLEAR_CACHE\n"
        "@compiled('i8(i8)')\n"
        "def twice(number):\n"
        "    return 2 * number\n"
        "compile_all(clear_cache=CLEAR_CACHE in os.environ)\n"
        "os._exit(twice(1) - 2)\n"
    )
    watchdog = Watchdog(["env", f"PYTHONPATH={ROOT}", "NUMBA_CACHE_DIR=", sys.executable, str(path)], 60.0)
    assert watchdog.run() == 0 and not watchdog.restarts
    [code] = tmp_path.glob("__pycache__/*.nbc")
    content = code.read_bytes()
    begin = content.index(b"\x7fELF")
    code.write_bytes(content[:begin] + bytes(64) + content[begin + 64 :])
    assert watchdog.run() == 0 and len(watchdog.restarts) == module.EARLY_DEATHS
    assert b"\x7fELF" in code.read_bytes(), "the damaged code is still there"


def test_the_restarts_of_an_hour_are_limited() -> None:
    watchdog = Told(*[1] * (module.MAX_RESTARTS + 1), 0)
    watchdog.run()
    assert watchdog.waits[:-1] == [0.0] * module.MAX_RESTARTS
    assert watchdog.waits[-1] == pytest.approx(module.HOUR, abs=60)


def test_a_piece_whose_heart_stops_is_killed_and_one_that_ends_well_ends_the_watch() -> None:
    watchdog = Watchdog(piece(BEAT + "time.sleep(60)"), 0.05)
    assert watchdog._watch() == 1 and watchdog._beats == 1
    watchdog._command = piece(BEAT + "sys.exit(2)")
    assert watchdog.run() == 2


def test_whoever_ends_the_watchdog_ends_the_piece_by_its_standard_input() -> None:
    watchdog = Watchdog(piece(BEAT + "os.read(0, 1); sys.exit(0)"), 60.0)

    def end() -> None:
        while not watchdog._beats:
            time.sleep(0.005)
        watchdog.leave()

    threading.Thread(target=end).start()
    began = time.perf_counter()
    assert watchdog.run() == 0
    assert time.perf_counter() - began < 10.0


def test_a_piece_that_does_not_leave_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAVING", 0.05)
    watchdog = Watchdog(piece("import time; time.sleep(60)"), 60.0)
    watchdog.leave()
    assert watchdog.run() == 1


def test_a_program_that_is_not_there_is_one_line_and_tried_again() -> None:
    assert Watchdog(["/no/such/program"], 1.0)._watch() == 1


def test_the_heart_beats_once_a_second_while_frames_come() -> None:
    told: list[int] = []
    frames: Mailbox = Mailbox()
    heart = Heartbeat(frames, [told.append])
    for picture in range(60 * 30):
        if picture < 60 * 10:
            frames.put(object())
        heart.beat(100.0 + picture / 60)
    assert told == list(range(21))  # ten seconds of dance, ten of patience


def test_a_show_controller_hears_the_heart_only_once_the_dancer_dances() -> None:
    watchdog: list[int] = []
    controller: list[int] = []
    frames: Mailbox = Mailbox()
    heart = Heartbeat(frames, [watchdog.append], [controller.append])
    for second in range(6):
        if second >= 3:
            frames.put(object())
        heart.beat(100.0 + second)
    assert watchdog == [0, 1, 2, 3, 4, 5] and controller == [3, 4, 5]


def test_silence_counts_only_while_somebody_listens() -> None:
    silence = StallTimer()
    assert [silence.since(0, now) for now in (5.0, 5.5, 6.0)] == [0.0, 0.5, 1.0]
    assert silence.since(0, 606.0) == 2.0  # asleep for ten minutes
    assert silence.since(1, 606.5) == 0.0


def test_a_process_ends_although_a_thread_never_does() -> None:
    program = (
        "import app,threading,time; threading.Thread(target=time.sleep, args=(1e6,)).start(); app.leave(3)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[3], check=False, timeout=100
    )
    assert ended.returncode == 3


def test_a_terminal_that_nobody_reads_any_more_changes_no_status() -> None:
    """A watchdog would start a piece again that somebody has quit."""
    program = (
        "import app,io,sys; sys.stderr = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, 'w', closefd=False)));"
        "sys.stderr.write('last words'); sys.stdout = None; app.leave(0)"
    )
    reader, writer = os.pipe()
    os.close(reader)
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, stdout=writer, check=False, timeout=100)
    os.close(writer)
    assert ended.returncode == 0


def heartbeat_within(receiver: socket.socket, seconds: float) -> bool:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        with contextlib.suppress(TimeoutError):
            if receiver.recv(65_535).startswith(message_head(HEARTBEAT, "i")):
                return True
    return False


def test_the_real_piece_is_started_again_when_it_is_killed_and_goes_with_its_watchdog(
    checkpoint_file: Path, tmp_path: Path
) -> None:
    psutil = pytest.importorskip("psutil")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.2)
        watched = subprocess.Popen(
            [
                *(sys.executable, str(ROOT / "app.py"), "--watchdog", "20", "--log", str(tmp_path / "log")),
                *("--headless", "--source", "none", "--osc-in", "off", "--checkpoint", str(checkpoint_file)),
                *("--osc-targets", f"127.0.0.1:{receiver.getsockname()[1]}"),
            ],
            cwd=tmp_path,
        )
        try:
            assert heartbeat_within(receiver, 60)
            [piece] = psutil.Process(watched.pid).children()
            piece.kill()
            piece.wait(5)
            while select.select([receiver], [], [], 0)[0]:
                receiver.recv(65_535)
            assert heartbeat_within(receiver, 60)
            [again] = psutil.Process(watched.pid).children()
            assert again.pid != piece.pid
            if sys.platform == "win32":
                watched.kill()
            else:
                watched.terminate()
            watched.wait(10)
            again.wait(10)
        finally:
            watched.kill()
    [log] = tmp_path.glob("*watchdog*")
    assert "starting it again" in log.read_text(encoding="utf-8")
