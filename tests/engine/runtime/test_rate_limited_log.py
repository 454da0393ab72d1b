import logging
import time

import pytest

from engine.runtime.rate_limited_log import RateLimitedLog


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def lines_of(
    clock: list[float], caplog: pytest.LogCaptureFixture, until: float, every: float, longest: float = 10.0
) -> list[float]:
    """When a line is logged, if there is something to say every so many seconds."""
    complaint = RateLimitedLog(logging.getLogger("engine.test"), 10.0, longest)
    times = []
    while clock[0] < until:
        before = len(caplog.records)
        complaint.warning("packet %d is bad", 7)
        if len(caplog.records) > before:
            times.append(clock[0])
        clock[0] += every
    return times


def test_of_many_causes_one_line_in_ten_seconds_is_told(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    assert lines_of(clock, caplog, until=41.0, every=1.0) == [0.0, 10.0, 20.0, 30.0, 40.0]


def test_one_cause_that_goes_on_is_told_ever_more_seldom(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    times = lines_of(clock, caplog, until=24 * 3600.0, every=1.0, longest=600.0)
    assert times[:5] == [0.0, 10.0, 30.0, 70.0, 150.0]
    assert times[-1] - times[-2] == 600.0
    assert caplog.messages[:2] == ["packet 7 is bad", "packet 7 is bad (9 more since the last line)"]


def test_what_comes_now_and_then_is_told_each_time(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    assert len(lines_of(clock, caplog, until=600.0, every=60.0, longest=600.0)) == 10
    assert not any("more" in message for message in caplog.messages)
