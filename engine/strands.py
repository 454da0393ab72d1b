"""Threads of light through the air: many fine paths, exposed onto a coarse grid as on a photograph."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

BORDER = 22
"""Cells around the paths into which their light spreads."""

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
    limits = np.array([size[0] // cell + 1, size[1] // cell + 1])
    low = np.clip(np.floor(paths.min(axis=(1, 2)) - BORDER), 0, limits).astype(int)
    high = np.clip(np.ceil(paths.max(axis=(1, 2)) + BORDER), 0, limits).astype(int)
    columns, rows = (high - low).tolist()
    if columns < 2 or rows < 2 or paths.shape[1] < 2:
        return None
    points, lights = _densely(paths - low.astype(np.float32)[:, None, None], brightness)
    # light falls on a grid twice as fine, on the nearest cell: on the coarse one a thread would go in steps
    x, y = (points * np.float32(2.0)).astype(np.intp)
    inside = np.flatnonzero((x >= 0) & (x < 2 * columns) & (y >= 0) & (y < 2 * rows))
    place = (y * (2 * columns) + x)[inside]
    fields = np.empty((len(lights), rows, columns), dtype=np.float32)
    for field, light in zip(fields, lights, strict=True):
        fine = np.bincount(place, light[inside], minlength=4 * rows * columns).astype(np.float32)
        fine = fine.reshape(2 * rows, 2 * columns) * np.float32(4.0)
        cv2.resize(fine, (columns, rows), dst=field, interpolation=cv2.INTER_AREA)
    return Exposure(fields, (int(low[0]) * cell, int(low[1]) * cell), cell)


def bloom(field: NDArray[Any], thread: float, halo: float) -> NDArray[Any]:
    """A field (rows, columns) as threads of `thread` cells and a glow of 6 cells around them, `halo` strong.

    Light that falls twice saturates instead of clipping: the result is in 0..1.
    """
    core = cv2.GaussianBlur(field, (0, 0), thread) * np.float32(4.0 * thread)
    if halo > 0.0:
        rows, columns = field.shape
        small = (max(columns // 4, 1), max(rows // 4, 1))
        broad = cv2.GaussianBlur(cv2.resize(field, small, interpolation=cv2.INTER_AREA), (0, 0), 1.6)
        core += cv2.resize(broad, (columns, rows)) * np.float32(5.5 * halo)
    shade: NDArray[Any] = core / (core + np.float32(1.0))
    return shade


def _densely(
    paths: NDArray[Any], brightness: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Points (2, N) about a cell apart along Catmull-Rom curves through paths (2, T, S), and the lights (K, N)
    that fall at each."""
    way = np.diff(paths, axis=1)
    tangents = np.concatenate([way[:, :1], 0.5 * (way[:, 1:] + way[:, :-1]), way[:, -1:]], axis=1)
    leaving, arriving = tangents[:, :-1], tangents[:, 1:]
    steps = np.hypot(*way).ravel()
    parts = np.clip(np.ceil(steps), 1, MOST_PARTS).astype(np.intp)
    first, last = brightness[:, :-1], brightness[:, 1:]
    # of each segment the cubic of its way and the line of its light
    cubic = [leaving + arriving - 2 * way, 3 * way - 2 * leaving - arriving, leaving, paths[:, :-1]]
    table = np.concatenate([*cubic, last - first, first]).reshape(8 + 2 * len(brightness), -1)
    table[8:] *= steps / parts
    each = np.repeat(np.arange(len(parts)), parts)
    ends = np.cumsum(parts, dtype=np.float32)
    share = (np.arange(len(each), dtype=np.float32) - (ends - parts - 0.5)[each]) / parts[each]
    share = share.astype(np.float32)
    dense = table.astype(np.float32).take(each, axis=1, mode="clip")
    third, second, slope, start = dense[:8].reshape(4, 2, -1)
    change, light = dense[8:].reshape(2, len(brightness), -1)
    return ((third * share + second) * share + slope) * share + start, change * share + light
