"""A relief is lit: from above, darker where something stands before it, brighter where it is fast."""

import numpy as np
import pytest

from engine.render.emotion_lights import load_colours
from engine.render.figure.height_field import Relief
from engine.render.figure.shading import FigureRenderer, paint_sphere
from engine.render.raster.sprite import EDGE_CODE
from engine.render.stage_camera import StageCamera
from tests.synthetic import standing

LIGHT = load_colours().of("happy")
PROJECTION = StageCamera().at_rest((960, 540))


def shaded(height: np.ndarray, energy: np.ndarray | float = 0.0) -> np.ndarray:
    """Cells of a relief of heights that is all inside its silhouette."""
    sculptor = FigureRenderer()
    sculptor.sculpt(standing(), np.zeros(17, dtype=np.float32), PROJECTION, LIGHT)  # paints the sphere
    inside, lit = (np.broadcast_to(np.float32(field), height.shape).copy() for field in (9.0, energy))
    return sculptor._shade(Relief((0, 0), 3, inside, height.astype(np.float32), lit), LIGHT).astype(int)


def test_the_key_light_comes_from_above_and_from_the_left() -> None:
    rows, columns = np.mgrid[:40, :40]

    def middle(height: np.ndarray) -> int:
        return int(shaded(height)[20, 20, :3].sum())

    up, down, left, right = (middle(0.8 * slope) for slope in (rows, -rows, columns, -columns))
    assert up > down + 60 and left > right + 30


@pytest.mark.parametrize("slopes", [(0.0, 0.0), (0.9, 0.0), (0.0, 0.9), (-0.5, 1.2), (-3.0, -1.0)])
def test_a_slope_has_the_colour_of_the_sphere_where_that_faces_the_same_way(
    slopes: tuple[float, float],
) -> None:
    across, down = slopes
    rows, columns = np.mgrid[:41, :41] - 20.0
    found = shaded(across * columns + down * rows)[20, 20, :3]
    facing = np.array([-across, -down]) / np.hypot(np.hypot(across, down), 1.0)
    column, row = np.rint(31.5 + 31.5 * facing).astype(int)
    np.testing.assert_allclose(found, 255.0 * paint_sphere(LIGHT)[row, column], atol=9.0)


@pytest.mark.parametrize(
    ("rows", "columns", "filled"),
    [
        (slice(10, 12), slice(10, 12), True),
        (slice(9, 11), 10, True),
        (10, 10, True),
        (slice(9, 12), slice(9, 12), False),
        (slice(8, 13), 10, False),
        (slice(10, 21), 10, False),
    ],
)
def test_a_pinhole_is_filled_and_a_notch_or_a_window_is_not(rows, columns, filled: bool) -> None:
    sculptor, height = FigureRenderer(), np.zeros((21, 21), dtype=np.float32)
    sculptor.sculpt(standing(), np.zeros(17, dtype=np.float32), PROJECTION, LIGHT)
    inside = np.full((21, 21), 1.0, dtype=np.float32)
    inside[rows, columns] = -0.9
    codes = sculptor._shade(Relief((0, 0), 3, inside, height, height), LIGHT)[..., 3]
    assert bool(codes[10, 10] > EDGE_CODE + 10) is filled


def test_a_cell_is_softened_by_its_neighbours() -> None:
    energy = np.zeros((21, 21))
    energy[10, 10] = 1.0
    more = (shaded(np.zeros((21, 21)), energy) - shaded(np.zeros((21, 21))))[..., :3].sum(axis=2)
    assert more[10, 10] > more[10, 11] > 0 and more[10, 11] == more[9, 10] and more[10, 12] == 0


def test_it_is_darker_beside_what_stands_out_and_further_back() -> None:
    height = np.zeros((40, 60))
    height[:, 30:40] = 25.0
    beside, away = (shaded(height)[20, column, :3].sum() for column in (27, 8))
    assert beside < 0.9 * away
    near, far = (shaded(np.full((40, 40), z))[20, 20, :3].sum() for z in (40.0, -90.0))
    assert far < 0.85 * near


def test_fast_limbs_shine_in_the_colour_of_the_glow() -> None:
    still, fast = (
        FigureRenderer().sculpt(standing(), np.full(17, energy, dtype=np.float32), PROJECTION, LIGHT)
        for energy in (0.0, 1.0)
    )
    assert still is not None and fast is not None
    inside = still.cells[..., 3] > 230
    more = (fast.cells.astype(float) - still.cells)[inside & (fast.cells[..., :3].max(axis=2) < 255)][:, :3]
    np.testing.assert_allclose(more.mean(axis=0), 70.0 * LIGHT.glow[::-1], atol=8.0)
    assert (still.cells[..., 3] == fast.cells[..., 3]).all()
