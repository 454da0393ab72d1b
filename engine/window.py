"""The window: owns pygame's display, the pace of the pictures and the keys. It knows nothing of the dancer."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pygame

from engine.faults import Fault, TemporaryFault
from engine.pacing import Pacer
from engine.statistics import Statistics

log = logging.getLogger(__name__)

RATE = 60.0
"""Pictures per second."""

NO_SCREEN = ("dummy", "offscreen")
"""Drivers that SDL may fall back to by itself and that nobody sees."""

Draw = Callable[[pygame.Surface, float], None]
OnAction = Callable[[str, int | None], None]


class NoDisplay(TemporaryFault):
    """No window can be opened here."""


class Key(NamedTuple):
    """What a key does: an action's name, its argument, and words for the operator."""

    code: int
    action: str
    argument: int | None
    description: str


KEYS = (
    *(Key(pygame.K_1 + i, "emotion", i, f"emotion {i + 1} of the palette") for i in range(8)),
    Key(pygame.K_f, "fullscreen", None, "full screen on or off"),
    Key(pygame.K_h, "overlay", None, "overlay on or off"),
    Key(pygame.K_SPACE, "restart", None, "new start of the dance"),
    Key(pygame.K_ESCAPE, "quit", None, "quit"),
)
"""Every key. `fullscreen` and `quit` are done here and reported as well; the rest is only reported."""

_BY_CODE = {key.code: key for key in KEYS} | {
    pygame.K_KP_1 + i: KEYS[i]._replace(code=pygame.K_KP_1 + i) for i in range(8)
}


class Window:
    """A window, full screen, or a picture that nobody sees (`headless`), `size` in pixels.

    Raises NoDisplay if it cannot be opened. Use from one thread only, the main thread.
    """

    def __init__(
        self, *, fullscreen: bool, size: tuple[int, int], title: str, headless: bool, statistics: Statistics
    ) -> None:
        self.headless = headless
        self.fullscreen = fullscreen and not headless
        self._windowed_size = size
        self._statistics = statistics
        self._quit = False
        self._fault: Fault | None = None
        self._fault_time = 0.0
        if headless:
            os.environ["SDL_VIDEODRIVER"] = "dummy"
        try:
            pygame.display.quit()
            pygame.display.init()
            if not headless and pygame.display.get_driver() in NO_SCREEN:
                raise NoDisplay(f"SDL offers only its '{pygame.display.get_driver()}' driver")
            pygame.display.set_caption(title)
            self.surface = self._open()
        except (pygame.error, NoDisplay) as error:
            pygame.display.quit()
            raise NoDisplay(f"no display: {error}") from error
        pygame.mouse.set_visible(not self.fullscreen)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture in pixels."""
        return self.surface.get_size()

    def run(self, draw: Draw, on_action: OnAction, should_stop: Callable[[], bool]) -> None:
        """Show 60 pictures a second until somebody quits or `should_stop` says so.

        `draw(surface, time)` draws a whole picture for a `time.perf_counter()` time. Whatever it raises is
        recorded as a fault and the loop goes on. `on_action(action, argument)` gets what KEYS says.
        """
        pacer = Pacer(RATE)
        shown_at: float | None = None
        while not (self._quit or should_stop()):
            self._handle_events(on_action)
            self._draw(draw)
            pacer.wait()
            pygame.display.flip()
            now = time.perf_counter()
            self._statistics.count("render.frames")
            if shown_at is not None:
                self._statistics.duration("render.frame", now - shown_at)
            shown_at = now

    def toggle_fullscreen(self) -> None:
        """Go to full screen or back; stays as it is where the screen refuses."""
        if self.headless:
            return
        self.fullscreen = not self.fullscreen
        try:
            self.surface = self._open()
        except pygame.error as error:
            log.warning("full screen is %s: %s", "not to be had" if self.fullscreen else "here to stay", error)
            self.fullscreen = not self.fullscreen
            self.surface = self._open()
        pygame.mouse.set_visible(not self.fullscreen)

    def take_screenshot(self, path: Path) -> None:
        """Write the picture as it is to a PNG file. Raises OSError or pygame.error if that fails."""
        pygame.image.save(self.surface, str(path))

    def close(self) -> None:
        """Close the window."""
        pygame.display.quit()

    def _open(self) -> pygame.Surface:
        if self.headless:
            return pygame.display.set_mode(self._windowed_size, depth=32)
        if not self.fullscreen:
            return pygame.display.set_mode(self._windowed_size, pygame.RESIZABLE, depth=32)
        desktop = pygame.display.get_desktop_sizes()[0]
        try:
            # SCALED puts a renderer behind the surface, which is what can wait for the screen: no tearing
            return pygame.display.set_mode(desktop, pygame.FULLSCREEN | pygame.SCALED, vsync=1)
        except pygame.error:
            return pygame.display.set_mode(desktop, pygame.FULLSCREEN, depth=32)

    def _handle_events(self, on_action: OnAction) -> None:
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self._act(_BY_CODE[pygame.K_ESCAPE], on_action)
            elif event.type == pygame.VIDEORESIZE and not self.fullscreen:
                self._windowed_size = event.size
                self.surface = pygame.display.get_surface() or self.surface
            elif event.type == pygame.KEYDOWN and event.key in _BY_CODE:
                self._act(_BY_CODE[event.key], on_action)

    def _act(self, key: Key, on_action: OnAction) -> None:
        if key.action == "quit":
            self._quit = True
        elif key.action == "fullscreen":
            self.toggle_fullscreen()
        on_action(key.action, key.argument)

    def _draw(self, draw: Draw) -> None:
        now = time.perf_counter()
        try:
            draw(self.surface, now)
        except Exception as error:
            if self._fault is None:
                self._fault = Fault("render", f"{type(error).__name__}: {error}")
                self._fault_time = now
                self._statistics.fault(self._fault)
                log.warning("a picture could not be drawn", exc_info=True)
        else:
            if self._fault is not None:
                self._fault.recovered_after_s = round(now - self._fault_time, 3)
                self._fault = None
