"""Changes of emotion that glide: from whatever the weights are now to what is wanted, over some time."""

from dataclasses import dataclass

import numpy as np

from models.emotion.palette import Weights

DEFAULT_GLIDE_S = 0.5
"""Seconds."""


@dataclass(frozen=True, eq=False)
class EmotionGlide:
    """Weights (P,) as a function of time; every component is monotone and the sum is 1 throughout."""

    start: Weights
    target: Weights
    began: float
    seconds: float

    @classmethod
    def at(cls, weights: Weights) -> "EmotionGlide":
        """Weights that stay as they are."""
        return cls(weights, weights, 0.0, 0.0)

    def weights_at(self, time: float) -> Weights:
        """The weights (P,) at a time in seconds, on the clock of `began`."""
        if self.seconds <= 0 or time >= self.began + self.seconds:
            return self.target
        share = max((time - self.began) / self.seconds, 0.0)
        # Quick at first and soft at the end: a target that moves all the time must be followed, not waited for.
        eased = np.float32(share * (2 - share))
        return (self.start + eased * (self.target - self.start)).astype(np.float32)

    def toward(self, target: Weights, now: float, seconds: float = DEFAULT_GLIDE_S) -> "EmotionGlide":
        """A glide to another target from where this one is now; the same target goes on undisturbed."""
        if np.array_equal(target, self.target):
            return self
        return EmotionGlide(self.weights_at(now), target, now, seconds)
