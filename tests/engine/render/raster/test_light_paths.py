"""Threads of light: as bright as they are long, without gaps, wherever the picture ends."""

import numpy as np
import pytest

from engine.render.raster.light_paths import BORDER, HALO, MAX_PARTS, bloom, expose
from engine.render.raster.upscale import grid_around

LARGE = (4000, 3000)


def straight(start, end, samples):
    """One path of evenly spaced samples, (samples, 1, 2) in pixels."""
    return np.linspace(start, end, samples, dtype=np.float32)[:, None]


@pytest.mark.parametrize("cell", [1, 2, 5])
def test_a_path_sheds_as_much_light_as_it_is_long_and_bright(cell):
    path = straight((500.0, 400.0), (900.7, 700.3), 38)
    length = np.hypot(400.7, 300.3)
    even, rising = np.ones((38, 1)), np.linspace(0.0, 1.0, 38)[:, None]
    exposure = expose(path, np.stack([even, rising]), LARGE, cell)
    assert exposure.fields[0].sum() * cell == pytest.approx(length, rel=1e-3)
    assert exposure.fields[1].sum() * cell == pytest.approx(0.5 * length, rel=1e-2)


@pytest.mark.parametrize("samples", [2, 3, 30])
def test_light_lies_evenly_along_its_path(samples):
    exposure = expose(straight((500.0, 402.0), (680.0, 402.0), samples), np.ones((1, samples, 1)), LARGE, 5)
    along = exposure.fields[0].sum(axis=0)
    first = (500 - exposure.origin[0]) // 5
    assert along[first + 1 : first + 35].min() > 0.4, "a long step has no gaps"
    middle = (along * (np.arange(len(along)) + 0.5)).sum() / along.sum() * 5 + exposure.origin[0]
    assert middle == pytest.approx(590.0, abs=0.5)
    assert not along[: first - 1].any() and not along[first + 38 :].any()


def test_a_step_that_nobody_can_take_does_not_cost_more_than_a_long_one():
    exposure = expose(straight((0.0, 500.0), (3990.0, 500.0), 2), np.ones((1, 2, 1)), LARGE, 1)
    assert (exposure.fields[0] > 0).sum() <= 4 * MAX_PARTS
    assert exposure.fields[0].sum() == pytest.approx(3990.0)


def test_what_lies_outside_the_picture_does_not_light_the_inside():
    turn = np.linspace(0.0, 2.0 * np.pi, 90)
    ring = np.stack([401.3 + 380.0 * np.cos(turn), 301.7 + 280.0 * np.sin(turn)], axis=-1)[:, None]
    light = np.random.default_rng(1).random((1, 90, 1))
    whole = expose(ring + 500.0, light, LARGE, 5)  # the same ring in the midst of a large picture
    for aside, down in ((0, 0), (-250, 0), (0, -200), (250, 150)):
        part = expose(ring + np.array([aside, down]), light, (800, 600), 5)
        left, top = ((part.origin[k] - whole.origin[k] + 500 - (aside, down)[k]) // 5 for k in (0, 1))
        columns, rows = (size // 5 - part.origin[k] // 5 for k, size in ((0, 800), (1, 600)))
        inside = part.fields[0, :rows, :columns]
        expected = whole.fields[0, top:, left:][: inside.shape[0], : inside.shape[1]]
        # a point on the line between two cells may fall to either of them
        assert np.abs(inside[:, : expected.shape[1]] - expected).sum() < 0.01 * inside.sum()
        assert inside.sum() > 10.0
    assert expose(ring + 3000.0, light, (800, 600), 5) is None


@pytest.mark.parametrize("long", range(0, 40, 3))
def test_light_at_the_edge_of_the_grid_falls_nowhere_else(long):
    for (x, y), (along, down) in (
        ((804.9, 300.0), (-long, 0)),
        ((0.1, 300.0), (long, 0)),
        ((400.0, 604.9), (0, -long)),
        ((400.0, 0.1), (0, long)),
    ):
        path = straight((x, y), (x + along, y + down), 10)
        fields = expose(path, np.ones((1, 10, 1)), (800, 600), 5).fields[0]
        rows, columns = np.nonzero(fields)
        assert fields.sum() == pytest.approx(0.2 * long, rel=0.01, abs=1e-6)
        if long:
            assert np.ptp(columns) <= abs(along) / 5 + 2 and np.ptp(rows) <= abs(down) / 5 + 2


def test_a_grid_has_whole_cells_of_the_halo_and_room_for_it():
    for end in (703.0, 709.0, 714.0, 721.0):
        exposure = expose(straight((500.0, 400.0), (end, 433.0), 20), np.ones((1, 20, 1)), LARGE, 5)
        rows, columns = exposure.fields.shape[1:]
        assert rows % HALO == 0 and columns % HALO == 0
        assert columns >= (end - 500) / 5 + 2 * BORDER and rows >= 33 / 5 + 2 * BORDER


def test_a_thread_blooms_softly_with_a_halo_around_it():
    field = np.zeros((80, 80), dtype=np.float32)
    field[40] = 1.0
    bare, glowing, broad = bloom(field, 1.0, 0.0), bloom(field, 1.0, 0.8), bloom(field, 2.0, 0.0)
    assert 0.5 < bare[40, 40] < 1.0 and 0.1 < bare[41, 40] < bare[40, 40] and bare[44, 40] < 0.01
    assert glowing[48, 40] > 0.05 and (glowing >= bare).all() and glowing.max() < 1.0
    assert (broad[:, 40] > 0.05).sum() > (bare[:, 40] > 0.05).sum()
    assert bloom(field * 1000.0, 1.0, 0.8).max() <= 1.0, "what falls on it again saturates"


def test_a_grid_is_the_part_of_its_box_that_lies_in_the_picture():
    def grid(low, high):
        return grid_around(np.array(low, dtype=np.float32), np.array(high, dtype=np.float32), -2, (10, 8))

    assert grid((1, 2), (4, 7)) == (1, 2, 3, 5)
    assert grid((-9, -9), (99, 99)) == (-2, -2, 12, 10)
    assert grid((-np.inf, 3), (np.inf, 5)) == (-2, 3, 12, 2)
    for low, high in (((20, 0), (30, 5)), ((-30, 0), (-20, 5)), ((np.inf, 0), (np.inf, 5))):
        assert grid(low, high)[2] <= 0
