"""The body: a sculpture of light on a polished floor."""

from typing import ClassVar

import pygame

from engine.air import draw_air
from engine.figure import Sculptor, draw_sculpture
from engine.floor import draw_dust, draw_reflection, draw_shadows
from engine.scene import Scene, View


class Figure(Scene):
    name: ClassVar[str] = "figure"

    def __init__(self) -> None:
        self._sculptor = Sculptor()

    def draw_behind(self, surface: pygame.Surface, view: View) -> None:
        """Draw the dust on the floor."""
        draw_dust(surface, view.projection)

    def draw(self, surface: pygame.Surface, view: View) -> None:
        """Draw the floor's shadow and reflection, then the body in its glow."""
        sculpture = self._sculptor.sculpt(view.positions, view.energies, view.projection, view.light)
        draw_shadows(surface, view.positions, view.projection)
        if sculpture is None:
            return
        draw_reflection(surface, sculpture, view.projection)
        draw_air(surface, view)
        draw_sculpture(surface, sculpture)
