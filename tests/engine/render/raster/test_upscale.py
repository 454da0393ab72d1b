"""Only what is lit is enlarged, and all of it."""

import numpy as np
import pygame
import pytest

from engine.render.raster.glow import add_glow, round_falloff, sprite_of
from engine.render.raster.sprite import EDGE_CODE, EDGE_CODES, blend_figure
from engine.render.raster.upscale import (
    FAINT,
    SMOOTH_CELL,
    add_light,
    add_shade,
    lit_patches,
)


def figure_of(colour: np.ndarray, distance: np.ndarray | float) -> np.ndarray:
    """Cells of a figure in BGRX colours (rows, columns, 4), `distance` cells inside its silhouette."""
    figure = colour.copy()
    figure[..., 3] = np.clip(EDGE_CODE + EDGE_CODES * distance, 0, 255)
    return figure


@pytest.mark.parametrize("band", [1, 7, 32])
def test_every_lit_cell_lies_in_one_box_and_no_box_in_another(band: int) -> None:
    rng = np.random.default_rng(band)
    for _ in range(60):
        shade = np.zeros(rng.integers(1, 60, 2), dtype=np.uint8)
        for _ in range(rng.integers(0, 5)):
            row, column = rng.integers(0, shade.shape[0]), rng.integers(0, shade.shape[1])
            shade[row : row + 4, column : column + 5] = 200
        boxes = np.zeros(shade.shape, dtype=int)
        for top, left, bottom, right in lit_patches(shade > FAINT, band):
            assert 0 <= top < bottom <= shade.shape[0] and 0 <= left < right <= shade.shape[1]
            boxes[top:bottom, left:right] += 1
        assert boxes.max(initial=0) <= 1 and (boxes[shade > FAINT] == 1).all()


def test_a_box_is_a_cell_wider_than_what_is_lit_where_its_band_has_room() -> None:
    lit = np.zeros((24, 50), dtype=np.bool_)
    lit[2:4, 10:13] = lit[16:17, 0:50] = True
    assert lit_patches(lit, 8) == [(1, 9, 5, 14), (16, 0, 18, 50)]


