"""A body as a relief: how deep every point lies inside the silhouette and how far it stands out.

Each volume is a rounded cone over its own bounding box of a coarse grid; all boxes lie behind one another in
one flat row of cells, so that a few operations on that row do what a loop over the volumes would do in a
thousand small ones. The signed distance to the silhouette survives enlargement by linear interpolation (Green
2007, Improved Alpha-Tested Magnification of Vector Textures), so that a coarse, cheap grid gives a smooth edge
at any size of picture; the height gives overlap by depth, and its gradient the normals. Volumes melt into each
other by the logarithm of a sum of exponentials, a smooth maximum that needs no order (Quilez, Smooth minimum).
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.body import Body
from engine.enlarge import grid_around
from engine.stage_camera import Projection

Grid = NDArray[Any]

MARGIN = 3
"""Cells around the silhouette that carry colour and distance, for the edge and the blur."""

SOFTNESS = 5
"""Cells over which heights are averaged, so that creases and overlaps are not stepped."""

TRUNK_MELT, LIMB_MELT = 0.024, 0.010
"""Metres over which the parts of the trunk and of the limbs melt: the scale of the exponentials."""

FILLET = 0.4
"""How much of the melting also rounds the silhouette: more, and legs that cross would grow a web."""

TINY = np.float32(1e-37)
"""The smallest sum of exponentials: what is nowhere near any volume."""

STEEPEST = 84.0
"""Largest exponent: a float holds a hundred times e to this, more than a body has volumes. With LIMB_MELT:
84 cm before and behind the middle of a body."""


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


@dataclass(frozen=True, eq=False)
class _Cells:
    """Every cell of every box behind one another, (N,): its place in the grid, how far along the volume it lies
    (0 to 1), how many cells inside, and the height of the volume's front there. `counts` (V,) says how many
    belong to each volume; the first `trunk` cells are the trunk's."""

    place: Grid
    along: Grid
    inside: Grid
    height: Grid
    counts: Grid
    trunk: int


def cast_silhouette(body: Body, projection: Projection, cell: int) -> Silhouette | None:
    """The silhouette of a body in the picture, None where nothing of it lies in the picture."""
    layout = _lay_out(body, projection, cell)
    if layout is None:
        return None
    return Silhouette(layout.origin, cell, _distance(layout, _raise(layout, body.trunk)))


def raise_relief(body: Body, energies: Grid, projection: Projection, cell: int) -> Relief | None:
    """The relief of a body in the picture, None where nothing of it lies in the picture.

    `energies` (V, 2) in 0..1 say how lit up each volume is at its ends; `cell` is in pixels.
    """
    layout = _lay_out(body, projection, cell)
    if layout is None:
        return None
    cells = _raise(layout, body.trunk)
    height = _melt(layout, cells, cells.height, 1.0)
    height = cv2.max(height, float(layout.shapes[[2, 5]].min()) - 20.0)
    return Relief(
        layout.origin,
        cell,
        _distance(layout, cells),
        cv2.GaussianBlur(height, (SOFTNESS, SOFTNESS), 0),
        _energy(layout, cells, energies),
    )


def _energy(layout: _Layout, cells: _Cells, energies: Grid) -> Grid:
    """How lit up what stands in front is, (rows, columns) in 0..1."""
    if not (energies > 0.02).any():
        return np.zeros((layout.rows, layout.columns), dtype=np.float32)
    weights = _exponential(cells.height, 0.02 * layout.scale)
    first, second = (np.repeat(end, cells.counts) for end in energies.T.astype(np.float32))
    lit = _gather(layout, cells.place, weights * (first + (second - first) * cells.along))
    lit /= _gather(layout, cells.place, weights) + TINY
    smooth: Grid = cv2.blur(lit, (9, 9))
    return smooth


def _distance(layout: _Layout, cells: _Cells) -> Grid:
    """Cells to the edge of the silhouette, (rows, columns)."""
    distance = cv2.max(_melt(layout, cells, cells.inside, FILLET), -float(MARGIN))
    smooth: Grid = cv2.GaussianBlur(distance, (3, 3), 0)
    return smooth


