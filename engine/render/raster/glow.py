"""Soft lights without an edge, painted once and added wherever they are needed."""

import functools
from typing import Any

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.raster.dirty_regions import DirtyRegions
from engine.render.raster.upscale import FAINT, add_shade

RADIUS_STEP = 1.12
"""Sizes grow by this factor from one sprite to the next: nobody sees the difference, and few are kept."""

TINT_STEP = 3.0
"""Steps of 8 bits between the tints that are told apart."""

LARGEST = 96
"""Pixels of radius above which a light is not kept as a sprite but worked out in coarse cells: kept sprites
take tens of megabytes at most, whatever the size of the frame."""

CELLS = 24
"""Cells across the radius of a light that is worked out anew."""


def add_glow(
    surface: pygame.Surface, place: tuple[float, float], radius: float, tint: NDArray[np.floating]
) -> DirtyRegions:
    """Add a round light around a pixel, `radius` pixels to where it ends, of an RGB tint (3,) in 0..255."""
    if radius < 1.0 or float(tint.max()) < 1.0:
        return []
    if radius > LARGEST:
        cell = round(float(radius) / CELLS)
        shade, _ = round_falloff(round(float(radius) / cell))
        corner = (round(place[0] - 0.5 * cell * len(shade)), round(place[1] - 0.5 * cell * len(shade)))
        return add_shade(surface, shade, tint, corner, cell)
    sprite = sprite_of(int(size_step(np.array([radius]))[0]), tint)
    half = sprite.get_width() / 2
    place = (float(place[0]) - half, float(place[1]) - half)
    return [surface.blit(sprite, place, special_flags=pygame.BLEND_RGB_ADD)]


def size_step(radii: NDArray[np.floating]) -> NDArray[np.intp]:
    """The number of the size that is nearest to each radius in pixels."""
    return np.round(np.log(np.maximum(radii, 1.0)) / np.log(RADIUS_STEP)).astype(np.intp)


def sprite_of(step: int, tint: NDArray[np.floating]) -> pygame.Surface:
    """The sprite of a size, of LARGEST pixels at most, and a tint (3,) in 0..255."""
    r, g, b = (round(min(max(float(value), 0.0), 255.0) / TINT_STEP) for value in tint)
    return _sprite(step, r, g, b)


@functools.lru_cache(maxsize=256)
def _sprite(step: int, red: int, green: int, blue: int) -> pygame.Surface:
    radius = min(max(round(RADIUS_STEP**step), 1), LARGEST)
    falloff, noise = round_falloff(radius)
    channels = []
    for value in (blue, green, red):
        # the noise rounds by chance: a smooth light has no rings
        channels.append(cv2.convertScaleAbs(falloff * np.float32(value * TINT_STEP) + noise))
    pixels = cv2.merge([*channels, channels[0]])
    # a faint light is dark before its rim, and what is dark is not added
    shade = pixels.max(axis=2)
    lit = np.flatnonzero(np.maximum(shade.max(axis=0), shade.max(axis=1)) > FAINT)
    dark = min(int(lit[0]), 2 * radius - 1 - int(lit[-1])) if len(lit) else radius - 1
    pixels = pixels[dark : 2 * radius - dark, dark : 2 * radius - dark]
    size = (pixels.shape[1], pixels.shape[0])
    sprite = pygame.image.frombuffer(pixels.tobytes(), size, "BGRA")
    sprite.set_alpha(None)
    return sprite


@functools.lru_cache(maxsize=64)
def round_falloff(radius: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """(2 radius, 2 radius) light in 0..1 that falls to nothing at the rim, and noise of half a step."""
    across = (np.arange(2 * radius, dtype=np.float32) + 0.5) / radius - 1.0
    inside = np.clip(1.0 - np.square(across)[None] - np.square(across)[:, None], 0.0, 1.0)
    random = np.random.default_rng(radius).random(inside.shape, dtype=np.float32)
    return inside**3, (random - 0.5) * (inside > 0.0)
