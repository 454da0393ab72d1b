"""What is drawn on and how it gets to the screen: a frame of its own size and orientation."""

import statistics
from collections import deque
from typing import Any

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

SCALES = (1.0, 0.75, 0.5)
"""Sides of the drawn frame as shares of the screen's, from sharp to fast."""

TOO_SLOW, EASY = 0.85, 0.35
"""Shares of the time for one frame above which the scale goes down, and below which it may go up again."""

MEASURED_FRAMES = 90
"""Frames over which that is classified."""

RETRY_FRAMES = 1800
"""Frames at one scale before a sharper one is tried: half a minute."""

BGRX = 0xFF0000, 0xFF00, 0xFF, 0
"""The masks of red, green, blue and alpha."""

TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class AutomaticScale:
    """Chooses how sharply to draw by how long drawing takes; `period`: the seconds there are for a frame."""

    def __init__(self, period: float, fixed: float | None = None) -> None:
        self.scale = 1.0 if fixed is None else fixed
        self._period = period
        self._fixed = fixed is not None
        self._recent: deque[float] = deque(maxlen=MEASURED_FRAMES)
        self._pictures = 0
        self._failed_at = 0

    def drew(self, seconds: float) -> bool:
        """Take in how long a frame took; True when the scale has changed."""
        self._recent.append(seconds)
        self._pictures += 1
        if self._fixed or len(self._recent) < MEASURED_FRAMES:
            return False
        share = statistics.median(self._recent) / self._period
        place = SCALES.index(self.scale)
        if share > TOO_SLOW and place + 1 < len(SCALES):
            place += 1
            self._failed_at = self._pictures
        elif share < EASY and place > 0 and self._pictures - self._failed_at > RETRY_FRAMES:
            place -= 1
        else:
            return False
        self.scale = SCALES[place]
        self._recent.clear()
        return True


def canvas_size(screen: tuple[int, int], scale: float, rotate: int) -> tuple[int, int]:
    """(width, height) of the frame to draw for a screen that hangs turned by `rotate` degrees."""
    width, height = screen if rotate in (0, 180) else screen[::-1]
    return max(round(width * scale), 16), max(round(height * scale), 16)


def show(canvas: pygame.Surface, screen: pygame.Surface, rotate: int) -> None:
    """Turn the drawn frame, 32-bit BGRX, clockwise by `rotate` degrees and enlarge it to fill the screen."""
    pixels, size = pixels_of(canvas), screen.get_size()
    alike = is_bgrx(screen)
    # straight onto the screen where its pixels are in the same order: a frame in between is new memory
    into = pixels_of(screen) if alike else np.empty((size[1], size[0], 4), dtype=np.uint8)
    if rotate:
        turned = pixels.shape[1::-1] if rotate == 180 else pixels.shape[:2]
        pixels = cv2.rotate(pixels, TURNS[rotate], dst=into if turned == size else None)
    if pixels is not into:
        cv2.resize(pixels, size, dst=into, interpolation=cv2.INTER_LINEAR)
    if not alike:
        image = pygame.image.frombuffer(into.data, size, "BGRA")
        image.set_alpha(None)
        screen.blit(image, (0, 0))


def pixels_of(surface: pygame.Surface) -> NDArray[Any]:
    """A view of a 32-bit surface, (height, width, 4); it is locked for as long as that lives."""
    width, height = surface.get_size()
    buffer = memoryview(surface.get_buffer())  # type: ignore[arg-type]
    rows = np.frombuffer(buffer, dtype=np.uint8).reshape(height, surface.get_pitch())
    return rows[:, : 4 * width].reshape(height, width, 4)


def is_bgrx(surface: pygame.Surface) -> bool:
    """Whether its pixels are 32-bit BGRX, as those of every pygame.Surface(size, 0, 32) are."""
    return surface.get_masks() == BGRX and surface.get_bitsize() == 32


def check_bgrx(surface: pygame.Surface) -> None:
    """Raise ValueError where `is_bgrx` does not hold."""
    if not is_bgrx(surface):
        raise ValueError("a picture is drawn onto 32-bit BGRX pixels: pygame.Surface(size, 0, 32)")


def pixel_row_of(surface: pygame.Surface) -> NDArray[Any]:
    """The pixels of a 32-bit surface in one row, line by line; it is locked for as long as that lives.

    Raises ValueError where `is_bgrx` does not hold.
    """
    check_bgrx(surface)
    return np.frombuffer(memoryview(surface.get_buffer()), dtype=np.uint32)  # type: ignore[arg-type]
