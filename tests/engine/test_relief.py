"""A body's relief lies where its volumes are seen, and is as large."""

import numpy as np
import pytest

from engine.body import VOLUMES, Body, embody
from engine.relief import MARGIN, cast_silhouette, raise_relief
from engine.stage_camera import StageCamera
from models.skeleton import INDEX
from tests.engine.test_stage import standing

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
