"""A body as a relief: how deep every point lies inside the silhouette and how far it stands out.

Each volume is a rounded cone over its own bounding box of a coarse grid. The signed distance to the silhouette
survives enlargement by linear interpolation (Green 2007, Improved Alpha-Tested Magnification of Vector
Textures), so that a coarse, cheap grid gives a smooth edge at any size of picture; the height gives overlap by
depth, and its gradient the normals. Volumes melt into each other by a quadratic smooth maximum (Quilez, Smooth
minimum).
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.body import Body
from engine.compiled import compiled
from engine.enlarge import grid_around
from engine.stage_camera import Projection

Grid = NDArray[Any]

MARGIN = 3
"""Cells around the silhouette that carry colour and distance, for the edge and the blur."""

SOFTNESS = 5
"""Cells over which heights are averaged, so that creases and overlaps are not stepped."""

TRUNK_MELT, LIMB_MELT = 0.066, 0.028
"""Metres within which the parts of the trunk and of the limbs melt into what they touch."""

FILLET = np.float32(0.4)
"""How much of the melting also rounds the silhouette: more, and legs that cross would grow a web."""

NOWHERE = -1e4
"""Cells that a grid lies behind and outside of everything, before there is anything."""

ZERO, HALF, ONE, FOUR, FIVE, TINY = (np.float32(number) for number in (0.0, 0.5, 1.0, 4.0, 5.0, 1e-6))
"""Numba counts a number of Python's as double precision."""


@dataclass(frozen=True, eq=False)
class Silhouette:
    """A grid (rows, columns) of cells of `cell` pixels, whose corner lies at pixel `origin` (x, y).

    `distance`: cells from the point to the edge, positive inside the silhouette.
    """

    origin: tuple[int, int]
    cell: int
    distance: Grid


@dataclass(frozen=True, eq=False)
class Relief(Silhouette):
    """A silhouette with `height`, cells in front of the middle of the body, and `energy` in 0..1."""

    height: Grid
    energy: Grid


@dataclass(frozen=True, eq=False)
class _Layout:
    """Where the volumes lie on the grid. `shapes` (9, V): x0, y0, z0, x1, y1, z1, r0, r1, bulge in cells;
    `boxes` (4, V): left, top, right, bottom of what each touches; `scale`: cells per metre."""

    origin: tuple[int, int]
    rows: int
    columns: int
    scale: float
    shapes: Grid
    boxes: Grid


def cast_silhouette(body: Body, projection: Projection, cell: int) -> Silhouette | None:
    """The silhouette of a body in the picture, None where nothing of it lies in the picture."""
    layout = _lay_out(body, projection, cell)
    if layout is None:
        return None
    _, inside, _ = _raise(layout, body, np.zeros(body.radii.shape, dtype=np.float32))
    return Silhouette(layout.origin, cell, _distance(inside))


def raise_relief(body: Body, energies: Grid, projection: Projection, cell: int) -> Relief | None:
    """The relief of a body in the picture, None where nothing of it lies in the picture.

    `energies` (V, 2) in 0..1 say how lit up each volume is at its ends; `cell` is in pixels.
    """
    layout = _lay_out(body, projection, cell)
    if layout is None:
        return None
    height, inside, energy = _raise(layout, body, energies)
    height = cv2.max(height, float(layout.shapes[[2, 5]].min()) - 20.0)
    return Relief(
        layout.origin,
        cell,
        _distance(inside),
        cv2.GaussianBlur(height, (SOFTNESS, SOFTNESS), 0),
        cv2.blur(energy, (9, 9)),
    )


def _distance(inside: Grid) -> Grid:
    """Cells to the edge of the silhouette, (rows, columns)."""
    smooth: Grid = cv2.GaussianBlur(cv2.max(inside, -float(MARGIN)), (3, 3), 0)
    return smooth


