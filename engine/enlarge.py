"""From coarse cells to pixels: only what is lit is enlarged, in bands, and only where there is something.

Light that is added costs a quarter of a picture that is blended, and both cost by the pixel: the box around a
dancer is four fifths air.
"""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

ROWS_OF_CELLS = 330
"""Cells that the height of a picture is divided into at most: what a figure costs does not grow with it."""

BAND = 20
"""Rows of cells in a band."""

GAP = 10
"""Dark columns of cells that are worth a new patch."""

EDGE_CODES = 50.0
"""Steps of the 8-bit distance per cell; with 128 at the silhouette it reaches 2.5 cells either way."""


def cell_for(size: tuple[int, int]) -> int:
    """Pixels per cell for figures and lights in a picture of `size`."""
    return max(1, -(-size[1] // ROWS_OF_CELLS))


def lit_patches(lit: NDArray[np.bool_]) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (top, left, bottom, right) in cells that hold everything that is lit, (rows, columns), band by band."""
    for top in range(0, len(lit), BAND):
        bottom = min(top + BAND, len(lit))
        columns = np.flatnonzero(lit[top:bottom].any(axis=0))
        if len(columns) == 0:
            continue
        breaks = np.flatnonzero(np.diff(columns) > GAP)
        firsts = [int(columns[0]), *columns[breaks + 1].tolist()]
        lasts = [*columns[breaks].tolist(), int(columns[-1])]
        for first, last in zip(firsts, lasts, strict=True):
            yield top, max(first - 1, 0), bottom, min(last + 2, lit.shape[1])


def add_light(
    surface: pygame.Surface, colour: NDArray[np.uint8], origin: tuple[int, int], cell: int
) -> None:
    """Add BGRX light (rows, columns, 4), its first corner at pixel `origin`, in cells of `cell` pixels."""
    for top, left, bottom, right in lit_patches(colour[..., :3].max(axis=2) > 0):
        above, below = min(top, 1), min(len(colour) - bottom, 1)  # neighbours to interpolate towards
        fine = _enlarged(colour[top - above : bottom + below, left:right], cell)
        image = _image(fine)
        place = (origin[0] + left * cell, origin[1] + top * cell)
        area = (0, above * cell, fine.shape[1], (bottom - top) * cell)
        surface.blit(image, place, area, special_flags=pygame.BLEND_RGB_ADD)


def tinted(shade: NDArray[Any], tint: NDArray[Any]) -> NDArray[np.uint8]:
    """BGRX light (rows, columns, 4) of an RGB tint (3,) in 0..255 times `shade` (rows, columns) in 0..1."""
    grey = shade.astype(np.float32)
    channels = [cv2.convertScaleAbs(grey, alpha=float(value)) for value in tint[::-1]]
    light: NDArray[np.uint8] = cv2.merge([*channels, channels[0]])
    return light


def blend_figure(
    surface: pygame.Surface,
    colour: NDArray[np.uint8],
    distance: NDArray[np.uint8],
    origin: tuple[int, int],
    cell: float,
    opacity: float = 1.0,
) -> None:
    """Blend BGRX colours (rows, columns, 4) over the surface with a sharp, anti-aliased silhouette.

    `distance` (rows, columns) is that of `distance_codes`; `cell` pixels per cell need not be whole.
    """
    # one pixel of edge is 1 / cell of a cell, the distance there EDGE_CODES / cell codes
    ramp = np.clip((np.arange(256) - 128.0) * cell / EDGE_CODES + 0.5, 0.0, 1.0) * (255.0 * opacity)
    ramp = ramp.astype(np.uint8)
    for top, left, bottom, right in lit_patches(distance > 64):
        above, below = min(top, 1), min(len(colour) - bottom, 1)
        window = (slice(top - above, bottom + below), slice(left, right))
        fine = _enlarged(colour[window], cell)
        codes = _enlarged(distance[window], cell)
        cv2.insertChannel(cv2.LUT(codes, ramp), fine, 3)
        crop, height = round(above * cell), round(bottom * cell) - round(top * cell)
        place = (origin[0] + round(left * cell), origin[1] + round(top * cell))
        surface.blit(_image(fine), place, (0, crop, fine.shape[1], height))


def distance_codes(distance: NDArray[Any]) -> NDArray[np.uint8]:
    """Distances to the silhouette in cells as 8-bit codes, 128 at the edge."""
    codes: NDArray[np.uint8] = np.clip(distance * np.float32(EDGE_CODES) + 128.0, 0.0, 255.0).astype(np.uint8)
    return codes


def _enlarged(cells: NDArray[np.uint8], cell: float) -> NDArray[np.uint8]:
    size = (max(round(cells.shape[1] * cell), 1), max(round(cells.shape[0] * cell), 1))
    fine: NDArray[np.uint8] = cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)
    return fine


def _image(pixels: NDArray[np.uint8]) -> pygame.Surface:
    return pygame.image.frombuffer(pixels.data, (pixels.shape[1], pixels.shape[0]), "BGRA")
