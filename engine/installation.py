"""The installation: all services wired together, and the loop that runs them."""

import gc
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pygame

from engine.control.controls import Controls
from engine.control.operator import Operator
from engine.control.repertoire import table_weights
from engine.control.show import ShowService, read_show
from engine.dancer.inference_service import InferenceService
from engine.osc.input import OscIn
from engine.osc.output import OscOut, ResampledOutput
from engine.osc.status import StatusReader
from engine.osc.target import parse_address, parse_target
from engine.render.raster.jit import compile_all
from engine.render.scenes import SCENES
from engine.runtime import startup
from engine.runtime.faults import StartError
from engine.runtime.heartbeat import (
    CLEAR_CACHE,
    Heartbeat,
    tell_systemd,
    tell_watchdog,
    watched,
    when_the_watchdog_leaves,
)
from engine.runtime.leave_signals import leaving_by_signal
from engine.runtime.malloc import keep_together
from engine.runtime.metrics import Metrics
from engine.runtime.run_report import MemoryGauge, check_writable, run_report, write_run_report
from engine.runtime.service import Service, stop_all
from engine.screen.display import Screen
from engine.screen.presenter import Presenter
from engine.screen.recorder import Recorder
from engine.screen.window import Window
from engine.settings import Settings
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame, DancerFrame, Pose, VisitorEmotion
from engine.visitor.emotion_recognition import EmotionRecognition, default_movement_classifier
from engine.visitor.sources import visitor_services
from models.emotion.palette import Palette
from models.network.card import (
    CheckpointError,
    checkpoint_named,
    default_checkpoint,
    is_noncommercial,
    read_card,
    read_palette,
)

log = logging.getLogger(__name__)

TITLE = "Emotion Dancer"
MAX_START_UP_S = 20.0
"""Seconds after which the installation counts as running, whatever is still being loaded or fetched."""
SETTLING_S = 0.5
"""Seconds for the ticks that waited while memory was tidied."""
SHUT_DOWN_S = 1.2
"""Seconds that the services have to leave, all of them together."""


