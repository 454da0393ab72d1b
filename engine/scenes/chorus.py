"""A company of echoes: the same dance, later and elsewhere, further back and fainter."""

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import pygame

from engine.enlarge import blend_figure
from engine.figure import Sculptor, Sculpture, draw_sculpture
from engine.floor import draw_contact, draw_reflection, draw_shadows
from engine.scene import Scene, View
from engine.scenes.figure import draw_halo
from engine.stage_camera import EYE_HEIGHT, Projection

COMPANY = (
    # metres to the side of the dancer and behind, and seconds later; the furthest first
    (-2.75, 4.6, 3.6),
    (2.75, 4.6, 3.9),
    (-0.95, 4.4, 3.0),
    (0.95, 4.4, 3.3),
    (-3.05, 3.0, 2.1),
    (3.05, 3.0, 2.4),
    (-1.75, 2.8, 1.5),
    (1.75, 2.8, 1.8),
    (-1.95, 1.3, 0.6),
    (1.95, 1.3, 0.9),
)
FURTHEST = max(behind for _, behind, _ in COMPANY)
KEPT = max(later for _, _, later in COMPANY) + 0.2
FAINTEST = 0.20
"""Share of the light on the echo that is furthest back."""

HAZE = 0.30
"""How much of it is lost in the air before it."""


@dataclass(frozen=True, eq=False)
class _Memory:
    time: float
    sculpture: Sculpture
    projection: Projection


class Chorus(Scene):
    name: ClassVar[str] = "chorus"
    widening: ClassVar[float] = 1.30

    def __init__(self) -> None:
        self._sculptor = Sculptor()
        self._memories: deque[_Memory] = deque()

    def forget(self) -> None:
        self._memories.clear()

    def draw(self, surface: pygame.Surface, view: View) -> None:
        """Draw the company: the echoes from the oldest to the newest, then the dancer."""
        sculpture = self._sculptor.sculpt(view.positions, view.energies, view.projection, view.light)
        if sculpture is None:
            return
        if self._memories and not 0.0 <= view.time - self._memories[-1].time < 0.5:
            self.forget()
        self._memories.append(_Memory(view.time, sculpture, view.projection))
        while view.time - self._memories[0].time > KEPT:
            self._memories.popleft()
        times = np.array([memory.time for memory in self._memories])
        for aside, behind, later in COMPANY:
            # who has not begun yet is not there: the company comes in one after the other
            started = view.time - later - times[0]
            if started >= 0.0:
                index = int(np.searchsorted(times, view.time - later))
                entrance = min(started / 0.8, 1.0)
                self._draw_echo(surface, self._memories[index], view, (aside, behind), entrance)
        draw_shadows(surface, view.positions, view.projection)
        draw_reflection(surface, sculpture, view.projection)
        draw_halo(surface, view)
        draw_sculpture(surface, sculpture)

    @staticmethod
    def _draw_echo(
        surface: pygame.Surface, memory: _Memory, view: View, offset: tuple[float, float], entrance: float
    ) -> None:
        now, then = view.projection, memory.projection
        spot = np.array([now.x + offset[0], 0.0, now.z - offset[1]], dtype=np.float32)
        place, scale = now.project(spot)
        ratio = float(scale) / then.scale
        floor = then.eye_level + EYE_HEIGHT * then.scale
        sculpture = memory.sculpture
        left = float(place[0]) + (sculpture.origin[0] - then.size[0] / 2) * ratio
        top = float(place[1]) + (sculpture.origin[1] - floor) * ratio
        far = min(offset[1] / FURTHEST, 1.0)
        share = 1.0 - (1.0 - FAINTEST) * far**0.7
        draw_contact(surface, (float(place[0]), float(place[1])), 0.42 * float(scale), 0.5 * entrance)
        blend_figure(
            surface,
            cv2.convertScaleAbs(sculpture.colour, alpha=share),
            sculpture.distance,
            (round(left), round(top)),
            sculpture.cell * ratio,
            entrance * (1.0 - HAZE * far),
        )