def _melt(layout: _Layout, cells: _Cells, values: Grid, share: float) -> Grid:
    """The smooth maximum of the values (N,) in each cell of the grid, by `share` of the usual melting."""
    trunk, limbs = TRUNK_MELT * share * layout.scale, LIMB_MELT * share * layout.scale
    fields = [
        cv2.log(_gather(layout, cells.place[part], _exponential(values[part], melt)) + TINY) * np.float32(melt)
        for part, melt in ((slice(cells.trunk), trunk), (slice(cells.trunk, None), limbs))
    ]
    field: Grid = np.maximum(*fields)
    return field


def _exponential(values: Grid, melt: float) -> Grid:
    """e to the values (N,) over `melt`; cv2's is five times as fast as numpy's."""
    exponents = values * np.float32(1.0 / melt)
    powers: Grid = cv2.exp(np.clip(exponents, -STEEPEST, STEEPEST, out=exponents))
    return powers.ravel()


def _gather(layout: _Layout, place: Grid, weights: Grid) -> Grid:
    """The sum of the weights in each cell of the grid."""
    grid = np.zeros(layout.rows * layout.columns, dtype=np.float32)
    np.add.at(grid, place, weights)
    return grid.reshape(layout.rows, layout.columns)


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
    boxes = np.clip(boxes, 0, (columns, rows, columns, rows)).astype(np.int32).T
    if not ((boxes[2:] > boxes[:2]).all(axis=0)).any():  # volumes around a corner of the picture, none in it
        return None
    return _Layout((left * cell, top * cell), rows, columns, toward, shapes, boxes)


def _raise(layout: _Layout, trunk: int) -> _Cells:
    """Work out every volume over its box."""
    left, top, right, bottom = layout.boxes
    widths = right - left
    counts = widths * (bottom - top)
    first = np.cumsum(counts) - counts
    x0, y0, z0, x1, y1, z1, r0, r1, bulge = layout.shapes
    dx, dy = x1 - x0, y1 - y0
    shrink = 1.0 / np.maximum(dx * dx + dy * dy, 1e-6)
    corner = top * layout.columns + left
    shape = (first, widths, layout.columns - widths, corner, left - x0, top - y0, dx, dy)
    profile = (dx * shrink, dy * shrink, r0, r1 - r0 + 4.0 * bulge, -4.0 * bulge, z0, z1 - z0)
    table = np.repeat(np.stack([*shape, *profile], dtype=np.float32), counts, axis=1)
    start, width, skip, corner, off_x, off_y, dx, dy, along_x, along_y, base, slope, bend, z0, dz = table
    index = np.arange(table.shape[1], dtype=np.float32)
    index -= start
    # half a cell keeps what is whole from being rounded down
    row = np.floor((index + np.float32(0.5)) / width)
    place = (index + row * skip + corner).astype(np.intp)
    x = index - row * width
    x += off_x
    y = row
    y += off_y
    along = x * along_x
    along += y * along_y
    np.clip(along, 0.0, 1.0, out=along)
    x -= along * dx
    y -= along * dy
    x *= x
    y *= y
    x += y
    radius = (along * bend + slope) * along + base
    inside = radius - np.sqrt(x)
    height = _front(radius, inside)
    height += along * dz + z0
    return _Cells(place, along, inside, height, counts, int(counts[:trunk].sum()))


def _front(radius: Grid, inside: Grid) -> Grid:
    """The height of a round volume's front above its axis, falling away outside its silhouette."""
    within = np.maximum(inside, 0.0)
    height: Grid = np.sqrt((radius + radius - inside) * within)  # (radius - away) (radius + away)
    # falls ever faster: gently where the edge needs its slope, and in time for it to hide nothing further out,
    # however far it stands out; a sheer drop would bead the edges of limbs in front of the body
    outside = inside - within
    height -= outside * outside * np.float32(5.0)
    return height
