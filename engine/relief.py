"""A body as a relief: how deep every point lies inside the silhouette and how far it stands out.

Each volume is a rounded cone, drawn into its own bounding box of a coarse grid. The signed distance to the
silhouette survives enlargement by linear interpolation (Green 2007, Improved Alpha-Tested Magnification of
Vector Textures), so that a coarse, cheap grid gives a smooth edge at any size of picture; the height gives
overlap by depth, and its gradient the normals.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.body import Body
from engine.stage_camera import Projection

Grid = NDArray[Any]

MARGIN = 4
"""Cells around the silhouette that carry colour and distance, for the edge and the blur."""

SOFTNESS = 5
"""Cells over which heights are averaged, so that creases and overlaps are not stepped."""

FILLET = 0.4
"""How much of the blend also rounds the silhouette: more, and legs that cross would grow a web."""

BLEND_FROM = 1.0
"""Cells below which a blend is not worth its time."""

UNSEEN = -1e4
"""Height where there is nothing."""


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
    """A silhouette with `height`, cells in front of the dancer's depth, and `energy` in 0..1."""

    height: Grid
    energy: Grid


@dataclass(frozen=True, eq=False)
class _Layout:
    """Where the volumes lie on the grid, in cells: each (x0, y0, z0, x1, y1, z1, r0, r1, bulge, blend), and the
    box (left, top, right, bottom) that it touches."""

    origin: tuple[int, int]
    rows: int
    columns: int
    shapes: list[list[float]]
    boxes: list[list[int]]


def cast_silhouette(body: Body, projection: Projection, cell: int) -> Silhouette | None:
    """The silhouette of a body in the picture, None where nothing of it lies in the picture."""
    layout = _lay_out(body, projection, cell)
    if layout is None:
        return None
    distance = np.full((layout.rows, layout.columns), -float(MARGIN), dtype=np.float32)
    for shape, (left, top, right, bottom) in zip(layout.shapes, layout.boxes, strict=True):
        window = distance[top:bottom, left:right]
        if window.size:
            _, _, inside = _depth_inside(shape, left, top, window.shape)
            _merge(window, inside, shape[9] * FILLET)
    return Silhouette(layout.origin, cell, distance)


def raise_relief(body: Body, energies: Grid, projection: Projection, cell: int) -> Relief | None:
    """The relief of a body in the picture, None where nothing of it lies in the picture.

    `energies` (V,) in 0..1 say how lit up each volume is; `cell` is in pixels.
    """
    layout = _lay_out(body, projection, cell)
    if layout is None:
        return None
    distance = np.full((layout.rows, layout.columns), -float(MARGIN), dtype=np.float32)
    height = np.full_like(distance, UNSEEN)
    energy = np.zeros_like(distance)
    for shape, box, lit in zip(layout.shapes, layout.boxes, energies.tolist(), strict=True):
        left, top, right, bottom = box
        window = (slice(top, bottom), slice(left, right))
        if distance[window].size:
            along, radius, inside = _depth_inside(shape, left, top, distance[window].shape)
            bump = _bump(shape, along, radius, inside)
            np.copyto(energy[window], lit, where=bump > height[window])
            _merge(distance[window], inside, shape[9] * FILLET)
            _merge(height[window], bump, shape[9])
    behind = min(min(shape[2], shape[5]) for shape in layout.shapes) - 20.0
    np.maximum(height, behind, out=height)
    return Relief(
        layout.origin,
        cell,
        cv2.GaussianBlur(distance, (3, 3), 0),
        cv2.GaussianBlur(height, (SOFTNESS, SOFTNESS), 0),
        cv2.blur(energy, (9, 9)),
    )


def _lay_out(body: Body, projection: Projection, cell: int) -> _Layout | None:
    if len(body.bulges) == 0:
        return None
    ends, scales = projection.project(np.stack([body.starts, body.ends]))  # (2, V, 2), (2, V)
    ends /= cell
    scales /= cell
    radii = body.radii.T * scales
    reach = (radii.max(axis=0) + np.maximum(body.bulges, 0.0) * scales[0] + MARGIN)[:, None]
    low = np.floor(ends.min(axis=0) - reach)
    high = np.ceil(ends.max(axis=0) + reach)
    last = (projection.size[0] // cell + MARGIN, projection.size[1] // cell + MARGIN)
    corner = np.clip(low.min(axis=0), -MARGIN, last).astype(int)
    columns, rows = np.clip(high.max(axis=0), corner, last).astype(int) - corner
    if columns < 2 or rows < 2:
        return None
    toward = projection.scale / cell
    depths = np.stack([body.starts[:, 2], body.ends[:, 2]]) * toward - projection.z * toward
    start, end = ends - corner - 0.5
    sizes = (radii[0], radii[1], body.bulges * scales[0], body.blends * scales[0])
    shapes = np.column_stack([start, depths[0], end, depths[1], *sizes])
    boxes = np.column_stack([low - corner, high - corner])
    boxes = np.clip(boxes, 0, (columns, rows, columns, rows)).astype(int)
    origin = (int(corner[0]) * cell, int(corner[1]) * cell)
    return _Layout(origin, int(rows), int(columns), shapes.tolist(), boxes.tolist())


def _depth_inside(shape: list[float], left: int, top: int, size: tuple[int, ...]) -> tuple[Grid, Grid, Grid]:
    """For a window of `size` (rows, columns) from cell (left, top): the share of the way along the axis, the
    radius there, and the cells inside the volume."""
    x0, y0, _, x1, y1, _, r0, r1, bulge, _ = shape
    dx, dy = x1 - x0, y1 - y0
    x = np.arange(size[1], dtype=np.float32) + np.float32(left - x0)
    y = np.arange(size[0], dtype=np.float32)[:, None] + np.float32(top - y0)
    square = max(dx * dx + dy * dy, 1e-6)
    along = x * (dx / square) + y * (dy / square)
    np.maximum(along, 0.0, out=along)
    np.minimum(along, 1.0, out=along)
    away = x - along * dx
    away *= away
    off_y = y - along * dy
    off_y *= off_y
    away += off_y
    np.sqrt(away, out=away)
    radius = along * (-4.0 * bulge)
    radius += r1 - r0 + 4.0 * bulge
    radius *= along
    radius += r0
    return along, radius, radius - away


def _bump(shape: list[float], along: Grid, radius: Grid, inside: Grid) -> Grid:
    """The height of the volume's front side, falling away outside its silhouette."""
    z0, z1 = shape[2], shape[5]
    bump = radius + radius
    bump -= inside
    bump *= np.maximum(inside, 0.0)  # (radius - away) (radius + away)
    np.sqrt(bump, out=bump)
    along *= z1 - z0
    bump += along
    bump += z0
    # falls ever faster: gently where the edge needs its slope, and in time for it to hide nothing further out,
    # however far it stands out; a sheer drop would bead the edges of limbs in front of the body
    outside = np.minimum(inside, 0.0)
    outside *= outside
    outside *= 5.0
    bump -= outside
    return bump


def _merge(field: Grid, other: Grid, blend: float) -> None:
    """The greater of two fields, in place, with a fillet where they differ by less than `blend`.

    The polynomial smooth maximum (Quilez, Smooth minimum, 2013).
    """
    if blend < BLEND_FROM:
        np.maximum(field, other, out=field)
        return
    gap = field - other
    np.abs(gap, out=gap)
    np.subtract(blend, gap, out=gap)
    np.maximum(gap, 0.0, out=gap)
    gap *= gap
    gap *= 0.25 / blend
    np.maximum(field, other, out=field)
    field += gap
