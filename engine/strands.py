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
    paths = paths / np.float32(cell)
    limits = (size[0] // cell + 1, size[1] // cell + 1)
    low = np.clip(np.floor(paths.min(axis=(0, 1)) - BORDER), 0, limits).astype(int)
    high = np.clip(np.ceil(paths.max(axis=(0, 1)) + BORDER), 0, limits).astype(int)
    columns, rows = (high - low).tolist()
    if columns < 2 or rows < 2 or len(paths) < 2:
        return None
    points, lights = _densely((paths - low).astype(np.float32), brightness)
    # light falls on the four cells around a point: on the nearest one alone a thread would go in steps
    points -= np.float32(0.5)
    corner = np.floor(points)
    share = points - corner
    x, y = corner.astype(np.intp).T
    inside = np.flatnonzero((corner.min(axis=1) >= 0.0) & (x < columns - 1) & (y < rows - 1))
    place = (y * columns + x)[inside]
    right, down = share[inside].T
    fields = np.zeros((len(lights), rows * columns), dtype=np.float32)
    for step, part in (
        (0, (1 - right) * (1 - down)),
        (1, right * (1 - down)),
        (columns, (1 - right) * down),
        (columns + 1, right * down),
    ):
        for kind, light in enumerate(lights):
            fields[kind] += np.bincount(place + step, light[inside] * part, minlength=rows * columns)
    return Exposure(fields.reshape(-1, rows, columns), (int(low[0]) * cell, int(low[1]) * cell), cell)


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
    """Points (N, 2) about a cell apart along Catmull-Rom curves, and the lights (K, N) that fall at each."""
    tangents = np.gradient(paths, axis=0)
    steps = np.linalg.norm(np.diff(paths, axis=0), axis=-1)
    parts = np.clip(np.ceil(steps.ravel()), 1, MOST_PARTS).astype(np.intp)
    segments = np.repeat(np.arange(len(parts)), parts)
    share = (np.arange(len(segments)) - np.repeat(np.cumsum(parts) - parts, parts) + 0.5) / parts[segments]
    share = share.astype(np.float32)[:, None]
    rest = np.float32(1.0) - share
    columns = [paths[:-1], paths[1:], tangents[:-1], tangents[1:]]
    table = np.concatenate([column.reshape(-1, 2) for column in columns], axis=1, dtype=np.float32)
    start, end, leaving, arriving = np.split(table[segments], 4, axis=1)
    points = (
        start * (rest * rest * (1 + 2 * share))
        + end * (share * share * (1 + 2 * rest))
        + leaving * (share * rest * rest)
        - arriving * (share * share * rest)
    )
    kinds = len(brightness)
    weight = (steps.ravel() / parts)[None]
    first = (brightness[:, :-1].reshape(kinds, -1) * weight)[:, segments]
    last = (brightness[:, 1:].reshape(kinds, -1) * weight)[:, segments]
    return points, first + (last - first) * share[:, 0]
