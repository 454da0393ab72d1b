"""A prior over poses: how far real poses reach along each principal axis.

A pose is a sum of predicted deltas. Plans lie in the components of movement that move much; what hardly ever
moves (the hips against each other, the head on its neck) is in none of them, so its rounding errors add up and
no plan corrects them. Each frame a share of what lies outside the reach of real poses is removed.
"""

from dataclasses import dataclass

import numpy as np

from models.motion.skeleton import FloatArray
from models.network.motion_space import MotionSpace

RIGID_SPREAD = 0.06
"""Deviation, of bone directions of length one, under which an axis counts as one that bodies do not move along:
there the mean is right."""
MAX_DEVIATIONS = 3.0
"""Deviations that a pose may be from the mean in the other directions."""
RETURN_RATE = 0.1
"""Share of what a pose is astray that is taken back in each frame."""


@dataclass(frozen=True)
class PosePrior:
    """Real poses: mean (49,), principal axes as columns (49, 49) and how far a pose may be along each (49,)."""

    mean: FloatArray
    axes: FloatArray
    reach: FloatArray

    @classmethod
    def of(cls, space: MotionSpace) -> "PosePrior":
        """As measured by `MotionSpace.fit`."""
        mean, axes, spread = (
            part.cpu().numpy() for part in (space.body_mean, space.body_axes, space.body_spread)
        )
        return cls(mean, axes, np.where(spread < RIGID_SPREAD, 0.0, MAX_DEVIATIONS * spread).astype(np.float32))

    def project(self, pose: FloatArray) -> FloatArray:
        """Poses (B, 49), a little nearer to what bodies do where they are astray; the others stay."""
        along = (pose - self.mean) @ self.axes
        astray = along - np.clip(along, -self.reach, self.reach)
        led: FloatArray = pose - RETURN_RATE * (astray @ self.axes.T)
        return led
