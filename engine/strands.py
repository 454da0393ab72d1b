"""Threads of light through the air: many fine paths, exposed onto a coarse grid as on a photograph."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enlarge import grid_around

BORDER = 22
"""Cells around the paths into which their light spreads."""

HALO = 4
"""Cells across each cell of the coarser grid on which the glow around threads is spread."""

MOST_PARTS = 40


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

    None where none of it lies in the picture of `size` pixels.
    """
    paths = np.ascontiguousarray(paths.transpose(2, 0, 1), dtype=np.float32) / np.float32(cell)
    low, high = np.floor(paths.min(axis=(1, 2)) - BORDER), np.ceil(paths.max(axis=(1, 2)) + BORDER)
    left, top, columns, rows = grid_around(low, high, 0, (size[0] // cell + 1, size[1] // cell + 1))
    if columns < 2 or rows < 2 or paths.shape[1] < 2:
        return None
    # whole cells of the halo, which is a quarter as fine
    columns, rows = -(-columns // HALO) * HALO, -(-rows // HALO) * HALO
    paths -= np.array([left, top], dtype=np.float32)[:, None, None]
    points, lights = _densely(paths, brightness)
    # light falls on a grid twice as fine, on the nearest cell: on the coarse one a thread would go in steps
    x, y = (points * np.float32(2.0)).astype(np.intp)
    inside = (x >= 0) & (x < 2 * columns) & (y >= 0) & (y < 2 * rows)
    place = y * (2 * columns) + x
    if not inside.all():
        place, lights = place[inside], lights[:, inside]
    fields = np.empty((len(lights), rows, columns), dtype=np.float32)
    for field, light in zip(fields, lights, strict=True):
        fine = np.zeros((2 * rows, 2 * columns), dtype=np.float32)
        np.add.at(fine.reshape(-1), place, light)
        cv2.resize(fine, (columns, rows), dst=field, interpolation=cv2.INTER_AREA)
    fields *= np.float32(4.0)  # the sum of four cells and not their mean
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


def _densely(
    paths: NDArray[Any], brightness: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Points (2, N) about a cell apart along Catmull-Rom curves through paths (2, T, S), and the lights (K, N)
    that fall at each."""
    way = paths[:, 1:] - paths[:, :-1]
    tangents = np.concatenate([way[:, :1], 0.5 * (way[:, 1:] + way[:, :-1]), way[:, -1:]], axis=1)
    leaving, arriving = tangents[:, :-1], tangents[:, 1:]
    steps = np.sqrt(np.square(way[0]) + np.square(way[1]))
    parts = np.clip(np.ceil(steps), 1.0, MOST_PARTS)
    first, last = brightness[:, :-1], brightness[:, 1:]
    # of each segment the cubic of its way and the line of its light; `along` counts its parts, so that no point
    # needs a division
    part = 1.0 / parts
    square = part * part
    stride = steps * part
    table = np.concatenate(
        [
            (leaving + arriving - 2.0 * way) * (square * part),
            (3.0 * way - 2.0 * leaving - arriving) * square,
            leaving * part,
            paths[:, :-1],
            (last - first) * (stride * part),
            first * stride,
        ],
        dtype=np.float32,
    ).reshape(8 + 2 * len(brightness), -1)
    parts = parts.ravel()
    counts = parts.astype(np.intp)
    dense = np.repeat(table, counts, axis=1)
    along = np.arange(dense.shape[1], dtype=np.float32)
    along -= np.repeat(np.cumsum(parts) - parts - np.float32(0.5), counts)
    third, second, slope, start = dense[:8].reshape(4, 2, -1)
    change, light = dense[8:].reshape(2, len(brightness), -1)
    return ((third * along + second) * along + slope) * along + start, change * along + light