def _lay_out(body: Body, projection: Projection, cell: int) -> _Layout | None:
    ends, scales = projection.project(body.ends)  # (2, V, 2), (2, V)
    ends /= cell
    scales /= cell
    radii = body.radii.T * scales
    bulges = body.bulges * scales[0]
    reach = (radii.max(axis=0) + np.maximum(bulges, 0.0) + MARGIN)[:, None]
    low = np.floor(ends.min(axis=0) - reach)
    high = np.ceil(ends.max(axis=0) + reach)
    last = (projection.size[0] // cell + MARGIN, projection.size[1] // cell + MARGIN)
    left, top, columns, rows = grid_around(low.min(axis=0), high.max(axis=0), -MARGIN, last)
    if columns < 2 or rows < 2:
        return None
    toward = projection.scale / cell
    # from the middle of the body and not of the camera's view, which follows softly and may be a metre behind
    depths = body.ends[..., 2] * toward
    depths -= 0.5 * (depths.min() + depths.max())
    ends -= np.array([left + 0.5, top + 0.5], dtype=np.float32)
    shapes = np.empty((9, len(bulges)), dtype=np.float32)
    shapes[0:2], shapes[3:5] = ends[0].T, ends[1].T
    shapes[2:6:3], shapes[6:8], shapes[8] = depths, radii, bulges
    boxes = np.concatenate([low, high], axis=1) - np.array([left, top, left, top])
    boxes = np.ascontiguousarray(np.clip(boxes, 0, (columns, rows, columns, rows)).T, dtype=np.int32)
    if not ((boxes[2:] > boxes[:2]).all(axis=0)).any():  # volumes around a corner of the picture, none in it
        return None
    return _Layout((left * cell, top * cell), rows, columns, toward, shapes, boxes)


def _raise(layout: _Layout, body: Body, energies: Grid) -> tuple[Grid, Grid, Grid]:
    """Height, cells inside the silhouette and energy of the melted volumes, each (rows, columns)."""
    fields = np.empty((3, layout.rows, layout.columns), dtype=np.float32)
    fields[:2], fields[2] = NOWHERE, 0.0
    melts = np.full(len(energies), LIMB_MELT * layout.scale, dtype=np.float32)
    melts[: body.trunk] = TRUNK_MELT * layout.scale
    energies = np.ascontiguousarray(energies, dtype=np.float32)
    _raise_volumes(layout.shapes, layout.boxes, melts, energies, *fields)
    return fields[0], fields[1], fields[2]


@compiled("void(f4[:, ::1], i4[:, ::1], f4[::1], f4[:, ::1], f4[:, ::1], f4[:, ::1], f4[:, ::1])")
def _raise_volumes(
    shapes: Grid, boxes: Grid, melts: Grid, energies: Grid, height: Grid, inside: Grid, energy: Grid
) -> None:
    """Melt every volume into the grids, each over its box."""
    for volume in range(len(melts)):
        x0, y0, z0, r0 = shapes[0, volume], shapes[1, volume], shapes[2, volume], shapes[6, volume]
        dx, dy, dz = shapes[3, volume] - x0, shapes[4, volume] - y0, shapes[5, volume] - z0
        shrink = ONE / max(dx * dx + dy * dy, TINY)
        bend = FOUR * shapes[8, volume]
        slope = shapes[7, volume] - r0 + bend
        lit, more_lit = energies[volume, 0], energies[volume, 1] - energies[volume, 0]
        melt = melts[volume]
        fillet = melt * FILLET
        left, right = boxes[0, volume], boxes[2, volume]
        for row in range(boxes[1, volume], boxes[3, volume]):
            heights, insides, lights = height[row, left:right], inside[row, left:right], energy[row, left:right]
            y = np.float32(row) - y0
            for column in range(right - left):
                x = np.float32(left + column) - x0
                along = min(max((x * dx + y * dy) * shrink, ZERO), ONE)
                away = np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2)
                radius = r0 + (slope - bend * along) * along
                deep = radius - away
                # the front of a round volume, which outside falls ever faster: gently where the edge needs its
                # slope, and in time for it to hide nothing further out, however far it stands out; a sheer drop
                # would bead the edges of limbs in front of the body
                within = max(deep, ZERO)
                outside = deep - within
                front = np.sqrt((radius + away) * within) - FIVE * outside * outside + z0 + along * dz
                before = heights[column]
                share = min(max(HALF + HALF * (front - before) / melt, ZERO), ONE)
                lights[column] += (lit + more_lit * along - lights[column]) * share
                near = max(melt - abs(front - before), ZERO)
                heights[column] = max(front, before) + near * near / (FOUR * melt)
                before = insides[column]
                near = max(fillet - abs(deep - before), ZERO)
                insides[column] = max(deep, before) + near * near / (FOUR * fillet)
