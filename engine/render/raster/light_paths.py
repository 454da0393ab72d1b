"""Threads of light through the air: many fine paths, exposed onto a coarse grid as on a photograph."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.render.raster.jit import compiled
from engine.render.raster.upscale import grid_around

BORDER = 22
"""Cells around the paths into which their light spreads."""

HALO = 4
"""Cells across each cell of the coarser grid on which the glow around threads is spread."""

MAX_PARTS = 40

ZERO, HALF, ONE, TWO = (np.float32(number) for number in (0.0, 0.5, 1.0, 2.0))


@dataclass(frozen=True, eq=False)
class Exposure:
    """Light on a grid of cells of `cell` pixels from pixel `origin` on: `fields` (K, rows, columns)."""

    fields: NDArray[Any]
    origin: tuple[int, int]
    cell: int


def expose(
    paths: NDArray[np.floating], brightness: NDArray[np.floating], size: tuple[int, int], cell: int
) -> Exposure | None:
    """Paths (T, S, 2) in pixels, the oldest first, with K kinds of brightness (K, T, S): light per cell of way.

    None where none of it lies in the frame of `size` pixels.
    """
    x, y = np.ascontiguousarray(paths.transpose(2, 0, 1), dtype=np.float32) / np.float32(cell)
    low = np.floor(np.array([x.min(), y.min()]) - BORDER)
    high = np.ceil(np.array([x.max(), y.max()]) + BORDER)
    left, top, columns, rows = grid_around(low, high, 0, (size[0] // cell + 1, size[1] // cell + 1))
    if columns < 2 or rows < 2 or len(x) < 2:
        return None
    # whole cells of the halo, which is a quarter as fine
    columns, rows = -(-columns // HALO) * HALO, -(-rows // HALO) * HALO
    fields = np.zeros((len(brightness), rows, columns), dtype=np.float32)
    lights = np.ascontiguousarray(brightness, dtype=np.float32)
    _shed(x - np.float32(left + 0.5), y - np.float32(top + 0.5), lights, fields)
    return Exposure(fields, (left * cell, top * cell), cell)


def bloom(field: NDArray[Any], thread: float, halo: float) -> NDArray[Any]:
    """A field (rows, columns) as threads of `thread` cells and a glow of 6 cells around them, `halo` strong.

    It has whole cells of the halo, as those of an exposure do. Light that falls twice saturates instead of
    clipping: the result is in 0..1.
    """
    taps = 2 * round(3.0 * thread) + 1
    core: NDArray[Any] = cv2.GaussianBlur(field, (taps, taps), thread)
    core *= np.float32(4.0 * thread)
    rows, columns = field.shape
    coarse = cv2.resize(field, (columns // HALO, rows // HALO), interpolation=cv2.INTER_AREA)
    broad = cv2.GaussianBlur(coarse, (0, 0), 1.6)
    core += cv2.resize(broad * np.float32(5.5 * halo), (columns, rows))
    core /= core + np.float32(1.0)
    return core


@compiled("void(f4[:, ::1], f4[:, ::1], f4[:, :, ::1], f4[:, :, ::1])")
def _shed(xs: NDArray[Any], ys: NDArray[Any], brightness: NDArray[Any], fields: NDArray[Any]) -> None:
    """Add light (K, T, S) along Catmull-Rom curves through points (T, S), in cells from the first one's middle,
    to fields (K, rows, columns), each point's to the four cells around it."""
    kinds, rows, columns = fields.shape
    times, threads = xs.shape
    for thread in range(threads):
        for end in range(1, times):
            start, before, after = end - 1, max(end - 2, 0), min(end + 1, times - 1)
            x, y = xs[start, thread], ys[start, thread]
            way_x, way_y = xs[end, thread] - x, ys[end, thread] - y
            share = HALF if before < start else ONE
            out_x = share * (xs[end, thread] - xs[before, thread])
            out_y = share * (ys[end, thread] - ys[before, thread])
            share = HALF if end < after else ONE
            in_x, in_y = share * (xs[after, thread] - x), share * (ys[after, thread] - y)
            # the cubic that begins and ends at the two points with these tangents
            cubic_x, cubic_y = out_x + in_x - TWO * way_x, out_y + in_y - TWO * way_y
            square_x, square_y = way_x - out_x - cubic_x, way_y - out_y - cubic_y
            length = np.sqrt(way_x * way_x + way_y * way_y)
            parts = int(min(np.ceil(length), np.float32(MAX_PARTS))) if length > ONE else 1
            for part in range(parts):
                t = (np.float32(part) + HALF) / np.float32(parts)
                right_x = ((cubic_x * t + square_x) * t + out_x) * t + x + ONE
                below_y = ((cubic_y * t + square_y) * t + out_y) * t + y + ONE
                if not (ZERO < right_x < columns + 1 and ZERO < below_y < rows + 1):
                    continue
                right, below = int(right_x), int(below_y)
                to_right, to_below = right_x - np.float32(right), below_y - np.float32(below)
                left, above = max(right - 1, 0), max(below - 1, 0)
                right, below = min(right, columns - 1), min(below, rows - 1)
                for kind in range(kinds):
                    dim, bright = brightness[kind, start, thread], brightness[kind, end, thread]
                    light = (dim + (bright - dim) * t) * length / np.float32(parts)
                    lower = light * to_below
                    upper = light - lower
                    fields[kind, above, left] += upper * (ONE - to_right)
                    fields[kind, above, right] += upper * to_right
                    fields[kind, below, left] += lower * (ONE - to_right)
                    fields[kind, below, right] += lower * to_right
