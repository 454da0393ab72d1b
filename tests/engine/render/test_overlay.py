"""What the operator reads."""

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import numpy as np
import pygame
import pytest

from engine.render.overlay import Caption, Overlay, draw_caption, draw_keys, draw_progress, draw_readings
from engine.screen.keys import listing
from models.emotion.palette import DEFAULT_PALETTE

LONG = "camera: " + "the cable was pulled, it is being looked for, " * 20


def lit(draw, size=(640, 480)):
    """(height, width) brightness of what is drawn on grey, as its difference from the grey."""
    surface = pygame.Surface(size, 0, 32)
    surface.fill((90, 90, 90))
    draw(surface)
    return np.abs(pygame.surfarray.array3d(surface).swapaxes(0, 1).astype(float) - 90.0).mean(axis=2)


def test_a_heavier_emotion_has_a_longer_bar():
    def bar(weight):
        image = lit(lambda surface: draw_readings(surface, Overlay((("happy", weight),))))
        return (image[:, 80:170] > 100).sum()

    assert bar(0.9) > bar(0.5) > bar(0.1)


def test_the_panel_stays_in_the_picture_however_long_the_fault():
    image = lit(lambda surface: draw_readings(surface, Overlay((), (("fps", "60"),), fault=LONG)))
    assert image[:, -10:].max() == 0.0
    assert image[:100].max() > 0.0


@pytest.mark.parametrize("size", [(1280, 720), (3440, 1440), (720, 1280)])
def test_keys_and_readings_can_be_read_side_by_side(size):
    emotion = tuple((name, 0.125) for name in DEFAULT_PALETTE.names)
    lines = tuple((f"line {number}", "the longest value there is") for number in range(15))
    levels = (("influence", 0.3, 1.0),)
    overlay_values = lit(lambda surface: draw_readings(surface, Overlay(emotion, lines, levels, LONG)), size)
    keys = lit(lambda surface: draw_keys(surface, listing()), size)
    assert overlay_values.any() and keys.any()
    assert not ((overlay_values > 0.0) & (keys > 0.0)).any()


def test_the_panel_works_in_a_tiny_window():
    assert (
        lit(lambda surface: draw_readings(surface, Overlay((("sad", 1.0),), fault=LONG)), (64, 48)).max() > 0.0
    )


def test_a_caption_fades_in_stays_and_fades_out():
    caption = Caption("fear: timid 70 %, angry 30 %", shown_at=10.0, seconds=4.0)
    assert caption.opacity(9.0) == 0.0
    assert 0.0 < caption.opacity(10.2) < 1.0
    assert caption.opacity(12.0) == 1.0
    assert 0.0 < caption.opacity(13.8) < 1.0
    assert caption.opacity(15.0) == 0.0


def test_a_caption_stands_low_in_the_middle_and_a_long_one_is_cut():
    image = lit(lambda surface: draw_caption(surface, Caption(LONG, 0.0), 2.0))
    columns = np.nonzero(image.max(axis=0))[0]
    assert image[:400].max() == 0.0
    assert columns.min() > 0
    assert columns.max() < 639


def test_the_progress_line_comes_with_a_light():
    image = lit(lambda surface: draw_progress(surface, "loading the dancer …", 2.5))
    assert image[200:240, 300:340].mean() > 10.0
