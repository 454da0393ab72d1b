"""The installation: all rooms wired together, and the loop that shows them."""

import gc
import logging
import signal
import time
from types import FrameType
from typing import Any

import pygame

from engine.capture import Capture, check_source
from engine.dance import Dance
from engine.faults import Fault, StartError
from engine.interpolation import FrameInterpolator
from engine.mailbox import Mailbox
from engine.movement_emotion import MovementEmotion
from engine.operator import Controls, Operator
from engine.osc_in import OscIn
from engine.osc_out import OscOut, OscRates
from engine.osc_source import OscSource, osc_port
from engine.osc_status import StatusReader
from engine.osc_target import parse_address, parse_target
from engine.overlay import Caption, Readings
from engine.pose import PoseRoom
from engine.report import MemoryGauge, check_writable, figures, write_figures
from engine.room import Room
from engine.settings import Settings
from engine.show import ShowRoom, read_show
from engine.stage import Picture, Stage
from engine.statistics import Statistics
from engine.values import CameraFrame, DancerFrame, Pose, VisitorEmotion
from engine.window import NoDisplay, Window
from models.card import CheckpointError, default_checkpoint, read_palette

log = logging.getLogger(__name__)

TITLE = "Emotion Dancer"
LONGEST_OPENING = 20.0
"""Seconds after which the piece counts as running, whatever is still being loaded or fetched."""
SETTLING = 0.5
"""Seconds for the ticks that waited while memory was tidied."""
READINGS_EVERY = 0.5
"""Seconds between two readings of the overlay: figures that flicker cannot be read."""


