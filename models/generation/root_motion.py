"""Where the dancer goes on the stage: it turns back at the edge, to the audience, and drifts to the middle."""

import numpy as np

from models.motion.skeleton import FRAME_RATE, FloatArray

FACING_TIME_CONSTANT_S = 2.0
"""Of the running mean of the heading that is led to the audience: a spin is over by then."""
FACING_GAIN, MAX_FACING_RATE = 1.2, 1.8
"""Radians a second by which the heading turns for each radian that its mean looks past the audience, and at
most."""
FACING_SPEED = 0.25
"""Mean joint speed in m/s from which on it turns as fast as that; a body that stands would be turned on its
feet."""
HOMEWARD_RATE = 0.08
"""Share of the way to the middle of the stage that a dancer who moves drifts in a second."""


def steer(before: FloatArray, after: FloatArray, stage_radius: float) -> FloatArray:
    """Radians (B,) by which the heading bends inwards near the edge of the stage, between two positions (B, 2)
    in metres.

    The network does not know which way it faces, so this costs nothing.
    """
    travelled = after - before
    speed = np.linalg.norm(travelled, axis=-1) * FRAME_RATE
    going = np.arctan2(travelled[:, 0], travelled[:, 1])
    inwards = np.arctan2(-after[:, 0], -after[:, 1])
    wrong = (inwards - going + np.pi) % (2 * np.pi) - np.pi
    beyond = np.clip(np.linalg.norm(after, axis=-1) / stage_radius - 0.5, 0.0, 1.0)
    fastest = 1.5 / FRAME_RATE * beyond * np.clip(speed, 0.0, 1.0)
    return np.clip(wrong, -fastest, fastest)


def homeward(place: FloatArray, before: FloatArray, after: FloatArray) -> FloatArray:
    """Metres (B, 2) by which the body drifts from the middle of the stage less than it would, at a place
    (B, 2): the quicker it moves between two frames of joint positions the more. Its feet hold what they
    can."""
    moved = np.linalg.norm(after - before, axis=-1).mean(axis=-1) * FRAME_RATE
    rate = HOMEWARD_RATE * np.clip(moved / FACING_SPEED, 0.0, 1.0) / FRAME_RATE
    drift: FloatArray = rate[:, None] * place
    return drift


def face_audience(facing: FloatArray, speed: FloatArray) -> FloatArray:
    """Radians (B,) by which the heading turns to the audience, from its running mean (B, 2) and the mean
    joint speed (B,) in m/s. While the dancer spins the mean is short and hardly turns it."""
    past = np.arctan2(facing[:, 0], facing[:, 1]) * np.linalg.norm(facing, axis=-1)
    rate = np.clip(-FACING_GAIN * past, -MAX_FACING_RATE, MAX_FACING_RATE)
    turned: FloatArray = rate * np.clip(speed / FACING_SPEED, 0.0, 1.0) / FRAME_RATE
    return turned
