"""The floor reflects what is near it: upside down, fading, and as far below it as that is above."""

import numpy as np
import pygame
import pytest

from engine.render.figure.shading import Sculpture
from engine.render.floor import REFLECTED, REFLECTION_HEIGHT, draw_reflection
from engine.render.stage_camera import EYE_HEIGHT_M, StageCamera

SIZE, CELL = (800, 900), 5
PROJECTION = StageCamera().at_rest(SIZE)
FLOOR = PROJECTION.eye_level + EYE_HEIGHT_M * PROJECTION.scale


def reflection(lifted: int) -> np.ndarray:
    """What is added below the floor (rows, BGR) in the middle of a block 40 cells high, blue below its half and
    red above, whose grid ends `lifted` cells above the floor."""
    cells = np.zeros((40, 30, 4), dtype=np.uint8)
    cells[20:, 8:22, 0] = cells[:20, 8:22, 2] = 240
    cells[:, :8, :3] = cells[:, 22:, :3] = 255  # outside the silhouette colours are anything
    cells[:, 8:22, 3] = 255
    surface = pygame.Surface(SIZE, 0, 32)
    top = round(FLOOR / CELL) - lifted - 40
    draw_reflection(surface, Sculpture(cells, (300, top * CELL), CELL), PROJECTION)
    seen = pygame.surfarray.array3d(surface).swapaxes(0, 1)[..., ::-1].astype(int)
    assert not seen[: int(FLOOR) - CELL - 10].any(), "nothing above the floor"
    assert not seen[:, 300:320].any() and not seen[:, 430:].any(), "nothing of what is outside"
    return seen[round(FLOOR) :, 300 + 15 * CELL]


def test_the_floor_reflects_upside_down_and_fading() -> None:
    column = reflection(0)
    tall = REFLECTION_HEIGHT * PROJECTION.scale
    assert column[8, 0] == pytest.approx(240 * REFLECTED * (1 - 8 / tall) ** 2, abs=8) and column[8, 2] < 5
    assert column[40, 0] < column[8, 0] - 10
    assert column[112, 2] > 10 and column[112, 0] < 9, "the upper half is the further one"


@pytest.mark.parametrize("lifted", [6, 12])
def test_what_is_in_the_air_is_reflected_as_far_below(lifted: int) -> None:
    column, tall = reflection(lifted), REFLECTION_HEIGHT * PROJECTION.scale
    begins = int(np.argmax(column[:, 0] > 8)) / CELL
    assert begins == pytest.approx(lifted, abs=3)
    depth = lifted * CELL + 15
    if depth < len(column):
        assert column[depth, 0] == pytest.approx(240 * REFLECTED * (1 - depth / tall) ** 2, abs=9)


def test_nothing_far_above_the_floor_is_reflected() -> None:
    assert not reflection(80).any()
