"""The dancer as a sculpture of light: a relief, lit by a key light from above and a coloured edge light."""

from typing import Any

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.body import Body
from engine.colours import Light
from engine.relief import Relief, cast_silhouette
from engine.stage_camera import Projection

ROWS_OF_CELLS = 330
"""Cells that the height of a picture is divided into at most: what the relief costs does not grow with it."""

EDGE_CODES = 50.0
"""Steps of the 8-bit distance per cell; with 128 at the silhouette it reaches 2.5 cells either way."""

KEY = np.array([-0.42, 0.72, 0.55], dtype=np.float32)
BACK = np.array([0.80, 0.35, -0.30], dtype=np.float32)
"""Directions to the key light and to the edge light: x right, y up, z towards the viewer."""

HALFWAY = (KEY + np.array([0.0, 0.0, 1.0], dtype=np.float32)) / 1.76
"""Where a glossy surface must face to show the key light to the viewer."""

SPHERE = 64
"""Pixels across the painted sphere from which the normals of the relief take their light."""


def cell_for(size: tuple[int, int]) -> int:
    """Pixels per cell of the dancer's relief in a picture of `size`."""
    return max(1, -(-size[1] // ROWS_OF_CELLS))


def paint_sphere(light: Light) -> NDArray[Any]:
    """A sphere of the figure's material in this light, (SPHERE, SPHERE, 3) RGB in 0..1, seen from the front."""
    across = np.linspace(-1.0, 1.0, SPHERE, dtype=np.float32)
    x, y = np.meshgrid(across, -across)
    z = np.sqrt(np.maximum(1.0 - x * x - y * y, 0.0))
    normals = np.stack([x, y, z], axis=-1)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    key = np.clip((normals @ KEY + 0.12) / 1.12, 0.0, 1.0) ** 1.5
    sky = 0.5 + 0.5 * normals[..., 1]
    edge = (1.0 - normals[..., 2]) ** 2.2
    from_behind = np.clip(0.35 + normals @ BACK, 0.0, 1.0)
    gleam = np.clip(normals @ HALFWAY, 0.0, 1.0) ** 24
    figure, glow = light.figure, light.glow
    ambient = 0.03 * figure + 0.13 * glow + 0.30 * light.background
    return (
        ambient * (0.45 + 0.55 * sky[..., None])
        + figure * (0.84 * key[..., None])
        + glow * (1.5 * edge * from_behind + 0.12 * edge)[..., None]
        + figure * (0.16 * gleam)[..., None]
    )


class FigurePainter:
    """Paints bodies; keeps the painted sphere of the light it last used."""

    def __init__(self) -> None:
        self._row: NDArray[Any] | None = None
        self._sphere: NDArray[Any] = np.zeros((SPHERE, SPHERE, 3), dtype=np.float32)

    def paint(self, surface: pygame.Surface, relief: Relief, light: Light) -> None:
        """Paint the dancer onto a 32-bit surface."""
        row = light.as_row()
        if self._row is None or np.abs(row - self._row).max() > 0.004:
            self._sphere, self._row = paint_sphere(light) * 255.0, row
        slope_x = cv2.Sobel(relief.height, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
        slope_y = cv2.Sobel(relief.height, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
        steepness = slope_x * slope_x
        steepness += slope_y * slope_y
        steepness += 1.0
        half = 0.5 * (SPHERE - 1)
        lean = half / np.sqrt(steepness)
        colour = cv2.remap(self._sphere, half - slope_x * lean, half - slope_y * lean, cv2.INTER_LINEAR)
        colour *= self._exposure(relief)[..., None]
        if relief.energy.any():
            colour += relief.energy[..., None] * (light.glow * np.float32(70.0))
        _blit_enlarged(surface, relief, np.clip(colour, 0.0, 255.0))

    @staticmethod
    def _exposure(relief: Relief) -> NDArray[Any]:
        """Darker where something nearer stands close by, and darker further back; (rows, columns)."""
        around = cv2.blur(relief.height, (15, 15))
        hollow = np.clip((around - relief.height) * np.float32(0.035), 0.0, 0.6)
        depth = np.clip(1.0 + relief.height * np.float32(0.0022), 0.72, 1.12)
        return depth - hollow


def paint_ghost(
    surface: pygame.Surface, body: Body, projection: Projection, light: Light, strength: float
) -> None:
    """Add the visitor as breath on glass: an outline that glows, and hardly anything inside it."""
    silhouette = cast_silhouette(body, projection, cell_for(projection.size) * 2)
    if silhouette is None:
        return
    inside = np.clip(silhouette.distance + 0.5, 0.0, 1.0)
    rim = np.exp(np.square(silhouette.distance - 0.5) * np.float32(-0.35))
    shade = cv2.GaussianBlur(inside * np.float32(0.16) + rim * np.float32(0.20), (3, 3), 0)
    tint = (0.55 * light.glow + 0.45 * light.figure) * np.float32(255.0 * strength)
    add_enlarged(surface, shade, tint, silhouette.origin, silhouette.cell)


def add_enlarged(
    surface: pygame.Surface,
    shade: NDArray[Any],
    tint: NDArray[Any],
    origin: tuple[int, int],
    cell: int,
) -> None:
    """Add light of an RGB tint (3,) in 0..255 times `shade` (rows, columns) in 0..1, enlarged by `cell`."""
    rows, columns = shade.shape
    coarse = np.zeros((rows, columns, 4), dtype=np.uint8)
    np.multiply(shade[..., None], tint[::-1], out=coarse[..., :3], casting="unsafe")
    fine = cv2.resize(coarse, (columns * cell, rows * cell), interpolation=cv2.INTER_LINEAR)
    image = pygame.image.frombuffer(fine.data, (columns * cell, rows * cell), "BGRA")
    surface.blit(image, origin, special_flags=pygame.BLEND_RGB_ADD)


def _blit_enlarged(surface: pygame.Surface, relief: Relief, colour: NDArray[Any]) -> None:
    """Blit RGB colours (rows, columns, 3) in 0..255 with a sharp, anti-aliased silhouette."""
    rows, columns = relief.distance.shape
    size = (columns * relief.cell, rows * relief.cell)
    coarse = np.zeros((rows, columns, 4), dtype=np.uint8)
    coarse[..., :3] = colour[..., ::-1]
    fine = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)
    codes = np.clip(relief.distance * np.float32(EDGE_CODES) + 128.0, 0.0, 255.0).astype(np.uint8)
    # one pixel of edge is 1 / cell of a cell, the distance there EDGE_CODES / cell codes
    ramp = np.clip((np.arange(256) - 128.0) * relief.cell / EDGE_CODES + 0.5, 0.0, 1.0) * 255.0
    opacity = cv2.LUT(cv2.resize(codes, size, interpolation=cv2.INTER_LINEAR), ramp.astype(np.uint8))
    cv2.insertChannel(opacity, fine, 3)
    surface.blit(pygame.image.frombuffer(fine.data, size, "BGRA"), relief.origin)