class Installation:
    """Everything that runs. Raises StartError for settings, files or a checkpoint that will not do."""

    def __init__(self, settings: Settings) -> None:
        keep_together()
        # enlarging in two threads takes the other core from the detector and the dance
        cv2.setNumThreads(1)
        self.settings = settings
        self.metrics = Metrics()
        self.memory = MemoryGauge()
        if settings.stats is not None:
            check_writable(settings.stats)
        checkpoint = checkpoint_named(str(settings.checkpoint)) if settings.checkpoint else default_checkpoint()
        try:
            palette = read_palette(checkpoint)
            # a commercial dancer does not load the non-commercial classifier
            emotion_classifier = (
                default_movement_classifier() if is_noncommercial(read_card(checkpoint)) else None
            )
        except CheckpointError as error:
            raise StartError(f"--checkpoint: {error}") from None
        self.controls: Mailbox[Controls] = Mailbox()
        self.camera: Mailbox[CameraFrame] = Mailbox()
        self.poses: Mailbox[Pose] = Mailbox()
        self.frames: Mailbox[DancerFrame] = Mailbox()
        self.visitor_emotion: Mailbox[VisitorEmotion | None] = Mailbox()
        self.operator = Operator(
            palette,
            self.controls,
            hold=settings.hold,
            scenes=tuple(SCENES),
            quit_word=settings.quit_word,
        )
        self._set_controls()
        self.osc_out = OscOut(
            [parse_target(target) for target in settings.osc_targets], self.metrics, self.visitor_emotion
        )
        self.dance = InferenceService(
            checkpoint, self.controls, self.poses, self.frames, self._send, self.metrics, seed=settings.seed
        )
        self.services = self._build_services(palette, emotion_classifier)
        self._recorder = Recorder(settings.recordings, palette.names, self.metrics)
        if os.path.exists(settings.recordings) and not os.path.isdir(settings.recordings):
            raise StartError(
                f"--recordings: {settings.recordings}: not a folder; give one that is, or will be, there"
            )
        self._jit_thread = threading.Thread(target=self._compile, name="machine code", daemon=True)
        self._jit_error: Exception | None = None
        self._presenter = Presenter(
            settings,
            self.operator,
            self.metrics,
            self._recorder,
            frames=self.frames,
            poses=self.poses,
            visitor_emotion=self.visitor_emotion,
            loaded=self.dance.opened.is_set,
            drawable=lambda: not self._jit_thread.is_alive(),
        )
        self._watchdogs = [tell_systemd, *([tell_watchdog] if watched() else [])]
        self._heartbeat = Heartbeat(self.frames, self._watchdogs, [self.osc_out.send_heartbeat])
        self._why = ""
        """why the installation leaves, once it does"""
        self.first_picture_s: float | None = None
        self._dancer_s: float | None = None
        self.startup_s: float | None = None
        """seconds from the start of the process to the first frame, and until it danced, all services open"""
        self._measured_since = 0.0
        self._ends_at: float | None = None

    def _build_services(self, palette: Palette, emotion_classifier: Path | None) -> list[Service]:
        """Everything that has a thread of its own, not started yet."""
        settings = self.settings
        services: list[Service] = [
            self.dance,
            *visitor_services(
                settings, self.camera, self.poses, self.metrics, begun=lambda: self.frames.version > 0
            ),
            EmotionRecognition(
                self.poses,
                self.visitor_emotion,
                self.operator,
                self.metrics,
                emotion_classifier=emotion_classifier,
            ),
        ]
        if settings.show is not None:
            show = read_show(settings.show, palette)
            services.append(ShowService(show, self.operator, self.metrics, self.frames))
        if not all(target.native for target in self.osc_out.targets):
            services.append(ResampledOutput(self.osc_out, self.metrics))
        if settings.osc_in != "off":
            services.append(self._osc_in(*parse_address(settings.osc_in)))
        return services

    def run(self) -> None:
        """Open the window, run until somebody quits, and leave nothing behind."""
        window = self._open_window()
        with leaving_by_signal(self._leave):
            self._run(window)
        if self.dance.refused is not None:
            raise StartError(f"--checkpoint: {self.dance.refused}")
        if self._jit_error is not None:
            raise StartError(
                f"Numba cannot compile what draws: {' '.join(str(self._jit_error).split())[:300]}; "
                "install it anew: python -m pip install -e ."
            )

    def _run(self, window: Window) -> None:
        """Start everything, show frames until it is time to leave, and stop everything."""
        if watched():
            when_the_watchdog_leaves(lambda: self._leave("the watchdog leaves, or is gone"))
        self._start_services()
        presenter = self._presenter
        show_until = partial(
            window.run,
            partial(self._draw, window),
            presenter.act,
            prepare=presenter.prepare,
            await_new=presenter.await_frame,
        )
        self._measured_since = time.perf_counter()
        try:
            self._start_up(show_until)
            self._perform(show_until)
            log.info("leaving: %s", "somebody quit at the window" if window.quitting else self._why)
        finally:
            self._shut_down(window)

    def _start_services(self) -> None:
        settings = self.settings
        log.info(
            "targets %s, controls %s, source %s",
            ", ".join(settings.osc_targets),
            settings.osc_in,
            settings.source,
        )
        self._jit_thread.start()
        for service in self.services:
            service.start()

    def _start_up(self, show_until: Callable[[Callable[[], bool]], None]) -> None:
        """Show frames until every service is open and the dancer dances, or for `MAX_START_UP_S` seconds."""
        opening_ends = time.perf_counter() + MAX_START_UP_S
        show_until(lambda: self._should_stop() or self._opened() or time.perf_counter() > opening_ends)
        opened_s = startup.since()
        # What has been loaded stays: the collector need not walk through it again and again.
        gc.collect()
        gc.freeze()
        settled = time.perf_counter() + SETTLING_S
        show_until(lambda: self._should_stop() or time.perf_counter() > settled)
        if self.frames.version:
            log.info("dancing")
            self.startup_s = round(max(opened_s, self._dancer_s or 0.0), 3)
        elif time.perf_counter() > opening_ends:
            log.warning("no dance after %.0f s; the machine is busy, or see the faults", MAX_START_UP_S)

    def _perform(self, show_until: Callable[[Callable[[], bool]], None]) -> None:
        """Show frames until it is time to leave. The metrics begin here: the start has figures of its own."""
        self.metrics.clear()
        self.camera.forget_dropped()
        self.memory.begin()
        self._measured_since = time.perf_counter()
        if self.settings.seconds is not None:
            self._ends_at = self._measured_since + self.settings.seconds
        show_until(self._should_stop)

    def _shut_down(self, window: Window) -> None:
        seconds = time.perf_counter() - self._measured_since
        stop_all(self.services, SHUT_DOWN_S)
        self.osc_out.close()
        window.close()
        self._write_figures(seconds)
        # A film of an hour takes long to write: nobody should think that the installation hangs.
        # No frames come any more, so they are not asked for.
        leaving = Heartbeat(Mailbox(), self._watchdogs)
        self._recorder.close(lambda: leaving.beat(time.perf_counter()))

    def _set_controls(self) -> None:
        self.operator.set_repertoire(table_weights(self.settings.repertoire).tolist())
        try:
            self.operator.set_emotion(self.settings.emotion)
        except ValueError as error:
            raise StartError(f"--emotion: {error}") from None
        self.operator.set_glide(self.settings.glide)
        self.operator.set_influence(self.settings.influence)
        self.operator.set_energy(self.settings.energy)
        self.operator.set_scene(self.settings.scene)
        if not self.settings.mirror_figure:
            self.operator.toggle_mirror()
        if self.settings.automatic:
            self.operator.set_automatic(True)
        self.operator.release_all()

    def _osc_in(self, host: str, port: int) -> OscIn:
        names = self.operator.palette.names
        return OscIn(
            host,
            port,
            self.operator,
            self.metrics,
            allowed=self.settings.osc_senders,
            status=StatusReader(names, self.controls, self.frames, self.metrics),
            status_port=self.settings.osc_status_port,
        )

    def _open_window(self) -> Window:
        # a gallery's computer may start the installation before its screen is there, or lose it: OSC goes on
        # meanwhile
        return Window(Screen.of(self.settings), title=TITLE, metrics=self.metrics, patient=True)

    def _compile(self) -> None:
        """Compile the loops that draw, in a thread of its own."""
        try:
            compile_all(clear_cache=CLEAR_CACHE in os.environ)
        except Exception as error:
            self._jit_error = error
        else:
            log.info("machine code is there %.1f s after the start", startup.since())

    def _draw(self, window: Window, surface: pygame.Surface, now: float) -> float:
        """One frame of the window's loop: what `Presenter.draw` says of it."""
        self.memory.sample()
        for service in self.services:
            service.check_hang(now)
        presenter = self._presenter
        later = presenter.draw(
            surface, now, began_at=window.began_at, shown_at=window.shown_at, scale=window.scale
        )
        if self.first_picture_s is None:
            self.first_picture_s = round(startup.since(), 3)
        if self._dancer_s is None and presenter.shows_dancer:
            self._dancer_s = startup.since()
        self._heartbeat.beat(now)
        return later

    def _leave(self, why: str) -> None:
        self._why = self._why or why

    def _opened(self) -> bool:
        return self.frames.version > 0 and all(service.opened.is_set() for service in self.services)

    def _should_stop(self) -> bool:
        if self._ends_at is not None and time.perf_counter() >= self._ends_at:
            self._leave("the time is over")
        controls = self.controls.latest()
        if controls is not None and controls.quitting:
            self._leave("/quit over OSC")
        if self.dance.refused is not None:
            self._leave("there is no dancer")
        if self._jit_error is not None:
            self._leave("nothing can be drawn")
        return bool(self._why)

    def _send(self, frame: DancerFrame) -> None:
        """What becomes of a generated frame at once, in the thread of the dance."""
        self.osc_out.send(frame)
        if (recording := self._recorder.recording) is not None:
            recording.dance(frame)

    def _figures(self, seconds: float) -> dict[str, Any]:
        values = run_report(self.metrics, self.camera, self.memory, seconds)
        started = {"first_picture_s": self.first_picture_s, "startup_s": self.startup_s}
        return {**started, "seconds": round(seconds, 3), **values}

    def _write_figures(self, seconds: float) -> None:
        if self.settings.stats is None:
            return
        try:
            write_run_report(self.settings.stats, self._figures(seconds))
        except OSError as error:
            log.error("could not write %s: %s", self.settings.stats, error)
