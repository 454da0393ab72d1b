"""A body's relief lies where its volumes are seen, and is as large."""

import numpy as np
import pytest

from engine.render.figure.body import VOLUMES, Body, embody
from engine.render.figure.height_field import MARGIN, cast_silhouette, raise_relief
from engine.render.stage_camera import StageCamera
from models.motion.skeleton import INDEX
from tests.synthetic import standing

PROJECTION = StageCamera().at_rest((960, 540))
CELL = 3


def volume(start, end, radii, bulge=0.0):
    """A body of one volume."""
    ends = np.array([[start], [end]], dtype=np.float32)
    sizes = np.array([radii], dtype=np.float32), np.array([bulge], dtype=np.float32)
    return Body(ends, *sizes, np.zeros((1, 2), dtype=np.intp), 0)


def widths(body):
    """Pixels across the silhouette in each row of cells that it lies in."""
    silhouette = cast_silhouette(body, PROJECTION, CELL)
    across = (silhouette.distance > 0.0).sum(axis=1) * CELL
    return across[across > 0]


@pytest.mark.parametrize("place", [(0.3, 1.2, 0.0), (-0.4, 0.5, 0.8)])
def test_a_sphere_lies_where_it_is_projected_to(place):
    silhouette = cast_silhouette(volume(place, place, (0.1, 0.1)), PROJECTION, CELL)
    rows, columns = np.nonzero(silhouette.distance > 0.0)
    middle = (np.array([columns.mean(), rows.mean()]) + 0.5) * CELL + silhouette.origin
    (pixel,), (scale,) = PROJECTION.project(np.array([place]))
    np.testing.assert_allclose(middle, pixel, atol=0.4 * CELL)
    assert np.sqrt(len(rows) * CELL**2 / np.pi) == pytest.approx(0.1 * scale, abs=0.5 * CELL)


