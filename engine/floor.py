"""What ties the dancer to the ground: its reflection, contact shadows, and dust that shows the camera move."""

import functools

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.body import Body
from engine.colours import Light
from engine.figure import add_enlarged, cell_for
from engine.relief import cast_silhouette
from engine.stage_camera import EYE_HEIGHT, Projection
from models.skeleton import INDEX

REFLECTION_HEIGHT = 0.75
"""Metres above the floor up to which things are reflected, fading."""

SOLES = np.array([INDEX[name] for name in ("left_ankle", "left_toe", "right_ankle", "right_toe")])
ANKLE_HEIGHT = 0.10
SHADOW_STEPS = 12

DUST_SPACING = 0.55
DUST_REACH = 4
"""Grains of dust in each direction from the dancer, one in every square of DUST_SPACING metres."""

DUST_STEPS = 8


def draw_reflection(surface: pygame.Surface, body: Body, projection: Projection, light: Light) -> None:
    """Add the faint, blurred reflection of what is near the floor."""
    near = np.minimum(body.starts[:, 1], body.ends[:, 1]) < REFLECTION_HEIGHT
    mirrored = body.only(near).mirrored_in_the_floor()
    silhouette = cast_silhouette(mirrored, projection, cell_for(projection.size) * 2)
    if silhouette is None:
        return
    floor = projection.eye_level + EYE_HEIGHT * projection.scale
    rows = np.arange(len(silhouette.distance), dtype=np.float32)[:, None]
    depth = (silhouette.origin[1] + (rows + 0.5) * silhouette.cell - floor) / projection.scale
    fade = np.clip(1.0 - depth / REFLECTION_HEIGHT, 0.0, 1.0) ** 2
    shade = cv2.GaussianBlur(np.clip(silhouette.distance * 0.5 + 0.5, 0.0, 1.0) * fade, (5, 9), 0)
    tint = (0.6 * light.figure + 0.4 * light.glow) * np.float32(0.24 * 255.0)
    add_enlarged(surface, shade, tint, silhouette.origin, silhouette.cell)


def draw_shadows(surface: pygame.Surface, positions: NDArray[np.floating], projection: Projection) -> None:
    """Darken the floor under the feet, more the closer they are to it, and a little under the pelvis."""
    points = positions[np.concatenate([SOLES, [0]])].astype(np.float32)
    lift = np.maximum(points[:, 1] - ANKLE_HEIGHT, 0.0)
    strengths = np.exp(-lift / 0.12) * 0.55
    radii = 0.13 + 0.3 * lift
    strengths[-1], radii[-1] = 0.34 * np.exp(-max(float(points[:4, 1].min()) - ANKLE_HEIGHT, 0.0) / 0.4), 0.42
    on_floor = points * np.array([1.0, 0.0, 1.0], dtype=np.float32)
    pixels, scale = projection.project(on_floor)
    # the floor is seen at a grazing angle: a circle on it is as flat as the rows of its near and far rim tell
    rims, _ = projection.project(on_floor + np.array([0.0, 0.0, 0.1], dtype=np.float32))
    flatness = np.maximum(rims[:, 1] - pixels[:, 1], 1.0) / (0.1 * scale)
    rows = np.column_stack([pixels, radii * scale, flatness, strengths]).tolist()
    for x, y, radius, flat, strength in rows:
        if strength > 0.02:
            size = (max(int(radius), 2) // 2 * 4, max(int(radius * flat), 2) // 2 * 4)
            sprite = _shadow(size, int(strength * SHADOW_STEPS / 0.6))
            surface.blit(sprite, (x - size[0] / 2, y - size[1] / 2))


@functools.lru_cache(maxsize=256)
def _shadow(size: tuple[int, int], step: int) -> pygame.Surface:
    """A soft black ellipse of `size` pixels, `step` of SHADOW_STEPS dark."""
    width, height = size
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None]
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    pixels = np.zeros((height, width, 4), dtype=np.uint8)
    falloff = np.clip(1.0 - np.hypot(x, y), 0.0, 1.0)
    pixels[..., 3] = 255.0 * 0.6 * step / SHADOW_STEPS * falloff * falloff * (3.0 - 2.0 * falloff)
    return pygame.image.frombuffer(pixels.tobytes(), size, "BGRA")


def draw_dust(surface: pygame.Surface, projection: Projection) -> None:
    """Add specks that lie still on the floor around the dancer, lit by the pool."""
    origin = np.floor(np.array([projection.x, projection.z]) / DUST_SPACING).astype(int)
    steps = np.arange(-DUST_REACH, DUST_REACH + 1)
    squares = origin + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    chance = _chance(squares)
    spots = (squares + chance[:, :2]) * DUST_SPACING
    points = np.column_stack([spots[:, 0], np.zeros(len(spots)), spots[:, 1]])
    away = np.hypot(spots[:, 0] - projection.x, spots[:, 1] - projection.z)
    bright = np.exp(-np.square(away) / 2.2) * chance[:, 2] * (away < DUST_REACH * DUST_SPACING)
    pixels, _ = projection.project(points)
    levels = (bright * DUST_STEPS).astype(int)
    radius = max(projection.size[1] // 720, 1)
    for place, level in zip(pixels.tolist(), levels.tolist(), strict=True):
        if level > 0:
            surface.blit(_speck(radius, level), place, special_flags=pygame.BLEND_RGB_ADD)


@functools.lru_cache(maxsize=64)
def _speck(radius: int, level: int) -> pygame.Surface:
    value = 70 * level // DUST_STEPS
    speck = pygame.Surface((2 * radius, radius), 0, 32)
    speck.fill((value, value, value))
    return speck


def _chance(squares: NDArray[np.intp]) -> NDArray[np.floating]:
    """(N, 3) numbers in 0..1 that belong to each square (N, 2) of the floor for ever."""
    seeds = squares @ np.array([[127.1, 269.5, 419.2], [311.7, 183.3, 371.9]])
    noise = np.sin(seeds) * 43758.5453
    return noise - np.floor(noise)
