import numpy as np
import pytest

from engine.dancer.visitor_context import MIN_PROMPT_INTERVAL_S, VisitorContext
from engine.streams.values import Pose
from models.motion.features import POSE_SIZE, positions_to_features
from tests.synthetic import swinging_figure


def watch(
    visitor_context: VisitorContext, positions: np.ndarray, start: float = 0.0, rate: float = 30.0
) -> float:
    """Show poses at a rate; returns the time of the last."""
    for i, frame in enumerate(positions):
        visitor_context.add(Pose(True, start + i / rate, frame, np.ones(17, dtype=np.float32)))
    return start + (len(positions) - 1) / rate


def test_somebody_who_has_been_there_for_a_second_is_answered_once() -> None:
    visitor_context = VisitorContext()
    end = watch(visitor_context, swinging_figure(20, rate=0.2))
    assert visitor_context.new_prompt(end) is None
    end = watch(visitor_context, swinging_figure(20, rate=0.2), start=end + 1 / 30)
    context = visitor_context.new_prompt(end)
    assert context is not None and context.shape == (30, 52)
    assert visitor_context.new_prompt(end + 100) is None


def test_strong_movement_is_answered_again_but_not_at_once() -> None:
    visitor_context = VisitorContext()
    end = watch(visitor_context, swinging_figure(120, rate=3.0))
    assert visitor_context.new_prompt(end) is not None
    assert visitor_context.new_prompt(end + MIN_PROMPT_INTERVAL_S - 0.1) is None
    assert visitor_context.new_prompt(end + MIN_PROMPT_INTERVAL_S + 0.1) is not None


def test_who_leaves_and_comes_back_has_arrived_anew() -> None:
    visitor_context = VisitorContext()
    end = watch(visitor_context, swinging_figure(60, rate=0.2))
    assert visitor_context.new_prompt(end) is not None
    visitor_context.add(Pose(False, end + 1.0))
    assert visitor_context.features() is None
    end = watch(visitor_context, swinging_figure(60, rate=0.2), start=end + 2.0)
    assert visitor_context.new_prompt(end) is not None


@pytest.mark.parametrize("rate", [12.0, 25.0, 50.0])
def test_a_camera_of_any_rate_gives_movement_at_30_frames_a_second(rate: float) -> None:
    seconds = np.arange(0, 2, 1 / rate)
    figure = swinging_figure(61, rate=0.5)
    positions = np.stack([figure[round(t * 30)] for t in seconds])
    visitor_context = VisitorContext()
    watch(visitor_context, positions, rate=rate)
    features = visitor_context.features()
    assert features is not None
    expected = positions_to_features(figure)[-30:]
    assert np.abs(features[5:, :48] - expected[5:, :48]).max() < 0.25


def test_the_movement_to_answer_ends_in_the_last_pose_of_the_last_second() -> None:
    visitor_context, figure = VisitorContext(), swinging_figure(60, rate=0.5)
    watch(visitor_context, figure[:20])
    assert visitor_context.features() is None
    watch(visitor_context, figure[20:], start=20 / 30)
    features, movement = visitor_context.features(), visitor_context.movement()
    assert features is not None and movement is not None
    np.testing.assert_allclose(movement.pose, features[-1, :POSE_SIZE], atol=0.12)
    visitor_context.add(Pose(False, 3.0))
    assert visitor_context.movement() is None


@pytest.mark.parametrize("rate", [5.0, 10.0, 30.0, 120.0])
def test_whoever_comes_is_answered_within_half_a_second_and_not_at_their_first_pose(rate: float) -> None:
    visitor_context, figure = VisitorContext(), swinging_figure(61, rate=0.5)
    answered_at = None
    for t in np.arange(0, 1, 1 / rate):
        visitor_context.add(Pose(True, float(t), figure[round(t * 30)], np.ones(17, dtype=np.float32)))
        if answered_at is None and visitor_context.movement() is not None:
            answered_at = t
    assert answered_at is not None and 0.25 < answered_at <= 0.5


@pytest.mark.parametrize("rate", [10.0, 30.0, 120.0])
def test_the_speed_of_the_visitor_is_that_of_their_joints_at_any_frame_rate(rate: float) -> None:
    speeds = []
    for swings in (0.0, 0.5, 1.0):
        figure = swinging_figure(61, rate=swings)
        visitor_context = VisitorContext()
        seen = []
        for t in np.arange(0, 2, 1 / rate):
            visitor_context.add(Pose(True, float(t), figure[round(t * 30)], np.ones(17, dtype=np.float32)))
            movement = visitor_context.movement()
            seen += [movement.speed] if movement is not None else []
        speeds.append(np.mean(seen))
    assert speeds[0] < 0.01 and 0.05 < speeds[1] < 0.75 * speeds[2]


def test_noise_of_the_detector_is_hardly_taken_for_movement() -> None:
    figure = np.repeat(swinging_figure(1), 90, axis=0)
    noise = np.random.default_rng(0).normal(0.0, 0.006, figure.shape).astype(np.float32)
    visitor_context = VisitorContext()
    watch(visitor_context, figure + noise)
    movement = visitor_context.movement()
    assert movement is not None and movement.speed < 0.15  # 0.3 from frame to frame


def test_the_mean_is_forgotten_with_the_visitor() -> None:
    visitor_context = VisitorContext()
    end = watch(visitor_context, swinging_figure(60, rate=0.5))
    visitor_context.add(Pose(False, end + 0.1))
    raised = swinging_figure(60, rate=0.0)
    raised[:, [4, 5, 7, 8], 1] += 0.3
    watch(visitor_context, raised, start=end + 5.0)
    movement = visitor_context.movement()
    assert movement is not None
    np.testing.assert_allclose(movement.mean, movement.pose, atol=1e-5)


def test_a_gap_ends_the_memory() -> None:
    visitor_context = VisitorContext()
    end = watch(visitor_context, swinging_figure(60))
    watch(visitor_context, swinging_figure(5), start=end + 3.0)
    assert visitor_context.features() is None


def test_the_same_pose_twice_and_poses_that_are_not_finite_are_not_remembered() -> None:
    visitor_context = VisitorContext()
    pose = Pose(True, 1.0, swinging_figure(1)[0], np.ones(17, dtype=np.float32))
    for _ in range(50):
        visitor_context.add(pose)
    visitor_context.add(
        Pose(True, 1.1, np.full((17, 3), np.nan, dtype=np.float32), np.ones(17, dtype=np.float32))
    )
    visitor_context.add(None)
    assert visitor_context.features() is None


def test_a_stream_of_240_poses_a_second_is_understood_as_well() -> None:
    visitor_context = VisitorContext()
    end = watch(visitor_context, swinging_figure(480, rate=0.5), rate=240.0)
    features = visitor_context.features()
    assert features is not None and features.shape == (30, 52) and visitor_context.new_prompt(end) is not None
