import numpy as np

from models.motion.foot_contact import (
    LEGS,
    MAX_FOOT_OFFSET_M,
    TOE_CONTACT_HEIGHT,
    TOES,
    floor_correction,
    foot_lock_offsets,
    foot_skate,
    leg_ik,
)
from models.motion.skeleton import BONE_PARENTS
from tests.synthetic import swinging_figure


def contact_weight() -> np.ndarray:
    positions = swinging_figure(1)[0].astype(np.float64)
    positions[:, 1] += TOE_CONTACT_HEIGHT - positions[TOES, 1].min()
    positions[TOES, 1] = TOE_CONTACT_HEIGHT
    return positions


def test_a_body_on_its_feet_is_left_alone() -> None:
    assert abs(floor_correction(contact_weight())) < 1e-9


def test_a_sunken_body_is_raised_and_a_floating_one_sinks() -> None:
    assert floor_correction(contact_weight() - [0, 0.04, 0]) > 0.01
    assert floor_correction(contact_weight() + [0, 0.04, 0]) < -0.001
    assert floor_correction(contact_weight() + [0, 0.50, 0]) < -0.05


def test_sinking_and_rising_come_to_rest_on_the_floor() -> None:
    for offset in (-0.3, 0.6):
        positions = contact_weight() + [0, offset, 0]
        for _ in range(120):
            positions = positions + [0, float(floor_correction(positions)), 0]
        assert abs(positions[TOES, 1].min() - TOE_CONTACT_HEIGHT) < 1e-3


def test_standing_feet_that_slide_are_seen_and_flying_ones_are_not() -> None:
    before = contact_weight()
    after = before + [0.02, 0.0, -0.01]
    np.testing.assert_allclose(foot_skate(before, after), [0.02, -0.01], atol=1e-9)
    np.testing.assert_allclose(foot_skate(before + [0, 0.3, 0], after + [0, 0.3, 0]), 0.0)


def test_only_the_foot_that_stands_counts() -> None:
    before = contact_weight()
    before[TOES[1], 1] += 0.1
    after = before.copy()
    after[TOES[1]] += [0.3, 0.0, 0.0]
    np.testing.assert_allclose(foot_skate(before, after), 0.0, atol=1e-9)


def bones(positions: np.ndarray) -> np.ndarray:
    return np.linalg.norm(positions[..., 1:, :] - positions[..., BONE_PARENTS, :], axis=-1)


def bent() -> np.ndarray:
    """Standing with bent knees, so that the feet can be reached wherever they go."""
    positions = contact_weight()
    for hip, knee, ankle, toe in LEGS:
        drop = 0.03
        thigh, shin = (np.linalg.norm(positions[b] - positions[a]) for a, b in ((hip, knee), (knee, ankle)))
        reach = thigh + shin - drop
        along = (thigh**2 - shin**2 + reach**2) / (2 * reach)
        foot = positions[toe] - positions[ankle]
        positions[knee] = positions[hip] + [0, -along, np.sqrt(thigh**2 - along**2)]
        positions[ankle] = positions[hip] + [0, -reach, 0]
        positions[toe] = positions[ankle] + foot
    return positions


def test_a_foot_that_stands_is_held_about_where_it_stood_while_the_body_slides_on() -> None:
    body, holds = bent(), np.zeros((2, 2))
    body[:, 1] += TOE_CONTACT_HEIGHT - body[TOES, 1].min()
    before = leg_ik(body, holds)
    for _ in range(5):
        moved = body + [0.004, 0.0, 0.002]
        holds = foot_lock_offsets(body, moved, np.zeros(2), holds)
        body = moved
    after = leg_ik(body, holds)
    free = np.linalg.norm([0.02, 0.01])
    assert np.linalg.norm((after - before)[TOES], axis=-1).max() < 0.35 * free
    np.testing.assert_allclose(after[0] - before[0], [0.02, 0.0, 0.01], atol=1e-9)
    np.testing.assert_allclose(bones(after), bones(before), atol=1e-9)


def test_a_lifted_foot_is_let_go_little_by_little() -> None:
    body = bent() + [0, 0.3, 0]
    holds = np.full((2, 2), 0.05)
    for _ in range(30):
        holds = foot_lock_offsets(body, body + [0.01, 0, 0], np.zeros(2), holds)
    assert 0 <= holds.max() < 0.001


def test_no_leg_holds_farther_than_it_may_or_can() -> None:
    body, holds = contact_weight(), np.zeros((2, 2))
    for _ in range(60):
        holds = foot_lock_offsets(body, body + [0.05, 0, 0], np.zeros(2), holds)
    assert np.linalg.norm(holds, axis=-1).max() < MAX_FOOT_OFFSET_M + 1e-9
    far = leg_ik(body, np.full((2, 2), 5.0))
    assert np.isfinite(far).all()
    np.testing.assert_allclose(bones(far), bones(body), atol=1e-6)


def test_a_batch_of_bodies_is_planted_as_each_alone() -> None:
    bodies = np.stack([bent(), contact_weight(), bent() + [1, 0, 0]])
    holds = np.array([[[0.01, 0], [0, 0.02]], [[0, 0], [0, 0]], [[-0.02, 0.01], [0.03, 0]]])
    together = leg_ik(bodies, holds)
    for body, hold, planted_body in zip(bodies, holds, together, strict=True):
        np.testing.assert_allclose(leg_ik(body, hold), planted_body)
