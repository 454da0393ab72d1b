"""How much the dancer is asked to move: the mean joint speed of the coming second, relative to the pelvis.

The network hears it as an input, which is what keeps it from freezing: in the data every clip ends at rest, so
without it standing still is the one state that is easy to enter and hard to leave. In training it is measured;
live it wanders through the range that the actors showed for the emotion, and `energy` scales it.
"""

import numpy as np
from numpy.typing import ArrayLike

from models.skeleton import FRAME_RATE, FloatArray

WINDOW = FRAME_RATE
QUANTILES = np.linspace(0.0, 1.0, 11)
"""The ranks at which the range of each emotion is written into a checkpoint's card."""


def activity_input(speed: ArrayLike) -> FloatArray:
    """Speeds in m/s as the network hears them: the logarithm, about zero mean and unit deviation."""
    return (np.log(np.asarray(speed) + 0.05) + 1.1) / 0.5


def coming_speed(speed: FloatArray) -> FloatArray:
    """Mean of the `WINDOW` speeds after each frame; (..., T) gives (..., T - WINDOW)."""
    total = np.cumsum(speed, axis=-1, dtype=np.float64)
    return ((total[..., WINDOW:] - total[..., :-WINDOW]) / WINDOW).astype(np.float32)
