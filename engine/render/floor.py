"""What ties the dancer to the ground: its reflection, contact shadows, and dust that shows the camera move."""

import functools
import math
from typing import Any

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.figure.shading import Sculpture
from engine.render.raster.dirty_regions import DirtyRegions
from engine.render.raster.jit import compiled
from engine.render.raster.sprite import EDGE_CODE
from engine.render.raster.upscale import add_light
from engine.render.stage_camera import DISTANCE_M, EYE_HEIGHT_M, NEAREST_M, Projection
from models.motion.skeleton import INDEX

REFLECTION_HEIGHT = 0.75
"""Metres above the floor up to which things are reflected, fading."""

REFLECTED = np.float32(0.34)

SOLE_SLOPE = np.float32(0.02)
"""What a step of distance adds to the share that is reflected: half at the edge, all half a cell inside."""

ZERO, HALF, ONE = (np.float32(number) for number in (0.0, 0.5, 1.0))

SOLES = np.array([INDEX[name] for name in ("left_ankle", "left_toe", "right_ankle", "right_toe")])
ANKLE_HEIGHT = 0.10
SHADOW_STEPS = 12

DUST_SPACING = 0.6
DUST_REACH = 3
"""Grains of dust in each direction from the dancer, one in every square of DUST_SPACING metres."""

DUST_STEPS = 8


def draw_reflection(surface: pygame.Surface, sculpture: Sculpture, projection: Projection) -> DirtyRegions:
    """Add the faint, blurred reflection of what is near the floor.

    The camera does not tilt: a polished floor reflects upside down about the row of the feet.
    """
    cell = sculpture.cell
    floor = projection.eye_level + EYE_HEIGHT_M * projection.scale
    feet = round((floor - sculpture.origin[1]) / cell)
    tall = round(REFLECTION_HEIGHT * projection.scale / cell)
    top = max(feet - tall, 0)
    upright = sculpture.cells[top : max(feet, 0)]
    if not upright.size:
        return []
    below = feet - top - len(upright)
    light = np.zeros_like(upright)
    _mirror(upright, EDGE_CODE, below, tall, light)
    light = cv2.GaussianBlur(light, (5, 9), 0)
    return add_light(surface, light, (sculpture.origin[0], sculpture.origin[1] + (feet + below) * cell), cell)


@compiled("void(u1[:, :, ::1], i4, i8, i8, u1[:, :, ::1])")
def _mirror(upright: NDArray[Any], edge_code: np.int32, below: int, tall: int, light: NDArray[Any]) -> None:
    """Turn a figure's cells (rows, columns, 4) that end `below` rows above the floor upside down, and fade them
    with height."""
    rows, columns, _ = upright.shape
    for row in range(rows):
        depth = (np.float32(row + below) + HALF) / np.float32(tall)
        share = REFLECTED * (ONE - depth) ** 2
        cells = upright[rows - 1 - row]
        for column in range(columns):
            # the soles reach a little below the floor's row where a foot stands nearer to the viewer
            inside = np.float32(np.int32(cells[column, 3]) - edge_code) * SOLE_SLOPE + HALF
            dim = share * min(max(inside, ZERO), ONE)
            for channel in range(3):
                light[row, column, channel] = np.uint8(np.float32(cells[column, channel]) * dim + HALF)


def draw_shadows(
    surface: pygame.Surface, positions: NDArray[np.floating], projection: Projection
) -> DirtyRegions:
    """Darken the floor under the feet, more the closer they are to it, and a little under the pelvis."""
    soles = positions[SOLES].tolist()
    lifts = [max(height - ANKLE_HEIGHT, 0.0) for _, height, _ in soles]
    shadows = [
        (x, z, 0.13 + 0.3 * lift, 0.62 * math.exp(-lift / 0.12))
        for (x, _, z), lift in zip(soles, lifts, strict=True)
    ]
    x, _, z = positions[0].tolist()
    shadows.append((x, z, 0.46, 0.40 * math.exp(-min(lifts) / 0.4)))
    touched: DirtyRegions = []
    for x, z, radius, strength in shadows:
        if strength > 0.02:
            scale = projection.focal / max(DISTANCE_M + projection.z - z, NEAREST_M)
            nearer = projection.focal / max(DISTANCE_M + projection.z - z - 0.1, NEAREST_M)
            # the floor is seen at a grazing angle: a circle on it is as flat as the rows of its rims tell
            flat = max(EYE_HEIGHT_M * (nearer - scale), 1.0) / (0.1 * scale)
            place = (
                projection.size[0] / 2 + (x - projection.x) * scale,
                projection.eye_level + EYE_HEIGHT_M * scale,
            )
            step = int(strength * SHADOW_STEPS / 0.62)
            touched.append(_darken(surface, place, radius * scale, radius * scale * flat, step))
    return touched


