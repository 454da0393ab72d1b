"""The body: a sculpture of light on a polished floor."""

from typing import ClassVar

import pygame

from engine.render.figure.shading import FigureRenderer, draw_sculpture
from engine.render.floor import draw_dust, draw_reflection, draw_shadows
from engine.render.raster.dirty_regions import DirtyRegions
from engine.render.raster.glow_trails import draw_air
from engine.render.scene import Scene, View


class Figure(Scene):
    name: ClassVar[str] = "figure"

    def __init__(self) -> None:
        self._sculptor = FigureRenderer()

    def draw_background(self, surface: pygame.Surface, view: View) -> DirtyRegions:
        """Draw the dust on the floor."""
        return draw_dust(surface, view.projection)

    def draw(self, surface: pygame.Surface, view: View) -> DirtyRegions:
        """Draw the floor's shadow and reflection, then the body in its glow."""
        sculpture = self._sculptor.sculpt(view.positions, view.energies, view.projection, view.light)
        touched = draw_shadows(surface, view.positions, view.projection)
        if sculpture is not None:
            touched += draw_reflection(surface, sculpture, view.projection)
            touched += draw_air(surface, view)
            touched += draw_sculpture(surface, sculpture)
        return touched
