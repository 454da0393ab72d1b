"""The window: owns pygame's display, the pace of the frames and the keys. It knows nothing of the dancer."""

import logging
import os
import time
from collections.abc import Callable

import pygame

from engine.render.canvas import AutomaticScale, canvas_size, is_bgrx, show
from engine.runtime.fault_tracker import FaultTracker
from engine.runtime.metrics import Metrics
from engine.runtime.rate_limited_log import MAX_INTERVAL_S, MIN_INTERVAL_S, RateLimitedLog
from engine.screen.display import NO_SCREEN, NoDisplay, Screen
from engine.screen.frame_pacer import FramePacer
from engine.screen.keys import key_for

log = logging.getLogger(__name__)


REOPEN_S, MAX_REOPEN_S = 0.5, 30.0
"""Seconds between attempts to open a window whose screen was lost, doubling from the first to the second: SDL's
libraries may complain on standard error at each of them."""

SCREEN_CHECK_S = 2.0
"""Seconds between two looks whether the screen still has the size that it had, in full screen."""

SCREEN_WAITS_S, NOTHING_WAITS_S = 0.002, 0.0005
"""Seconds for which showing a frame waits, on average, where it waits for the screen, and where not."""


Draw = Callable[[pygame.Surface, float], float | None]
"""Draws the whole frame that is to be shown at a `time.perf_counter()` time, which is as even as the screen,
whenever each is begun; says by how many seconds later the next ones had better begin."""
Prepare = Callable[[pygame.Surface, float, bool], float | None]
"""Draws what can be drawn of that frame before the newest is there; told whether the surface still shows the
frame before."""
AwaitNew = Callable[[float], None]
"""Waits at most so many seconds for something new that is about to come."""
OnAction = Callable[[str, int | None], None]


