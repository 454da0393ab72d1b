import numpy as np
import pytest

from models.evaluation.nearest_poses import LIBRARY_HOP_FRAMES, NearestPoses
from models.motion.features import turn
from models.motion.skeleton import INDEX, FloatArray, mirror_positions
from tests.synthetic import swinging_figure


@pytest.fixture(scope="module")
def training() -> list[FloatArray]:
    return [swinging_figure(120, rate=rate) for rate in (0.5, 0.9)]


@pytest.fixture(scope="module")
def manifold(training: list[FloatArray]) -> NearestPoses:
    return NearestPoses.of(training, [swinging_figure(120, rate=0.7, phase=0.3)])


def test_a_pose_of_the_library_is_at_no_distance(manifold: NearestPoses, training: list[FloatArray]) -> None:
    assert manifold.distances(training[0], LIBRARY_HOP_FRAMES).max() < 1e-3
    assert manifold.off_share(training[0], LIBRARY_HOP_FRAMES) == 0.0


def test_mirror_images_are_in_the_library(manifold: NearestPoses, training: list[FloatArray]) -> None:
    assert manifold.distances(mirror_positions(training[1]), LIBRARY_HOP_FRAMES).max() < 1e-3


def test_place_and_heading_do_not_count(manifold: NearestPoses, training: list[FloatArray]) -> None:
    moved = turn(training[0], np.array(2.0)) + np.array([5.0, 0.0, 3.0])
    assert manifold.distances(moved, LIBRARY_HOP_FRAMES).max() < 1e-3


def test_a_hundredth_of_the_held_out_poses_is_beyond_the_limit(manifold: NearestPoses) -> None:
    held_out = swinging_figure(120, rate=0.7, phase=0.3)
    assert 0 < (manifold.distances(held_out, LIBRARY_HOP_FRAMES) > manifold.limit).mean() <= 0.04


def test_the_distance_is_the_root_mean_square_of_the_joints(manifold: NearestPoses) -> None:
    raised = swinging_figure(LIBRARY_HOP_FRAMES + 1, rate=0.5)[:2] + np.array([0.0, 0.5, 0.0])
    assert manifold.distances(raised)[0] == pytest.approx(0.5, abs=0.01)


def test_poses_that_no_body_took_are_off(manifold: NearestPoses, training: list[FloatArray]) -> None:
    arms_up = training[0].copy()
    for side in ("left", "right"):
        for joint in ("elbow", "wrist"):
            shoulder = arms_up[:, INDEX[f"{side}_shoulder"], 1]
            arms_up[:, INDEX[f"{side}_{joint}"], 1] = 2 * shoulder - arms_up[:, INDEX[f"{side}_{joint}"], 1]
    assert manifold.off_share(arms_up) == 1.0
    half = np.concatenate([training[0], arms_up])
    assert manifold.off_share(half, LIBRARY_HOP_FRAMES) == pytest.approx(0.5, abs=0.02)
