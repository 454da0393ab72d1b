"""Silk: hands and feet draw cloth of many fine threads behind them; the body is hardly more than its edge."""

from typing import Any, ClassVar

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.figure.shading import FigureRenderer, draw_sculpture
from engine.render.floor import draw_shadows
from engine.render.raster.dirty_regions import DirtyRegions
from engine.render.raster.light_paths import bloom, expose
from engine.render.raster.upscale import UNSEEN, add_light, cell_for
from engine.render.scene import Scene, View
from engine.streams.motion_history import MotionSamples
from models.motion.skeleton import INDEX, JOINT_COUNT

EDGES = (
    # inner and outer joint of the limb that sweeps the cloth, and how far beyond the outer one it reaches
    ("left_elbow", "left_wrist", 0.75),
    ("right_elbow", "right_wrist", 0.75),
    ("left_ankle", "left_toe", 0.5),
    ("right_ankle", "right_toe", 0.5),
)

UNLIT = np.zeros(JOINT_COUNT, dtype=np.float32)
"""No joint of the body is lit up by its speed: here the silk shows it."""

LIGHT = 235.0 + UNSEEN
"""Steps of 8 bits of the brightest silk, and what is taken away from all of it."""

THREADS = 11
"""Threads of each cloth: close enough to be a sheet where it is seen flat, and a bright fold on edge."""

FOLD = np.linspace(0.0, 2.4, THREADS)
"""How far each thread's swing lies behind that of the first, in radians."""

LENGTH = 1.7
"""How much longer than a trail the cloth is."""

FULL_SPEED = 2.0
"""Metres per second from which the cloth has its full light."""

FULL_DETAIL_S = 0.8
"""Seconds for which cloth keeps every sample of the past; older cloth keeps one in `COARSE_INTERVAL_S`
seconds."""

COARSE_INTERVAL_S = 0.05

SINK_SPEED = 0.10
"""Metres per second by which cloth sinks as it ages, and how far it billows."""


class Ribbons(Scene):
    name: ClassVar[str] = "ribbons"
    widening: ClassVar[float] = 1.12

    def __init__(self) -> None:
        self._sculptor = FigureRenderer()
        self._inner = np.array([INDEX[inner] for inner, _, _ in EDGES])
        self._outer = np.array([INDEX[outer] for _, outer, _ in EDGES])
        reach = np.array([edge[2] for edge in EDGES], dtype=np.float32)
        across = np.linspace(0.0, 1.0, THREADS, dtype=np.float32)
        self._across = 0.55 + across[None] * (0.45 + reach[:, None])  # (4, THREADS) of the way out
        rim = np.abs(across * 2.0 - 1.0) ** 3
        self._sheen = (0.30 + 0.70 * rim).astype(np.float32)

    def draw(self, surface: pygame.Surface, view: View) -> DirtyRegions:
        """Draw the body as little more than its edge, and the silk over it."""
        touched = draw_shadows(surface, view.positions, view.projection)
        light = view.light.dimmed(0.55)
        body = self._sculptor.sculpt(view.positions, UNLIT, view.projection, light, 2)
        if body is not None:
            touched += draw_sculpture(surface, body)
        return touched + self._draw_silk(surface, view)

    def _draw_silk(self, surface: pygame.Surface, view: View) -> DirtyRegions:
        seconds = view.light.trail_seconds * LENGTH
        past = _thinned(view.history.last(seconds), view.time)
        if len(past.ages) < 4:
            return []
        age = past.ages / np.float32(seconds)
        speed = np.clip(past.speeds[:, self._outer] / FULL_SPEED, 0.0, 1.0)
        light = (0.10 + 0.90 * speed) * ((1.0 - age).clip(0.0, 1.0) ** 1.3)[:, None]
        light = (light[:, :, None] * self._sheen).reshape(len(age), -1)
        threads = self._threads(past.positions, past.ages, view.time)
        pixels, _ = view.projection.project(threads)
        young = np.exp(-age / 0.30)[:, None]
        cell = cell_for(view.projection.size)
        exposure = expose(pixels, np.stack([light * young, light * (1.0 - young)]), view.projection.size, cell)
        if exposure is None:
            return []
        bright = bloom(exposure.fields[0] * np.float32(0.50), 1.0, 0.5)
        deep = bloom(exposure.fields[1] * np.float32(0.55), 1.35, 0.8)
        figure, glow = view.light.figure, view.light.glow
        tones = zip(0.75 * figure + 0.25 * glow, 0.88 * glow + 0.12 * figure, strict=True)
        red, green, blue = (
            cv2.addWeighted(bright, LIGHT * float(near), deep, LIGHT * float(far), -UNSEEN, dtype=cv2.CV_8U)
            for near, far in tones
        )
        return add_light(surface, cv2.merge([blue, green, red, red]), exposure.origin, cell)

    def _threads(self, positions: NDArray[Any], ages: NDArray[Any], time: float) -> NDArray[Any]:
        """(T, 4 THREADS, 3) metres: where the sweeping limbs were, sunk and billowing with age."""
        planes = positions.transpose(2, 0, 1)
        inner, outer = planes[..., self._inner, None], planes[..., self._outer, None]
        threads = inner + (outer - inner) * self._across
        # after weeks a single-precision time goes in steps
        born = (time - ages.astype(np.float64))[:, None, None]
        loose = ages[:, None, None]
        x, y, z = threads  # each (T, 4, THREADS)
        y -= loose * SINK_SPEED * (0.6 + 0.4 * np.sin(born * 2.1 + FOLD))
        x += loose * 0.07 * np.sin(born * 3.3 + time * 0.5 + FOLD)
        z += loose * 0.09 * np.sin(born * 2.6 - FOLD)
        np.maximum(y, 0.01, out=y)
        return threads.reshape(3, len(ages), -1).transpose(1, 2, 0)


def _thinned(past: MotionSamples, time: float) -> MotionSamples:
    """The past with fewer samples where it is old; the same ones from frame to frame."""
    slots = np.floor((time - past.ages.astype(np.float64)) / COARSE_INTERVAL_S)
    keep = past.ages < FULL_DETAIL_S
    keep[:1] = True
    keep[1:] |= slots[1:] != slots[:-1]
    return MotionSamples(past.ages[keep], past.positions[keep], past.speeds[keep])
