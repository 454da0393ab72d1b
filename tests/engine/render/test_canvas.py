"""What is drawn reaches the screen whole, turned and enlarged; the scale follows what drawing costs."""

import numpy as np
import pygame
import pytest

from engine.render.canvas import RETRY_FRAMES, AutomaticScale, canvas_size, is_bgrx, show


@pytest.mark.parametrize(("rotate", "corner"), [(0, (0, 0)), (90, (159, 0)), (180, (159, 89)), (270, (0, 89))])
def test_the_upper_left_corner_goes_where_the_turn_says(rotate, corner):
    screen = pygame.Surface((160, 90), 0, 32)
    canvas = pygame.Surface(canvas_size((160, 90), 0.5, rotate), 0, 32)
    canvas.fill((250, 10, 10), (0, 0, 8, 8))
    show(canvas, screen, rotate)
    assert screen.get_at(corner)[:3] == (250, 10, 10)
    assert np.count_nonzero(pygame.surfarray.array3d(screen)[..., 0] > 128) == pytest.approx(256, abs=64)


def test_slow_drawing_gives_up_sharpness_and_quick_drawing_gets_it_back_late():
    automatic = AutomaticScale(1 / 60)
    for _ in range(400):
        automatic.drew(0.016)
    assert automatic.scale == 0.5
    for _ in range(200):
        automatic.drew(0.002)
    assert automatic.scale == 0.5
    for _ in range(2 * RETRY_FRAMES):
        automatic.drew(0.002)
    assert automatic.scale == 1.0


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("size", [(60, 40), (30, 20), (40, 60)])
@pytest.mark.parametrize(
    "other",
    [
        pygame.Surface((60, 40), 0, 32, (0xFF, 0xFF00, 0xFF0000, 0)),
        pygame.Surface((60, 40), 0, 24),
        pygame.Surface((60, 40), pygame.SRCALPHA, 32),
    ],
)
def test_a_screen_with_its_colours_in_another_order_shows_the_same(
    rotate: int, size: tuple[int, int], other: pygame.Surface
) -> None:
    canvas = pygame.Surface(size, 0, 32)
    canvas.fill((200, 10, 30))
    canvas.fill((20, 250, 90), (0, 0, 15, 10))
    usual = pygame.Surface((60, 40), 0, 32)
    assert not is_bgrx(other)
    for screen in (usual, other):
        show(canvas, screen, rotate)
        assert not screen.get_locked()
    assert pygame.image.tobytes(usual, "RGB") == pygame.image.tobytes(other, "RGB")
    assert len({tuple(usual.get_at((x, y))) for x in (2, 57) for y in (2, 37)}) == 2


def test_a_scale_that_was_set_stays():
    automatic = AutomaticScale(1 / 60, 0.75)
    assert not any(automatic.drew(0.1) for _ in range(300))
    assert automatic.scale == 0.75
