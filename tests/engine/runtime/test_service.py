import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from engine.runtime import service as module
from engine.runtime.faults import PermanentFault, TemporaryFault
from engine.runtime.malloc import _GLIBC, MAX_ARENAS, give_back
from engine.runtime.metrics import Metrics
from engine.runtime.service import Service
from tests.engine.fakes import wait_until

ROOT = Path(__file__).parents[3]


class Scripted(Service):
    """Does what it is told, step by step, and then nothing."""

    name = "scripted"

    def __init__(self, *script: Callable[[], None]) -> None:
        super().__init__(Metrics())
        self.script, self.times_opened, self.closed, self.steps = list(script), 0, 0, 0

    def open(self) -> None:
        self.times_opened += 1

    def step(self) -> None:
        self.steps += 1
        if self.script:
            self.script.pop(0)()
        else:
            self.sleep(0.005)

    def close(self) -> None:
        self.closed += 1


def raising(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACK_OFF", 0.01)
    monkeypatch.setattr(Service, "max_back_off", 0.02)


def test_a_room_that_fails_is_closed_opened_again_and_recovers() -> None:
    service = Scripted(raising(TemporaryFault("the camera is gone")), lambda: None)
    service.start()
    wait_until(lambda: service.steps > 3)
    service.stop()
    assert service.times_opened == 2 and service.closed == 2
    (fault,) = service.metrics.faults()
    assert fault["room"] == "scripted" and fault["what"] == "the camera is gone"
    assert 0 <= fault["recovered_after_s"] < 5


@pytest.mark.parametrize(
    ("where", "pauses"),
    [
        # else whoever waits for a network that never answers would ask again at once, for weeks
        ("open", [0.01, 0.02, 0.04, 0.08]),
        ("step", [0.01, 0.01, 0.01, 0.01]),
    ],
)
def test_only_work_that_went_well_for_long_is_followed_by_the_shortest_pause(
    monkeypatch: pytest.MonkeyPatch, where: str, pauses: list[float]
) -> None:
    monkeypatch.setattr(module, "HEALTHY_AFTER", 0.02)
    monkeypatch.setattr(Service, "max_back_off", 1.0)
    slept: list[float] = []

    def fail(_: Service) -> None:
        time.sleep(0.03)
        raise TemporaryFault("nobody answers")

    def sleep(service: Service, seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == len(pauses):
            service.ask_to_stop()

    monkeypatch.setattr(Scripted, where, fail)
    monkeypatch.setattr(Scripted, "sleep", sleep)
    service = Scripted()
    service.start()
    wait_until(lambda: service.stopping)
    service.stop()
    assert slept == pytest.approx(pauses)


def test_any_exception_is_survived() -> None:
    service = Scripted(raising(ZeroDivisionError()), raising(KeyError("x")))
    service.start()
    wait_until(lambda: service.steps > 3)
    service.stop()
    assert [fault["what"] for fault in service.metrics.faults()] == ["ZeroDivisionError", "'x'"]


def test_a_permanent_fault_closes_the_room_for_good() -> None:
    service = Scripted(raising(PermanentFault("no model")))
    service.start()
    wait_until(lambda: service.closed == 1)
    time.sleep(0.05)
    assert service.times_opened == 1 and service.metrics.faults()[0]["recovered_after_s"] is None
    service.stop()


def test_the_same_fault_again_and_again_is_one_fault() -> None:
    service = Scripted()
    service.open = raising(TemporaryFault("absent"))  # type: ignore[method-assign]
    service.start()
    wait_until(lambda: service.closed > 3)
    service.stop()
    assert len(service.metrics.faults()) == 1


def test_a_room_stops_at_once_even_while_backing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACK_OFF", 60.0)
    service = Scripted(raising(TemporaryFault("absent")))
    service.start()
    wait_until(lambda: service.closed == 1)
    began = time.perf_counter()
    service.stop()
    assert time.perf_counter() - began < 1.0


def test_the_heart_beats_while_the_room_works() -> None:
    service = Scripted()
    service.start()
    wait_until(lambda: service.steps > 2)
    before = service.heartbeat
    wait_until(lambda: service.heartbeat > before)
    service.stop()
    stopped = service.heartbeat
    time.sleep(0.05)
    assert before < service.heartbeat == stopped, "the heart of a stopped room beats on"


@pytest.mark.skipif(_GLIBC is None, reason="only glibc keeps so much of what was freed")
def test_what_a_closed_room_leaves_behind_is_given_back() -> None:
    process, count = psutil.Process(), 3000
    pieces = [b"x" * 20_000 for _ in range(2 * count)]
    kept = pieces[::2]  # between them no more than holes
    full = process.memory_info().rss
    del pieces
    give_back()
    assert full - process.memory_info().rss > 20_000 * count // 2
    assert len(kept) == count


ARENAS = """
import ctypes, sys, threading
from engine.runtime import malloc
if sys.argv[1] == "together":
    malloc.keep_together()
library, go = malloc._GLIBC, threading.Barrier(9)
library.malloc.restype = library.fopen.restype = ctypes.c_void_p
def allocate():
    go.wait()
    library.malloc(5000)
    go.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
go.wait()
go.wait()
file = ctypes.c_void_p(library.fopen(sys.argv[2].encode(), b"w"))
library.malloc_info(0, file)
library.fclose(file)
print(open(sys.argv[2]).read().count("<heap nr="))
"""


LARGE_ONES = """
import ctypes, sys
from engine.runtime import malloc
if sys.argv[1] == "together":
    malloc.keep_together()
library = malloc._GLIBC
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
library.free(library.malloc(8_000_000))
IS_MMAPPED = 2  # in the size that glibc writes before a piece
before = library.malloc(2_000_000) - ctypes.sizeof(ctypes.c_size_t)
print(ctypes.c_size_t.from_address(before).value & IS_MMAPPED)
"""


@pytest.mark.skipif(_GLIBC is None, reason="only glibc raises what it takes for large")
def test_a_frame_is_given_back_as_it_is_freed_however_large_the_ones_before() -> None:
    def is_mapped(how: str) -> bool:
        command = [sys.executable, "-c", LARGE_ONES, how]
        return bool(int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout))

    assert is_mapped("together")
    assert not is_mapped("apart"), "glibc has come to do so by itself"


@pytest.mark.skipif(_GLIBC is None, reason="only glibc has arenas")
def test_all_threads_share_a_few_arenas(tmp_path: Path) -> None:
    def arenas(how: str) -> int:
        command = [sys.executable, "-c", ARENAS, how, str(tmp_path / how)]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    assert arenas("together") <= MAX_ARENAS < arenas("apart")


def test_a_room_gives_back_what_it_freed_each_time_it_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    service = Scripted()
    monkeypatch.setattr(module, "give_back", lambda: given.append(service.closed))
    service._close()
    assert given == [1], "after it has closed"
