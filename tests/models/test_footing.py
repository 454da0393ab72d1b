import numpy as np

from models.footing import STANDING_TOE, TOES, rise, slide
from tests.synthetic import swinging_figure


def standing() -> np.ndarray:
    positions = swinging_figure(1)[0].astype(np.float64)
    positions[:, 1] += STANDING_TOE - positions[TOES, 1].min()
    positions[TOES, 1] = STANDING_TOE
    return positions


def test_a_body_on_its_feet_is_left_alone() -> None:
    assert abs(rise(standing())) < 1e-9


def test_a_sunken_body_is_raised_and_a_floating_one_sinks() -> None:
    assert rise(standing() - [0, 0.04, 0]) > 0.01
    assert rise(standing() + [0, 0.04, 0]) < -0.001
    assert rise(standing() + [0, 0.50, 0]) < -0.05


def test_sinking_and_rising_come_to_rest_on_the_floor() -> None:
    for offset in (-0.3, 0.6):
        positions = standing() + [0, offset, 0]
        for _ in range(120):
            positions = positions + [0, float(rise(positions)), 0]
        assert abs(positions[TOES, 1].min() - STANDING_TOE) < 1e-3


def test_standing_feet_that_slide_are_seen_and_flying_ones_are_not() -> None:
    before = standing()
    after = before + [0.02, 0.0, -0.01]
    np.testing.assert_allclose(slide(before, after), [0.02, -0.01], atol=1e-9)
    np.testing.assert_allclose(slide(before + [0, 0.3, 0], after + [0, 0.3, 0]), 0.0)


def test_only_the_foot_that_stands_counts() -> None:
    before = standing()
    before[TOES[1], 1] += 0.1
    after = before.copy()
    after[TOES[1]] += [0.3, 0.0, 0.0]
    np.testing.assert_allclose(slide(before, after), 0.0, atol=1e-9)
