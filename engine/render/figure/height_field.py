"""A body as a relief: how deep every point lies inside the silhouette and how far it stands out.

Each volume is a rounded cone over its own bounding box of a coarse grid. The signed distance to the silhouette
survives enlargement by linear interpolation (Green 2007, Improved Alpha-Tested Magnification of Vector
Textures), so that a coarse, cheap grid gives a smooth edge at any size of frame; the height gives overlap by
depth, and its gradient the normals. Volumes melt into each other by a quadratic smooth maximum (Quilez, Smooth
minimum).
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.render.figure.body import Body
from engine.render.raster.jit import compiled
from engine.render.raster.upscale import grid_around
from engine.render.stage_camera import Projection

Grid = NDArray[Any]

MARGIN = 3
"""Cells around the silhouette that carry colour and distance, for the edge and the blur."""

SOFTNESS = 5
"""Cells over which heights are averaged, so that creases and overlaps are not stepped."""

TRUNK_BLEND_M, LIMB_BLEND_M = 0.066, 0.028
"""Metres within which the parts of the trunk and of the limbs melt into what they touch."""

FILLET = np.float32(0.4)
"""How much of the melting also rounds the silhouette: more, and legs that cross would grow a web."""

FAR = np.float32(1e6)
"""Cells further than any frame."""

NOWHERE = -1e4
"""Cells that a grid lies behind and outside of everything, before there is anything."""

ZERO, HALF, ONE, FOUR, FIVE, TINY = (np.float32(number) for number in (0.0, 0.5, 1.0, 4.0, 5.0, 1e-6))


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
    """Where the volumes lie. `shapes` (V, 9): x0, y0, z0, x1, y1, z1, r0, r1, bulge in cells of the frame;
    `boxes` (V, 4): left, top, right, bottom of the cells that each touches; `grid`: left, top, columns and rows
    of those around all of them that lie in the frame; `scale`: cells per metre."""

    shapes: Grid
    boxes: Grid
    grid: tuple[int, int, int, int]
    scale: float


def cast_silhouette(body: Body, projection: Projection, cell: int) -> Silhouette | None:
    """The silhouette of a body in the frame, None where the box around it lies outside."""
    layout = _lay_out(body, projection, cell)
    if layout is None:
        return None
    left, top, _, _ = layout.grid
    _, inside, _ = _raise(layout, body, np.zeros(body.radii.shape, dtype=np.float32))
    return Silhouette((left * cell, top * cell), cell, cv2.max(inside, -float(MARGIN)))


def raise_relief(body: Body, energies: Grid, projection: Projection, cell: int) -> Relief | None:
    """The relief of a body in the frame, None where the box around it lies outside.

    `energies` (V, 2) in 0..1 say how lit up each volume is at its ends; `cell` is in pixels.
    """
    layout = _lay_out(body, projection, cell)
    if layout is None:
        return None
    left, top, _, _ = layout.grid
    height, inside, energy = _raise(layout, body, energies)
    height = cv2.max(height, float(layout.shapes[:, 2:6:3].min()) - 20.0)
    return Relief(
        (left * cell, top * cell),
        cell,
        cv2.max(inside, -float(MARGIN)),
        cv2.GaussianBlur(height, (SOFTNESS, SOFTNESS), 0),
        cv2.blur(energy, (9, 9)),
    )


def _lay_out(body: Body, projection: Projection, cell: int) -> _Layout | None:
    pixels, scales = projection.project(body.ends)  # (2, V, 2), (2, V)
    volumes = len(body.bulges)
    shapes, boxes = np.empty((volumes, 9), dtype=np.float32), np.empty((volumes, 4), dtype=np.int32)
    scale = projection.scale / cell
    # from the middle of the body and not of the camera's view, which follows softly and may be a metre behind
    depths = body.ends[..., 2]
    middle = 0.5 * (depths.min() + depths.max())
    _place(
        body.ends,
        np.ascontiguousarray(pixels),
        scales,
        body.radii,
        body.bulges,
        middle,
        scale,
        cell,
        shapes,
        boxes,
    )
    last = (projection.size[0] // cell + MARGIN, projection.size[1] // cell + MARGIN)
    grid = grid_around(boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0), -MARGIN, last)
    return _Layout(shapes, boxes, grid, scale) if min(grid[2:]) >= 2 else None


@compiled(
    "void(f4[:, :, ::1], f4[:, :, ::1], f4[:, ::1], f4[:, ::1], f4[::1], f4, f4, f4, f4[:, ::1], i4[:, ::1])"
)
def _place(
    ends: Grid,
    pixels: Grid,
    scales: Grid,
    radii: Grid,
    bulges: Grid,
    middle: float,
    scale: float,
    cell: float,
    shapes: Grid,
    boxes: Grid,
) -> None:
    """Lay out volumes of `ends` (2, V, 3) in metres, seen at `pixels` (2, V, 2) and `scales` (2, V) large."""
    for volume in range(len(bulges)):
        shape, box = shapes[volume], boxes[volume]
        for end in range(2):
            shape[3 * end] = pixels[end, volume, 0] / cell
            shape[3 * end + 1] = pixels[end, volume, 1] / cell
            shape[3 * end + 2] = (ends[end, volume, 2] - middle) * scale
            shape[6 + end] = radii[volume, end] * scales[end, volume] / cell
        shape[8] = bulges[volume] * scales[0, volume] / cell
        reach = max(shape[6], shape[7]) + max(shape[8], ZERO) + MARGIN
        for axis in range(2):
            first, last = min(shape[axis], shape[3 + axis]) - reach, max(shape[axis], shape[3 + axis]) + reach
            # in this order what is not a number becomes one
            box[axis] = np.int32(min(max(-FAR, np.floor(first)), FAR))
            box[2 + axis] = np.int32(min(max(-FAR, np.ceil(last)), FAR))


def _raise(layout: _Layout, body: Body, energies: Grid) -> tuple[Grid, Grid, Grid]:
    """Height, cells inside the silhouette and energy of the melted volumes, each (rows, columns)."""
    left, top, columns, rows = layout.grid
    fields = np.empty((3, rows, columns), dtype=np.float32)
    fields[:2], fields[2] = NOWHERE, 0.0
    melts = np.full(len(energies), LIMB_BLEND_M * layout.scale, dtype=np.float32)
    melts[: body.trunk] = TRUNK_BLEND_M * layout.scale
    energies = np.ascontiguousarray(energies, dtype=np.float32)
    _raise_volumes(layout.shapes, layout.boxes, melts, energies, left, top, *fields)
    return fields[0], fields[1], fields[2]


@compiled("void(f4[:, ::1], i4[:, ::1], f4[::1], f4[:, ::1], i8, i8, f4[:, ::1], f4[:, ::1], f4[:, ::1])")
def _raise_volumes(
    shapes: Grid,
    boxes: Grid,
    melts: Grid,
    energies: Grid,
    left: int,
    top: int,
    height: Grid,
    inside: Grid,
    energy: Grid,
) -> None:
    """Melt every volume into the grids from a cell on, each over its box."""
    rows, columns = height.shape
    for volume in range(len(melts)):
        shape, box = shapes[volume], boxes[volume]
        x0, y0, z0, r0 = shape[0], shape[1], shape[2], shape[6]
        dx, dy, dz = shape[3] - x0, shape[4] - y0, shape[5] - z0
        shrink = ONE / max(dx * dx + dy * dy, TINY)
        bend = FOUR * shape[8]
        slope = shape[7] - r0 + bend
        lit, more_lit = energies[volume, 0], energies[volume, 1] - energies[volume, 0]
        melt = melts[volume]
        fillet = melt * FILLET
        first, last = max(box[0] - left, 0), min(box[2] - left, columns)
        for row in range(max(box[1] - top, 0), min(box[3] - top, rows)):
            heights, insides, lights = height[row, first:last], inside[row, first:last], energy[row, first:last]
            # of the middle of each cell
            y = np.float32(top + row) + HALF - y0
            for column in range(last - first):
                x = np.float32(left + first + column) + HALF - x0
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
