"""The dark room: air that glows behind the dancer, a floor with a pool of light, a vignette and fine grain."""

from dataclasses import replace

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.canvas import pixels_of
from engine.render.emotion_lights import Light
from engine.render.raster.dirty_regions import DirtyRegions, Spans, restore
from engine.render.stage_camera import DISTANCE_M, EYE_HEIGHT_M, Projection

TURNS = 12
"""A change of colour is repainted over this many frames, every TURNS-th row at a time: too fine to see."""

STRIP_COUNT = 36
"""In as many frames all of the backdrop is drawn again, whatever was known to be drawn over."""

GRAIN = 1.6
"""Amplitude of the grain in steps of 8 bits: it hides the bands that dark gradients otherwise show."""

COARSE = 4
"""Pixels per cell in which the light is worked out: it has no edges."""

POOL_RADIUS = 1.35
NOISE = np.random.default_rng(7).random((512, 512), dtype=np.float32)


class Backdrop:
    """The frame behind everything, for one size; repainted gradually while the light changes."""

    def __init__(self, rest: Projection) -> None:
        width, height = rest.size
        self.size = rest.size
        self._lights = _lights(replace(rest, size=(-(-width // COARSE), -(-height // COARSE))))
        self._grain = np.tile((NOISE - 0.5) * GRAIN, (1, width // 512 + 1))[:, :width]
        # the format of a screen: a blit of it is a copy
        self._image = pygame.Surface(rest.size, 0, 32)
        self._painted: list[NDArray[np.float32] | None] = [None] * TURNS
        self._turn = self._strip = 0
        self._light: Light | None = None
        self._tones: NDArray[np.float32] = np.zeros((3, 4), dtype=np.float32)

    def draw(self, surface: pygame.Surface, light: Light, touched: DirtyRegions | None = None) -> None:
        """Draw the backdrop in a light; of what was `touched`, where the rest of the surface still shows the
        backdrop.

        A strip of it is drawn all the same, each time the next one: what else happens to a surface, such as a
        window that a driver empties, is over after STRIP_COUNT frames.
        """
        if light is not self._light:
            self._light, self._tones = light, _tones(light)
        tones = self._tones
        if self._painted[0] is None:
            touched = None
            for turn in range(TURNS):
                self._paint(turn, tones)
        self._turn = (self._turn + 5) % TURNS
        self._strip = (self._strip + 1) % STRIP_COUNT
        painted = self._painted[self._turn]
        changed = painted is not tones and (painted is None or np.abs(painted - tones).max() > 0.15)
        if changed:
            self._paint(self._turn, tones)
        if touched is None:
            surface.blit(self._image, (0, 0))
            return
        width, height = self.size
        tall = -(-height // STRIP_COUNT)
        strip = pygame.Rect(0, self._strip * tall, width, tall)
        repainted: DirtyRegions = []
        if changed:
            rows = np.arange(self._turn, height, TURNS)[:, None] * (0, 1, 0, 1) + (0, 0, width, 1)
            repainted.append(Spans(rows.astype(np.int32), 0, 0))
        restore(surface, self._image, [strip, *repainted, *touched])

    def _paint(self, turn: int, tones: NDArray[np.float32]) -> None:
        """Paint every TURNS-th row: light interpolated between coarse cells, then the grain."""
        rows = np.arange(turn, self.size[1], TURNS)
        if len(rows) == 0:
            return
        last = self._lights.shape[1] - 1
        place = np.clip((rows + 0.5) / COARSE - 0.5, 0.0, last).astype(np.float32)
        above = place.astype(int)
        share = (place - above).astype(np.float32)[:, None]
        near, far = self._lights[:, above], self._lights[:, np.minimum(above + 1, last)]
        coarse = np.tensordot(tones[:, :3], near + (far - near) * share, (0, 0))
        grain = self._grain[rows % len(self._grain)] * tones[0, 3] + np.float32(0.5)
        blue, green, red = (
            cv2.convertScaleAbs(cv2.add(cv2.resize(channel, grain.shape[::-1]), grain)) for channel in coarse
        )
        pixels_of(self._image)[turn::TURNS] = cv2.merge([blue, green, red, red])
        self._painted[turn] = tones


def _tones(light: Light) -> NDArray[np.float32]:
    """Colour of each light, (3 lights, BGRX) in 0..255: air, floor and pool."""
    pool = 0.50 * light.background + 0.30 * light.glow + 0.06 * light.figure
    tones = np.zeros((3, 4), dtype=np.float32)
    tones[:, 3] = light.grain / 255.0  # the fourth channel is not shown; it carries the grain to `_paint`
    tones[0, :3] = light.background[::-1] * 0.62
    tones[1, :3] = light.background[::-1] * 0.30
    tones[2, :3] = pool[::-1] * 0.62
    return tones * np.float32(255.0)


def _lights(rest: Projection) -> NDArray[np.float32]:
    """(3, height, width) in 0..1: how much of the air, the floor and the pool each cell shows."""
    width, height = rest.size
    across = (np.arange(width, dtype=np.float32) - width / 2)[None]
    down = np.arange(height, dtype=np.float32)[:, None]
    below = np.maximum(down - rest.eye_level, 1e-3)
    depth = rest.focal * EYE_HEIGHT_M / below  # metres to the floor seen in this row
    beyond = depth - DISTANCE_M
    aside = across / rest.focal * depth
    from_dancer = np.square(aside) + np.square(np.clip(beyond, -1e3, 1e3)) * 0.8
    pool = np.exp(-from_dancer / (2.0 * POOL_RADIUS**2)) * (down > rest.eye_level)
    floor = np.clip(1.0 - beyond / 9.0, 0.0, 1.0) * np.exp(-np.square(aside) / 18.0) * (down > rest.eye_level)
    breast = rest.eye_level - 0.1 * rest.scale
    reach = 1.5 * rest.scale
    air = np.exp(-(np.square(across) + np.square((down - breast) * 0.9)) / (2.0 * reach * reach))
    corner = np.hypot(across / (0.5 * width), (down - 0.5 * height) / (0.5 * height))
    vignette = 1.0 - 0.55 * np.clip(corner - 0.35, 0.0, 1.0) ** 1.5
    lights = np.stack([air * vignette, floor * vignette, pool * vignette], axis=-1, dtype=np.float32)
    soft: NDArray[np.float32] = cv2.GaussianBlur(lights, (0, 0), max(height / 160.0, 0.6)).astype(np.float32)
    return np.ascontiguousarray(soft.transpose(2, 0, 1))  # without the blur the horizon would be a hard line
