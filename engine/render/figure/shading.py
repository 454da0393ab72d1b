"""The dancer as a sculpture of light: a relief, lit by a key light above and coloured light behind."""

import functools
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.emotion_lights import Light
from engine.render.figure.body import Body, embody
from engine.render.figure.height_field import Relief, cast_silhouette, raise_relief
from engine.render.raster.dirty_regions import DirtyRegions
from engine.render.raster.jit import compiled
from engine.render.raster.sprite import EDGE_CODE, EDGE_CODES, blend_figure
from engine.render.raster.upscale import add_shade, cell_for
from engine.render.stage_camera import Projection

KEY = np.array([-0.42, 0.72, 0.55], dtype=np.float32)
BACK = np.array([0.80, 0.35, -0.30], dtype=np.float32)
COUNTER = np.array([-0.90, 0.05, -0.25], dtype=np.float32)
"""Directions to the key light and to the two edge lights: x right, y up, z towards the viewer."""

HALFWAY = (KEY + np.array([0.0, 0.0, 1.0], dtype=np.float32)) / 1.76
"""Where a glossy surface must face to show the key light to the viewer."""

SPHERE = 64
"""Pixels across the painted sphere from which the normals of the relief take their light."""

SOFTEN = cv2.getGaussianKernel(3, 0.6)
"""What a cell takes from its neighbours. cv2.GaussianBlur takes a third longer on one thread."""

SCHARR = np.float32(3.0 / 32.0), np.float32(10.0 / 32.0)
"""Shares of the outer rows and of the middle one in a slope."""

HOLLOW, DARKEST = np.float32(0.035), np.float32(0.6)
"""Share of the light that is lost for each cell that the surroundings stand out, and at most."""

DEPTH, FURTHEST, NEAREST = (np.float32(number) for number in (0.0022, 0.72, 1.12))
"""How much more light there is a cell nearer, and the least and the most."""

ENERGY_SHINE = 70.0
"""Steps of 8 bits that the fastest limb is brighter, in the colour of the glow."""

AXES = ((0, 1), (1, 0))
SHALLOW, PLUG = np.float32(-1.5), np.float32(0.5)
"""A gap between limbs that is one or two cells wide along both axes is no deeper than that, and is filled: it
would be a dark speck that comes and goes."""

ZERO, HALF, ONE, WHITE = (np.float32(number) for number in (0.0, 0.5, 1.0, 255.0))


@dataclass(frozen=True, eq=False)
class Sculpture:
    """A lit body in coarse `cells` (rows, columns, 4), see `cutout.blend_figure`."""

    cells: NDArray[Any]
    origin: tuple[int, int]
    cell: int


def paint_sphere(light: Light) -> NDArray[Any]:
    """A sphere of the figure's material in this light from the front, (SPHERE, SPHERE, 3) BGR in 0..1."""
    figure, glow = light.figure, light.glow
    ambient = 0.02 * figure + 0.10 * glow + 0.34 * light.background
    rgb = _shine_of_sphere() @ np.stack([ambient, figure, glow])
    return np.ascontiguousarray(rgb[..., ::-1], dtype=np.float32)


@functools.cache
def _shine_of_sphere() -> NDArray[np.float32]:
    """(SPHERE, SPHERE, 3): how much of the ambient light, of the figure's own and of the glow it shows."""
    across = np.linspace(-1.0, 1.0, SPHERE, dtype=np.float32)
    x, y = np.meshgrid(across, -across)
    z = np.sqrt(np.maximum(1.0 - x * x - y * y, 0.0))
    normals = np.stack([x, y, z], axis=-1)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    key = np.clip((normals @ KEY - 0.06) / 0.94, 0.0, 1.0) ** 1.7
    sky = 0.5 + 0.5 * normals[..., 1]
    edge = (1.0 - normals[..., 2]) ** 2.2
    behind = np.clip(0.35 + normals @ BACK, 0.0, 1.0)
    counter = np.clip(0.15 + normals @ COUNTER, 0.0, 1.0)
    gleam = np.clip(normals @ HALFWAY, 0.0, 1.0) ** 24
    rim = 1.6 * edge * behind + 0.7 * edge * counter + 0.06 * edge
    return np.stack([0.35 + 0.65 * sky, 0.86 * key + 0.14 * gleam, rim], axis=-1, dtype=np.float32)


