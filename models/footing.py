"""Feet on the floor: a body does not float, sink or skate.

The network plans the pose and the travel of the pelvis apart, so small errors between them show as sliding feet
and a floating body. Here the pelvis is moved, never the pose: so that a foot that stands stays where it is, and
so that the lowest foot is near the floor. The constants are read off bandai17_train.npz, in which the ball of a
standing foot is 4.2 to 4.3 cm above the floor and moves slower than 2 cm/s in nine frames of ten.
"""

import numpy as np

from models.skeleton import INDEX, FloatArray

STANDING_TOE = 0.0425
"""Metres above the floor of the ball of a standing foot."""
LIFTED_TOE = 0.060
"""Metres above which a foot no longer stands."""
HIGHEST_FLIGHT = 0.11
"""Metres that the lower foot may leave the floor without being pulled down hard: the 99.9th percentile."""

TOES = [INDEX["left_toe"], INDEX["right_toe"]]


def rise(positions: FloatArray) -> FloatArray:
    """By how many metres (...) to raise the body in this frame, from positions (..., 17, 3).

    A foot in the floor is raised by half its depth at once; a body above it sinks by a few per cent a frame,
    which a leap hardly feels and floating does not survive.
    """
    gap = positions[..., TOES, 1].min(axis=-1) - STANDING_TOE
    beyond = np.maximum(gap - HIGHEST_FLIGHT, 0.0)
    return np.where(gap < 0, -0.5 * gap, -0.06 * gap - 0.3 * beyond)


def slide(before: FloatArray, after: FloatArray) -> FloatArray:
    """By how many metres (..., 2) in x and z the standing feet moved from positions `before` to `after`.

    0 while no foot stands. The lower foot counts more; what two standing feet do against each other stays.
    """
    height = 0.5 * (before[..., TOES, 1] + after[..., TOES, 1])
    stands = np.clip((LIFTED_TOE - height) / (LIFTED_TOE - STANDING_TOE - 0.005), 0.0, 1.0)  # (..., 2)
    moved = (after - before)[..., TOES, :][..., [0, 2]]  # (..., 2 feet, 2)
    weight = np.square(stands)
    mean = (moved * weight[..., None]).sum(axis=-2) / np.maximum(weight.sum(axis=-1), 1e-6)[..., None]
    return mean * stands.max(axis=-1)[..., None]
