"""Points and threads: the body as stars, and what the stars have to do with each other."""

from typing import Any, ClassVar

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.figure.body import Body, embody
from engine.render.raster.dirty_regions import DirtyRegions
from engine.render.raster.glow import size_step, sprite_of
from engine.render.scene import Scene, View
from models.motion.skeleton import T_POSE, forward_kinematics

STARS = 190
NEIGHBOURS = 3
MAX_THREAD_M = 0.34
"""Metres between two stars beyond which no thread holds them."""

SPARKLE = 0.45
"""How much stars breathe in brightness."""

BRIGHTNESSES = 4
"""Steps of brightness in which threads are drawn."""

LEVELS = 6
"""Steps of brightness of a star."""

SHIFT = 4
"""Binary places of a pixel in which ends of threads are given: they do not jump from pixel to pixel."""


class Constellation(Scene):
    name: ClassVar[str] = "constellation"

    def __init__(self) -> None:
        random = np.random.default_rng(11)
        rest = embody(forward_kinematics(np.zeros(3), T_POSE))
        size = np.linalg.norm(rest.ends[1] - rest.ends[0], axis=-1) * rest.radii.mean(axis=1) + 4e-4
        self._volume = np.sort(random.choice(len(size), STARS, p=size / size.sum()))
        self._along = random.random(STARS).astype(np.float32)
        outwards = random.normal(size=(STARS, 3))
        outwards /= np.linalg.norm(outwards, axis=-1, keepdims=True)
        self._outwards = (outwards * random.uniform(0.55, 1.0, (STARS, 1))).astype(np.float32)
        self._size = (0.6 + 1.4 * random.random(STARS) ** 3).astype(np.float32)
        self._phase = random.uniform(0.0, 2.0 * np.pi, STARS).astype(np.float32)
        self._threads = _neighbours(self._stars(rest))

    def _stars(self, body: Body) -> NDArray[Any]:
        """(STARS, 3) metres: each star keeps its place in its part of the body."""
        starts, ends = body.ends[:, self._volume]
        radii = body.radii[self._volume].mean(axis=1, keepdims=True)
        return starts + (ends - starts) * self._along[:, None] + self._outwards * radii

    def draw(self, surface: pygame.Surface, view: View) -> DirtyRegions:
        """Draw threads, stars and their faint twins in the floor."""
        body = embody(view.positions)
        stars = self._stars(body)
        energy = view.energies[body.joints[self._volume, 1]]
        # the air before the body: every star has a faint twin on the floor's dark mirror
        twins = stars[::3] * np.array([1.0, -1.0, 1.0], dtype=np.float32)
        pixels, scales = view.projection.project(np.concatenate([stars, twins]))
        touched = self._draw_threads(surface, stars, pixels[:STARS], energy, view)
        return touched + self._draw_stars(surface, pixels, scales, energy, view)

    def _draw_threads(
        self,
        surface: pygame.Surface,
        stars: NDArray[Any],
        pixels: NDArray[Any],
        energy: NDArray[Any],
        view: View,
    ) -> DirtyRegions:
        one, other = self._threads
        length = np.linalg.norm(stars[one] - stars[other], axis=-1)
        bright = np.clip(1.0 - length / MAX_THREAD_M, 0.0, 1.0) * (
            0.42 + 0.58 * np.maximum(energy[one], energy[other])
        )
        steps = np.minimum((bright * BRIGHTNESSES * 1.4).astype(int), BRIGHTNESSES)
        low = np.clip(np.floor(pixels.min(axis=0)) - 4, 0, view.projection.size).astype(int)
        high = np.clip(np.ceil(pixels.max(axis=0)) + 4, 0, view.projection.size).astype(int)
        if (high - low < 2).any():
            return []
        canvas = np.zeros((high[1] - low[1], high[0] - low[0], 4), dtype=np.uint8)
        ends = np.stack([pixels[one], pixels[other]], axis=1) - low
        fixed = np.round(ends * 2**SHIFT).astype(np.int32)
        tint = (0.75 * view.light.glow + 0.25 * view.light.figure)[::-1] * 190.0
        thick = max(view.projection.size[1] // 1080, 1)
        for step in range(1, BRIGHTNESSES + 1):
            chosen = list(fixed[steps == step])
            colour = (tint * (step / BRIGHTNESSES)).tolist()
            cv2.polylines(canvas, chosen, False, (*colour, 0), thick, cv2.LINE_AA, SHIFT)
        image = pygame.image.frombuffer(canvas.data, canvas.shape[1::-1], "BGRA")
        return [surface.blit(image, low.tolist(), special_flags=pygame.BLEND_RGB_ADD)]

    def _draw_stars(
        self,
        surface: pygame.Surface,
        pixels: NDArray[Any],
        scales: NDArray[Any],
        energy: NDArray[Any],
        view: View,
    ) -> DirtyRegions:
        # in double precision: after weeks a time in single precision goes in steps
        phase = self._phase + np.float64(view.time) * (0.7 + self._size.astype(np.float64))
        breath = 1.0 - SPARKLE * (0.5 + 0.5 * np.sin(phase))
        bright = breath * (0.55 + 0.45 * energy)
        radius = self._size * (0.013 + 0.008 * energy)
        bright, radius = np.concatenate([bright, 0.16 * bright[::3]]), np.concatenate([radius, radius[::3]])
        light = view.light
        levels = np.minimum((bright * LEVELS).astype(int), LEVELS - 1)
        sizes = np.maximum(radius * scales * (0.85 + 0.3 * light.glow_strength), 2.0)
        warm = 255.0 * (0.5 * light.figure + 0.5 * light.glow)
        kinds = size_step(sizes * 1.6) * LEVELS + levels
        sprites = {
            kind: sprite_of(kind // LEVELS, warm * ((kind % LEVELS + 1) / LEVELS))
            for kind in set(kinds.tolist())
        }
        halves = np.array([sprites[kind].get_width() / 2 for kind in kinds.tolist()])
        corners = (pixels - halves[:, None]).tolist()
        add = pygame.BLEND_RGB_ADD
        blits: list[Any] = [
            (sprites[kind], corner, None, add) for kind, corner in zip(kinds.tolist(), corners, strict=True)
        ]
        touched = surface.blits(blits)
        return [touched[0].unionall(touched)] if touched else []


def _neighbours(stars: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs of stars that a thread joins: each with its nearest ones at rest, the arms spread."""
    distance = np.linalg.norm(stars[:, None] - stars[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :NEIGHBOURS]
    pairs = np.sort(np.stack([np.repeat(np.arange(len(stars)), NEIGHBOURS), nearest.ravel()], axis=1), axis=1)
    one, other = np.unique(pairs, axis=0).T
    return one, other