class FigureRenderer:
    """Lights bodies; keeps the painted sphere of the light it last used."""

    def __init__(self) -> None:
        self._light: Light | None = None
        self._sphere: NDArray[Any] = np.zeros((SPHERE, SPHERE, 3), dtype=np.float32)

    def sculpt(
        self,
        positions: NDArray[np.floating],
        energies: NDArray[Any],
        projection: Projection,
        light: Light,
        coarseness: int = 1,
    ) -> Sculpture | None:
        """The body around positions (17, 3), each joint lit up by its energy (17,) in 0..1.

        `coarseness` 2 is for what is dim or far. None where nothing of it lies in the frame.
        """
        if self._light is not light and (
            self._light is None or np.abs(light.row - self._light.row).max() > 0.004
        ):
            self._sphere, self._light = paint_sphere(light) * 255.0, light
        body = embody(positions)
        cell = cell_for(projection.size) * coarseness
        relief = raise_relief(body, energies[body.joints], projection, cell)
        if relief is None:
            return None
        return Sculpture(self._shade(relief, light), relief.origin, cell)

    def _shade(self, relief: Relief, light: Light) -> NDArray[Any]:
        """The cells (rows, columns, 4) of a relief."""
        cells = np.empty((*relief.height.shape, 4), dtype=np.uint8)
        around = cv2.blur(relief.height, (15, 15))
        glow = np.ascontiguousarray(light.glow[::-1] * np.float32(ENERGY_SHINE))
        _shade_kernel(
            relief.height,
            around,
            relief.distance,
            relief.energy,
            self._sphere,
            glow,
            np.float32(EDGE_CODE),
            EDGE_CODES,
            cells,
        )
        # the ridge of a thin limb runs between cells, and would be a row of beads
        soft: NDArray[Any] = cv2.sepFilter2D(cells, -1, SOFTEN, SOFTEN)
        return soft


@compiled(
    "void(f4[:, ::1], f4[:, ::1], f4[:, ::1], f4[:, ::1], f4[:, :, ::1], f4[::1], f4, f4, u1[:, :, ::1])",
)
def _shade_kernel(
    height: NDArray[Any],
    around: NDArray[Any],
    distance: NDArray[Any],
    energy: NDArray[Any],
    sphere: NDArray[Any],
    glow: NDArray[Any],
    edge_code: np.float32,
    edge_codes: np.float32,
    cells: NDArray[Any],
) -> None:
    """Light a relief, of whose heights `around` are means, into `cells` (rows, columns, 4)."""
    rows, columns = height.shape
    last = np.float32(len(sphere) - 1)
    for row in range(rows):
        above, below = max(row - 1, 0), min(row + 1, rows - 1)
        for column in range(columns):
            inside = distance[row, column]
            if SHALLOW < inside < ZERO and 2 <= row < rows - 2 and 2 <= column < columns - 2:
                walls = ONE
                for down, aside in AXES:
                    before, after = distance[row - down, column - aside], distance[row + down, column + aside]
                    ahead = max(before, distance[row - 2 * down, column - 2 * aside])
                    beyond = max(after, distance[row + 2 * down, column + 2 * aside])
                    walls = min(walls, ahead, beyond, max(before, after))
                if walls > ZERO:
                    inside = PLUG
            code = inside * edge_codes + edge_code
            if code <= ZERO:
                cells[row, column] = 0
                continue
            cells[row, column, 3] = np.uint8(min(code, WHITE))
            left, right = max(column - 1, 0), min(column + 1, columns - 1)
            # Scharr's slopes, and the place on the sphere that faces the same way
            x = (height[row, right] - height[row, left]) * SCHARR[1]
            x += (
                height[above, right] - height[above, left] + height[below, right] - height[below, left]
            ) * SCHARR[0]
            y = (height[below, column] - height[above, column]) * SCHARR[1]
            y += (
                height[below, left] - height[above, left] + height[below, right] - height[above, right]
            ) * SCHARR[0]
            shrink = HALF * last / np.sqrt(x * x + y * y + ONE)
            # in this order what is not a number becomes one
            x = min(max(ZERO, HALF * last - x * shrink), last - ONE)
            y = min(max(ZERO, HALF * last - y * shrink), last - ONE)
            i, j = int(y), int(x)
            x -= np.float32(j)
            y -= np.float32(i)
            # darker where something nearer stands close by, and darker further back
            here = height[row, column]
            hollow = min(max(HOLLOW * (around[row, column] - here), ZERO), DARKEST)
            exposure = min(max(ONE + DEPTH * here, FURTHEST), NEAREST) - hollow
            for channel in range(3):
                upper = sphere[i, j, channel] + (sphere[i, j + 1, channel] - sphere[i, j, channel]) * x
                lower = (
                    sphere[i + 1, j, channel] + (sphere[i + 1, j + 1, channel] - sphere[i + 1, j, channel]) * x
                )
                light = (upper + (lower - upper) * y) * exposure + energy[row, column] * glow[channel]
                cells[row, column, channel] = np.uint8(min(max(ZERO, light + HALF), WHITE))


def draw_sculpture(surface: pygame.Surface, sculpture: Sculpture) -> DirtyRegions:
    """Blend a lit body over the surface, where it was sculpted."""
    return blend_figure(surface, sculpture.cells, sculpture.origin, sculpture.cell)


def paint_ghost(
    surface: pygame.Surface, body: Body, projection: Projection, light: Light, strength: float
) -> DirtyRegions:
    """Add the visitor's mirror figure: an outline that glows, and hardly anything inside it."""
    silhouette = cast_silhouette(body, projection, cell_for(projection.size) * 2)
    if silhouette is None:
        return []
    inside = np.clip(silhouette.distance + 0.5, 0.0, 1.0)
    rim = np.exp(np.square(silhouette.distance - 0.5) * np.float32(-0.35))
    shade = cv2.GaussianBlur(inside * np.float32(0.13) + rim * np.float32(0.17), (3, 3), 0)
    tint = (0.55 * light.glow + 0.45 * light.figure) * np.float32(255.0 * strength)
    return add_shade(surface, shade, tint, silhouette.origin, silhouette.cell)
