"""Figures cut out of coarse cells: sharp at any size, and blended where they are and nowhere else."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.canvas import pixel_row_of
from engine.render.raster.dirty_regions import DirtyRegions, Spans
from engine.render.raster.jit import compiled
from engine.render.raster.upscale import enlarged

EDGE_CODE, EDGE_CODES = np.int32(128), np.float32(50.0)
"""A distance to the silhouette in 8 bits: at the edge, and steps per cell. It reaches 2.5 cells either way."""

BAND = 480
"""Pixels of height, about, of the pieces that a figure is cut into: half of its whole box is air."""

CLEAR, HALF, FULL = np.float32(0.0), np.float32(128.0), np.float32(256.0)
COLOUR, RED_AND_BLUE, GREEN = np.uint32(0xFFFFFF), np.uint32(0xFF00FF), np.uint32(0xFF00)
"""Bits of a BGRX pixel: two of its colours are multiplied at once, by a share of WHOLE."""

ALPHA, BITS = np.uint32(24), np.uint32(8)
OPAQUE, WHOLE = np.uint32(255), np.uint32(256)


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a figure: BGRA `pixels` (rows, columns) that lie `left` and `top` from its corner, with colours
    multiplied by their opacities within the `spans` (N, 4): left, top, right, bottom from that corner."""

    pixels: NDArray[Any]
    spans: NDArray[Any]
    left: int
    top: int


def blend_figure(
    surface: pygame.Surface, figure: NDArray[Any], origin: tuple[int, int], cell: float
) -> DirtyRegions:
    """Blend a figure over the surface with a sharp, anti-aliased silhouette, its corner at pixel `origin`.

    Its cells (rows, columns, 4) are BGR and the distance to the silhouette: EDGE_CODE there, EDGE_CODES more in
    each cell further inside. `cell` pixels per cell need not be whole.
    """
    return lay_over(surface, cut_out(figure, cell), origin)


def cut_out(figure: NDArray[Any], cell: float, opacity: float = 1.0) -> list[Piece]:
    """What `blend_figure` blends, to be blended more than once."""
    rows, columns, _ = figure.shape
    spans = np.empty((rows * (columns // 2 + 1), 4), dtype=np.int32)
    parts = np.empty((int(rows * cell) // BAND + 1, 6), dtype=np.int32)
    if cell < 1.0:  # many cells to a pixel: all of them
        spans[0] = 0, 0, math.ceil(columns * cell), math.ceil(rows * cell)
        parts[0], count = (0, 1, *spans[0]), 1
    else:
        # clear is what lies half a pixel outside the edge
        count = _find_spans(figure, cell, float(EDGE_CODE) - 0.5 * float(EDGE_CODES) / cell, spans, parts)
    pieces = []
    for begin, end, left, top, right, bottom in parts[:count].tolist():
        pixels = enlarged(figure, cell, (left, top, right - left, bottom - top))
        piece = Piece(pixels.view(np.uint32)[..., 0], spans[begin:end].copy(), left, top)
        _sharpen(piece.pixels, piece.spans, left, top, 256.0 * cell / float(EDGE_CODES), opacity)
        pieces.append(piece)
    return pieces


def lay_over(surface: pygame.Surface, pieces: list[Piece], origin: tuple[int, int]) -> DirtyRegions:
    """Blend a figure that was cut out, its corner at a pixel."""
    there, pitch, size = pixel_row_of(surface), surface.get_pitch() // 4, surface.get_size()
    for piece in pieces:
        _lay(there, pitch, *size, piece.pixels, piece.spans, piece.left, piece.top, *origin)
    return [Spans(piece.spans, *origin) for piece in pieces]


@compiled("i8(u1[:, :, ::1], f8, f8, i4[:, ::1], i4[:, ::1])")
def _find_spans(
    figure: NDArray[Any], cell: float, clear: float, spans: NDArray[Any], parts: NDArray[Any]
) -> int:
    """Find the spans of an enlarged figure where it may be more than `clear`, from top to bottom, and the parts
    that it has, how many: in each band the first span and the one after the last, and the box around them."""
    rows, columns, _ = figure.shape
    width, height = int(np.ceil(columns * cell)), int(np.ceil(rows * cell))
    count = part = 0
    for row in range(rows):
        above, below = max(row - 1, 0), min(row + 1, rows - 1)
        top, bottom = int(row * cell), int((row + 1) * cell) if below > row else height
        column = 0
        while column < columns:
            begin = column
            while column < columns and (
                max(figure[above, column, 3], figure[row, column, 3], figure[below, column, 3]) > clear
            ):
                column += 1
            if column > begin:
                # a pixel takes part of the cells whose middles are less than a cell away
                left, right = max(int((begin - 0.5) * cell), 0), min(int((column + 0.5) * cell) + 1, width)
                if part == 0 or top // BAND > parts[part - 1, 3] // BAND:
                    part += 1
                    box = parts[part - 1]
                    box[0], box[2], box[3], box[4] = count, left, top, right
                box = parts[part - 1]
                if count > box[0] and spans[count - 1, 1] == top and spans[count - 1, 2] >= left:
                    spans[count - 1, 2] = right
                else:
                    span = spans[count]
                    span[0], span[1], span[2], span[3] = left, top, right, bottom
                    count += 1
                box[1], box[2], box[4], box[5] = count, min(box[2], left), max(box[4], right), bottom
            column += 1
    return part


@compiled("void(u4[:, ::1], i4[:, ::1], i8, i8, f4, f4)")
def _sharpen(
    pixels: NDArray[Any], spans: NDArray[Any], left: int, top: int, steepness: float, opacity: float
) -> None:
    """Make opacities of distances, the fourth bytes of the pixels, and multiply the colours by them."""
    for span in range(len(spans)):
        for row in range(spans[span, 1] - top, spans[span, 3] - top):
            line = pixels[row, spans[span, 0] - left : spans[span, 2] - left]
            for column in range(len(line)):
                pixel = line[column]
                distance = np.float32(np.int32(pixel >> ALPHA) - EDGE_CODE)
                share = np.uint32(np.int32(min(max(HALF + distance * steepness, CLEAR), FULL) * opacity))
                red_and_blue = ((pixel & RED_AND_BLUE) * share >> BITS) & RED_AND_BLUE
                green = ((pixel & GREEN) * share >> BITS) & GREEN
                line[column] = red_and_blue | green | min(share, OPAQUE) << ALPHA


@compiled("void(u4[::1], i8, i8, i8, u4[:, ::1], i4[:, ::1], i8, i8, i8, i8)")
def _lay(
    there: NDArray[Any],
    pitch: int,
    width: int,
    height: int,
    pixels: NDArray[Any],
    spans: NDArray[Any],
    left: int,
    top: int,
    x: int,
    y: int,
) -> None:
    """Blend the spans of a piece, of a figure whose corner is at a pixel, over a frame in one row."""
    for span in range(len(spans)):
        first, last = max(spans[span, 0], -x), min(spans[span, 2], width - x)
        if first < last:
            for row in range(max(spans[span, 1], -y), min(spans[span, 3], height - y)):
                begin = (y + row) * pitch + x
                line, onto = pixels[row - top, first - left : last - left], there[begin + first : begin + last]
                for column in range(len(line)):
                    pixel, behind = line[column], onto[column]
                    share = pixel >> ALPHA
                    rest = WHOLE - share
                    red_and_blue = ((behind & RED_AND_BLUE) * rest >> BITS) & RED_AND_BLUE
                    green = ((behind & GREEN) * rest >> BITS) & GREEN
                    onto[column] = (pixel & COLOUR) + (red_and_blue | green)