def draw_contact(
    surface: pygame.Surface, place: tuple[float, float], radius: float, strength: float
) -> pygame.Rect:
    """Darken the floor around a pixel: the shadow of somebody far away, `radius` pixels wide."""
    return _darken(surface, place, radius, 0.22 * radius, int(min(strength, 1.0) * SHADOW_STEPS))


def _darken(
    surface: pygame.Surface, place: tuple[float, float], wide: float, tall: float, step: int
) -> pygame.Rect:
    """Draw a soft ellipse around a pixel, by its half axes in pixels, `step` of SHADOW_STEPS dark."""
    size = (max(int(wide), 2) // 4 * 8, max(int(tall), 2) // 2 * 4)
    corner = (place[0] - size[0] / 2, place[1] - size[1] / 2)
    return surface.blit(_shadow(size, step), corner, special_flags=pygame.BLEND_RGB_MULT)


@functools.lru_cache(maxsize=128)
def _shadow(size: tuple[int, int], step: int) -> pygame.Surface:
    """A soft ellipse of `size` pixels that lets less light through, `step` of SHADOW_STEPS dark."""
    width, height = max(size[0], 8), max(size[1], 4)
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None]
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    falloff = np.clip(1.0 - np.hypot(x, y), 0.0, 1.0)
    dark = 0.66 * step / SHADOW_STEPS * falloff * falloff * (3.0 - 2.0 * falloff)
    pixels = np.repeat((255.0 * (1.0 - dark)).astype(np.uint8)[..., None], 4, axis=2)
    return pygame.image.frombuffer(pixels.tobytes(), (width, height), "BGRA")


def draw_dust(surface: pygame.Surface, projection: Projection) -> DirtyRegions:
    """Add specks that lie still on the floor around the dancer, lit by the pool."""
    column, row = math.floor(projection.x / DUST_SPACING), math.floor(projection.z / DUST_SPACING)
    spots, glints = _dust_around(column, row)
    away = np.square(spots[:, 0] - projection.x) + np.square(spots[:, 2] - projection.z)
    bright = np.exp(away * (-1.0 / 2.2)) * glints * (away < (DUST_REACH * DUST_SPACING) ** 2)
    levels = (bright * DUST_STEPS).astype(int)
    lit = np.flatnonzero(levels)
    pixels, _ = projection.project(spots[lit])
    radius = max(projection.size[1] // 720, 1)
    specks: list[Any] = [
        (_speck(radius, level), place, None, pygame.BLEND_RGB_ADD)
        for place, level in zip(pixels.tolist(), levels[lit].tolist(), strict=True)
    ]
    return [*(surface.blits(specks) or [])]


@functools.lru_cache(maxsize=64)
def _speck(radius: int, level: int) -> pygame.Surface:
    value = 70 * level // DUST_STEPS
    speck = pygame.Surface((2 * radius, radius), 0, 32)
    speck.fill((value, value, value))
    return speck


@functools.lru_cache(maxsize=64)
def _dust_around(column: int, row: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Where the specks around a square of the floor lie, (N, 3) metres, and how bright each is, (N,) 0 to 1."""
    squares = np.array([column, row], dtype=np.float64) + _STEPS
    chance = _chance(squares)
    across, deep = ((squares + chance[:, :2]) * DUST_SPACING).T
    return np.column_stack([across, np.zeros(len(across)), deep]), chance[:, 2]


def _chance(squares: NDArray[np.floating]) -> NDArray[np.floating]:
    """(N, 3) numbers in 0..1 that belong to each square (N, 2) of the floor for ever."""
    seeds = squares @ np.array([[127.1, 269.5, 419.2], [311.7, 183.3, 371.9]])
    noise = np.sin(seeds) * 43758.5453
    return noise - np.floor(noise)


_GRID = np.arange(-DUST_REACH, DUST_REACH + 1)
_STEPS = np.stack(np.meshgrid(_GRID, _GRID), axis=-1).reshape(-1, 2)
