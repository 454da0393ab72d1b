"""What is on the screen while the installation runs, and what the keys do to it."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace

import pygame

from engine.control.controls import Controls
from engine.control.operator import Operator
from engine.osc.formats import seen_visitor
from engine.render.overlay import Caption, Overlay
from engine.render.stage import Stage, StageFrame
from engine.runtime.fault_tracker import FaultTracker
from engine.runtime.metrics import Metrics
from engine.runtime.phase_lock import phase_correction
from engine.screen.keys import listing
from engine.screen.overlay_values import AttractMode, read
from engine.screen.recorder import Recorder
from engine.settings import Settings
from engine.streams.interpolation import FrameInterpolator
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame, Pose, VisitorEmotion
from models.motion.skeleton import FRAME_RATE

log = logging.getLogger(__name__)

DELAY = 1.5
"""Generated frames (50 ms) by which the dancer on the screen trails the newest: as many as it takes to
interpolate, and half a frame for drawing."""

EXPECTED_S = (0.6 / FRAME_RATE, 2.0 / FRAME_RATE)
"""Seconds after a frame between which the next one is expected; later on the dance stands still."""

POINTS = "constellation"
"""The scene that needs no machine code."""

OVERLAY_INTERVAL_S = 0.5
"""Seconds between two updates of the overlay's values: figures that flicker cannot be read."""


