"""The stage: one frame, composed from back to front: the backdrop, the visitor's ghost, the scene.

What lies behind the dancer can be drawn before the newest pose is there, by the camera of the frame before,
which is slow: that pose is shown sooner.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.backdrop import Backdrop
from engine.render.canvas import check_bgrx
from engine.render.emotion_lights import Light, LiveColours
from engine.render.face_visitor import FaceVisitor
from engine.render.figure.body import embody
from engine.render.figure.shading import paint_ghost
from engine.render.mirror_figure import MirrorFigureFollower
from engine.render.overlay import Caption, Overlay, draw_caption, draw_keys, draw_progress, draw_readings
from engine.render.raster.dirty_regions import DirtyRegions
from engine.render.scene import Scene, View
from engine.render.scenes import SCENES
from engine.render.stage_camera import StageCamera
from engine.streams.motion_history import MotionHistory
from engine.streams.values import Pose
from models.motion.skeleton import JOINT_COUNT, lengths_of

LIGHT_SECONDS = 0.9
"""Time constant of the cross-fade from one emotion's light to the next."""

SPEED_SECONDS = 0.08
"""Time constant over which the speed that lights up limbs is averaged."""

CUT_DISTANCE_M = 0.7
"""Metres in one frame that the pelvis cannot move: a new start, so trails and speeds begin again."""

SCENE_SECONDS = 0.5
"""Time in which one scene goes dark, and again in which the next one lights up."""

ATTRACT_SECONDS = 4.0
"""Time constant with which the stage falls into waiting and wakes up again."""


@dataclass(frozen=True, eq=False)
class StageFrame:
    """What is to be seen at one moment.

    `time` in seconds, monotonic; `positions` (17, 3) in metres, None while no dancer is there yet;
    `emotion_weights` (P,) over `palette`; `progress` is shown only while no dancer is there. `scene` is a name
    of SCENES; `mirror` lets the visitor's figure be seen; `waiting` says that nobody has come for a while.
    """

    time: float
    positions: NDArray[np.floating] | None = None
    emotion_weights: NDArray[np.floating] | None = None
    palette: tuple[str, ...] = ()
    visitor: Pose | None = None
    caption: Caption | None = None
    progress: str | None = None
    scene: str = "figure"
    mirror: bool = True
    waiting: bool = False


@dataclass(frozen=True, eq=False)
class _Behind:
    """The backdrop is drawn on a surface, in a light, `seconds` after the frame before; and what else lies
    behind the dancer, at what it `touched`, where there was a `view` of that frame."""

    surface: pygame.Surface
    light: Light
    seconds: float
    view: View | None = None
    touched: DirtyRegions | None = field(default_factory=list)