def test_volumes_taper_and_bulge():
    taper = widths(volume((0.0, 1.5, 0.0), (0.0, 0.7, 0.0), (0.12, 0.04)))
    assert taper[len(taper) // 4] > 1.4 * taper[-len(taper) // 4]
    straight, bulging = (widths(volume((0.0, 1.5, 0.0), (0.0, 0.7, 0.0), (0.08, 0.08), b)) for b in (0.0, 0.05))
    assert bulging[len(bulging) // 2] > straight[len(straight) // 2] + 0.06 * PROJECTION.scale
    round_one = widths(volume((0.0, 1.5, 0.0), (0.0, 0.7, 0.0), (0.05, 0.05), 0.25))
    assert round_one.max() == pytest.approx(0.6 * PROJECTION.scale, abs=2 * CELL), "its box has room for it"


def test_a_limb_is_thick_where_it_begins():
    body, positions = embody(standing()), standing()
    shin = [name[:2] for name in VOLUMES].index(("knee_left", "ankle_left"))
    for end, joint in ((0, "left_knee"), (1, "left_ankle")):
        assert np.linalg.norm(body.ends[end, shin] - positions[INDEX[joint]]) < 0.02
    assert body.radii[shin, 0] > body.radii[shin, 1]


def test_a_body_half_outside_has_a_grid_that_ends_with_the_picture():
    lit = np.zeros((1, 2), dtype=np.float32)
    for x in (-2.1, 2.1):
        relief = raise_relief(volume((x, 1.0, 0.0), (x, 1.6, 0.0), (0.3, 0.3)), lit, PROJECTION, CELL)
        left, columns = relief.origin[0] // CELL, relief.height.shape[1]
        assert left >= -MARGIN and left + columns <= 960 // CELL + MARGIN
        assert relief.distance.max() > 5.0


def test_heights_are_measured_from_the_middle_of_the_body():
    lit = np.zeros((1, 2), dtype=np.float32)
    for z in (-1.5, 0.0, 1.5):
        relief = raise_relief(volume((0.0, 1.0, z), (0.0, 1.6, z), (0.1, 0.1)), lit, PROJECTION, CELL)
        _, scale = PROJECTION.project(np.array([0.0, 1.3, z]))
        assert relief.height.max() == pytest.approx(0.1 * scale / CELL, abs=1.0)
        assert relief.height.min() >= -20.0, "beside it is no abyss"


def test_what_stands_in_front_is_seen_and_lit_up():
    """Two limbs that cross: the nearer one's height and energy, in whichever order they come."""
    for nearer in (0, 1):
        z = (0.2, -0.2) if nearer == 0 else (-0.2, 0.2)
        ends = np.array([[(-0.5, 1.2, z[0]), (0.0, 0.7, z[1])], [(0.5, 1.2, z[0]), (0.0, 1.7, z[1])]])
        radii, bulges = np.full((2, 2), 0.06), np.zeros(2)
        body = Body(*(part.astype(np.float32) for part in (ends, radii, bulges)), np.zeros((2, 2), int), 0)
        lit = np.zeros((2, 2), dtype=np.float32)
        lit[nearer] = 1.0
        relief = raise_relief(body, lit, PROJECTION, CELL)
        (pixel,), _ = PROJECTION.project(np.array([[0.0, 1.2, z[nearer]]]))
        column, row = ((pixel - relief.origin) / CELL).astype(int)
        assert relief.energy[row, column] > 0.9
        assert relief.height[row, column] == pytest.approx(0.2 * PROJECTION.scale / CELL, rel=0.4)
        aside = int(column + 0.3 * PROJECTION.scale / CELL)
        assert bool(relief.energy[row, aside] > 0.9) is (nearer == 0)


def pair(apart, trunk):
    """Two upright limbs or parts of the trunk, side by side."""
    ends = np.array([[(x, y, 0.0) for x in (-apart, apart)] for y in (0.8, 1.6)], dtype=np.float32)
    radii, bulges = np.full((2, 2), 0.1, dtype=np.float32), np.zeros(2, dtype=np.float32)
    return Body(ends, radii, bulges, np.zeros((2, 2), dtype=np.intp), trunk)


def test_volumes_that_touch_melt_the_more_in_the_trunk_and_far_ones_do_not():
    def between(apart, trunk):
        """Height and distance half-way between the two, in metres."""
        relief = raise_relief(pair(apart, trunk), np.zeros((2, 2)), PROJECTION, 1)
        middle = relief.height.shape[0] // 2, relief.height.shape[1] // 2
        return np.array([relief.height[middle], relief.distance[middle]]) / PROJECTION.scale

    # two round limbs that overlap by half meet at 87 % of their radius, and lie half of it inside
    limbs, trunk = between(0.05, 0), between(0.05, 2)
    assert limbs == pytest.approx([0.0866 + 0.028 / 4, 0.05 + 0.4 * 0.028 / 4], abs=0.005)
    assert trunk == pytest.approx([0.0866 + 0.066 / 4, 0.05 + 0.4 * 0.066 / 4], abs=0.005)
    assert between(0.2, 2)[1] == pytest.approx(-MARGIN / PROJECTION.scale)


def test_a_volume_leans_and_is_lit_up_from_one_end_to_the_other():
    lit = np.array([[0.0, 1.0]])
    relief = raise_relief(volume((0.0, 1.6, -0.3), (0.0, 0.8, 0.3), (0.08, 0.08)), lit, PROJECTION, CELL)
    column, rows = relief.height.shape[1] // 2, np.array([0.15, 0.5, 0.85]) * len(relief.height)
    heights = relief.height[rows.astype(int), column] * CELL / PROJECTION.scale
    assert heights == pytest.approx([0.08 - 0.26, 0.08, 0.08 + 0.26], abs=0.05)
    assert relief.energy[rows.astype(int), column] == pytest.approx([0.06, 0.5, 0.94], abs=0.08)


def test_what_stands_out_hides_nothing_beside_it():
    near, wall = (
        volume((0.0, 1.6, 0.1), (0.0, 0.8, 0.1), (0.05, 0.05)),
        volume((-0.5, 1.2, -0.1), (0.5, 1.2, -0.1), (0.15, 0.15)),
    )
    both = Body(
        np.concatenate([near.ends, wall.ends], axis=1),
        np.concatenate([near.radii, wall.radii]),
        np.zeros(2, dtype=np.float32),
        np.zeros((2, 2), dtype=np.intp),
        0,
    )
    relief = raise_relief(both, np.zeros((2, 2)), PROJECTION, CELL)
    (pixel,), _ = PROJECTION.project(np.array([[0.0, 1.2, 0.0]]))
    column, row = ((pixel - relief.origin) / CELL).astype(int)
    heights = relief.height[row] * CELL / PROJECTION.scale
    assert heights[column] == pytest.approx(0.15, abs=0.03)
    beside = round((0.05 * PROJECTION.scale) / CELL) + 2
    assert heights[column + beside] < 0.07 and heights[column - beside] < 0.07


@pytest.mark.parametrize("far", [1e4, 1e12, 1e25, 3e38])
def test_a_body_out_of_all_bounds_does_no_harm(far):
    for start, end in (((far, far, 0.0), (-far, 1.0, 0.0)), ((0.0, 1.0, far), (0.0, 2.0, -far))):
        with np.errstate(all="ignore"):
            silhouette = cast_silhouette(volume(start, end, (0.1, 0.1)), PROJECTION, CELL)
        if silhouette is not None:
            rows, columns = silhouette.distance.shape
            assert rows <= 540 // CELL + 2 * MARGIN and columns <= 960 // CELL + 2 * MARGIN
