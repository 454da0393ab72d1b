from engine.faults import Fault
from engine.statistics import FAULTS_KEPT, SAMPLES_KEPT, Statistics


def test_percentiles_are_in_milliseconds() -> None:
    statistics = Statistics()
    for i in range(101):
        statistics.duration("step", i / 1000)
    assert statistics.percentiles("step") == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert statistics.percentiles("nothing") is None


def test_counters_count() -> None:
    statistics = Statistics()
    statistics.count("frames")
    statistics.count("frames", 4)
    assert statistics.counted("frames") == 5 and statistics.counted("other") == 0


def test_nothing_grows_without_bound() -> None:
    statistics = Statistics()
    for i in range(SAMPLES_KEPT + 10):
        statistics.duration("step", i)
    for i in range(FAULTS_KEPT + 10):
        statistics.fault(Fault("room", str(i)))
    assert len(statistics._durations["step"]) == SAMPLES_KEPT
    assert len(statistics.faults()) == FAULTS_KEPT and statistics.faults()[-1]["what"] == str(FAULTS_KEPT + 9)


def test_percentiles_of_the_newest_tell_how_it_goes_now() -> None:
    statistics = Statistics()
    for milliseconds in [10.0] * 100 + [50.0] * 10:
        statistics.duration("step", milliseconds / 1000)
    whole, newest = statistics.percentiles("step"), statistics.percentiles("step", 10)
    assert whole is not None and whole["p50"] == 10.0
    assert newest is not None and newest["p50"] == 50.0
