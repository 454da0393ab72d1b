"""A critically damped spring: the smoothest approach to a moving target that never overshoots."""

import math
from dataclasses import dataclass


@dataclass
class Spring:
    """One number that follows a target; `lag` is the seconds by which it trails a steadily moving target."""

    value: float
    lag: float
    velocity: float = 0.0

    def follow(self, target: float, seconds: float) -> float:
        """Move for `seconds` towards the target by the exact solution, whatever the frame rate."""
        stiffness = 2.0 / self.lag
        distance = self.value - target
        impulse = (self.velocity + stiffness * distance) * seconds
        decay = math.exp(-stiffness * seconds)
        self.value = target + (distance + impulse) * decay
        self.velocity = (self.velocity - stiffness * impulse) * decay
        return self.value

    def move_to(self, value: float) -> None:
        """Be there at once; the velocity stays unless it points away from there."""
        if (value - self.value) * self.velocity < 0.0:
            self.velocity = 0.0
        self.value = value
