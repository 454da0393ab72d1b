"""A figure is blended where it is, at any size and place, and nothing else changes."""

import cv2
import numpy as np
import pygame
import pytest

from engine.render.raster.dirty_regions import Spans, restore
from engine.render.raster.sprite import BAND, EDGE_CODE, EDGE_CODES, blend_figure, cut_out, lay_over

SIZE = (320, 240)


def blobs(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """A figure of a few round parts, some of which reach the edges of the grid."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    distance = np.full(shape, -3.0)
    for _ in range(rng.integers(1, 6)):
        middle, radius = rng.random(2) * shape, rng.uniform(0.6, 0.4 * min(shape) + 0.7)
        distance = np.maximum(distance, radius - np.hypot(rows - middle[0], columns - middle[1]))
    figure = rng.integers(0, 256, (*shape, 4)).astype(np.uint8)
    figure[..., 3] = np.clip(EDGE_CODE + EDGE_CODES * distance, 0, 255)
    return figure


def plainly_blended(behind: np.ndarray, figure: np.ndarray, origin: tuple[int, int], cell: float) -> np.ndarray:
    """What `blend_figure` does, worked out for every pixel: (height, width, BGR) from such."""
    height, width = behind.shape[:2]
    x, y = np.meshgrid(np.arange(width) - origin[0], np.arange(height) - origin[1])
    across, down = (((place + 0.5) / cell - 0.5).astype(np.float32) for place in (x, y))
    fine = cv2.remap(figure.astype(np.float32), across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = np.clip((fine[..., 3:] - EDGE_CODE) * cell / EDGE_CODES + 0.5, 0.0, 1.0)
    inside = (x >= 0) & (x < figure.shape[1] * cell) & (y >= 0) & (y < figure.shape[0] * cell)
    share *= inside[..., None]
    return behind + (fine[..., :3] - behind) * share


def seen(surface: pygame.Surface) -> np.ndarray:
    return pygame.surfarray.array3d(surface).swapaxes(0, 1)[..., ::-1].astype(float)


@pytest.mark.parametrize("cell", [1.0, 1.7, 2.9, 5.0, 9.0, 40.0])
@pytest.mark.parametrize("seed", range(6))
def test_every_pixel_is_blended_once_wherever_the_figure_stands(cell: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    figure = blobs(seed, (int(rng.integers(3, 40)), int(rng.integers(3, 30))))
    tall, wide = figure.shape[0] * cell, figure.shape[1] * cell
    for origin in ((20, 30), (int(-0.6 * wide), 11), (SIZE[0] - 9, int(-0.5 * tall)), (-5, SIZE[1] - 7)):
        surface = pygame.Surface(SIZE, 0, 32)
        surface.fill((200, 90, 30))
        wanted = plainly_blended(seen(surface), figure, origin, cell)
        blend_figure(surface, figure, origin, cell)
        # 8 bits of the distance are an edge in steps
        assert np.abs(seen(surface) - wanted).max() <= 4.0 + 2.0 * cell


@pytest.mark.parametrize("cell", [0.4, 1.0, 3.3])
def test_what_is_opaque_has_its_own_colour_and_hides_all(cell: float) -> None:
    for shape in ((30, 20), (12, 1), (1, 12), (1, 1)):
        surface = pygame.Surface(SIZE, 0, 32)
        surface.fill((255, 255, 255))
        blend_figure(surface, np.full((*shape, 4), (10, 20, 30, 255), dtype=np.uint8), (50, 40), cell)
        height, width = (max(int(length * cell), 1) for length in shape)
        assert (seen(surface)[40 : 40 + height, 50 : 50 + width] == (10, 20, 30)).all()
        assert (seen(surface)[:, :50] == 255).all() and (seen(surface)[:40] == 255).all()


@pytest.mark.parametrize("cell", [1.0, 1.7, 2.9, 5.0, 9.0])
def test_spans_of_a_figure_with_narrow_gaps_are_apart(cell: float) -> None:
    rng = np.random.default_rng(round(10 * cell))
    for _ in range(8):
        figure = rng.integers(0, 256, (int(rng.integers(1, 24)), int(rng.integers(1, 24)), 4)).astype(np.uint8)
        figure[..., 3] *= rng.random(figure.shape[:2]) < 0.4
        covered, surface = np.zeros(SIZE[::-1], dtype=int), pygame.Surface(SIZE, 0, 32)
        for piece in cut_out(figure, cell):
            for left, top, right, bottom in piece.spans:
                covered[top:bottom, left:right] += 1
        assert covered.max(initial=0) <= 1
        wanted = plainly_blended(seen(surface), figure, (0, 0), cell)
        blend_figure(surface, figure, (0, 0), cell)
        assert np.abs(seen(surface) - wanted).max() <= 4.0 + 5.1 * cell


def test_a_figure_outside_the_picture_changes_nothing() -> None:
    figure, surface = blobs(1, (20, 20)), pygame.Surface(SIZE, 0, 32)
    for origin in ((-500, 10), (500, 10), (10, -500), (10, 500), (-(10**6), 10**6)):
        blend_figure(surface, figure, origin, 4.0)
    assert not seen(surface).any()


def test_an_empty_figure_has_no_pieces() -> None:
    assert not cut_out(np.zeros((30, 20, 4), dtype=np.uint8), 5.0)


def test_a_tall_figure_has_a_piece_for_each_band() -> None:
    figure = np.full((100, 10, 4), 255, dtype=np.uint8)
    pieces = cut_out(figure, 15.0)
    assert len(pieces) == -(-1500 // BAND)
    assert sum(len(piece.spans) for piece in pieces) == 100
    assert all(piece.pixels.shape[0] < BAND + 16 for piece in pieces)


def test_a_figure_that_comes_in_is_blended_by_its_share() -> None:
    figure, surface = np.full((10, 10, 4), 255, dtype=np.uint8), pygame.Surface(SIZE, 0, 32)
    lay_over(surface, cut_out(figure, 8.0, 0.5), (10, 10))
    assert np.abs(seen(surface)[20:80, 20:80] - 127.5).max() <= 1.0


def test_spans_hold_all_that_was_drawn_and_little_more() -> None:
    backdrop, surface = pygame.Surface(SIZE, 0, 32), pygame.Surface(SIZE, 0, 32)
    backdrop.fill((10, 20, 30))
    surface.blit(backdrop, (0, 0))
    touched = blend_figure(surface, blobs(3, (30, 25)), (-20, 60), 7.0)
    drawn = (seen(surface) != seen(backdrop)).any(axis=2).sum()
    area = sum(
        (np.clip(box.boxes[:, 2] + box.left, 0, 320) - np.clip(box.boxes[:, 0] + box.left, 0, 320))
        @ (np.clip(box.boxes[:, 3] + box.top, 0, 240) - np.clip(box.boxes[:, 1] + box.top, 0, 240))
        for box in touched
        if isinstance(box, Spans)
    )
    assert drawn < area < 1.6 * drawn
    restore(surface, backdrop, touched)
    assert (seen(surface) == seen(backdrop)).all()


def test_what_was_touched_may_reach_beyond_the_picture() -> None:
    backdrop, surface = pygame.Surface(SIZE, 0, 32), pygame.Surface(SIZE, 0, 32)
    backdrop.fill((10, 20, 30))
    far = Spans(np.array([[-9, -9, 9, 9], [300, 200, 900, 900], [7, 7, 3, 3]], dtype=np.int32), 5, 5)
    restore(surface, backdrop, [pygame.Rect(-50, 100, 80, 400), pygame.Rect(0, 0, 0, 0), far])
    changed = seen(surface).any(axis=2)
    assert changed[100:, :30].all() and changed[:14, :14].all() and changed[205:, 305:].all()
    assert changed.sum() == 140 * 30 + 14 * 14 + 35 * 15


def test_a_surface_of_other_colours_is_refused() -> None:
    for surface in (pygame.Surface(SIZE, 0, 24), pygame.Surface(SIZE, 0, 32, (0xFF, 0xFF00, 0xFF0000, 0))):
        with pytest.raises(ValueError, match="BGRX"):
            blend_figure(surface, blobs(1, (20, 20)), (0, 0), 4.0)
