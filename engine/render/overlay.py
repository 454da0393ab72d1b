"""What the operator reads: state and figures (key H), a caption that passes, and the start-up line."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import pygame

from engine.render.raster.glow import add_glow

LINE_SHARE = 1 / 34
"""Height of a line as a share of the frame's smaller side: readable at 3 m on a 2 m wall."""

INK = (236, 238, 242)
FAINT = (150, 156, 168)
WARNING = (255, 170, 120)
PANEL = (6, 8, 12, 176)
CAPTION_FADE = 0.6


@dataclass(frozen=True)
class Overlay:
    """Everything on the overlay.

    `emotion`: weights by name, and `levels`: (label, value, most), both as bars; `lines`: (label, value);
    `fault`: the last one; `mistake`: what is wrong in the file of lights.
    """

    emotion: tuple[tuple[str, float], ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    levels: tuple[tuple[str, float, float], ...] = ()
    fault: str | None = None
    mistake: str | None = None


@dataclass(frozen=True)
class Caption:
    """A line that is shown for a while; `shown_at` on the clock of the frames, in seconds."""

    text: str
    shown_at: float
    seconds: float = 4.0

    def opacity(self, time: float) -> float:
        """0..1 at a time: fades in and out over CAPTION_FADE seconds."""
        age = time - self.shown_at
        return max(0.0, min(age / CAPTION_FADE, (self.seconds - age) / CAPTION_FADE, 1.0))


def draw_readings(surface: pygame.Surface, overlay_values: Overlay) -> None:
    """Draw the panel into the upper left corner."""
    height = _line_height(surface)
    label_width = max((_text(label, height, FAINT).get_width() for label in _labels(overlay_values)), default=0)
    values = [_text(value, height, INK) for _, value in overlay_values.lines]
    bar_width = 7 * height
    value_width = max([bar_width + 3 * height, *(value.get_width() for value in values)])
    limit = surface.get_width() - 3 * height
    bars = [(name, weight, f"{100 * weight:.0f} %") for name, weight in overlay_values.emotion]
    bars += [(name, value / most, f"{value:.2f}") for name, value, most in overlay_values.levels]
    warnings = [(label, text) for label, text in _warnings(overlay_values) if text]
    step = round(height * 1.22)
    width = min(label_width + value_width + 3 * height, limit)
    rows = len(bars) + len(overlay_values.lines) + 2 * len(warnings)
    panel = pygame.Surface((width, rows * step + height), pygame.SRCALPHA)
    panel.fill(PANEL)
    x, y = height, height // 2
    column = x + label_width + height
    for name, share, shown in bars:
        panel.blit(_text(name, height, INK if share > 0.02 else FAINT), (x, y))
        _draw_bar(panel, pygame.Rect(column, y, bar_width, height), share)
        panel.blit(_text(shown, height, INK), (column + bar_width + height // 2, y))
        y += step
    for (label, _), value in zip(overlay_values.lines, values, strict=True):
        panel.blit(_text(label, height, FAINT), (x, y))
        panel.blit(value, (column, y))
        y += step
    for label, text in warnings:
        panel.blit(_text(label, height, FAINT), (x, y))
        panel.blit(_text(_shortened(text, height, width - 2 * height), height, WARNING), (x, y + step))
        y += 2 * step
    surface.blit(panel, (height, height))


def draw_keys(surface: pygame.Surface, keys: tuple[tuple[str, str], ...]) -> None:
    """Draw the list of keys, (label, meaning) each, on the right: at the top, or on an upright screen at the
    bottom, where the values leave space."""
    height = _line_height(surface)
    labels = [_text(label, height, INK) for label, _ in keys]
    step, column = round(height * 1.3), 2 * height + max(label.get_width() for label in labels)
    space = surface.get_width() - 3 * height - column
    meanings = [_text(_shortened(meaning, height, max(space, height)), height, FAINT) for _, meaning in keys]
    width = column + max(meaning.get_width() for meaning in meanings) + height
    panel = pygame.Surface((width, len(keys) * step + height), pygame.SRCALPHA)
    panel.fill(PANEL)
    for row, (label, meaning) in enumerate(zip(labels, meanings, strict=True)):
        panel.blit(label, (height, height // 2 + row * step))
        panel.blit(meaning, (column, height // 2 + row * step))
    upright = surface.get_height() > surface.get_width()
    top = surface.get_height() - panel.get_height() - height if upright else height
    surface.blit(panel, (surface.get_width() - width - height, top))


def draw_caption(surface: pygame.Surface, caption: Caption, time: float) -> None:
    """Draw the caption low in the middle."""
    opacity = caption.opacity(time)
    if opacity > 0.0:
        _draw_centred(surface, caption.text, 0.95, opacity)


def draw_label(surface: pygame.Surface, text: str) -> None:
    """Write a small label into the lower left corner."""
    height = _line_height(surface)
    surface.blit(_text(text, height, FAINT), (height // 2, surface.get_height() - round(1.3 * height)))


def draw_progress(surface: pygame.Surface, text: str, time: float) -> None:
    """A slowly breathing light and a line under it: the installation is there, the dancer is on the way."""
    width, height = surface.get_size()
    breath = 0.5 - 0.5 * math.cos(2.0 * math.pi * time / 5.0)
    tint = np.full(3, 12.0 + 19.0 * breath)
    for reach in (0.34, 0.18):
        add_glow(surface, (width / 2, 0.46 * height), reach * min(width, height), tint)
    _draw_centred(surface, text, 0.88, 0.45 + 0.3 * breath)


def _draw_centred(surface: pygame.Surface, text: str, down: float, opacity: float) -> None:
    line = _line_height(surface)
    shown = _shortened(text, line, surface.get_width() - 2 * line)
    place = (
        (surface.get_width() - _text(shown, line, INK).get_width()) // 2,
        int(surface.get_height() * down) - line,
    )
    for colour, offset in (((0, 0, 0), max(line // 14, 1)), (INK, 0)):
        image = _text(shown, line, colour)
        image.set_alpha(int(255 * opacity))
        surface.blit(image, (place[0] + offset, place[1] + offset))
        image.set_alpha(255)


def _draw_bar(panel: pygame.Surface, place: pygame.Rect, share: float) -> None:
    thick = max(place.height // 3, 2)
    rail = pygame.Rect(place.x, place.centery - thick // 2, place.width, thick)
    pygame.draw.rect(panel, (52, 57, 68), rail, border_radius=thick // 2)
    filled = round(place.width * min(max(share, 0.0), 1.0))
    if filled > 0:
        pygame.draw.rect(panel, INK, (rail.x, rail.y, filled, thick), border_radius=thick // 2)


def _labels(overlay_values: Overlay) -> list[str]:
    levels = [name for name, _, _ in overlay_values.levels]
    return [name for name, _ in overlay_values.emotion] + levels + [label for label, _ in overlay_values.lines]


def _warnings(overlay_values: Overlay) -> list[tuple[str, str]]:
    return [("last fault", overlay_values.fault or ""), ("lights", overlay_values.mistake or "")]


def _line_height(surface: pygame.Surface) -> int:
    return max(round(min(surface.get_size()) * LINE_SHARE), 12)


def _shortened(text: str, height: int, width: int) -> str:
    """The text in one line, cut with an ellipsis where it does not fit."""
    text = " ".join(text.split())
    measure = _font(height).size
    if measure(text)[0] <= width:
        return text
    while text and measure(text + "…")[0] > width:
        text = text[:-1]
    return text + "…"


@functools.lru_cache(maxsize=8)
def _font(height: int) -> pygame.font.Font:
    pygame.font.init()
    return pygame.font.Font(None, round(height * 1.25))


@functools.lru_cache(maxsize=160)
def _text(text: str, height: int, colour: tuple[int, int, int]) -> pygame.Surface:
    return _font(height).render(text.replace("\0", ""), True, colour)
