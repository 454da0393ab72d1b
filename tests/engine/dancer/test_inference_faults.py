"""A network that breaks, and a machine that is slow or was asleep."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.control.controls import Controls
from engine.control.operator import Operator
from engine.dancer import inference_service as dance_module
from engine.dancer.inference_service import TICK, InferenceService, is_plausible
from engine.runtime.faults import TemporaryFault
from engine.runtime.metrics import Metrics
from engine.screen.frame_pacer import FramePacer
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame
from models.emotion.palette import DEFAULT_PALETTE
from tests.engine.fakes import SLEEP, Clock
from tests.synthetic import moved_by


class Studio:
    """A dance that is stepped by hand."""

    def __init__(self, checkpoint: Path) -> None:
        controls: Mailbox[Controls] = Mailbox()
        self.operator = Operator(DEFAULT_PALETTE, controls)
        self.sent: list[DancerFrame] = []
        self.dance = InferenceService(
            checkpoint, controls, Mailbox(), Mailbox(), self.sent.append, Metrics(), seed=3
        )
        self.dance.open()

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.dance._due = dance_module.time.perf_counter()
            self.dance.step()

    def next_state(self, change: Callable[[Any], Any]) -> None:
        """Let the network's next step come out changed."""
        generator = self.dance._generator
        assert generator is not None
        original = generator.apply

        def once(*arguments: Any, **options: Any) -> Any:
            generator.apply = original  # type: ignore[method-assign]
            return change(original(*arguments, **options))

        generator.apply = once  # type: ignore[method-assign]

    def largest_jump(self) -> float:
        positions = np.stack([frame.positions for frame in self.sent])
        assert np.isfinite(positions).all()
        return float(np.linalg.norm(np.diff(positions, axis=0), axis=-1).max())


@pytest.fixture
def studio(checkpoint_file: Path) -> Studio:
    return Studio(checkpoint_file)


def test_a_network_that_leaps_across_the_stage_begins_anew_without_a_jump(studio: Studio) -> None:
    studio.ticks(10)
    studio.next_state(lambda state: moved_by(state, 30.0))
    studio.ticks(10)
    assert studio.largest_jump() < 0.3
    [fault] = studio.dance.metrics.faults()
    assert fault["room"] == "inference" and fault["recovered_after_s"] < 5


def test_a_network_that_raises_goes_on_from_where_it_stood(studio: Studio) -> None:
    def fail(state: object) -> object:
        raise RuntimeError("out of memory")

    studio.ticks(10)
    studio.next_state(fail)
    with pytest.raises(RuntimeError):
        studio.ticks(1)
    studio.dance.close()
    studio.dance.open()
    studio.ticks(10)
    assert [frame.index for frame in studio.sent] == list(range(20)) and studio.largest_jump() < 0.3


def test_a_network_that_is_broken_in_memory_is_read_again(studio: Studio) -> None:
    studio.ticks(5)
    begin = studio.dance._begin
    studio.dance._begin = lambda *given: moved_by(begin(*given), np.nan)  # type: ignore
    studio.next_state(lambda state: moved_by(state, np.nan))
    with pytest.raises(TemporaryFault, match="checkpoint"):
        studio.ticks(1)
    del studio.dance._begin
    studio.dance.open()
    studio.ticks(5)
    assert studio.largest_jump() < 0.3 and all(is_plausible(frame.positions) for frame in studio.sent)


def test_a_network_that_fails_all_the_time_does_not_fill_the_log(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(4):
        studio.next_state(lambda state: moved_by(state, 30.0))
        studio.ticks(1)
    assert len([line for line in caplog.records if "beginning anew" in line.message]) == 1


def test_a_machine_that_is_too_slow_leaves_ticks_out_and_keeps_time(clock: Clock, studio: Studio) -> None:
    def slowly(state: object) -> object:
        clock.now += 2.5 * TICK
        return state

    studio.dance._due = began = clock.now
    for _ in range(100):
        studio.next_state(slowly)
        studio.dance.step()
    assert clock.now - began == pytest.approx(250 * TICK, rel=0.02)  # never waits, never hurries
    assert clock.now - studio.dance._due < 8 * TICK
    assert studio.dance.metrics.counted("inference.late_ticks") > 100


def test_after_ten_minutes_of_sleep_nothing_comes_in_a_burst(clock: Clock, studio: Studio) -> None:
    studio.ticks(3)
    clock.now += SLEEP
    woke = clock.now
    for _ in range(12):
        studio.dance.step()
    assert clock.now - woke > 10 * TICK
    assert studio.dance.metrics.counted("inference.late_ticks") >= SLEEP / TICK - 10

    pacer = FramePacer(60.0)
    pacer.wait()
    clock.now += SLEEP
    woke = clock.now
    for _ in range(12):
        pacer.wait()
    assert clock.now - woke > 10 / 60
