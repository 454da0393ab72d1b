import numpy as np
import pytest

from engine.audience import SHORTEST_BETWEEN_ANSWERS, Audience
from engine.values import Pose
from models.features import positions_to_features
from models.motion_space import POSE_COUNT
from tests.synthetic import swinging_figure


def watch(audience: Audience, positions: np.ndarray, start: float = 0.0, rate: float = 30.0) -> float:
    """Show poses at a rate; returns the time of the last."""
    for i, frame in enumerate(positions):
        audience.see(Pose(True, start + i / rate, frame, np.ones(17, dtype=np.float32)))
    return start + (len(positions) - 1) / rate


def test_somebody_who_has_been_there_for_a_second_is_answered_once() -> None:
    audience = Audience()
    end = watch(audience, swinging_figure(20, rate=0.2))
    assert audience.calls(end) is None
    end = watch(audience, swinging_figure(20, rate=0.2), start=end + 1 / 30)
    context = audience.calls(end)
    assert context is not None and context.shape == (30, 52)
    assert audience.calls(end + 100) is None


def test_strong_movement_is_answered_again_but_not_at_once() -> None:
    audience = Audience()
    end = watch(audience, swinging_figure(120, rate=3.0))
    assert audience.calls(end) is not None
    assert audience.calls(end + SHORTEST_BETWEEN_ANSWERS - 0.1) is None
    assert audience.calls(end + SHORTEST_BETWEEN_ANSWERS + 0.1) is not None


def test_who_leaves_and_comes_back_has_arrived_anew() -> None:
    audience = Audience()
    end = watch(audience, swinging_figure(60, rate=0.2))
    assert audience.calls(end) is not None
    audience.see(Pose(False, end + 1.0))
    assert audience.features() is None
    end = watch(audience, swinging_figure(60, rate=0.2), start=end + 2.0)
    assert audience.calls(end) is not None


@pytest.mark.parametrize("rate", [12.0, 25.0, 50.0])
def test_a_camera_of_any_rate_gives_movement_at_30_frames_a_second(rate: float) -> None:
    seconds = np.arange(0, 2, 1 / rate)
    figure = swinging_figure(61, rate=0.5)
    positions = np.stack([figure[round(t * 30)] for t in seconds])
    audience = Audience()
    watch(audience, positions, rate=rate)
    features = audience.features()
    assert features is not None
    expected = positions_to_features(figure)[-30:]
    assert np.abs(features[5:, :48] - expected[5:, :48]).max() < 0.25


def test_the_newest_pose_is_the_last_of_the_last_second() -> None:
    audience, figure = Audience(), swinging_figure(60, rate=0.5)
    watch(audience, figure[:20])
    assert audience.newest() is None
    watch(audience, figure[20:], start=20 / 30)
    features, newest = audience.features(), audience.newest()
    assert features is not None and newest is not None
    np.testing.assert_allclose(newest[:POSE_COUNT], features[-1, :POSE_COUNT], atol=1e-5)
    audience.see(Pose(False, 3.0))
    assert audience.newest() is None


def test_a_gap_ends_the_memory() -> None:
    audience = Audience()
    end = watch(audience, swinging_figure(60))
    watch(audience, swinging_figure(5), start=end + 3.0)
    assert audience.features() is None


def test_the_same_pose_twice_and_poses_that_are_not_finite_are_not_remembered() -> None:
    audience = Audience()
    pose = Pose(True, 1.0, swinging_figure(1)[0], np.ones(17, dtype=np.float32))
    for _ in range(50):
        audience.see(pose)
    audience.see(Pose(True, 1.1, np.full((17, 3), np.nan, dtype=np.float32), np.ones(17, dtype=np.float32)))
    audience.see(None)
    assert audience.features() is None


def test_a_stream_of_240_poses_a_second_is_understood_as_well() -> None:
    audience = Audience()
    end = watch(audience, swinging_figure(480, rate=0.5), rate=240.0)
    features = audience.features()
    assert features is not None and features.shape == (30, 52) and audience.calls(end) is not None
