"""Who is the visitor, and which side is left."""

import numpy as np
import pytest

from engine.visitor.landmarks import BodyLandmarks
from engine.visitor.person_tracker import (
    GONE_AFTER_S,
    MAX_SWAP_S,
    Detection,
    PersonTracker,
    SideSwapFilter,
    detection_of,
)

FRAME = 1 / 30


def test_the_largest_and_most_central_person_is_the_visitor():
    far, near, edge = Detection(0.0, 0.5, 0.1), Detection(0.1, 0.5, 0.3), Detection(-0.8, 0.5, 0.32)
    assert PersonTracker().choose([far, near, edge], 0.0) == 1


def test_the_visitor_stays_when_somebody_larger_comes():
    visitors = PersonTracker()
    visitors.choose([Detection(0.3, 0.5, 0.2)], 0.0)
    assert visitors.choose([Detection(-0.2, 0.5, 0.4), Detection(0.31, 0.5, 0.2)], FRAME) == 1


def test_the_visitor_may_be_missed_for_less_than_a_second():
    visitors = PersonTracker()
    visitors.choose([Detection(0.0, 0.5, 0.2)], 0.0)
    assert visitors.choose([], 0.5) is None and visitors.visitor is not None
    assert visitors.choose([Detection(0.05, 0.5, 0.2)], 0.9) == 0
    assert visitors.visitor == 1


def test_after_a_second_somebody_else_is_the_visitor():
    visitors = PersonTracker()
    visitors.choose([Detection(0.0, 0.5, 0.3)], 0.0)
    first = visitors.visitor
    bystander = [Detection(0.7, 0.5, 0.2)]
    assert visitors.choose(bystander, 0.5) is None
    assert visitors.choose(bystander, GONE_AFTER_S + 0.1) == 0
    assert visitors.visitor != first


def test_nobody_is_nobody():
    visitors = PersonTracker()
    assert visitors.choose([], 0.0) is None and visitors.visitor is None
    visitors.choose([Detection(0.0, 0.5, 0.2)], 1.0)
    visitors.choose([], 3.0)
    assert visitors.visitor is None


@pytest.mark.parametrize("hidden", [0, 3, 6, 10])
@pytest.mark.parametrize("front", ["visitor", "passer-by"])
@pytest.mark.parametrize("sizes", [(0.25, 0.25), (0.3, 0.22)])
def test_two_people_who_cross_do_not_swap(hidden, front, sizes):
    """They walk through each other's place at 0.5 heights/s; around the crossing only the front one is seen."""
    visitors, noise = PersonTracker(), np.random.default_rng(3)
    for i in range(90):
        time = i * FRAME
        along = -0.6 + 0.5 * time * 0.8
        jitter = noise.normal(0, 0.004, 4)
        people = {
            "visitor": Detection(along + jitter[0], 0.5 + jitter[1], sizes[0]),
            "passer-by": Detection(0.62 - 0.5 * time * 0.8 + jitter[2], 0.5 + jitter[3], sizes[1]),
        }
        if i == 0:
            del people["passer-by"]
        if hidden and abs(i - 45) * 2 <= hidden:
            people = {front: people[front]}
        names = sorted(people, reverse=i % 2 == 0)
        index = visitors.choose([people[name] for name in names], time)
        if len(people) == 2:
            assert index is not None and names[index] == "visitor", f"swapped in frame {i}"


def test_the_people_in_memory_are_those_of_the_last_second():
    visitors, noise = PersonTracker(), np.random.default_rng(4)
    for i in range(3000):
        place = noise.uniform(-0.8, 0.8, 3)
        visitors.choose([Detection(x, 0.5, 0.05) for x in place], i * FRAME)
    assert len(visitors._people) <= 3 * 31


def body(turned: bool = False, shift: float = 0.0) -> BodyLandmarks:
    """A body in the picture whose left side is at the right, 100 pixels wide."""
    x = np.where(np.arange(33) % 2 == 1, 50.0, -50.0) + shift + 400.0
    y = np.linspace(50, 350, 33)
    picture = np.stack([x, y], axis=-1).astype(np.float32)
    world = np.concatenate([picture / 200, np.zeros((33, 1))], axis=1).astype(np.float32)
    found = BodyLandmarks(picture, world, np.ones(33, dtype=np.float32))
    return found.with_sides_swapped() if turned else found


def test_a_flip_of_the_sides_in_one_frame_is_put_right():
    flips = SideSwapFilter()
    flips(body(), 0.0)
    put_right = flips(body(turned=True, shift=3.0), FRAME)
    np.testing.assert_allclose(put_right.picture, body(shift=3.0).picture)
    np.testing.assert_allclose(flips(body(shift=4.0), 2 * FRAME).picture, body(shift=4.0).picture)


def test_a_flip_that_lasts_is_believed_after_a_third_of_a_second():
    flips = SideSwapFilter()
    flips(body(), 0.0)
    turned = body(turned=True)
    swapped = [flips(turned, i * FRAME) is not turned for i in range(1, 30)]
    assert swapped[0] and not swapped[-1]
    assert sum(swapped) * FRAME <= MAX_SWAP_S + 2 * FRAME


def test_a_body_that_moves_is_not_taken_for_a_flip():
    flips = SideSwapFilter()
    for i in range(30):
        moved = body(shift=20.0 * i)
        assert flips(moved, i * FRAME) is moved


def test_a_sighting_is_measured_in_heights_of_the_picture():
    detection = detection_of(body(), 800, 400)
    assert detection.x == pytest.approx(0.0, abs=1e-6) and 0.3 < detection.size < 0.5
