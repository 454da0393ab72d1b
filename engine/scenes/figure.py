"""The body: a sculpture of light on a polished floor."""

from typing import ClassVar

import pygame

from engine.air import draw_air
from engine.figure import Sculptor, draw_sculpture
from engine.floor import draw_dust, draw_reflection, draw_shadows
from engine.scene import Scene, View
from engine.touched import Touched


class Figure(Scene):
    name: ClassVar[str] = "figure"

    def __init__(self) -> None:
        self._sculptor = Sculptor()

    def draw_behind(self, surface: pygame.Surface, view: View) -> Touched:
        """Draw the dust on the floor."""
        return draw_dust(surface, view.projection)

    def draw(self, surface: pygame.Surface, view: View) -> Touched:
        """Draw the floor's shadow and reflection, then the body in its glow."""
        sculpture = self._sculptor.sculpt(view.positions, view.energies, view.projection, view.light)
        touched = draw_shadows(surface, view.positions, view.projection)
        if sculpture is not None:
            touched += draw_reflection(surface, sculpture, view.projection)
            touched += draw_air(surface, view)
            touched += draw_sculpture(surface, sculpture)
        return touched