class Installation:
    """Everything that runs. Raises StartError for settings, files or a checkpoint that will not do."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.statistics = Statistics()
        self.memory = MemoryGauge()
        if settings.stats is not None:
            check_writable(settings.stats)
        checkpoint = settings.checkpoint or default_checkpoint()
        try:
            palette = read_palette(checkpoint)
        except CheckpointError as error:
            raise StartError(f"--checkpoint: {error}") from None
        self.controls: Mailbox[Controls] = Mailbox()
        self.camera: Mailbox[CameraFrame] = Mailbox()
        self.poses: Mailbox[Pose] = Mailbox()
        self.frames: Mailbox[DancerFrame] = Mailbox()
        self.visitor_emotion: Mailbox[VisitorEmotion | None] = Mailbox()
        self.operator = Operator(palette, self.controls, settings.hold)
        self._set_controls()
        self.osc_out = OscOut(
            [parse_target(target) for target in settings.osc_targets], self.statistics, self.visitor_emotion
        )
        self.dance = Dance(
            checkpoint,
            self.controls,
            self.poses,
            self.frames,
            self.osc_out.send,
            self.statistics,
            seed=settings.seed,
        )
        self.rooms: list[Room] = [self.dance, *self._visitor_rooms()]
        self.rooms.append(MovementEmotion(self.poses, self.visitor_emotion, self.operator, self.statistics))
        if settings.show is not None:
            self.rooms.append(ShowRoom(read_show(settings.show, palette), self.operator, self.statistics))
        if not all(target.native for target in self.osc_out.targets):
            self.rooms.append(OscRates(self.osc_out, self.statistics))
        if settings.osc_in != "off":
            self.rooms.append(self._osc_in(*parse_address(settings.osc_in)))
        self._interpolator = FrameInterpolator()
        self._stage = Stage((settings.width, settings.height))
        self._version = 0
        self._overlay_on = False
        self._readings: Readings | None = None
        self._readings_at = 0.0
        self._interrupted = False
        self.startup_s = 0.0
        self._ends_at: float | None = None

    def run(self) -> None:
        """Open the window, run until somebody quits, and leave nothing behind."""
        settings = self.settings
        window = self._open_window()
        before = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        started = time.perf_counter()
        log.info(
            "streaming to %s, listening on %s, source %s",
            ", ".join(settings.osc_targets),
            settings.osc_in,
            settings.source,
        )
        for room in self.rooms:
            room.start()
        try:
            opening_ends = started + LONGEST_OPENING
            window.run(
                self._draw,
                self._act,
                lambda: self._should_stop() or self._opened() or time.perf_counter() > opening_ends,
            )
            # What has been loaded stays: the collector need not walk through it again and again.
            gc.collect()
            gc.freeze()
            settled = time.perf_counter() + SETTLING
            window.run(self._draw, self._act, lambda: self._should_stop() or time.perf_counter() > settled)
            # The figures are those of the piece as it runs; how long it took to get there is one of its own.
            log.info("dancing")
            self.startup_s = round(time.perf_counter() - started, 3)
            self.statistics.clear()
            self.camera.forget_dropped()
            self.memory.begin()
            started = time.perf_counter()
            if settings.seconds is not None:
                self._ends_at = started + settings.seconds
            window.run(self._draw, self._act, self._should_stop)
        finally:
            seconds = time.perf_counter() - started
            for room in self.rooms:
                room.stop()
            self.osc_out.close()
            window.close()
            self._write_figures(seconds)
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.dance.refused is not None:
            raise StartError(f"--checkpoint: {self.dance.refused}")

    def _set_controls(self) -> None:
        try:
            self.operator.set_emotion(self.settings.emotion)
        except ValueError as error:
            raise StartError(f"--emotion: {error}") from None
        self.operator.set_glide(self.settings.glide)
        self.operator.set_influence(self.settings.influence)
        self.operator.set_energy(self.settings.energy)
        if self.settings.automatic:
            self.operator.set_automatic(True)
        self.operator.release()

    def _osc_in(self, host: str, port: int) -> OscIn:
        names = self.operator.palette.names
        return OscIn(
            host,
            port,
            self.operator,
            self.statistics,
            allowed=self.settings.osc_senders,
            status=StatusReader(names, self.controls, self.frames, self.statistics),
            status_port=self.settings.osc_status_port,
        )

    def _visitor_rooms(self) -> list[Room]:
        settings = self.settings
        if settings.source == "none":
            return []
        if (port := osc_port(settings.source)) is not None:
            host = "127.0.0.1" if settings.osc_in == "off" else parse_address(settings.osc_in)[0]
            return [
                OscSource(
                    host,
                    port,
                    self.poses,
                    self.statistics,
                    allowed=settings.osc_senders,
                    mirror=bool(settings.mirror),
                )
            ]
        check_source(settings.source)
        capture = Capture(
            settings.source, self.camera, self.statistics, loop=settings.loop, mirror=settings.mirror
        )
        return [capture, PoseRoom(self.camera, self.poses, self.statistics, model=settings.pose_model)]

    def _open_window(self) -> Window:
        settings = self.settings
        size = (settings.width, settings.height)

        def opened(headless: bool) -> Window:
            return Window(
                fullscreen=settings.fullscreen,
                size=size,
                title=TITLE,
                headless=headless,
                statistics=self.statistics,
            )

        if settings.headless:
            return opened(True)
        try:
            return opened(False)
        except NoDisplay as error:
            log.warning("%s; running headless, OSC goes on", error)
            self.statistics.fault(Fault("render", str(error)))
            return opened(True)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True

    def _opened(self) -> bool:
        return self.frames.version > 0 and all(room.opened.is_set() for room in self.rooms)

    def _should_stop(self) -> bool:
        over = self._ends_at is not None and time.perf_counter() >= self._ends_at
        return self._interrupted or over or self.dance.refused is not None

    def _act(self, action: str, argument: int | None) -> None:
        if action == "emotion" and argument is not None:
            try:
                self.operator.set_emotion(argument)
            except ValueError as error:
                log.info("%s", error)
        elif action == "overlay":
            self._overlay_on = not self._overlay_on
        elif action == "restart":
            self.operator.reset()

    def _draw(self, surface: pygame.Surface, now: float) -> None:
        self.memory.sample()
        version, frame = self.frames.newer_than(self._version, 0.0)
        if frame is not None:
            self._version = version
            self._interpolator.put(frame)
        moment = self._interpolator.at(now)
        controls = self.controls.latest()
        self._stage.draw(
            surface,
            Picture(
                time=now,
                positions=None if moment is None else moment.positions,
                emotion_weights=None if moment is None else moment.emotion_weights,
                palette=self.operator.palette.names,
                visitor=None if moment is None else moment.visitor,
                overlay=self._overlay(now),
                caption=_caption(controls),
                progress="the dancer is on the way",
            ),
        )

    def _overlay(self, now: float) -> Readings | None:
        if not self._overlay_on:
            return None
        if self._readings is None or now - self._readings_at > READINGS_EVERY:
            self._readings, self._readings_at = self._read(), now
        return self._readings

    def _read(self) -> Readings:
        statistics, controls = self.statistics, self.controls.latest()
        frame, pose = self.frames.latest(), self.poses.latest()
        weights = self.operator.palette.one_hot(0) if frame is None else frame.emotion_weights

        def median(name: str) -> str:
            values = statistics.percentiles(name)
            return "-" if values is None else f"{values['p50']:.1f} ms"

        rendered = statistics.percentiles("render.frame")
        faults = statistics.faults()
        lines = [
            ("picture", "-" if rendered is None else f"{1000 / max(rendered['p50'], 0.1):.0f} fps"),
            ("step", median("inference.step")),
            ("detection", median("pose.detect")),
            ("visitor to OSC", median("latency.visitor_to_osc")),
            ("emotion to OSC", median("latency.emotion_to_osc")),
            ("source", self.settings.source),
            ("visitor", "here" if pose is not None and pose.present else "nobody"),
            ("OSC to", ", ".join(self.settings.osc_targets)),
            ("OSC from", self.settings.osc_in),
        ]
        if (shown := self.visitor_emotion.latest()) is not None:
            lines.append(("visitor shows", self.operator.palette.describe(shown.weights)))
        if controls is not None:
            lines.append(("automatic", "on" if controls.automatic else "off"))
            lines.append(("intensity", f"{controls.intensity:.2f}"))
            lines.append(("influence, energy", f"{controls.influence:.2f}, {controls.energy:.2f}"))
        last = f"{faults[-1]['room']}: {faults[-1]['what']}" if faults else None
        names = self.operator.palette.names
        return Readings(tuple(zip(names, map(float, weights), strict=True)), tuple(lines), last)

    def _figures(self, seconds: float) -> dict[str, Any]:
        values = figures(self.statistics, self.camera, self.memory, seconds)
        return {"startup_s": self.startup_s, "seconds": round(seconds, 3), **values}

    def _write_figures(self, seconds: float) -> None:
        if self.settings.stats is None:
            return
        try:
            write_figures(self.settings.stats, self._figures(seconds))
        except OSError as error:
            log.error("could not write %s: %s", self.settings.stats, error)


def _caption(controls: Controls | None) -> Caption | None:
    if controls is None or controls.caption is None or controls.captioned_at is None:
        return None
    return Caption(controls.caption, controls.captioned_at)
