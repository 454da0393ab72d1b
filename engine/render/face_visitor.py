"""The dancer turns to whoever has come: in the frame, its mean heading swings round to the visitor."""

import cmath
import math

import numpy as np
from numpy.typing import NDArray

from engine.render.spring import Spring
from models.motion.skeleton import INDEX

MEAN_SECONDS = 3.0
"""Time constant of the mean heading: the turns of the dance itself stay."""

TURN_LAG_S = 1.2
"""Seconds by which the turn trails: a body that notices somebody, not a weather vane."""

LEFT_HIP, RIGHT_HIP = INDEX["left_hip"], INDEX["right_hip"]


class FaceVisitor:
    """Turns bodies about the vertical through the pelvis; where and how they stand stays as danced."""

    def __init__(self) -> None:
        self._mean: complex | None = None
        self._turn = Spring(0.0, TURN_LAG_S)

    def turned(self, positions: NDArray[np.float32], towards: bool, seconds: float) -> NDArray[np.float32]:
        """Positions (17, 3) after `seconds` more; `towards` while somebody is there to turn to."""
        (right, _, back), (left, _, front) = positions[[RIGHT_HIP, LEFT_HIP]].tolist()
        ahead = complex(left - right, back - front)  # z and x out of the belly
        ahead /= max(abs(ahead), 1e-6)
        if self._mean is None:
            self._mean = ahead
        self._mean += (ahead - self._mean) * (1.0 - math.exp(-seconds / MEAN_SECONDS))
        away = cmath.phase(self._mean)  # 0 looks at the viewer
        # what stands with its back to the visitor turns on the way it has begun
        wanted = _nearest(-away, self._turn.value) if towards else _nearest(0.0, self._turn.value)
        turn = self._turn.follow(wanted, seconds)
        if abs(turn) < 1e-3:
            return positions
        cos, sin = math.cos(turn), math.sin(turn)
        rotation = np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]], dtype=np.float32)
        pivot = positions[0] * np.array([1.0, 0.0, 1.0], dtype=np.float32)
        turned: NDArray[np.float32] = (positions - pivot) @ rotation + pivot
        return turned


def _nearest(angle: float, reference: float) -> float:
    """The angle that is the same modulo a full turn and nearest to the reference, in radians."""
    return angle + 2.0 * np.pi * round((reference - angle) / (2.0 * np.pi))
