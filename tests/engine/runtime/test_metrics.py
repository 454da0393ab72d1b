import math
import tracemalloc

import pytest

from engine.control.controls import Controls
from engine.control.operator import Operator
from engine.runtime.faults import Fault
from engine.runtime.metrics import FAULTS_KEPT, SAMPLES_KEPT, Metrics
from engine.screen.overlay_values import read
from engine.settings import Settings
from engine.streams.mailbox import Mailbox
from models.emotion.palette import DEFAULT_PALETTE


def test_percentiles_are_in_milliseconds() -> None:
    metrics = Metrics()
    for i in range(101):
        metrics.duration("step", i / 1000)
    assert metrics.percentiles("step") == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert metrics.percentiles("nothing") is None


def test_counters_count() -> None:
    metrics = Metrics()
    metrics.count("frames")
    metrics.count("frames", 4)
    assert metrics.counted("frames") == 5 and metrics.counted("other") == 0


def test_it_is_known_how_long_nothing_was_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [5.0]
    monkeypatch.setattr("engine.runtime.metrics.time.perf_counter", lambda: now[0])
    metrics = Metrics()
    assert metrics.since("frames") == math.inf
    metrics.count("frames")
    now[0] = 8.0
    assert metrics.since("frames") == 3.0
    metrics.clear()
    assert metrics.since("frames") == math.inf


@pytest.mark.parametrize(("source", "counter"), [("camera:0", "capture.frames"), ("osc:9003", "pose.frames")])
def test_the_operator_reads_whether_frames_come(
    monkeypatch: pytest.MonkeyPatch, source: str, counter: str
) -> None:
    now = [5.0]
    monkeypatch.setattr("engine.runtime.metrics.time.perf_counter", lambda: now[0])
    metrics, controls = Metrics(), Mailbox[Controls]()
    Operator(DEFAULT_PALETTE, controls)

    def said() -> str:
        latest = controls.latest()
        assert latest is not None
        lines = read(Settings(source=source), metrics, DEFAULT_PALETTE, latest, None, None, None).lines
        return dict(lines)["source"]

    assert said() == f"{source}, no frame yet"
    metrics.count(counter)
    assert said() == f"{source}, frames come"
    now[0] += 61.0
    assert said() == f"{source}, no frame for 61 s"


def test_the_operator_reads_which_repertoire_is_asked_for() -> None:
    controls = Mailbox[Controls]()
    Operator(DEFAULT_PALETTE, controls).set_repertoire([0.2, 0.8, 0])
    latest = controls.latest()
    assert latest is not None
    lines = read(Settings(source="none"), Metrics(), DEFAULT_PALETTE, latest, None, None, None).lines
    assert lines[0] == ("repertoire", "gesture 80 %, dance 20 %")


def test_nothing_grows_without_bound() -> None:
    metrics = Metrics()
    metrics.duration("step", 1e6)
    tracemalloc.start()
    for i in range(SAMPLES_KEPT + 10):
        metrics.duration("step", i)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    newest = metrics.percentiles("step")
    assert (
        grown < 2000 and newest is not None and newest["p50"] == pytest.approx(1e3 * (SAMPLES_KEPT / 2 + 9.5))
    )
    for i in range(FAULTS_KEPT + 10):
        metrics.fault(Fault("room", str(i)))
    assert len(metrics.faults()) == FAULTS_KEPT and metrics.faults()[-1]["what"] == str(FAULTS_KEPT + 9)


def test_percentiles_of_the_newest_tell_how_it_goes_now() -> None:
    metrics = Metrics()
    for milliseconds in [10.0] * 100 + [50.0] * 10:
        metrics.duration("step", milliseconds / 1000)
    whole, newest = metrics.percentiles("step"), metrics.percentiles("step", 10)
    assert whole is not None and whole["p50"] == 10.0
    assert newest is not None and newest["p50"] == 50.0
