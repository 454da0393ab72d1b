"""The dancer as a sculpture of light: a relief, lit by a key light above and coloured light behind."""

import functools
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.body import Body, embody
from engine.colours import Light
from engine.enlarge import Touched, add_shade, blend_figure, cell_for, distance_codes
from engine.relief import Relief, cast_silhouette, raise_relief
from engine.stage_camera import Projection

KEY = np.array([-0.42, 0.72, 0.55], dtype=np.float32)
BACK = np.array([0.80, 0.35, -0.30], dtype=np.float32)
COUNTER = np.array([-0.90, 0.05, -0.25], dtype=np.float32)
"""Directions to the key light and to the two edge lights: x right, y up, z towards the viewer."""

HALFWAY = (KEY + np.array([0.0, 0.0, 1.0], dtype=np.float32)) / 1.76
"""Where a glossy surface must face to show the key light to the viewer."""

SPHERE = 64
"""Pixels across the painted sphere from which the normals of the relief take their light."""

SOFTEN = cv2.getGaussianKernel(3, 0.6)
"""What a colour takes from its neighbours. cv2.GaussianBlur takes a third longer on one thread."""

SLOPE = 32.0
"""What Scharr's kernel makes of a slope of one cell per cell."""


@dataclass(frozen=True, eq=False)
class Sculpture:
    """A lit body in coarse cells: BGRX `colour` and `distance` codes (rows, columns), see `enlarge`."""

    colour: NDArray[Any]
    distance: NDArray[Any]
    origin: tuple[int, int]
    cell: int


def paint_sphere(light: Light) -> NDArray[Any]:
    """A sphere of the figure's material in this light from the front, (SPHERE, SPHERE, 4) BGRX in 0..1."""
    figure, glow = light.figure, light.glow
    ambient = 0.02 * figure + 0.10 * glow + 0.34 * light.background
    rgb = _shine_of_sphere() @ np.stack([ambient, figure, glow])
    # cv2 takes twice as long to look up three channels as four
    return np.ascontiguousarray(rgb[..., [2, 1, 0, 0]], dtype=np.float32)


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


class Sculptor:
    """Lights bodies; keeps the painted sphere of the light it last used."""

    def __init__(self) -> None:
        self._light: Light | None = None
        self._sphere: NDArray[Any] = np.zeros((SPHERE, SPHERE, 4), dtype=np.float32)

    def sculpt(
        self,
        positions: NDArray[np.floating],
        energies: NDArray[Any],
        projection: Projection,
        light: Light,
        coarseness: int = 1,
    ) -> Sculpture | None:
        """The body around positions (17, 3), each joint lit up by its energy (17,) in 0..1.

        `coarseness` 2 is for what is dim or far. None where nothing of it lies in the picture.
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
        colour = self._shade(relief, light)
        return Sculpture(colour, distance_codes(relief.distance), relief.origin, cell)

    def _shade(self, relief: Relief, light: Light) -> NDArray[Any]:
        slope_x = cv2.Scharr(relief.height, cv2.CV_32F, 1, 0)
        slope_y = cv2.Scharr(relief.height, cv2.CV_32F, 0, 1)
        lean: NDArray[Any] = slope_x * slope_x
        lean += slope_y * slope_y
        lean += SLOPE * SLOPE
        lean = cv2.sqrt(lean)
        half = np.float32(0.5 * (SPHERE - 1))
        np.divide(half, lean, out=lean)
        colour = cv2.remap(self._sphere, half - slope_x * lean, half - slope_y * lean, cv2.INTER_LINEAR)
        colour = cv2.multiply(colour, cv2.cvtColor(self._exposure(relief), cv2.COLOR_GRAY2BGRA), dst=colour)
        if relief.energy.any():
            lit = [relief.energy * np.float32(70.0 * channel) for channel in light.glow[::-1]]
            colour = cv2.add(colour, cv2.merge([*lit, lit[0]]), dst=colour)
        # the ridge of a thin limb runs between cells, and would be a row of beads
        shaded: NDArray[Any] = cv2.sepFilter2D(cv2.convertScaleAbs(colour), -1, SOFTEN, SOFTEN)
        return shaded

    @staticmethod
    def _exposure(relief: Relief) -> NDArray[Any]:
        """Darker where something nearer stands close by, and darker further back; (rows, columns)."""
        around: NDArray[Any] = cv2.blur(relief.height, (15, 15))
        around -= relief.height
        around *= np.float32(0.035)
        hollow = np.clip(around, 0.0, 0.6, out=around)
        depth = relief.height * np.float32(0.0022)
        depth += 1.0
        np.clip(depth, 0.72, 1.12, out=depth)
        depth -= hollow
        return depth


def draw_sculpture(surface: pygame.Surface, sculpture: Sculpture) -> Touched:
    """Blend a lit body over the surface, where it was sculpted."""
    return blend_figure(surface, sculpture.colour, sculpture.distance, sculpture.origin, sculpture.cell)


def paint_ghost(
    surface: pygame.Surface, body: Body, projection: Projection, light: Light, strength: float
) -> Touched:
    """Add the visitor as breath on glass: an outline that glows, and hardly anything inside it."""
    silhouette = cast_silhouette(body, projection, cell_for(projection.size) * 2)
    if silhouette is None:
        return []
    inside = np.clip(silhouette.distance + 0.5, 0.0, 1.0)
    rim = np.exp(np.square(silhouette.distance - 0.5) * np.float32(-0.35))
    shade = cv2.GaussianBlur(inside * np.float32(0.13) + rim * np.float32(0.17), (3, 3), 0)
    tint = (0.55 * light.glow + 0.45 * light.figure) * np.float32(255.0 * strength)
    return add_shade(surface, shade, tint, silhouette.origin, silhouette.cell)
