"""What a body does: how far real poses reach in each direction of the space of poses.

The dancer's pose is a sum of steps. A plan is told in the components of movement that move much, so what hardly
ever moves, the hips against each other or the head on its neck, is in none of them, and its rounding errors add
up: over a minute the dancer's hips turned by what no actor's do, no plan could lead back, and it took on the
look of another emotion. So a pose is led back by a share of what it is astray, frame by frame.
"""

from dataclasses import dataclass

import numpy as np

from models.motion.skeleton import FloatArray
from models.network.motion_space import MotionSpace

RIGID_SPREAD = 0.06
"""Deviation, of bone directions of length one, under which an axis counts as one that bodies do not move along:
there the mean is right."""
REACH = 3.0
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
        return cls(mean, axes, np.where(spread < RIGID_SPREAD, 0.0, REACH * spread).astype(np.float32))

    def project(self, pose: FloatArray) -> FloatArray:
        """Poses (B, 49), a little nearer to what bodies do where they are astray; the others stay."""
        along = (pose - self.mean) @ self.axes
        astray = along - np.clip(along, -self.reach, self.reach)
        led: FloatArray = pose - RETURN_RATE * (astray @ self.axes.T)
        return led