@pytest.mark.parametrize("cell", [1, 3, 4, 5, 9])
def test_light_is_added_where_it_is_and_as_bright(cell: int) -> None:
    colour = np.zeros((40, 60, 4), dtype=np.uint8)
    colour[10:30, 5:15, :3], colour[12:20, 40:55, 1] = 120, 60
    surface = pygame.Surface((60 * cell + 20, 40 * cell + 20), 0, 32)
    add_light(surface, colour, (10, 10), cell)
    seen = pygame.surfarray.array3d(surface).swapaxes(0, 1)
    middle = seen[10 + cell // 2 :: cell, 10 + cell // 2 :: cell][:40, :60]
    inside = np.s_[11:29, 6:14], np.s_[13:19, 41:54, 1]
    assert (middle[inside[0]] == 120).all() and (middle[inside[1]] == 60).all()
    assert not middle[:, 20:35].any() and not middle[35:].any()


@pytest.mark.parametrize("cell", [1, 2, 3, 4, 5, 8, 9])
def test_light_lies_between_that_of_its_cells(cell: int) -> None:
    """Pixels that are alike are as bright as the point between them."""
    grey = np.random.default_rng(cell).integers(40, 200, (12, 17)).astype(np.uint8)
    surface = pygame.Surface((17 * cell, 12 * cell), 0, 32)
    add_light(surface, np.repeat(grey[..., None], 4, axis=2), (0, 0), cell)
    seen = pygame.surfarray.array3d(surface).swapaxes(0, 1)[..., 0].astype(float)
    step = 2 if cell >= SMOOTH_CELL else 1
    height, width = (length // step for length in seen.shape)
    rows = np.clip((step * np.arange(height) + 0.5 * step) / cell - 0.5, 0, 11)
    columns = np.clip((step * np.arange(width) + 0.5 * step) / cell - 0.5, 0, 16)
    in_columns = np.stack([np.interp(columns, np.arange(17), row) for row in grey])
    wanted = np.stack([np.interp(rows, np.arange(12), column) for column in in_columns.T], axis=1)
    for row, column in np.ndindex(step, step):
        assert np.abs(seen[row::step, column::step][:height, :width] - wanted).max() <= 1.0


@pytest.mark.parametrize("cell", [1, 3, 4, 6, 8])
def test_what_reaches_the_edge_of_its_grid_is_not_dimmed_there(cell: int) -> None:
    lit, shown = np.full((12, 17, 4), 120, dtype=np.uint8), []
    for draw in (
        lambda surface: add_light(surface, lit, (0, 0), cell),
        lambda surface: add_shade(surface, np.full((12, 17), 0.6), np.full(3, 200.0), (0, 0), cell),
        lambda surface: blend_figure(surface, figure_of(lit, 2.4), (0, 0), cell),
    ):
        surface = pygame.Surface((17 * cell, 12 * cell), 0, 32)
        draw(surface)
        shown.append(pygame.surfarray.array3d(surface))
    assert all((picture == 120).all() for picture in shown)


@pytest.mark.parametrize("cell", [0.2, 0.32, 0.9])
def test_a_figure_may_be_smaller_than_a_pixel(cell: float) -> None:
    for shape in ((4, 3), (1, 1), (20, 3), (3, 20)):
        colour = np.full((*shape, 4), 200, dtype=np.uint8)
        surface = pygame.Surface((20, 20), 0, 32)
        blend_figure(surface, figure_of(colour, 2.4), (5, 5), cell)
        assert pygame.surfarray.array3d(surface)[5:8, 5:6].max() > 150


@pytest.mark.parametrize("cell", [5, 7, 9, 10])
@pytest.mark.parametrize("one_colour", [True, False])
def test_light_is_the_same_wherever_its_grid_begins(cell: int, one_colour: bool) -> None:
    """A trail's grid moves with the trail: its pixels would flicker where two of them are alike."""
    rows, columns = np.mgrid[:30, :40]
    shade = np.exp(-0.02 * np.square(rows - 14.2) - 0.05 * np.square(columns - 21.7))
    seen = []
    for row, column in ((0, 0), (3, 0), (0, 5), (3, 5)):
        surface = pygame.Surface((400, 300), 0, 32)
        part, origin = shade[row:, column:], (7 + column * cell, 5 + row * cell)
        if one_colour:
            add_shade(surface, part, np.array([200.0, 90.0, 40.0]), origin, cell)
        else:
            grey = (200.0 * part[..., None]).astype(np.uint8)
            add_light(surface, np.repeat(grey, 4, axis=2), origin, cell)
        seen.append(pygame.surfarray.array3d(surface).astype(int))
    assert seen[0].max() > 150
    assert all(np.abs(other - seen[0])[60:, 60:].max() <= 2 for other in seen[1:])


@pytest.mark.parametrize("cell", [1, 2, 3, 5, 6, 9, 10])
def test_light_of_one_colour_is_added_where_it_is_and_as_bright(cell: int) -> None:
    shade = np.zeros((41, 61))
    shade[10:30, 5:15], shade[12:20, 40:55] = 0.5, 2.0
    surface = pygame.Surface((61 * cell + 20, 41 * cell + 20), 0, 32)
    add_shade(surface, shade, np.array([200.0, 100.0, -5.0]), (10, 10), cell)
    seen = pygame.surfarray.array3d(surface).swapaxes(0, 1).astype(int)
    middle = seen[10 + cell // 2 :: cell, 10 + cell // 2 :: cell][:40, :60]
    assert np.abs(middle[13:27, 8:12] - (100, 50, 0)).max() <= 1
    assert (
        np.abs(middle[15:17, 44:51] - (255, 127, 0)).max() <= 1
    )  # too bright for a screen, and of the same hue
    assert not middle[:, 20:35].any() and not middle[35:].any()


def test_faint_light_keeps_its_hue() -> None:
    surface = pygame.Surface((400, 100), 0, 32)
    add_shade(surface, np.tile(np.linspace(0.2, 1.0, 40), (10, 1)), np.array([40.0, 12.0, 4.0]), (0, 0), 10)
    red, green, blue = pygame.surfarray.array3d(surface)[20:380, 20:80].reshape(-1, 3).mean(axis=0)
    assert green / red == pytest.approx(0.3, abs=0.01) and blue / red == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("slope", [0.0, 0.4, 0.7, 1.0])
def test_a_thread_is_no_row_of_diamonds(slope: float) -> None:
    """The ridge of a thin slanting thread is as bright all along."""
    rows, columns = np.mgrid[:60, :80]
    away = (rows - 8.3 - slope * columns * 0.5) / np.hypot(1.0, slope * 0.5)
    surface = pygame.Surface((800, 600), 0, 32)
    add_shade(surface, np.exp(-0.5 * (away / 0.8) ** 2), np.array([200.0] * 3), (0, 0), 10)
    ridge = pygame.surfarray.array3d(surface)[100:700, :, 0].max(axis=1).astype(float)
    assert ridge.min() > 100 and np.ptp(ridge) < 0.06 * ridge.max()


@pytest.mark.parametrize("radius", [83.0, 230.0])
def test_a_faint_sprite_is_cropped_where_it_is_dark(radius: float) -> None:
    surface = pygame.Surface((600, 600), 0, 32)
    add_glow(surface, (300.0, 300.0), radius, np.array([24.0, 18.0, 12.0]))
    seen = pygame.surfarray.array3d(surface)[..., 0].astype(float)
    across = np.hypot(*(np.mgrid[:600, :600] + 0.5 - 300.0)) / radius
    wanted = 24.0 * np.clip(1.0 - across**2, 0.0, 1.0) ** 3
    assert np.abs(seen - wanted).max() < 4.0  # sizes and tints come in steps
    assert round_falloff(10)[0].shape == (20, 20)


@pytest.mark.parametrize("cell", [1.0, 2.5, 5.0, 10.0, 18.0])
def test_a_figure_covers_its_silhouette_and_nothing_around_it(cell: float) -> None:
    rows, columns = np.mgrid[:50, :40]
    distance = 8.0 - np.hypot(rows - 25.0, columns - 20.0)
    colour = np.full((50, 40, 4), 200, dtype=np.uint8)
    surface = pygame.Surface((round(40 * cell), round(50 * cell)), 0, 32)
    surface.fill((40, 40, 40))
    figure = figure_of(colour, distance)
    blend_figure(surface, figure, (0, 0), cell)
    seen = pygame.surfarray.array3d(surface)[..., 0].T.astype(int)
    across = np.hypot(*((np.mgrid[: seen.shape[0], : seen.shape[1]] + 0.5) / cell - 0.5 - [[[25.0]], [[20.0]]]))
    edge = 0.3 + 1.0 / cell
    assert (seen[across > 8.0 + edge] == 40).all()
    assert (seen[across < 8.0 - edge] >= 199).all()


def test_sprites_stay_small_however_large_the_light() -> None:
    assert max(sprite_of(step, np.full(3, 255.0)).get_width() for step in range(90)) <= 200
    surface = pygame.Surface((900, 900), 0, 32)
    add_glow(surface, (450.0, 450.0), 400.0, np.array([120.0, 80.0, 40.0]))
    seen = pygame.surfarray.array3d(surface)[..., 0].astype(int)
    assert seen[450, 450] > 110 and seen[450, 300] > seen[450, 150] > 0 and not seen[450, 30:45].any()
