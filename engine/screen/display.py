"""The screen that the window opens on, and whether there is one."""

from dataclasses import dataclass

from engine.runtime.faults import TemporaryFault
from engine.settings import Settings

DEFAULT_FPS = 60.0
"""Frames per second."""

NO_SCREEN = ("dummy", "offscreen")
"""Drivers that SDL may fall back to by itself and that nobody sees."""


class NoDisplay(TemporaryFault):
    """No window can be opened here."""


@dataclass(frozen=True)
class Screen:
    """How the frame is shown.

    `size`: the window's, in pixels. `display` counts screens from 0. `scale`: the share of the screen's pixels
    per side that is drawn, None to choose it by the frame rate. `rotate` turns the frame clockwise by 0, 90,
    180 or 270 degrees for a screen that hangs the other way. `rate`: frames per second.
    """

    size: tuple[int, int] = (1280, 720)
    fullscreen: bool = False
    kiosk: bool = False
    display: int = 0
    rotate: int = 0
    scale: float | None = None
    rate: float = DEFAULT_FPS
    headless: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "Screen":
        """As the settings ask for."""
        return cls(
            size=(settings.width, settings.height),
            fullscreen=settings.fullscreen,
            kiosk=settings.kiosk,
            display=settings.display,
            rotate=settings.rotate,
            scale=settings.scale,
            rate=float(settings.frame_rate),
            headless=settings.headless,
        )
