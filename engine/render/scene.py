"""What a scene is: something that draws the dancer from a view of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.emotion_lights import Light
from engine.render.mirror_figure import MirrorFigure
from engine.render.raster.dirty_regions import DirtyRegions
from engine.render.stage_camera import Projection
from engine.streams.motion_history import MotionHistory

FULL_SPEED = 3.0
"""Metres per second at which a limb is lit up most."""


@dataclass(frozen=True, eq=False)
class View:
    """Everything that a scene may draw from.

    `time` in seconds, `seconds` since the frame before; `positions` (17, 3) in metres and `speeds` (17,) in
    metres per second of the dancer now, `history` of both before; `light` is the emotion's, faded; `projection`
    turns metres into pixels; `ghost` is the visitor's mirror figure, None where nobody is to be seen.
    """

    time: float
    seconds: float
    positions: NDArray[np.float32]
    speeds: NDArray[np.float32]
    history: MotionHistory
    light: Light
    projection: Projection
    ghost: MirrorFigure | None = None

    @cached_property
    def energies(self) -> NDArray[np.float32]:
        """How lit up each joint is by its speed, (17,) in 0..1: stillness lets it fade."""
        return np.minimum(self.speeds / np.float32(FULL_SPEED), 1.0) ** np.float32(1.5)


class Scene(ABC):
    """One way to show the dance. A new one is a file in engine/render/scenes and a name in its table.

    What draws says where it did, as a list of pygame.Rect and Spans, so that the next frame restores no more
    of the backdrop than that; one that says nothing may draw anywhere, and the whole backdrop is restored.
    """

    name: ClassVar[str]
    widening: ClassVar[float] = 1.0
    """How much more room than one dancer the camera shows."""
    shows_visitor: ClassVar[bool] = True
    """Whether the visitor stands in the scene as a faint mirror figure."""

    def draw_background(self, surface: pygame.Surface, view: View) -> DirtyRegions | None:
        """Draw what needs neither the newest pose nor camera: the view has those of the frame before.

        What is drawn here does not keep the newest pose waiting. Not called for the first frame and at a cut.
        """
        return []

    @abstractmethod
    def draw(self, surface: pygame.Surface, view: View) -> DirtyRegions | None:
        """Draw onto a 32-bit BGRX surface that shows the backdrop, the visitor and what `draw_background` drew.

        A cut calls `forget` first.
        """

    def forget(self) -> None:  # noqa: B027 - most scenes remember nothing
        """Drop what was kept of earlier frames: a new dance begins."""
