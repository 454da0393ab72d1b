"""Where the visitor's ghost stands and how visible it is: beside and behind the dancer, fading in and out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.render.stage_camera import Projection
from engine.streams.values import Pose

BESIDE_M, BEHIND_M = 0.85, 1.3
"""Metres from the middle of the stage to where a visitor in the middle of the camera's frame stands."""

ROAM = 0.4
"""Share of the visitor's own way to the side that the ghost goes."""

FADE_SECONDS = 0.8
CALM_SECONDS = 0.06
"""Time constant that turns the camera's frames into a flow."""


@dataclass(frozen=True, eq=False)
class MirrorFigure:
    """`positions` (17, 3) on the stage in metres, `strength` in 0..1."""

    positions: NDArray[np.float32]
    strength: float


class MirrorFigureFollower:
    """Follows the visitor's poses; keeps the last one while it fades."""

    def __init__(self) -> None:
        self._positions: NDArray[np.float32] | None = None
        self._strength = 0.0

    def follow(self, visitor: Pose | None, seconds: float, projection: Projection) -> MirrorFigure | None:
        """The ghost after `seconds` more, None when nobody is to be seen."""
        seen = None if visitor is None or not visitor.present else visitor.positions
        if seen is not None and not np.isfinite(seen).all():
            seen = None
        share = 1.0 - float(np.exp(-seconds / FADE_SECONDS))
        self._strength += ((1.0 if seen is not None else 0.0) - self._strength) * share
        if seen is not None:
            if self._positions is None or self._strength < 0.05:
                self._positions = seen.astype(np.float32)
            calm = np.float32(1.0 - np.exp(-seconds / CALM_SECONDS))
            self._positions = self._positions + (seen - self._positions) * calm
        if self._positions is None or self._strength < 0.01:
            return None
        width = projection.height * projection.size[0] / projection.size[1]
        placed = self._positions.copy()
        aside = float(np.clip(ROAM * placed[0, 0], -0.5, 0.5))
        placed[:, 0] += projection.x + min(BESIDE_M, 0.3 * width) + aside - placed[0, 0]
        placed[:, 2] += projection.z - BEHIND_M - placed[0, 2]
        return MirrorFigure(placed, self._strength)
