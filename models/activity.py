"""How much the dancer is asked to move: the mean joint speed to come, relative to the pelvis.

The network hears two speeds as inputs: that of the coming second and that of the coming quarter of a second.
The first is what keeps a dancer from freezing: in the data every clip ends at rest, so without it standing
still is the one state that is easy to enter and hard to leave. It does not say when to begin, though, and who
has stood for long may stand on. The second does, and is said only to a dancer who stands too long. In training
both are measured; live the first is that of a phrase that some actor showed in the emotion (`models.wish`),
and `energy` scales it.
"""

import numpy as np
from numpy.typing import ArrayLike

from models.skeleton import FRAME_RATE, FloatArray

WINDOWS = (FRAME_RATE, 8)
"""Frames ahead over which the two speeds are means."""


def activity_input(speed: ArrayLike) -> FloatArray:
    """Speeds in m/s as the network hears them: the logarithm, about zero mean and unit deviation."""
    return (np.log(np.asarray(speed) + 0.05) + 1.1) / 0.5


def speed_of_input(heard: ArrayLike) -> FloatArray:
    """The speeds in m/s that are heard like this."""
    return np.maximum(np.exp(0.5 * np.asarray(heard) - 1.1) - 0.05, 0.0)


def coming_speed(speed: FloatArray, window: int) -> FloatArray:
    """Mean of the `window` speeds after each frame; (..., T) gives (..., T - window)."""
    total = np.cumsum(speed, axis=-1, dtype=np.float64)
    return ((total[..., window:] - total[..., :-window]) / window).astype(np.float32)
