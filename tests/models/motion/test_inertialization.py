import numpy as np
import pytest

from models.motion.features import positions_to_features
from models.motion.inertialization import inertialization_offset, inertialized, rotated, rotation_between
from models.motion.skeleton import unit_vectors
from tests.synthetic import swinging_figure

RNG = np.random.default_rng(0)


def test_a_turn_leads_from_the_one_to_the_other() -> None:
    start, end = unit_vectors(RNG.normal(size=(2, 50, 3)))
    np.testing.assert_allclose(rotated(start, rotation_between(start, end)), end, atol=1e-9)


@pytest.mark.parametrize("down", [(0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (0.6, -0.8, 0.0)])
def test_opposite_directions_turn_without_a_snap(down: tuple[float, float, float]) -> None:
    start = np.array(down)
    turn = rotation_between(start, -start)
    path = np.array([rotated(start, share * turn) for share in np.linspace(0, 1, 21)])
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(path[-1], -start, atol=1e-6)
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 0.17


def test_a_hanging_arm_rises_forwards() -> None:
    down = np.array([0.0, -1.0, 0.0])
    assert rotated(down, 0.5 * rotation_between(down, -down))[2] == pytest.approx(1.0)


def test_a_whole_seam_is_the_old_pose_and_none_is_the_new_one() -> None:
    old, new = (positions_to_features(swinging_figure(3, phase=phase))[-1:] for phase in (0.0, 2.0))
    seam = inertialization_offset(old, new)
    np.testing.assert_allclose(inertialized(new, seam, 1.0), old, atol=1e-5)
    np.testing.assert_allclose(inertialized(new, seam, 0.0), new, atol=1e-6)