class Window:
    """A window, full screen, or a frame that nobody sees.

    Raises NoDisplay if it cannot be opened, unless it is `patient`: then the frame is drawn unseen until it
    can. Use from one thread only, the main thread.
    """

    def __init__(self, screen: Screen, *, title: str, metrics: Metrics, patient: bool = False) -> None:
        self._screen, self._title = screen, title
        self.headless = screen.headless
        self.fullscreen = (screen.fullscreen or screen.kiosk) and not screen.headless
        self._windowed_size = screen.size
        self._metrics = metrics
        self._quit = self._kept = False
        self._drawing, self._showing = FaultTracker("render", metrics), FaultTracker("display", metrics)
        self._complaint = RateLimitedLog(log, MIN_INTERVAL_S, MAX_INTERVAL_S)
        self._lost_at: float | None = None
        self._open_again = REOPEN_S
        self._desktop: tuple[int, tuple[int, int]] | None = None
        self._looked_at = 0.0
        self._flip_waited = 0.0
        """seconds, a running mean"""
        self._screen_says_when = False
        self.began_at = self.shown_at = 0.0
        """when the newest frame was begun, and when one was on the screen"""
        self._automatic = AutomaticScale(1.0 / screen.rate, screen.scale)
        if screen.headless:
            os.environ["SDL_VIDEODRIVER"] = "dummy"
        # the installation keeps the screen awake, and a frame enlarged by the graphics card is smooth
        os.environ.setdefault("SDL_VIDEO_ALLOW_SCREENSAVER", "0")
        os.environ.setdefault("SDL_RENDER_SCALE_QUALITY", "linear")
        # a gallery's second screen may take the focus; the installation stays up
        os.environ.setdefault("SDL_VIDEO_MINIMIZE_ON_FOCUS_LOSS", "0")
        try:
            pygame.display.quit()
            pygame.display.init()
            if not screen.headless and pygame.display.get_driver() in NO_SCREEN:
                raise NoDisplay(f"SDL offers only its '{pygame.display.get_driver()}' driver")
            self._open()
        except (pygame.error, NoDisplay) as error:
            pygame.display.quit()
            if not patient:
                raise NoDisplay(f"no display: {error}") from error
            self._lose(NoDisplay(f"no display: {error}"))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frame that is drawn, in pixels."""
        return self.canvas.get_size()

    @property
    def quitting(self) -> bool:
        """Whether somebody at the window has asked to quit."""
        return self._quit

    @property
    def scale(self) -> float:
        """The share of the screen's pixels per side that is drawn."""
        return self._automatic.scale

    def run(
        self,
        draw: Draw,
        on_action: OnAction,
        should_stop: Callable[[], bool],
        *,
        prepare: Prepare | None = None,
        await_new: AwaitNew | None = None,
    ) -> None:
        """Show frames at the screen's rate until somebody quits or `should_stop` says so.

        Whatever `draw` raises is recorded as a fault and the loop goes on. `on_action(action, argument)` gets
        what `keys.KEYS` says. Whatever the display refuses is a fault too: the frame is drawn unseen until
        the window can be opened again. `prepare` is called as soon as the frame before is shown, `draw` as
        late as the slowest of the last ones allows, or later where `await_new` has something to wait for.
        """
        pacer = FramePacer(self._screen.rate)
        shown_at: float | None = None
        while not (self._quit or should_stop()):
            if self._lost_at is None:
                self._show_one(draw, on_action, pacer, prepare, await_new)
            else:
                pacer.move(self._draw(draw, max(pacer.due, time.perf_counter())) or 0.0)
                pacer.wait()
                self._find_again()
            self._follow_screen()
            now = time.perf_counter()
            self._metrics.count("render.frames")
            if shown_at is not None:
                self._metrics.duration("render.frame", now - shown_at)
            shown_at = now

    def _show_one(
        self,
        draw: Draw,
        on_action: OnAction,
        pacer: FramePacer,
        prepare: Prepare | None,
        await_new: AwaitNew | None,
    ) -> None:
        """One frame, from the keys to the screen."""
        try:
            self._handle_events(on_action)
            began = time.perf_counter()
            due = self.shown_at + 1.0 / self._screen.rate if self._screen_says_when else pacer.due
            due = max(due, began)  # after a pause it is late already
            well = prepare is None or self._try(lambda: prepare(self.canvas, due, self._kept)) is not None
            prepared = time.perf_counter() - began
            pacer.begin(await_new)
            move = self._draw(draw, due, well)
            if move is None:  # the frame before stays
                pacer.wait()
                return
            if self.canvas is not self.surface:
                show(self.canvas, self.surface, self._screen.rotate)
            if self._automatic.drew(prepared + time.perf_counter() - self.began_at):
                log.info("drawing %.0f %% of the screen's pixels per side", 100 * self._automatic.scale)
                if self._enlarged_by_card:
                    self._open()  # empty, and not to be shown
                    pacer.wait()
                    return
                self._stretch()
            # a grid that moves would miss the screen
            if not self._screen_says_when:
                pacer.move(move)
            pacer.wait()
            self._flip()
        except Exception as error:  # whatever SDL, or what enlarges the frame, may think of
            self._lose(error)

    def _flip(self) -> None:
        """Show the frame; note how long that waits, as for a screen, beside the work that it is."""
        began, worked = time.perf_counter(), time.thread_time()
        pygame.display.flip()
        self.shown_at = time.perf_counter()
        waited = self.shown_at - began - (time.thread_time() - worked)
        self._flip_waited += 0.05 * (waited - self._flip_waited)
        if not NOTHING_WAITS_S < self._flip_waited < SCREEN_WAITS_S:
            self._screen_says_when = self._flip_waited >= SCREEN_WAITS_S

    def _lose(self, error: Exception) -> None:
        """The display is gone: draw where nobody sees it."""
        what = str(error) if isinstance(error, NoDisplay) else f"the display is lost: {error}"
        if self._showing.raised(what):
            self._complaint.warning("%s; running headless until there is one, OSC goes on", what)
        self._lost_at = time.perf_counter()
        self.canvas, self._kept = pygame.Surface(self._windowed_size, 0, 32), False

    def _find_again(self) -> None:
        """Open the window again, now and then."""
        now = time.perf_counter()
        if self._lost_at is None or now - self._lost_at < self._open_again:
            return
        try:
            pygame.display.quit()
            pygame.display.init()
            if not self.headless and pygame.display.get_driver() in NO_SCREEN:
                raise pygame.error("there is no screen yet, only a driver that shows nothing")
            self._open()
        except Exception:
            self._lost_at = time.perf_counter()
            self._open_again = min(2 * self._open_again, MAX_REOPEN_S)
            return
        self._lost_at, self._open_again = None, REOPEN_S
        self._showing.cleared()
        log.info("the display is there again")

    def toggle_fullscreen(self) -> None:
        """Go to full screen or back; stays as it is where the screen refuses."""
        if self.headless or self._screen.kiosk:
            return
        self.fullscreen = not self.fullscreen
        try:
            self._open()
        except pygame.error as error:
            log.warning("full screen is %s: %s", "not to be had" if self.fullscreen else "here to stay", error)
            self.fullscreen = not self.fullscreen
            self._open()

    def close(self) -> None:
        """Close the window."""
        pygame.display.quit()

    def _display(self) -> int:
        """The wanted display, or the first where there is none of that number."""
        return self._screen.display if self._screen.display < pygame.display.get_num_displays() else 0

    def _open(self) -> None:
        """Open the window, or open it again in another way; sets `surface` and what is drawn on, `canvas`."""
        pygame.display.set_allow_screensaver(False)
        pygame.display.set_caption(self._title)
        self.surface = self._set_mode()
        pygame.mouse.set_visible(not self.fullscreen)
        self._stretch()

    def _follow_screen(self) -> None:
        """Open full screen anew where the screen has another size by now: a projector may change its mode."""
        now = time.perf_counter()
        if self._desktop is None or self._lost_at is not None or now - self._looked_at < SCREEN_CHECK_S:
            return
        self._looked_at = now
        try:
            display = self._display()
            if (display, pygame.display.get_desktop_sizes()[display]) != self._desktop:
                log.info("the screen is another one or has another size; filling it")
                self._open()
        except Exception as error:
            self._lose(error)

    def _stretch(self) -> None:
        """Take a canvas that fits the surface; in full screen the card enlarges, and the surface is small."""
        scale = 1.0 if self._enlarged_by_card else self._automatic.scale
        size = canvas_size(self.surface.get_size(), scale, self._screen.rotate)
        whole = size == self.surface.get_size() and self._screen.rotate == 0 and is_bgrx(self.surface)
        self.canvas = self.surface if whole else pygame.Surface(size, 0, 32)
        self._kept = False

    def _set_mode(self) -> pygame.Surface:
        self._enlarged_by_card = False
        self._desktop = None
        if self.headless:
            return pygame.display.set_mode(self._windowed_size, depth=32)
        display = self._display()
        if display != self._screen.display:
            log.warning("there is no display %d; using display %d", self._screen.display, display)
        if not self.fullscreen:
            return pygame.display.set_mode(self._windowed_size, pygame.RESIZABLE, depth=32, display=display)
        desktop = pygame.display.get_desktop_sizes()[display]
        self._desktop = display, desktop
        small = canvas_size(desktop, self._automatic.scale, 0)
        try:
            # SCALED puts a renderer behind the surface, which can wait for the screen: no tearing
            flags = pygame.FULLSCREEN | pygame.SCALED
            surface = pygame.display.set_mode(small, flags, vsync=1, display=display)
            self._enlarged_by_card = True
            return surface
        except pygame.error:
            return pygame.display.set_mode(desktop, pygame.FULLSCREEN, depth=32, display=display)

    def _handle_events(self, on_action: OnAction) -> None:
        for event in pygame.event.get():
            if event.type == pygame.QUIT and not self._screen.kiosk:
                self._act("quit", None, on_action)
            elif event.type == pygame.VIDEORESIZE and not self.fullscreen:
                self._windowed_size = (max(event.w, 64), max(event.h, 64))
                # the window has its new size already
                self.surface = pygame.display.get_surface() or self.surface
                self._stretch()
            elif event.type in (pygame.VIDEORESIZE, pygame.WINDOWEXPOSED):
                self._kept = False  # some drivers hand out an empty surface
            elif event.type == pygame.KEYDOWN:
                typed, place = getattr(event, "unicode", ""), getattr(event, "scancode", 0)
                key = key_for(event.key, getattr(event, "mod", 0), self._screen.kiosk, typed, place)
                if key is not None:
                    self._act(key.action, key.argument, on_action)

    def _act(self, action: str, argument: int | None, on_action: OnAction) -> None:
        if action == "quit":
            self._quit = True
        elif action == "fullscreen":
            self.toggle_fullscreen()
        try:
            on_action(action, argument)
        except Exception:
            log.exception("the key for %s did nothing", action)

    def _draw(self, draw: Draw, due: float, well: bool = True) -> float | None:
        """What `draw` says of the frame that is due at a time, None where it failed. A fault is over where
        this goes `well`, as what came before it did."""
        self.began_at = time.perf_counter()
        move = self._try(lambda: draw(self.canvas, due))
        self._kept = move is not None
        if move is not None and well:
            self._drawing.cleared()
        return move

    def _try(self, draw: Callable[[], float | None]) -> float | None:
        """What drawing says, 0 for nothing, None where it fails."""
        try:
            return draw() or 0.0
        except Exception as error:
            if self._drawing.raised(f"{type(error).__name__}: {error}"):
                self._complaint.warning("a picture could not be drawn", exc_info=True)
            return None
