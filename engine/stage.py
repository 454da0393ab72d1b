"""The stage: one picture of the dancer, composed from back to front."""

from dataclasses import dataclass

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

from engine.backdrop import Backdrop
from engine.body import Body, embody
from engine.colours import Colours, Light, load_colours
from engine.figure import FigurePainter, add_enlarged, cell_for, paint_ghost
from engine.floor import draw_dust, draw_reflection, draw_shadows
from engine.overlay import Caption, Readings, draw_caption, draw_progress, draw_readings
from engine.relief import raise_relief
from engine.stage_camera import Projection, StageCamera
from engine.trails import Trails
from engine.values import Pose
from engine.visitor_ghost import VisitorGhost
from models.skeleton import JOINT_COUNT

LIGHT_SECONDS = 0.9
"""Time constant of the cross-fade from one emotion's light to the next."""

SPEED_SECONDS = 0.08
"""Time constant over which the speed that lights up limbs is averaged."""

FULL_SPEED = 3.0
"""Metres per second at which a limb is lit up most."""

CUT_DISTANCE = 0.7
"""Metres in one picture that the pelvis cannot move: a new start, so trails and speeds begin again."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What is to be seen at one moment.

    `time` in seconds, monotonic; `positions` (17, 3) in metres, None while no dancer is there yet;
    `emotion_weights` (P,) over `palette`; `progress` is shown only while no dancer is there.
    """

    time: float
    positions: NDArray[np.floating] | None = None
    emotion_weights: NDArray[np.floating] | None = None
    palette: tuple[str, ...] = ()
    visitor: Pose | None = None
    overlay: Readings | None = None
    caption: Caption | None = None
    progress: str | None = None


class Stage:
    """Draws pictures. Its state is what takes time: camera, trails, fading light, speeds, the ghost's fade."""

    def __init__(self, size: tuple[int, int], colours: Colours | None = None) -> None:
        self.colours = colours or load_colours()
        self._camera = StageCamera()
        self._trails = Trails()
        self._painter = FigurePainter()
        self._ghost = VisitorGhost()
        self._backdrop = Backdrop(self._camera.at_rest(size))
        self._light: Light | None = None
        self._speeds = np.zeros(JOINT_COUNT, dtype=np.float32)
        self._last: NDArray[np.float32] | None = None
        self._time: float | None = None

    def draw(self, surface: pygame.Surface, picture: Picture) -> None:
        """Draw a picture onto a 32-bit surface of any size. Times must not decrease by much."""
        size = surface.get_size()
        if self._backdrop.size != size:
            self._backdrop = Backdrop(self._camera.at_rest(size))
        seconds = 0.0 if self._time is None else min(max(picture.time - self._time, 0.0), 0.25)
        self._time = picture.time
        light = self._fade_light(picture, seconds)
        positions = self._follow(picture.positions, seconds)
        self._backdrop.draw(surface, light)
        if positions is None:
            if picture.progress is not None:
                draw_progress(surface, picture.progress, picture.time)
        else:
            projection = self._camera.follow(positions, picture.time, size)
            self._trails.follow(positions, self._speeds, picture.time)
            self._draw_dancer(surface, positions, projection, light, (picture.visitor, seconds))
        if picture.caption is not None:
            draw_caption(surface, picture.caption, picture.time)
        if picture.overlay is not None:
            draw_readings(surface, picture.overlay)

    def _draw_dancer(
        self,
        surface: pygame.Surface,
        positions: NDArray[np.float32],
        projection: Projection,
        light: Light,
        visit: tuple[Pose | None, float],
    ) -> None:
        body = embody(positions)
        draw_dust(surface, projection)
        draw_reflection(surface, body, projection, light)
        draw_shadows(surface, positions, projection)
        ghost = self._ghost.follow(*visit, projection)
        if ghost is not None:
            paint_ghost(surface, embody(ghost.positions), projection, light, ghost.strength)
        self._draw_trails(surface, projection, light)
        self._draw_figure(surface, body, projection, light)

    def _draw_trails(self, surface: pygame.Surface, projection: Projection, light: Light) -> None:
        ribbons = self._trails.light(projection, light.trail_seconds, cell_for(projection.size))
        if ribbons is not None:
            add_enlarged(surface, ribbons.shade, light.glow * np.float32(255.0), ribbons.origin, ribbons.cell)

    def _draw_figure(self, surface: pygame.Surface, body: Body, projection: Projection, light: Light) -> None:
        energies = np.clip(self._speeds[body.joints] / FULL_SPEED, 0.0, 1.0) ** 1.5
        relief = raise_relief(body, energies, projection, cell_for(projection.size))
        if relief is None:
            return
        halo = cv2.resize(
            np.clip(relief.distance, 0.0, 1.0), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA
        )
        border = 12
        halo = cv2.copyMakeBorder(halo, border, border, border, border, cv2.BORDER_CONSTANT)
        halo = cv2.GaussianBlur(halo, (0, 0), 4.5)
        cell = relief.cell * 4
        origin = (relief.origin[0] - border * cell, relief.origin[1] - border * cell)
        add_enlarged(surface, halo, light.glow * np.float32(60.0), origin, cell)
        self._painter.paint(surface, relief, light)

    def _fade_light(self, picture: Picture, seconds: float) -> Light:
        wanted = self.colours.blend(picture.palette, picture.emotion_weights)
        if self._light is None:
            self._light = wanted
        self._light = self._light.towards(wanted, 1.0 - float(np.exp(-seconds / LIGHT_SECONDS)))
        return self._light

    def _follow(self, positions: NDArray[np.floating] | None, seconds: float) -> NDArray[np.float32] | None:
        """The positions to draw: the last good ones where these are none; updates the joints' speeds."""
        if positions is None:
            self._last = None
            return None
        if positions.shape != (JOINT_COUNT, 3) or not np.isfinite(positions).all():
            return self._last
        good = positions.astype(np.float32)
        if self._last is None or np.linalg.norm(good[0] - self._last[0]) > CUT_DISTANCE:
            self._speeds = np.zeros(JOINT_COUNT, dtype=np.float32)
            self._trails.clear()
        elif seconds > 0.0:
            speeds = np.linalg.norm(good - self._last, axis=-1) / np.float32(seconds)
            share = np.float32(1.0 - np.exp(-seconds / SPEED_SECONDS))
            self._speeds = self._speeds + (speeds - self._speeds) * share
        self._last = good
        return good
