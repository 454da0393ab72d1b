"""Foot contact: keeps a body from floating, sinking and sliding.

Pose and travel of the pelvis are predicted separately, so small differences between them show as sliding feet.
The pelvis follows the standing foot, softly, since a pelvis that followed every error of the feet would shake
the body; leg IK takes up the rest, with bones of fixed length.

The constants are measured on bandai17_train.npz: the ball of a standing foot is 4.2 to 4.3 cm above the floor
and moves slower than 2 cm/s in nine frames of ten.
"""

import numpy as np

from models.motion.skeleton import INDEX, FloatArray, lengths_of

TOE_CONTACT_HEIGHT = 0.0425
"""Metres above the floor of the ball of a standing foot."""
LIFT_OFF_HEIGHT = 0.060
"""Metres above which a foot no longer stands."""
MAX_FLIGHT_HEIGHT = 0.11
"""Metres that the lower foot may leave the floor without being pulled down hard: the 99.9th percentile."""

ROOT_CORRECTION_RATE = 0.15
"""Share of a change of the feet's slide that the pelvis follows in a frame."""
MAX_FOOT_OFFSET_M = 0.25
"""Metres that a leg may hold a foot back."""
LOCK_STRENGTH = 0.9
"""Share of the slide of a standing foot that its leg takes up: all of it is felt as a jerk in the knee."""
LOCKED_DECAY, RELEASED_DECAY = 0.98, 0.85
"""What is left of a foot's offset after a frame, for a foot that stands and one that is lifted."""
MAX_LEG_EXTENSION = 0.995
"""How straight a leg may become to reach its foot, as a share of its length."""

TOES = [INDEX["left_toe"], INDEX["right_toe"]]
LEGS = np.array(
    [[INDEX[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle", "toe")] for side in ("left", "right")]
)


def floor_correction(positions: FloatArray) -> FloatArray:
    """By how many metres (...) to raise the body in this frame, from positions (..., 17, 3).

    A foot in the floor is raised by half its depth at once; a body above it sinks by a few per cent a frame,
    which a leap hardly feels and floating does not survive.
    """
    gap = positions[..., TOES, 1].min(axis=-1) - TOE_CONTACT_HEIGHT
    beyond = np.maximum(gap - MAX_FLIGHT_HEIGHT, 0.0)
    return np.where(gap < 0, -0.5 * gap, -0.06 * gap - 0.3 * beyond)


def contact_weight(before: FloatArray, after: FloatArray) -> FloatArray:
    """How far each foot (..., 2) stands from positions `before` to `after`: 0 lifted to 1 on the floor."""
    height = 0.5 * (before[..., TOES, 1] + after[..., TOES, 1])
    return np.clip((LIFT_OFF_HEIGHT - height) / (LIFT_OFF_HEIGHT - TOE_CONTACT_HEIGHT - 0.005), 0.0, 1.0)


def foot_skate(before: FloatArray, after: FloatArray) -> FloatArray:
    """By how many metres (..., 2) in x and z the standing feet moved from positions `before` to `after`.

    0 while no foot stands. The lower foot counts more; what two standing feet do against each other stays.
    """
    stands = contact_weight(before, after)
    moved = (after - before)[..., TOES, :][..., [0, 2]]  # (..., 2 feet, 2)
    weight = np.square(stands)
    mean = (moved * weight[..., None]).sum(axis=-2) / np.maximum(weight.sum(axis=-1), 1e-6)[..., None]
    return mean * stands.max(axis=-1)[..., None]


def foot_lock_offsets(
    before: FloatArray, after: FloatArray, pelvis: FloatArray, offsets: FloatArray
) -> FloatArray:
    """By how many metres (..., 2 feet, 2) in x and z the legs hold the feet back in this frame.

    `before` and `after` are positions as planned, `pelvis` (..., 2) moved the body besides, and `offsets` was
    the answer for the last frame. A foot that stands is held about where it stood; one that is lifted swings
    free.
    """
    stands = contact_weight(before, after)[..., None]
    moved = (after - before)[..., TOES, :][..., [0, 2]] + pelvis[..., None, :]
    new = (RELEASED_DECAY + (LOCKED_DECAY - RELEASED_DECAY) * stands) * offsets - LOCK_STRENGTH * stands * moved
    length = np.linalg.norm(new, axis=-1, keepdims=True)
    return new * np.minimum(1.0, MAX_FOOT_OFFSET_M / np.maximum(length, 1e-9))


def leg_ik(positions: FloatArray, offsets: FloatArray) -> FloatArray:
    """Positions (..., 17, 3) with each foot moved by `offsets` (..., 2 feet, 2) in x and z, and the knees bent
    so that no bone changes its length. A leg that cannot reach so far is stretched as far as it goes."""
    hip, knee, ankle, toe = np.moveaxis(positions[..., LEGS, :], -2, 0)  # each (..., 2 feet, 3)
    thigh, shin = lengths_of(knee - hip), lengths_of(ankle - knee)
    wanted = ankle - hip
    usual = lengths_of(wanted)
    wanted[..., [0, 2]] += offsets
    reach = lengths_of(wanted)
    line = wanted / np.maximum(reach, 1e-9)
    reach = np.clip(reach, np.abs(thigh - shin) + 1e-3, np.maximum(usual, MAX_LEG_EXTENSION * (thigh + shin)))
    along = (np.square(thigh) - np.square(shin) + np.square(reach)) / (2 * np.maximum(reach, 1e-9))
    bend = knee - hip
    bend = bend - (bend * line).sum(axis=-1, keepdims=True) * line
    bend = bend / np.maximum(lengths_of(bend), 1e-9)
    moved = positions.copy()
    bent = hip + along * line + np.sqrt(np.maximum(np.square(thigh) - np.square(along), 0.0)) * bend
    reached = hip + reach * line
    moved[..., LEGS[:, 1:], :] = np.stack([bent, reached, reached + (toe - ankle)], axis=-2)
    return moved
