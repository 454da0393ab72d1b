"""The body: a sculpture of light on a polished floor."""

from typing import ClassVar

import numpy as np
import pygame

from engine.figure import Sculptor, draw_sculpture
from engine.floor import draw_dust, draw_reflection, draw_shadows
from engine.glow import add_glow
from engine.scene import Scene, View
from engine.trails import draw_trails
from models.skeleton import INDEX

HALO = ((INDEX["neck"], 0.85),)
TIPS = tuple(INDEX[name] for name in ("left_wrist", "right_wrist", "left_ankle", "right_ankle"))
"""Joints with a light around them, and its radius in metres; the tips of limbs shine when they are fast."""


class Figure(Scene):
    name: ClassVar[str] = "figure"

    def __init__(self) -> None:
        self._sculptor = Sculptor()

    def draw(self, surface: pygame.Surface, view: View) -> None:
        """Draw the floor's light and shadow, then the body in its glow."""
        sculpture = self._sculptor.sculpt(view.positions, view.energies, view.projection, view.light)
        draw_dust(surface, view.projection)
        draw_shadows(surface, view.positions, view.projection)
        if sculpture is None:
            return
        draw_reflection(surface, sculpture, view.projection)
        draw_halo(surface, view)
        draw_trails(surface, view)
        draw_sculpture(surface, sculpture)


def draw_halo(surface: pygame.Surface, view: View) -> None:
    """Add the air that the body lights up around itself."""
    pixels, scales = view.projection.project(view.positions)
    strength = view.light.glow_strength * 255.0
    for joint, radius in HALO:
        add_glow(surface, pixels[joint], radius * scales[joint], view.light.glow * np.float32(0.10 * strength))
    for joint in TIPS:
        share = np.float32(0.30 * strength * view.energies[joint])
        add_glow(surface, pixels[joint], 0.22 * scales[joint], view.light.glow * share)
