import numpy as np
import pytest

from models.data.clips import Clips
from models.data.synthetic import swinging_figure
from models.evaluation.visitor_report import (
    CRITERIA,
    PAUSE_S,
    VisitorStream,
    arms_up_seconds,
    danced_before,
    energy_answer,
    mirror,
    missed_bars,
    visitor_stream,
    with_errors,
)
from models.generation.answer import MAX_DRAW, TrackedMovement
from models.generation.generator import Generator
from models.motion.skeleton import FloatArray, joint_speed, mirror_positions
from models.network.checkpoint import Checkpoint


def wandering(seed: int, frames: int = 600) -> FloatArray:
    """A figure whose arms move without a period, so that it is like itself at no other time."""
    rng = np.random.default_rng(seed)
    figure = np.repeat(swinging_figure(1), frames, axis=0).astype(float)
    for elbow, wrist in ((4, 5), (7, 8)):
        path = np.cumsum(rng.normal(0.0, 0.03, (frames, 3)), axis=0)
        path = 0.25 * np.sin(path)
        figure[:, elbow] += path
        figure[:, wrist] += 2 * path
    return figure.astype(np.float32)


def acts() -> Clips:
    movements = [swinging_figure(150, rate=rate) for rate in (0.3, 0.6, 0.9)]
    starts = np.array([0, 150, 300, 450])
    return Clips(np.concatenate(movements), starts, ("a", "b", "c"), ("1",) * 3, ("bow",) * 3, ("normal",) * 3)


def still_half(moving: FloatArray) -> VisitorStream:
    """Moves for 4 s and stands for 4 s in turn."""
    still = (np.arange(len(moving)) // 120) % 2 == 1
    positions = moving.copy()
    for frame in range(1, len(positions)):
        if still[frame]:
            positions[frame] = positions[frame - 1]
    return VisitorStream(positions, np.ones(positions.shape[:2]), still)


def test_who_copies_a_visitor_mirrors_them_and_who_moves_alone_does_not() -> None:
    visitor = wandering(0)
    assert mirror(visitor, visitor) == (pytest.approx(1.0), 0.0)
    assert mirror(mirror_positions(visitor), visitor)[0] == pytest.approx(1.0)
    late, lag = mirror(np.roll(visitor, 6, axis=0), visitor)
    assert late > 0.9 and lag == pytest.approx(0.2)
    assert mirror(np.roll(visitor, 45, axis=0), visitor)[0] < 0.7
    assert abs(mirror(wandering(1), visitor)[0]) < 0.25


def test_who_moves_when_the_visitor_moves_answers_their_energy() -> None:
    stream = still_half(wandering(0))
    alike, lively = energy_answer(stream.positions + 1e-4 * wandering(2), stream)
    assert alike > 0.85 and lively > 5
    alone, even = energy_answer(wandering(1), stream)
    assert alone < 0.5 and 0.5 < even < 2


def test_the_visitor_acts_and_pauses_and_leaps_nowhere() -> None:
    stream = visitor_stream(acts(), np.random.default_rng(0), 20.0)
    assert stream.positions.shape == (600, 17, 3) and stream.confidence.shape == (600, 17)
    assert stream.still.any() and not stream.still.all()
    assert np.flatnonzero(np.diff(stream.still.astype(int)) == 1)[0] > PAUSE_S
    speed = joint_speed(stream.positions)
    assert speed[stream.still[1:]].mean() < 0.6 and speed.max() < 4.0
    assert np.array_equal(stream.positions, visitor_stream(acts(), np.random.default_rng(0), 20.0).positions), (
        "the same for the same chance"
    )


def test_a_visitor_of_no_acts_is_refused() -> None:
    clips = acts()
    none = Clips(clips.positions, clips.starts, clips.names, ("2",) * 3, clips.contents, clips.styles)
    with pytest.raises(ValueError, match="neutral acts"):
        visitor_stream(none, np.random.default_rng(0))


def test_errors_are_of_the_kinds_that_cameras_make() -> None:
    stream = visitor_stream(acts(), np.random.default_rng(0), 10.0)
    others = with_errors(stream, np.random.default_rng(1))
    assert others["10 fps"].pose_every == 3
    assert (others["an arm lost"].confidence == 0).sum() == 2 * 300
    assert np.abs(others["an arm lost"].positions - stream.positions)[:, 4].mean() > 0.1
    assert others["a child"].positions[:, 2, 1].mean() == pytest.approx(stream.positions[:, 2, 1].mean() / 2)
    knees = others["seated"].positions[:, 10] - others["seated"].positions[:, 0]
    assert np.ptp(knees, axis=0).max() < 1e-5


def test_an_untrained_dancer_that_is_drawn_is_nearer_to_the_visitor(dancer: Checkpoint) -> None:
    generator = Generator(dancer)
    moving = wandering(0, 480)
    stream = VisitorStream(moving, np.ones(moving.shape[:2]), np.zeros(480, dtype=bool))
    alone, drawn = (
        np.mean([mirror(dance, moving)[0] for dance in danced_before(generator, stream, influence)])
        for influence in (0.0, 1.0)
    )
    assert drawn > alone + 0.2


def test_raised_arms_are_answered_by_who_is_drawn(dancer: Checkpoint) -> None:
    assert arms_up_seconds(Generator(dancer), 1.0, seeds=[0]) < 1.5
    assert arms_up_seconds(Generator(dancer), 0.0, seeds=[0]) == np.inf


def test_tracking_forgets_nothing_but_what_is_old() -> None:
    track = TrackedMovement()
    assert track.movement is None and 0 < MAX_DRAW <= 1
    for frame, positions in enumerate(swinging_figure(90, rate=1.0)):
        track.see(positions, None, frame / 30)
    assert track.movement is not None and track.movement.speed > 0.1 and len(track._recent) <= 9


def test_a_figure_beyond_its_bar_is_named_and_one_that_is_missing_is_an_error() -> None:
    good = {name: bar[0] if np.isfinite(bar[0]) else bar[1] for name, bar in CRITERIA[0.6].items()}
    assert missed_bars(good, CRITERIA[0.6]) == []
    assert ["mirror" in line for line in missed_bars({**good, "mirror": 0.44}, CRITERIA[0.6])] == [True]
    assert ["toe_slide" in line for line in missed_bars({**good, "toe_slide": 1.31}, CRITERIA[0.6])] == [True]
    assert len(missed_bars({**good, "energy": float("nan")}, CRITERIA[0.6])) == 1
    with pytest.raises(KeyError):
        missed_bars({}, CRITERIA[0.6])


def test_a_dancer_before_a_quick_visitor_dances_more_quickly(
    dancer: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what draws and asks for more switched off, so that the tempo alone is left."""
    monkeypatch.setattr("models.evaluation.visitor_report.answering_energy", lambda visitor, influence: 1.0)
    monkeypatch.setattr(
        "models.evaluation.visitor_report.draw_share", lambda visitor, influence: 0.0 * visitor.seen
    )
    generator = Generator(dancer)

    def speed(rate: float) -> float:
        figure = swinging_figure(60, rate=rate)
        stream = VisitorStream(figure, np.ones(figure.shape[:2]), np.zeros(60, dtype=bool))
        return float(np.mean([joint_speed(dance).mean() for dance in danced_before(generator, stream, 1.0)]))

    assert speed(1.5) > 1.2 * speed(0.0)
