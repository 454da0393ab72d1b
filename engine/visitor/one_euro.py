"""The One-Euro filter: calm when the body is still, quick when it moves.

Casiez, Roussel, Vogel 2012, "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", doi:10.1145/2207676.2208639. A first-order low-pass whose cutoff grows with the speed of the point:
cutoff = MIN_CUTOFF + BETA * |speed|. The speed is that of the whole point and not of each coordinate, so that
smoothing never bends the direction of a movement.
"""

import numpy as np
from numpy.typing import NDArray

from models.motion.skeleton import FloatArray

MIN_CUTOFF = 1.0
"""Hz at rest."""
BETA = 8.0
"""Hz more for every m/s. For joints in metres at 30 fps; on the reference video these two take two thirds of
the jitter (mean third difference 36 -> 11 mm a frame) for a lag of 33 ms."""
SPEED_CUTOFF = 1.0
"""Hz of the low-pass on the speed, as in the paper."""
MAX_GAP_S = 0.5
"""Seconds after which a point starts afresh where it is seen next."""


class OneEuroFilter:
    """Smooths points (..., D) in metres that come at any times in seconds.

    A point with a NaN keeps its last value until it is finite again (NaN if it never was); one that was away
    for more than `MAX_GAP_S` starts afresh. A time that is not later than the one before changes nothing.
    """

    def __init__(self, min_cutoff: float = MIN_CUTOFF, beta: float = BETA) -> None:
        self.min_cutoff = min_cutoff
        self.beta = beta
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._values: FloatArray | None = None

    def __call__(self, values: FloatArray, time: float) -> FloatArray:
        """The smoothed points (..., D) of the points (..., D) seen at `time`."""
        values = np.asarray(values, dtype=np.float64)
        finite = np.asarray(np.isfinite(values).all(axis=-1))
        if self._values is None:
            self._values = np.where(finite[..., None], values, np.nan)
            self._velocity = np.zeros_like(values)
            self._seen_at = np.where(finite, time, -np.inf)
            return self._values.copy()
        step = time - self._seen_at
        moves = finite & (step > 0) & (step <= MAX_GAP_S)
        starts = finite & (step > MAX_GAP_S)
        self._smooth(values, step, moves)
        self._values[starts] = values[starts]
        self._velocity[starts] = 0.0
        self._seen_at[moves | starts] = time
        return self._values.copy()

    def _smooth(self, values: FloatArray, step: FloatArray, moves: NDArray[np.bool_]) -> None:
        """Move the points that `moves` chooses towards `values` over `step` seconds."""
        assert self._values is not None
        before, seconds = self._values[moves], step[moves][:, None]
        velocity = (values[moves] - before) / seconds
        velocity = self._velocity[moves] + _share(SPEED_CUTOFF, seconds) * (velocity - self._velocity[moves])
        speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
        cutoff = self.min_cutoff + self.beta * speed
        self._values[moves] = before + _share(cutoff, seconds) * (values[moves] - before)
        self._velocity[moves] = velocity


def _share(cutoff: FloatArray | float, seconds: FloatArray) -> FloatArray:
    """How far a first-order low-pass of `cutoff` Hz goes towards a new value in `seconds`."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff * seconds))
