import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.control.controls import Controls
from engine.control.operator import Operator
from engine.dancer.inference_service import MAX_COMPILED, TICK, InferenceService, is_finite, is_plausible
from engine.runtime.faults import TemporaryFault
from engine.runtime.metrics import Metrics
from engine.runtime.phase_lock import LATE_GAIN
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame, Pose
from models.data.kinds import KINDS
from models.emotion.palette import DEFAULT_PALETTE
from models.generation.answer import VisitorMovement
from models.generation.generator import DanceState
from models.motion.features import POSE_SIZE
from tests.synthetic import moved_by, swinging_figure, without_numbers


class Studio:
    """A dance with everything around it; its clock may be left behind, so that tests need not wait."""

    def __init__(self, checkpoint: Path) -> None:
        self.poses: Mailbox[Pose] = Mailbox()
        self.frames: Mailbox[DancerFrame] = Mailbox()
        self.sent: list[DancerFrame] = []
        controls: Mailbox[Controls] = Mailbox()
        self.operator = Operator(DEFAULT_PALETTE, controls)
        self.dance = InferenceService(
            checkpoint, controls, self.poses, self.frames, self.sent.append, Metrics(), seed=3
        )

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.dance._due = time.perf_counter()  # now, instead of in a thirtieth of a second
            self.dance.step()


@pytest.fixture
def studio(checkpoint_file: Path) -> Iterator[Studio]:
    studio = Studio(checkpoint_file)
    studio.dance.open()
    yield studio


def test_every_tick_is_one_frame_sent_and_put(studio: Studio) -> None:
    studio.ticks(5)
    assert [frame.index for frame in studio.sent] == [0, 1, 2, 3, 4]
    assert studio.frames.latest() is studio.sent[-1]
    assert all(is_plausible(frame.positions) for frame in studio.sent)


def test_ticks_come_thirty_times_a_second(studio: Studio) -> None:
    studio.dance._due = time.perf_counter()
    began = time.perf_counter()
    for _ in range(10):
        studio.dance.step()
    assert time.perf_counter() - began >= 8.5 * TICK


def test_time_that_was_lost_is_skipped_and_counted(studio: Studio) -> None:
    studio.dance._due = time.perf_counter() - 2.0
    studio.dance.step()
    assert studio.dance._due > time.perf_counter() - 0.2
    assert studio.dance.metrics.counted("inference.late_ticks") >= 55


def test_a_pose_that_just_missed_its_tick_draws_the_ticks_towards_it(studio: Studio) -> None:
    studio.ticks(1)
    usual = studio.dance._due - time.perf_counter()
    due = studio.dance._due = time.perf_counter() + 0.01
    studio.poses.put(Pose(present=False, captured_at=0.0))
    studio.poses.put_at = due + 0.001 - TICK
    studio.dance.step()
    assert usual < TICK and studio.dance._due == pytest.approx(due + TICK + LATE_GAIN * TICK, abs=1e-9)
    due = studio.dance._due
    studio.dance.step()  # nothing new: nothing moves
    assert studio.dance._due == pytest.approx(due + TICK, abs=1e-9)