class Presenter:
    """Draws the newest of every mailbox and obeys the keys; `loaded` says whether the dancer has been loaded,
    `drawable` whether every scene can be drawn by now.

    Use from the thread of the window only.
    """

    def __init__(
        self,
        settings: Settings,
        operator: Operator,
        metrics: Metrics,
        recorder: Recorder,
        *,
        frames: Mailbox[DancerFrame],
        poses: Mailbox[Pose],
        visitor_emotion: Mailbox[VisitorEmotion | None],
        loaded: Callable[[], bool],
        drawable: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings, self._operator, self._metrics = settings, operator, metrics
        self._recorder, self._loaded, self._drawable = recorder, loaded, drawable
        self._frames, self._poses, self._visitor_emotion = frames, poses, visitor_emotion
        self._interpolator = FrameInterpolator(DELAY)
        self._stage = Stage((settings.width, settings.height))
        self._waiting = AttractMode(settings.attract_after if settings.source != "none" else 0.0)
        self._lights = FaultTracker("lights", metrics)
        self._version = 0
        self._led_by: Pose | None = None
        self._last_led_at = -math.inf
        self._last_of = self._last_shown_at = self._newest_of = -math.inf
        """of what time the frame before was and when it was shown, and of what time the newest is"""
        self._overlay_on = self._keys_on = self._save_next = False
        self.shows_dancer = False
        """Whether there is a dancer in the newest frame."""
        self._readings: Overlay | None = None
        self._readings_at = 0.0
        self._actions: dict[str, Callable[[], None]] = {
            "automatic": operator.toggle_automatic,
            "repertoire": operator.next_repertoire,
            "scene": lambda: operator.set_scene(None),
            "mirror": operator.toggle_mirror,
            "restart": operator.reset,
            "overlay": self._toggle_overlay,
            "keys": self._toggle_keys,
            "screenshot": self._save,
            "record": recorder.toggle,
        }

    def act(self, action: str, argument: int | None = None) -> None:
        """Do what a key of `keys.KEYS` asks for; what cannot be done is one line in the log."""
        try:
            if argument is None:
                self._actions.get(action, _nothing)()
            elif action == "emotion":
                self._operator.set_emotion(argument)
            elif action == "blend":
                self._operator.toggle_emotion(argument)
            elif action == "intensity":
                self._operator.change_intensity(argument / 100)
        except ValueError as error:
            log.info("%s", error)

    def draw(
        self, surface: pygame.Surface, now: float, *, began_at: float, shown_at: float, scale: float = 1.0
    ) -> float:
        """Draw the frame that is to be shown at a time in seconds.

        `began_at` is when it was begun, `shown_at` when the one before was on the screen, `scale` the share of
        the screen's pixels per side.

        Returns the seconds by which the next ones had better be later, so that they show new frames sooner.
        """
        self._measure_last(shown_at)
        self._newest_of = now
        version, frame = self._frames.newer_than(self._version, 0.0)
        later = 0.0
        if frame is not None:
            later = phase_correction(self._frames.put_at, began_at, 1.0 / self._settings.frame_rate)
            self._version = version
            self._interpolator.put(frame)
        # before the machine code is there the dancer is points of light, which need none
        drawable = self._drawable()
        moment = self._interpolator.at(now)
        self._led_by = None if moment is None else seen_visitor(moment.led_by)
        controls = self._controls()
        picture = StageFrame(
            time=now,
            positions=None if moment is None else moment.positions,
            emotion_weights=None if moment is None else moment.emotion_weights,
            palette=self._operator.palette.names,
            visitor=None if moment is None else moment.visitor,
            caption=_caption(controls),
            # what the installation waits for before the dancer is there
            progress="the dancer is on the way" if self._loaded() else "loading the dancer",
            scene=controls.scene if drawable else POINTS,
            mirror=controls.mirror and drawable,
            waiting=self._waiting.at(now, self._poses),
        )
        self._stage.draw(surface, picture)
        self.shows_dancer = moment is not None
        if (mistake := self._stage.mistake) is not None:
            self._lights.raised(mistake)
        else:
            self._lights.cleared()
        # what is kept is the installation; the operator's words come over it afterwards
        if (recording := self._recorder.recording) is not None:
            recording.see(surface, now)
        if self._save_next:
            self._save_next = False
            self._recorder.save(surface)
        self._stage.draw_words(surface, self._overlay(now, scale), listing() if self._keys_on else ())
        return later

    def prepare(self, surface: pygame.Surface, now: float, kept: bool) -> None:
        """Draw what lies behind the dancer in the frame that is to be shown at a time; `kept` says whether
        the surface still shows the one before."""
        self._stage.draw_background(surface, now, kept=kept and self._drawable())

    def await_frame(self, seconds: float) -> None:
        """Wait at most so many seconds for the next frame of the dance, where it is about to come."""
        since, until = EXPECTED_S
        if since < time.perf_counter() - self._frames.put_at < until:
            self._frames.newer_than(self._version, seconds)

    def _measure_last(self, shown_at: float) -> None:
        """How much more or less time than on the screen passed in the frame that was just shown? And how old
        was the camera's newest frame that led it?"""
        if shown_at <= self._last_shown_at:  # a screen that is lost shows nothing
            return
        uneven = (self._newest_of - self._last_of) - (shown_at - self._last_shown_at)
        if math.isfinite(uneven):
            self._metrics.duration("render.uneven", abs(uneven))
        self._last_of, self._last_shown_at = self._newest_of, shown_at
        visitor = self._led_by
        if visitor is not None and self._last_led_at < visitor.captured_at < shown_at:
            self._last_led_at = visitor.captured_at
            self._metrics.duration("latency.visitor_to_picture", shown_at - visitor.captured_at)

    def _controls(self) -> Controls:
        controls = self._operator.mailbox.latest()
        assert controls is not None
        return controls

    def _toggle_overlay(self) -> None:
        self._overlay_on, self._readings = not self._overlay_on, None

    def _toggle_keys(self) -> None:
        self._keys_on = not self._keys_on

    def _save(self) -> None:
        self._save_next = True

    def _overlay(self, now: float, scale: float) -> Overlay | None:
        if not self._overlay_on:
            return None
        if self._readings is None or now - self._readings_at > OVERLAY_INTERVAL_S:
            self._readings, self._readings_at = self._read(scale), now
        return self._readings

    def _read(self, scale: float) -> Overlay:
        overlay_values = read(
            self._settings,
            self._metrics,
            self._operator.palette,
            self._controls(),
            self._frames.latest(),
            self._poses.latest(),
            self._visitor_emotion.latest(),
        )
        state = [("drawn", f"{100 * scale:.0f} % of the screen's pixels per side")]
        if self._recorder.recording is not None:
            state.append(("recording", "on"))
        return replace(overlay_values, lines=(*overlay_values.lines, *state), mistake=self._stage.mistake)


def _nothing() -> None:
    """What `quit` and `fullscreen` ask of the frame: the window does those itself."""


def _caption(controls: Controls) -> Caption | None:
    if controls.caption is None or controls.captioned_at is None:
        return None
    return Caption(controls.caption, controls.captioned_at)