class Stage:
    """Draws frames. Its state is what takes time: camera, history, fading lights, speeds, the ghost's fade."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._colours = LiveColours()
        self._camera = StageCamera()
        self._history = MotionHistory()
        self._ghost = MirrorFigureFollower()
        self._facing = FaceVisitor()
        self._backdrop = Backdrop(self._camera.at_rest(size))
        self._scenes: dict[str, Scene] = {}
        self._scene = ""
        self._scene_light = 1.0
        self._waiting = 0.0
        self._fading: Light | None = None
        self._behind: _Behind | None = None
        self._before: tuple[StageFrame, View | None] | None = None
        self._touched: DirtyRegions | None = None
        """where the frame before differs from the backdrop, None where that may be anywhere"""
        self._speeds = np.zeros(JOINT_COUNT, dtype=np.float32)
        self._last: NDArray[np.float32] | None = None
        self._cut = False
        self._time: float | None = None

    @property
    def mistake(self) -> str | None:
        """One line about what is wrong in the file of lights, None if nothing is."""
        return self._colours.mistake

    def draw_background(self, surface: pygame.Surface, time: float, *, kept: bool = False) -> None:
        """Draw what lies behind the dancer in the frame of a time: `draw` goes on from there.

        Emotion, visitor and camera are those of the frame before; without one nothing is drawn yet. Where
        the surface is `kept`, it shows that frame and nothing else: of the backdrop only what was drawn over is
        restored.
        """
        self._behind = None
        if self._before is not None:
            touched = self._touched if kept else None
            self._behind = self._draw_background(surface, replace(self._before[0], time=time), touched)

    def draw(self, surface: pygame.Surface, picture: StageFrame) -> None:
        """Draw a frame onto a 32-bit BGRX surface of any size. Times must not decrease by much. Raises
        ValueError for another surface.

        What lies behind the dancer but the backdrop itself is there from the second frame on.
        """
        behind, self._behind = self._behind, None
        if behind is None or behind.surface is not surface:
            behind = self._draw_background(surface, picture)
        self._time = picture.time
        positions = self._follow(picture, behind.seconds)
        if self._cut and behind.view is not None:  # what was drawn belongs to the dance before
            behind = self._draw_background(surface, picture)
        self._before = picture, None
        touched = behind.touched
        if positions is not None:
            view, more = self._draw_scene(surface, picture, positions, behind)
            self._before = picture, view
            touched = None if touched is None or more is None else touched + more
        elif picture.progress is not None:
            draw_progress(surface, picture.progress, picture.time)
            touched = None
        caption = picture.caption
        if caption is not None and caption.opacity(picture.time) > 0.0:  # one stays when it is over
            draw_caption(surface, caption, picture.time)
            touched = None
        self._touched = touched

    def draw_words(
        self, surface: pygame.Surface, overlay_values: Overlay | None, keys: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Draw what the operator reads over the frame: values, and (label, meaning) of the keys."""
        if overlay_values is not None or keys:
            self._touched = None
        if overlay_values is not None:
            draw_readings(surface, overlay_values)
        if keys:
            draw_keys(surface, keys)

    def _draw_background(
        self, surface: pygame.Surface, picture: StageFrame, restored: DirtyRegions | None = None
    ) -> _Behind:
        """The backdrop, and what stands behind the dancer by the camera of the frame before; of the backdrop
        only what is to be `restored` where that is known."""
        self._touched = None  # until the frame is drawn
        check_bgrx(surface)
        size = surface.get_size()
        if self._backdrop.size != size:
            self._backdrop = Backdrop(self._camera.at_rest(size))
        seconds = 0.0 if self._time is None else min(max(picture.time - self._time, 0.0), 0.25)
        light = self._fade_light(picture, seconds)
        self._backdrop.draw(surface, light, restored)
        view = None if self._before is None else self._before[1]
        self._before = picture, None  # what cannot be drawn is not tried again and again
        if view is None:
            return _Behind(surface, light, seconds)
        scene, dimmed = self._scenes[self._scene], light.dimmed(self._scene_light)
        projection = replace(view.projection, size=size)
        visitor = picture.visitor if picture.mirror and scene.shows_visitor else None
        ghost = self._ghost.follow(visitor, seconds, projection)
        touched: DirtyRegions = []
        if ghost is not None:
            strength = ghost.strength * self._scene_light
            touched = paint_ghost(surface, embody(ghost.positions), projection, dimmed, strength)
        view = replace(
            view, time=picture.time, seconds=seconds, light=dimmed, projection=projection, ghost=ghost
        )
        more = scene.draw_background(surface, view)
        return _Behind(surface, light, seconds, view, None if more is None else touched + more)

    def _draw_scene(
        self, surface: pygame.Surface, picture: StageFrame, positions: NDArray[np.float32], behind: _Behind
    ) -> tuple[View, DirtyRegions | None]:
        scene = self._change_scene(picture.scene, behind.seconds)
        widening = scene.widening * (1.0 + 0.22 * self._waiting)
        projection = self._camera.follow(positions, picture.time, surface.get_size(), widening)
        self._history.follow(positions, self._speeds, picture.time)
        view = View(
            picture.time,
            behind.seconds,
            positions,
            self._speeds,
            self._history,
            behind.light.dimmed(self._scene_light),
            projection,
            None if behind.view is None else behind.view.ghost,
        )
        return view, scene.draw(surface, view)

    def _change_scene(self, name: str, seconds: float) -> Scene:
        """The scene to draw: the one that was there until it is dark, then the wanted one as it lights up."""
        wanted = name if name in SCENES else next(iter(SCENES))
        if not self._scene:
            self._scene = wanted
        step = seconds / SCENE_SECONDS
        if wanted != self._scene:
            self._scene_light -= step
            if self._scene_light <= 0.0:
                if (before := self._scenes.get(self._scene)) is not None:  # one may fail to begin
                    before.forget()
                self._scene = wanted
                self._scene_light = 0.0
        else:
            self._scene_light += step
        self._scene_light = min(max(self._scene_light, 0.0), 1.0)
        if self._scene not in self._scenes:
            self._scenes[self._scene] = SCENES[self._scene]()
        return self._scenes[self._scene]

    def _fade_light(self, picture: StageFrame, seconds: float) -> Light:
        """The light of the emotion, cross-faded; dimmer and breathing slowly while the stage waits."""
        wanted = self._colours.at(picture.time).blend(picture.palette, picture.emotion_weights)
        if self._fading is None:
            self._fading = wanted
        self._fading = self._fading.towards(wanted, 1.0 - math.exp(-seconds / LIGHT_SECONDS))
        share = 1.0 - math.exp(-seconds / ATTRACT_SECONDS)
        self._waiting += ((1.0 if picture.waiting else 0.0) - self._waiting) * share
        if self._waiting < 0.01:
            return self._fading
        breath = 0.5 - 0.5 * math.cos(2.0 * math.pi * picture.time / 7.0)
        return self._fading.dimmed(1.0 - self._waiting * (0.42 - 0.28 * breath))

    def _follow(self, picture: StageFrame, seconds: float) -> NDArray[np.float32] | None:
        """The positions to draw: the last good ones where these are none; updates the joints' speeds."""
        self._cut = False
        positions = picture.positions
        if positions is None:
            self._last = None
            return None
        if positions.shape != (JOINT_COUNT, 3) or not np.isfinite(positions).all():
            return self._last
        here = picture.visitor is not None and picture.visitor.present
        good = self._facing.turned(positions.astype(np.float32), here, seconds)
        moved = None if self._last is None else lengths_of(good - self._last)[:, 0]
        if moved is None or moved[0] > CUT_DISTANCE_M:
            self._cut = True
            self._speeds = np.zeros(JOINT_COUNT, dtype=np.float32)
            self._history.clear()
            for scene in self._scenes.values():
                scene.forget()
        elif seconds > 0.0:
            share = np.float32(1.0 - math.exp(-seconds / SPEED_SECONDS))
            self._speeds = self._speeds + (moved / np.float32(seconds) - self._speeds) * share
        self._last = good
        return good
