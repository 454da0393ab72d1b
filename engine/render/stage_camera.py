"""The camera of the stage: perspective, soft following, and the whole figure in the frame whatever it does.

Stage frame as in `models.motion.skeleton`: metres, y up, floor y = 0, +z towards the viewer. The camera looks
along -z without tilting, so that what stands upright stays upright, and keeps the floor under the dancer at one
height in the frame: it follows sideways and in depth, and steps back when the figure needs more room.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.render.spring import Spring

DISTANCE_M = 6.0
"""Metres from the camera to the dancer."""

EYE_HEIGHT_M = 1.15
FLOOR_LINE = 0.87
"""Where the floor under the dancer lies in the frame, as a share of its height from the top."""

REST_HEIGHT_M = 2.3
"""Metres that the frame is high at the dancer's depth, when the figure needs no more."""

REST_WIDTH_M = 1.5
"""Metres that the frame is at least wide there: a portrait wall still holds half-open arms."""

FLESH_M = 0.24
"""Metres that the body reaches beyond its outermost joint: the head above the skull's base, a hand."""

COMFORT = 0.06
LIMIT = 0.01
"""Margins as shares of the frame: wanted by the slow spring, and never fallen short of."""

FOLLOW_LAG = 0.45
ZOOM_LAG = 0.6
CUT_DISTANCE_M = 3.0
"""Metres in one frame that are no walk but a new start: the camera cuts instead of flying there."""

NEAREST_M = 1.5
"""Metres in front of the lens that are still drawn; anything nearer is pushed back to there."""


@dataclass(frozen=True)
class Projection:
    """One camera position: pixels from metres for a frame of `size` (width, height)."""

    size: tuple[int, int]
    x: float
    z: float
    height: float

    @property
    def focal(self) -> float:
        """Pixels per metre at one metre from the lens."""
        return self.size[1] / self.height * DISTANCE_M

    @property
    def scale(self) -> float:
        """Pixels per metre at the dancer's depth."""
        return self.size[1] / self.height

    @property
    def eye_level(self) -> float:
        """The row, in pixels from the top, of everything at the height of the eye: the horizon."""
        return self.size[1] * FLOOR_LINE - EYE_HEIGHT_M * self.scale

    def project(self, points: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Pixels (..., 2), x right and y down, and pixels per metre (...,) there, of points (..., 3)."""
        nearness = np.maximum((DISTANCE_M + self.z) - points[..., 2], NEAREST_M)
        scale = np.divide(self.focal, nearness, dtype=np.float32)
        planes = np.empty((2, *scale.shape), dtype=np.float32)
        across, down = planes[0, ...], planes[1, ...]
        np.multiply(points[..., 0] - self.x, scale, out=across)
        np.multiply(EYE_HEIGHT_M - points[..., 1], scale, out=down)
        across += self.size[0] / 2
        down += self.eye_level
        return planes.transpose(*range(1, planes.ndim), 0), scale


class StageCamera:
    """Follows the dancer; its state is where it stands and how much it shows."""

    def __init__(self) -> None:
        self._x = Spring(0.0, FOLLOW_LAG)
        self._z = Spring(0.0, FOLLOW_LAG)
        self._height = Spring(REST_HEIGHT_M, ZOOM_LAG)
        self._followed_at: float | None = None

    def at_rest(self, size: tuple[int, int]) -> Projection:
        """Where the camera stands when the dancer stands at ease in the middle of the stage."""
        return Projection(size, 0.0, 0.0, _rest_height(size))

    def follow(
        self, positions: NDArray[np.floating], time: float, size: tuple[int, int], widening: float = 1.0
    ) -> Projection:
        """Follow finite positions (17, 3) to a time in seconds and return the projection for it.

        `widening` over 1 shows so much more of the stage at rest.
        """
        rest = _rest_height(size) * widening
        low, high = positions.min(axis=0), positions.max(axis=0)
        x = float(0.6 * positions[0, 0] + 0.2 * (low[0] + high[0]))
        z = float(positions[0, 2])
        first = self._followed_at is None
        seconds = 0.0 if self._followed_at is None else min(max(time - self._followed_at, 0.0), 0.25)
        self._followed_at = time
        if first or np.hypot(x - self._x.value, z - self._z.value) > CUT_DISTANCE_M:
            self._x, self._z = Spring(x, FOLLOW_LAG), Spring(z, FOLLOW_LAG)
            wanted, _ = _needed_heights(positions, x, z, size)
            self._height = Spring(max(rest, wanted), ZOOM_LAG)
        self._x.follow(x, seconds)
        self._z.follow(z, seconds)
        leash = 0.12 * self._height.value * size[0] / size[1]
        self._x.move_to(min(max(self._x.value, x - leash), x + leash))
        wanted, needed = _needed_heights(positions, self._x.value, self._z.value, size)
        self._height.follow(max(rest, wanted), seconds)
        self._height.move_to(max(self._height.value, needed))
        return Projection(size, self._x.value, self._z.value, self._height.value)


def _rest_height(size: tuple[int, int]) -> float:
    return max(REST_HEIGHT_M, REST_WIDTH_M * size[1] / size[0])


def _needed_heights(
    positions: NDArray[np.floating], x: float, z: float, size: tuple[int, int]
) -> tuple[float, float]:
    """Metres that the frame must be high for all joints and their flesh to lie within COMFORT and LIMIT."""
    nearness = DISTANCE_M / np.maximum((DISTANCE_M + z) - positions[:, 2], NEAREST_M)
    across = float(((np.abs(positions[:, 0] - x) + FLESH_M) * nearness).max())
    above_eye = float(((positions[:, 1] + (FLESH_M - EYE_HEIGHT_M)) * nearness).max())
    below_eye = float(((EYE_HEIGHT_M + 0.06 - positions[:, 1]) * nearness).max())
    heights = [
        max(
            across * 2.0 / (1.0 - 2.0 * margin) * size[1] / size[0],
            (above_eye + EYE_HEIGHT_M) / (FLOOR_LINE - margin),
            (below_eye - EYE_HEIGHT_M) / (1.0 - FLOOR_LINE - min(margin, 0.02)),
        )
        for margin in (COMFORT, LIMIT)
    ]
    return heights[0], heights[1]
