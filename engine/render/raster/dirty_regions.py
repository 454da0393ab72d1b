"""Where a frame was drawn on: of the backdrop behind, no more is drawn again."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.canvas import pixel_row_of
from engine.render.raster.jit import compiled


@dataclass(frozen=True, eq=False)
class Spans:
    """Many small boxes (N, 4) of left, top, right, bottom, counted from the pixel (`left`, `top`)."""

    boxes: NDArray[Any]
    left: int
    top: int


DirtyRegions = list[pygame.Rect | Spans]
"""Boxes in pixels outside of which nothing was drawn. They may overlap, and reach beyond the frame."""


def restore(surface: pygame.Surface, backdrop: pygame.Surface, touched: DirtyRegions) -> None:
    """Copy all that was touched from a surface of the same size, both 32-bit BGRX."""
    there, behind, size = pixel_row_of(surface), pixel_row_of(backdrop), surface.get_size()
    pitches = surface.get_pitch() // 4, backdrop.get_pitch() // 4
    rects = [(box.left, box.top, box.right, box.bottom) for box in touched if isinstance(box, pygame.Rect)]
    spans = [box for box in touched if isinstance(box, Spans)]
    if rects:
        spans.append(Spans(np.array(rects, dtype=np.int32), 0, 0))
    for span in spans:
        _copy(there, behind, *pitches, *size, span.boxes, span.left, span.top)


@compiled("void(u4[::1], u4[::1], i8, i8, i8, i8, i4[:, ::1], i8, i8)")
def _copy(
    there: NDArray[Any],
    behind: NDArray[Any],
    pitch: int,
    pitch_behind: int,
    width: int,
    height: int,
    boxes: NDArray[Any],
    left: int,
    top: int,
) -> None:
    for box in range(len(boxes)):
        first, last = max(boxes[box, 0] + left, 0), min(boxes[box, 2] + left, width)
        if first < last:
            for row in range(max(boxes[box, 1] + top, 0), min(boxes[box, 3] + top, height)):
                onto = there[row * pitch + first : row * pitch + last]
                line = behind[row * pitch_behind + first : row * pitch_behind + last]
                for column in range(len(line)):  # what numpy would do in one step, Numba does by the pixel
                    onto[column] = line[column]
