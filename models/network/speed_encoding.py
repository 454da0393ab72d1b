"""The target speed as the network gets it: the mean joint speed of the coming second, relative to the pelvis.

Without it the model collapses onto standing still: every clip ends at rest, so rest is easy to enter and hard
to leave. In training the speed is measured; when dancing it is that of an exemplar
(`models.network.conditioning`), scaled by `energy`.
"""

import numpy as np
from numpy.typing import ArrayLike

from models.motion.skeleton import FRAME_RATE, FloatArray

SPEED_HORIZON_FRAMES = FRAME_RATE
"""Frames ahead over which the speed is a mean."""


def encode_speed(speed: ArrayLike) -> FloatArray:
    """Speeds in m/s as the network hears them: the logarithm, about zero mean and unit deviation."""
    return (np.log(np.asarray(speed) + 0.05) + 1.1) / 0.5


def decode_speed(heard: ArrayLike) -> FloatArray:
    """The speeds in m/s that are heard like this."""
    return np.maximum(np.exp(0.5 * np.asarray(heard) - 1.1) - 0.05, 0.0)


def future_mean_speed(speed: FloatArray, window: int) -> FloatArray:
    """Mean of the `window` speeds after each frame; (..., T) gives (..., T - window)."""
    total = np.cumsum(speed, axis=-1, dtype=np.float64)
    return ((total[..., window:] - total[..., :-window]) / window).astype(np.float32)
