"""Echoes behind the dancer: the same dance, later and elsewhere, further back and fainter."""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.emotion_lights import Light
from engine.render.figure.shading import FigureRenderer, Sculpture, draw_sculpture
from engine.render.floor import draw_contact, draw_reflection, draw_shadows
from engine.render.raster.dirty_regions import DirtyRegions
from engine.render.raster.glow_trails import draw_air
from engine.render.raster.jit import compiled
from engine.render.raster.sprite import Piece, cut_out, lay_over
from engine.render.scene import Scene, View
from engine.render.stage_camera import DISTANCE_M, EYE_HEIGHT_M, Projection


@dataclass(frozen=True)
class Row:
    """Echoes that stand about as far `behind` the dancer, in metres.

    `places`: for each of them metres to the side, metres further behind, and seconds later; the furthest first.
    """

    behind: float
    places: tuple[tuple[float, float, float], ...]

    @property
    def far(self) -> float:
        """How far away it is, 1 for the furthest."""
        return self.behind / FURTHEST


FURTHEST = 4.5
COMPANY = (
    Row(4.5, ((-1.5, 0.1, 3.6), (1.5, 0.1, 3.9), (-0.95, -0.1, 3.0), (0.95, -0.1, 3.3))),
    Row(2.9, ((-3.05, 0.1, 2.1), (3.05, 0.1, 2.4), (-1.75, -0.1, 1.5), (1.75, -0.1, 1.8))),
    Row(1.3, ((-1.95, 0.0, 0.6), (1.95, 0.0, 0.9))),
)
KEPT = max(later for row in COMPANY for _, _, later in row.places) + 0.2
FAINTEST = 0.20
"""Share of the light on the echoes that are furthest back."""

HAZE = 0.30
"""How much of it is lost in the air before them, which has a light of its own: `AIR` of the background."""

AIR = 0.62

ENTRANCE_S = 0.8
"""Seconds in which an echo appears."""


@dataclass(frozen=True, eq=False)
class _Echo:
    """A moment of the dance as one row of a frame of `size` shows it: `ratio` times as large as it was."""

    row: Row
    size: tuple[int, int]
    pieces: list[Piece]
    ratio: float


@dataclass(eq=False)
class _Memory:
    """A moment of the dance: the echoes of a row show it one after another, so it is cut out once for them."""

    time: float
    sculpture: Sculpture
    projection: Projection
    echo: _Echo | None = None


class Chorus(Scene):
    name: ClassVar[str] = "chorus"
    widening: ClassVar[float] = 1.30

    def __init__(self) -> None:
        self._sculptor = FigureRenderer()
        self._memories: deque[_Memory] = deque()
        self._began = 0.0  # the time of the first memory of this dance, which may be forgotten by now

    def forget(self) -> None:
        self._memories.clear()

    def draw_background(self, surface: pygame.Surface, view: View) -> DirtyRegions:
        """Draw the echoes, from the furthest to the nearest."""
        if not self._goes_on(view.time):
            return []
        times = [memory.time for memory in self._memories]
        return [box for row in COMPANY for box in self._draw_row(surface, view, times, row)]

    def draw(self, surface: pygame.Surface, view: View) -> DirtyRegions:
        """Draw the dancer, and remember it."""
        sculpture = self._sculptor.sculpt(view.positions, view.energies, view.projection, view.light)
        if sculpture is None:
            return []
        if not self._goes_on(view.time):
            self.forget()
        if not self._memories:
            self._began = view.time
        self._memories.append(_Memory(view.time, sculpture, view.projection))
        while view.time - self._memories[0].time > KEPT:
            self._memories.popleft()
        touched = draw_shadows(surface, view.positions, view.projection)
        touched += draw_reflection(surface, sculpture, view.projection)
        touched += draw_air(surface, view, trails=False)
        return touched + draw_sculpture(surface, sculpture)

    def _goes_on(self, time: float) -> bool:
        """Whether the memories reach up to a time, so that even the first echo is of one of them."""
        return bool(self._memories) and 0.0 <= time - self._memories[-1].time < 0.5

    def _draw_row(self, surface: pygame.Surface, view: View, times: list[float], row: Row) -> DirtyRegions:
        touched: DirtyRegions = []
        now = view.projection
        metre = now.focal / (DISTANCE_M + row.behind)
        for aside, further, later in row.places:
            # an echo that has not begun yet is not there: they come in one after the other
            started = view.time - later - self._began
            if started < 0.0:
                continue
            memory = self._memories[bisect_left(times, view.time - later)]
            entrance = min(started / ENTRANCE_S, 1.0)
            echo = _echo(memory, row, view.light, now.size, metre, entrance)
            then, sculpture = memory.projection, memory.sculpture
            floor = then.eye_level + EYE_HEIGHT_M * then.scale
            scale = now.focal / (DISTANCE_M + row.behind + further)
            x, y = 0.5 * now.size[0] + aside * scale, now.eye_level + EYE_HEIGHT_M * scale
            left = x + (sculpture.origin[0] - then.size[0] / 2) * echo.ratio
            top = y + (sculpture.origin[1] - floor) * echo.ratio
            touched.append(draw_contact(surface, (x, y), 0.42 * scale, 0.5 * entrance))
            touched += lay_over(surface, echo.pieces, (round(left), round(top)))
        return touched


def _echo(
    memory: _Memory, row: Row, light: Light, size: tuple[int, int], scale: float, entrance: float
) -> _Echo:
    """A memory as it looks in a row where a metre is `scale` pixels; kept once it has come in."""
    kept = memory.echo
    if kept is not None and kept.row is row and kept.size == size and entrance == 1.0:
        return kept
    ratio = scale / memory.projection.scale
    share = 1.0 - (1.0 - FAINTEST) * row.far**0.7
    sculpture = memory.sculpture
    haze = HAZE * row.far
    cells = sculpture.cells.copy()
    _dim(cells, share * (1.0 - haze), light.background[::-1] * np.float32(255.0 * AIR * haze))
    pieces = cut_out(cells, sculpture.cell * ratio, entrance)
    echo = _Echo(row, size, pieces, ratio)
    if entrance == 1.0:
        memory.echo = echo
    return echo


@compiled("void(u1[:, :, ::1], f4, f4[:])")
def _dim(cells: NDArray[Any], share: float, air: NDArray[Any]) -> None:
    """Leave a share of a figure's light (rows, columns, 4), and add that of the air (3,) before it: together
    they are no brighter than white."""
    rows, columns, _ = cells.shape
    for row in range(rows):
        for column in range(columns):
            for channel in range(3):
                light = np.float32(cells[row, column, channel]) * share + air[channel]
                cells[row, column, channel] = np.uint8(light)