def test_a_new_pose_is_answered_early_and_the_next_tick_keeps_its_time(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.dancer.inference_service.EARLY_S", 60.0)
    studio.ticks(1)
    due = studio.dance._due = time.perf_counter() + 60.0
    studio.poses.put(Pose(present=False, captured_at=0.0))
    studio.dance.step()
    assert time.perf_counter() < due - 30.0
    assert studio.sent[-1].visitor is not None and studio.sent[-1].generated_at < due - 30.0
    assert studio.dance._due == pytest.approx(due + TICK, abs=2 * LATE_GAIN * TICK)


@pytest.mark.parametrize("another_comes", [False, True])
def test_a_pose_that_just_missed_its_tick_waits_for_the_next_one(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, another_comes: bool
) -> None:
    monkeypatch.setattr("engine.dancer.inference_service.EARLY_S", 0.5)
    studio.ticks(1)
    studio.poses.put(Pose(present=False, captured_at=0.0))
    due = studio.dance._due = time.perf_counter() + 0.5
    studio.poses.put_at = due - 1.2
    newest = Pose(present=False, captured_at=1.0)
    timer = threading.Timer(0.1, studio.poses.put, (newest,))
    if another_comes:
        timer.start()
    studio.dance.step()
    assert (time.perf_counter() < due) is another_comes
    assert (studio.sent[-1].visitor is newest) is another_comes


def test_where_poses_are_rare_one_that_just_missed_its_tick_is_answered_early(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.dancer.inference_service.EARLY_S", 60.0)
    studio.ticks(1)
    for _ in range(2):
        studio.poses.put(Pose(present=False, captured_at=0.0))
        studio.poses.put_at = time.perf_counter() + 200.0 * studio.poses.version
        studio.dance._due = time.perf_counter()
        studio.dance.step()
    newest = Pose(present=False, captured_at=1.0)
    studio.poses.put(newest)
    due = studio.dance._due = time.perf_counter() + 60.0
    studio.poses.put_at = due - 130.0
    studio.dance.step()
    assert time.perf_counter() < due - 30.0 and studio.sent[-1].visitor is newest


def test_without_a_new_pose_no_tick_is_early(studio: Studio) -> None:
    studio.poses.put(Pose(present=False, captured_at=0.0))
    studio.ticks(1)
    due = studio.dance._due = time.perf_counter() + 0.5 * TICK
    studio.dance.step()
    assert studio.sent[-1].generated_at >= due and time.perf_counter() >= due


def test_the_emotion_glides_and_sums_to_one(studio: Studio) -> None:
    studio.operator.set_glide(0.2)
    studio.ticks(1)
    studio.operator.set_emotion("sad")
    for _ in range(12):
        studio.ticks(1)
        time.sleep(0.03)
    weights = np.stack([frame.emotion_weights for frame in studio.sent])
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert weights[0, 0] == 1 and weights[-1, 2] == 1
    assert (np.diff(weights[:, 2]) >= 0).all() and ((weights[:, 2] > 0) & (weights[:, 2] < 1)).any()
    assert studio.sent[-1].emotion_changed_at is not None and studio.sent[0].emotion_changed_at is None


def arrive(studio: Studio, frames: int = 45) -> None:
    start = time.perf_counter()
    for i, positions in enumerate(swinging_figure(frames, rate=1.0)):
        studio.poses.put(Pose(True, start + i / 30, positions, np.ones(17, dtype=np.float32)))
        studio.ticks(1)


def test_an_arrival_becomes_the_context_without_a_jump(studio: Studio) -> None:
    studio.ticks(3)
    prompts = []
    generator = studio.dance._generator
    assert generator is not None
    original = generator.prompt
    generator.prompt = lambda *a, **k: prompts.append(a) or original(*a, **k)  # type: ignore[method-assign]
    arrive(studio)
    assert len(prompts) == 1
    positions = np.stack([frame.positions for frame in studio.sent])
    assert np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() < 0.2
    assert studio.sent[-1].visitor is not None


def test_alone_or_without_influence_the_visitor_is_ignored(
    checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dances = []
    monkeypatch.setattr(
        "engine.dancer.inference_service.MAX_WARM_UP_S", 60.0
    )  # as long a warm-up on a busy machine
    for setting in ("nobody", "solo", "no influence"):
        studio = Studio(checkpoint_file)
        studio.dance.open()
        if setting == "solo":
            studio.operator.set_mode("solo")
        elif setting == "no influence":
            studio.operator.set_influence(0.0)
        arrive(studio) if setting != "nobody" else studio.ticks(45)
        dances.append(studio.sent[-1].positions)
    np.testing.assert_array_equal(dances[1], dances[0])
    np.testing.assert_array_equal(dances[2], dances[0])


def test_a_new_start_does_not_jump(studio: Studio) -> None:
    studio.ticks(20)
    studio.operator.reset()
    studio.ticks(20)
    positions = np.stack([frame.positions for frame in studio.sent])
    assert np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() < 0.2


@pytest.mark.parametrize("part", ["pose", "delta", "feet.offsets", "feet.root_correction", "root.facing"])
def test_a_state_that_is_no_body_is_not_handed_on_by_its_seam(studio: Studio, part: str) -> None:
    studio.ticks(3)
    state = studio.dance._state
    studio.dance._state = without_numbers(state, part)
    studio.ticks(4)
    assert all(is_plausible(frame.positions) for frame in studio.sent[-3:])
    assert len(studio.dance.metrics.faults()) == 1, "once is enough"


def test_a_context_that_is_no_movement_is_not_taken_up(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    studio.ticks(2)
    nonsense = np.full((30, 52), np.nan, dtype=np.float32)
    visitor = VisitorMovement.after(None, studio.dance._state.pose[0], 0.0)
    monkeypatch.setattr(studio.dance._visitor_context, "movement", lambda: visitor)
    monkeypatch.setattr(studio.dance._visitor_context, "new_prompt", lambda now: nonsense)
    studio.ticks(3)
    assert all(is_plausible(frame.positions) for frame in studio.sent)
    assert not studio.dance.metrics.faults()


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e6])
def test_a_network_that_leaves_the_range_of_bodies_is_begun_anew(studio: Studio, poison: float) -> None:
    studio.ticks(10)
    generator = studio.dance._generator
    assert generator is not None
    original = generator.apply

    def poisoned(*arguments: object, **options: object) -> DanceState:
        generator.apply = original  # type: ignore[method-assign]
        state = original(*arguments, **options)  # type: ignore[arg-type]
        return replace(state, pose=state.pose * poison, delta=np.full_like(state.delta, poison))

    generator.apply = poisoned  # type: ignore[method-assign]
    shown_before = studio.sent[-1].positions
    studio.ticks(10)
    positions = np.stack([frame.positions for frame in studio.sent])
    assert np.isfinite(positions).all() and all(is_plausible(frame.positions) for frame in studio.sent)
    assert np.linalg.norm(studio.sent[10].positions - shown_before, axis=-1).max() < 0.3
    assert [fault["room"] for fault in studio.dance.metrics.faults()] == ["inference"]


@pytest.mark.parametrize("part", ["feet.root_correction", "feet.offsets", "delta"])
def test_a_body_that_cannot_be_danced_on_is_not_taken_up(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """It is finite, and what comes of it is not."""
    studio.ticks(2)
    generator = studio.dance._generator
    assert generator is not None
    for name in ("apply", "prompt"):
        usual = getattr(generator, name)

        def spoilt(*given: Any, usual: Any = usual, name: str = name) -> DanceState:
            monkeypatch.setattr(generator, name, usual)
            state = usual(*given)
            assert is_plausible(state.positions[0])
            return without_numbers(state, part)

        monkeypatch.setattr(generator, name, spoilt)
        context = studio.dance._state.features[:, None].repeat(30, axis=1)[0] if name == "prompt" else None
        monkeypatch.setattr(studio.dance._visitor_context, "new_prompt", lambda now, context=context: context)
        visitor = None if context is None else VisitorMovement.after(None, context[-1, :POSE_SIZE], 0.0)
        monkeypatch.setattr(studio.dance._visitor_context, "movement", lambda visitor=visitor: visitor)
        studio.ticks(1)
        assert is_finite(studio.dance._state)
    assert [fault["room"] for fault in studio.dance.metrics.faults()] == ["inference"]


@pytest.mark.parametrize("again", ["reset", "after a fault", "network"])
def test_a_new_start_that_is_spoilt_itself_does_not_move_the_dancer(studio: Studio, again: str) -> None:
    """It would begin in the middle of the stage."""
    studio.ticks(5)
    generator = studio.dance._generator
    assert generator is not None
    studio.dance._state = moved_by(studio.dance._state, 2.0)
    studio.ticks(2)
    act, acted = generator.apply, [0]

    def poisoned(*arguments: object, **options: object) -> DanceState:
        state = act(*arguments, **options)  # type: ignore[arg-type]
        acted[0] += 1
        if acted[0] == 4 or (acted[0] == 1 and again == "network"):  # the new start; the step that calls for it
            return replace(state, pose=state.pose * np.nan)
        return state

    generator.apply = poisoned  # type: ignore[method-assign]
    if again == "reset":
        studio.operator.reset()
    elif again == "after a fault":
        studio.dance.open()
    studio.ticks(8)
    positions = np.stack([frame.positions for frame in studio.sent[5:]])
    assert np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() < 0.3


def test_a_network_that_gives_no_bodies_at_all_is_read_again(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.ticks(2)
    generator = studio.dance._generator
    assert generator is not None
    warm = generator.warm_up
    monkeypatch.setattr(
        generator, "warm_up", lambda *given: replace(warm(*given), delta=np.full((1, 52), np.inf))
    )
    studio.operator.reset()
    with pytest.raises(TemporaryFault, match="no bodies"):
        studio.ticks(1)
    studio.dance.open()
    assert studio.dance._generator is not generator
    studio.ticks(3)
    assert all(is_plausible(frame.positions) for frame in studio.sent) and len(studio.sent) == 5


def test_a_recovery_that_fails_is_over_once_the_dance_goes_on(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.ticks(2)
    dance = studio.dance
    monkeypatch.setattr(dance, "_new_state", lambda seed: (_ for _ in ()).throw(TemporaryFault("no bodies")))
    dance._state = replace(dance._state, chunks=dance._state.chunks * np.nan)
    with pytest.raises(TemporaryFault):
        studio.ticks(1)
    (fault,) = dance.metrics.faults()
    assert "left the range" in fault["what"] and fault["recovered_after_s"] is None
    monkeypatch.undo()
    dance.open()
    dance.start()  # a service says that all is well after a step
    try:
        deadline = time.perf_counter() + 20.0
        while dance.metrics.faults()[0]["recovered_after_s"] is None and time.perf_counter() < deadline:
            time.sleep(0.01)
    finally:
        dance.stop()
    assert dance.metrics.faults()[0]["recovered_after_s"] is not None


def test_a_poisoned_memory_is_begun_anew_too(studio: Studio) -> None:
    studio.ticks(10)
    state = studio.dance._state
    studio.dance._state = replace(state, chunks=state.chunks * np.nan)
    studio.ticks(10)
    assert all(is_plausible(frame.positions) for frame in studio.sent)


def test_a_checkpoint_that_will_not_do_is_refused_in_one_line(tmp_path: Path) -> None:
    studio = Studio(tmp_path / "absent.safetensors")
    studio.dance.start()
    end = time.perf_counter() + 10
    while studio.dance.refused is None and time.perf_counter() < end:
        time.sleep(0.01)
    studio.dance.stop()
    assert "absent" in (studio.dance.refused or "") and "\n" not in (studio.dance.refused or "")


def test_a_checkpoint_that_is_read_again_and_again_is_compiled_a_few_times_only(studio: Studio) -> None:
    compiled = [studio.dance._load().compiled for _ in range(5)]  # it was read once before
    assert compiled == [True] * (MAX_COMPILED - 1) + [False] * (6 - MAX_COMPILED)


def test_what_is_no_body() -> None:
    positions = swinging_figure(1)[0]
    assert is_plausible(positions)
    assert not is_plausible(positions * np.nan) and not is_plausible(positions + [0, 5, 0])


def while_waiting(studio: Studio, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> list[int]:
    """Let something happen after the next frame was thought of and before it is danced; counts the thoughts."""
    generator = studio.dance._generator
    assert generator is not None
    wait, think, thoughts = studio.dance._wait_for_tick, generator.predict, [0]

    def waited() -> float:
        happens()
        return wait()

    def counted(*arguments: Any, **options: Any) -> DanceState:
        thoughts[0] += 1
        return think(*arguments, **options)

    monkeypatch.setattr(studio.dance, "_wait_for_tick", waited)
    monkeypatch.setattr(generator, "predict", counted)
    return thoughts


def test_a_pose_that_comes_while_it_waits_draws_the_very_next_frame(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    studio.ticks(2)
    listen = studio.dance._use_visitor
    monkeypatch.setattr(
        studio.dance, "_use_visitor", lambda pose, *more: seen.append(pose) or listen(pose, *more)
    )
    pose = Pose(present=False, captured_at=time.perf_counter())
    thoughts = while_waiting(studio, monkeypatch, lambda: studio.poses.put(pose))
    studio.ticks(1)
    assert seen == [pose] and studio.sent[-1].visitor is pose
    assert thoughts == [1], "the network need not be asked again"


def test_the_visitor_of_just_now_is_leant_towards_in_the_very_next_frame(
    checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    for comes in (False, True):
        studio = Studio(checkpoint_file)
        studio.dance.open()
        studio.operator.set_influence(1.0)
        studio.ticks(2)
        other = np.roll(studio.dance._state.pose[0], 6)  # every bone points where another one did
        moved = VisitorMovement.after(None, other, 0.0)
        seen: list[VisitorMovement | None] = [None]
        monkeypatch.setattr(studio.dance._visitor_context, "new_prompt", lambda now: None)
        monkeypatch.setattr(studio.dance._visitor_context, "movement", lambda seen=seen: seen[0])
        while_waiting(studio, monkeypatch, lambda seen=seen, new=moved if comes else None: seen.insert(0, new))
        studio.ticks(1)
        shown.append(studio.sent[-1].positions)
    assert np.linalg.norm(shown[1] - shown[0], axis=-1).max() > 0.01


@pytest.mark.parametrize("change", ["emotion", "energy", "repertoire"])
def test_what_is_asked_for_while_it_waits_is_danced_in_the_very_next_frame(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    studio.ticks(2)
    before = studio.sent[-1].emotion_weights
    studio.operator.set_glide(0.0)

    def ask() -> None:
        if change == "emotion":
            studio.operator.set_emotion("angry")
        elif change == "energy":
            studio.operator.set_energy(1.7)
        else:
            studio.operator.set_repertoire("walk")

    thoughts = while_waiting(studio, monkeypatch, ask)
    studio.ticks(1)
    changed = not np.array_equal(studio.sent[-1].emotion_weights, before)
    assert thoughts == [2] and changed == (change == "emotion")
    if change == "repertoire":
        assert studio.dance._state.request.kind.tolist() == [KINDS.index("walk")]
    monkeypatch.undo()


def test_a_dancer_begins_in_the_repertoire_that_is_set(studio: Studio) -> None:
    studio.operator.set_repertoire("gesture")
    assert studio.dance._begin(5).request.kind.tolist() == [KINDS.index("gesture")]


def test_a_new_start_takes_no_longer_where_the_network_is_slow(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    thoughts = while_waiting(studio, monkeypatch, lambda: None)
    studio.dance._thinking = 0.11
    studio.dance._begin(5)
    assert thoughts == [5]
    studio.dance._thinking = 0.004
    studio.dance._begin(5)
    assert thoughts == [35]


def test_a_lively_visitor_is_answered_at_a_quicker_tempo(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.ticks(2)
    assert studio.dance._generator is not None
    act, tempi = studio.dance._generator.apply, []

    def heard(thought: DanceState, toward: Any = None, influence: Any = 0.0, tempo: float = 1.0) -> DanceState:
        tempi.append(tempo)
        return act(thought, toward, influence, tempo)

    monkeypatch.setattr(studio.dance._generator, "apply", heard)
    for speed in (0.05, 1.0):
        visitor = VisitorMovement.after(None, studio.dance._state.pose[0], 0.0, speed=speed)
        monkeypatch.setattr(studio.dance, "_use_visitor", lambda pose, controls, now, seen=visitor: seen)
        studio.ticks(1)
    assert tempi[0] < 0.9 and tempi[-1] > 1.1


def test_a_lively_visitor_is_answered_with_more_energy_unless_the_dancer_is_solo(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.ticks(2)
    assert studio.dance._generator is not None
    lively = VisitorMovement.after(None, studio.dance._state.pose[0], 0.0, speed=1.0)
    monkeypatch.setattr(studio.dance._visitor_context, "movement", lambda: lively)
    asked = []
    think = studio.dance._generator.predict

    def heard(state: DanceState, weights: Any, energy: float, repertoire: Any) -> DanceState:
        asked.append(energy)
        return think(state, weights, energy, repertoire)

    monkeypatch.setattr(studio.dance._generator, "predict", heard)
    studio.ticks(1)
    studio.operator.set_mode("solo")
    studio.ticks(1)
    assert asked[0] > 1.2 and asked[-1] == 1.0
