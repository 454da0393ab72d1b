"""From coarse cells to pixels: light is enlarged in bands, of each the box around what is lit in it.

It costs by the pixel, and each box is work of its own.
"""

import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.raster.dirty_regions import DirtyRegions

ROWS_OF_CELLS = 240
"""Cells that the height of a frame is divided into at most: what a figure costs does not grow with it."""

BAND = 180
"""Pixels of height, about, of the bands in which light is enlarged: each is work of its own."""

FAINT = 1
"""Light in steps of 8 bits that nobody sees the edge of."""

UNSEEN = 5.0
"""Steps of 8 bits by which air and silk are darker, so that their light ends early and without an edge."""

SMOOTH_CELL = 5
"""Pixels per cell from which two of them may be alike in light."""

LEVELS = np.arange(256, dtype=np.float32)[:, None]

TWICE = np.uint64(0x1_0000_0001)
"""A number of 32 bits times this is that number twice."""

SAMPLED = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
"""Linear interpolation, by where in the cells each pixel lies."""

Window = tuple[int, int, int, int]
"""Left, top, width and height in pixels of a part of a frame that is enlarged from cells."""


def cell_for(size: tuple[int, int]) -> int:
    """Pixels per cell for figures and lights in a frame of `size`."""
    return max(1, -(-size[1] // ROWS_OF_CELLS))


def grid_around(
    low: NDArray[Any], high: NDArray[Any], first: int, last: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Left, top, columns and rows, in cells, of the part of the box from `low` to `high` (x, y), whole numbers
    or infinite, that lies within `first` (both ways) to `last` (x, y). Where there is none it has no cells."""
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    left, top = int(min(max(first, left), last[0])), int(min(max(first, top), last[1]))
    return left, top, int(min(max(left, right), last[0])) - left, int(min(max(top, bottom), last[1])) - top


def lit_patches(lit: NDArray[np.bool_], band: int) -> list[tuple[int, int, int, int]]:
    """Boxes (top, left, bottom, right) in cells, no cell in two of them: in each band of `band` rows one around
    whatever is `lit` (rows, columns), a cell wider than that where the band has room."""
    rows, columns = lit.shape
    cells = lit.view(np.uint8)
    patches = []
    for start in range(0, rows, band):
        strip = cells[start : start + band]
        left, top, width, height = cv2.boundingRect(strip)
        if height:
            first, last = start + max(top - 1, 0), start + min(top + height + 1, len(strip))
            patches.append((first, max(left - 1, 0), last, min(left + width + 1, columns)))
    return patches


def add_light(
    surface: pygame.Surface, colour: NDArray[Any], origin: tuple[int, int], cell: int
) -> DirtyRegions:
    """Add BGRX light (rows, columns, 4), its first corner at pixel `origin`, in cells of `cell` pixels.

    In cells of SMOOTH_CELL pixels and more it begins and ends at even pixels, if need be one before its grid.
    """

    def enlarge(window: Window) -> NDArray[Any]:
        return (_doubled if cell >= SMOOTH_CELL else enlarged)(colour, cell, window)

    return _add(surface, _more_than_faint(colour), origin, cell, enlarge)


def add_shade(
    surface: pygame.Surface, shade: NDArray[Any], tint: NDArray[Any], origin: tuple[int, int], cell: int
) -> DirtyRegions:
    """Add an RGB tint (3,) in 0..255 times `shade` (rows, columns) in 0..1, in cells of `cell` pixels.

    Light of one colour is enlarged as one channel, and rounded off where `cell` is even, for what is narrow.
    """
    brightest = float(tint.max())
    if brightest <= FAINT:
        return []
    grey = cv2.convertScaleAbs(shade.astype(np.float32), alpha=brightest)
    if cell % 2 == 0:
        grey, origin, cell = _finer(grey, origin, cell)
    colours = np.zeros((256, 4), dtype=np.uint8)
    colours[:, :3] = LEVELS * (np.maximum(tint[::-1], 0.0) / brightest) + 0.5
    pixels = colours.view(np.uint32)

    def enlarge(window: Window) -> NDArray[Any]:
        # tables of floats, because cv2 has them, but for what lies in them: one pixel, or two side by side
        if cell < SMOOTH_CELL:
            fine: NDArray[Any] = cv2.LUT(enlarged(grey, cell, window), pixels.view(np.float32))
            return fine.view(np.uint8).reshape(*fine.shape, 4)
        return _rows_twice(cv2.LUT(enlarged(grey, cell, window, 2), (pixels * TWICE).view(np.float64)))

    return _add(surface, grey > FAINT, origin, cell, enlarge)


def _finer(grey: NDArray[Any], origin: tuple[int, int], cell: int) -> tuple[NDArray[Any], tuple[int, int], int]:
    """What is lit of 8-bit light, its origin and cell, on cells of half the size and rounded off.

    Enlarged as it is, what is as narrow as a thread would be a row of diamonds.
    """
    left, top, columns, rows = cv2.boundingRect((grey > FAINT).view(np.uint8))
    if not rows:
        return grey, origin, cell
    right, bottom = left + columns + 2, top + rows + 2
    left, top = max(left - 2, 0), max(top - 2, 0)
    right, bottom = min(right, grey.shape[1]), min(bottom, grey.shape[0])
    fine = enlarged(grey, 2, (2 * left, 2 * top, 2 * (right - left), 2 * (bottom - top)))
    return cv2.GaussianBlur(fine, (5, 5), 0), (origin[0] + left * cell, origin[1] + top * cell), cell // 2


def _add(
    surface: pygame.Surface,
    lit: NDArray[np.bool_],
    origin: tuple[int, int],
    cell: int,
    enlarge: Callable[[Window], NDArray[Any]],
) -> DirtyRegions:
    """Add the light of the cells that are `lit`; `enlarge` makes BGRX pixels of a window of them."""
    touched: DirtyRegions = []
    # where two pixels are alike they stay the same two, however the grid moves
    alike = 2 if cell >= SMOOTH_CELL else 1
    for patch in lit_patches(lit, max(round(BAND / cell), 4)):
        edges = zip(patch, (*origin[::-1], *origin[::-1]), strict=True)
        top, left, bottom, right = ((first + edge * cell) // alike * alike for edge, first in edges)
        size = right - left, bottom - top
        image = _image(enlarge((left - origin[0], top - origin[1], *size)), size)
        touched.append(surface.blit(image, (left, top), special_flags=pygame.BLEND_RGB_ADD))
    return touched


def _more_than_faint(colour: NDArray[Any]) -> NDArray[np.bool_]:
    """Where BGRX light (rows, columns, 4) is more than FAINT, in all three channels at once."""
    together = np.ascontiguousarray(colour).view(np.uint32)[..., 0]
    lit: NDArray[np.bool_] = together & np.uint32(0x00FEFEFE if sys.byteorder == "little" else 0xFEFEFE00) != 0
    return lit


def _doubled(cells: NDArray[Any], cell: float, window: Window) -> NDArray[Any]:
    """BGRX cells (rows, columns, 4) enlarged to half the size, and each pixel four times, which takes half as
    long. Up to a pixel wider and higher than the window."""
    half = enlarged(cells, cell, window, 2)
    return _rows_twice(half.view(np.uint32)[..., 0].astype(np.uint64) * TWICE)


def _rows_twice(pairs: NDArray[Any]) -> NDArray[Any]:
    """BGRX pixels (2 rows, 2 columns, 4) from pairs of them (rows, columns) of 64 bits, each row twice."""
    return np.repeat(pairs, 2, axis=0).view(np.uint8).reshape(2 * len(pairs), -1, 4)


def enlarged(cells: NDArray[Any], cell: float, window: Window, step: int = 1) -> NDArray[Any]:
    """The window of the cells enlarged to `cell` pixels each, of which every `step` by `step` are one."""
    left, top, width, height = window
    share = step / cell
    shift = 0.5 * share - 0.5
    # OpenCV's affine warp takes half as long as its resize from 5.1 on, and no thought of a window's neighbours
    matrix = np.array([[share, 0.0, left / cell + shift], [0.0, share, top / cell + shift]])
    fine: NDArray[Any] = cv2.warpAffine(
        cells, matrix, (-(-width // step), -(-height // step)), flags=SAMPLED, borderMode=cv2.BORDER_REPLICATE
    )
    return fine


def _image(pixels: NDArray[Any], size: tuple[int, int]) -> pygame.Surface:
    """The first pixels (rows, columns, 4) as a frame of `size`."""
    image = pygame.image.frombuffer(pixels.data, (pixels.shape[1], pixels.shape[0]), "BGRA")
    return image if image.get_size() == size else image.subsurface((0, 0, *size))
