"""A pose as the numbers that the network sees, and back.

A frame is 52 numbers: 16 unit bone directions in the heading frame (48), pelvis height in metres, planar
pelvis velocity in the heading frame in m/s (sideways to the left, forward) and yaw rate in rad/s. The heading
frame is the world turned about y so that the body faces +z; therefore the numbers do not depend on where the
dancer stands or which way it faces, and bodies of any size give the same directions. Direction vectors as
pose: Yoon et al. 2020, arXiv:2009.02119.
"""

import numpy as np

from models.motion.skeleton import (
    BONE_COUNT,
    BONE_LENGTHS,
    FRAME_RATE,
    INDEX,
    MIRROR,
    FloatArray,
    bone_directions,
    forward_kinematics,
    unit_vectors,
)

DIRECTIONS = slice(0, BONE_COUNT * 3)
HEIGHT = DIRECTIONS.stop
PLANAR_VELOCITY = slice(HEIGHT + 1, HEIGHT + 3)
YAW_RATE = HEIGHT + 3
FEATURE_SIZE = HEIGHT + 4
POSE_SIZE = HEIGHT + 1
"""Features that say what the pose is; the rest say how the body travels."""


def heading(positions: FloatArray) -> FloatArray:
    """Yaw (...) in radians of the body in positions (..., 17, 3): 0 faces +z, positive turns towards +x.

    The body faces at right angles to the mean of its hip line and shoulder line, seen from above. A line that
    stands upright says nothing about the heading, so lines count by their horizontal length.
    """
    across = (
        positions[..., INDEX["left_hip"], :]
        - positions[..., INDEX["right_hip"], :]
        + positions[..., INDEX["left_shoulder"], :]
        - positions[..., INDEX["right_shoulder"], :]
    )
    return np.arctan2(-across[..., 2], across[..., 0])


def turn(vectors: FloatArray, yaw: FloatArray) -> FloatArray:
    """Turn (..., 3) vectors about y by yaw (...), the same sense as `heading`."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)


def turn_back(planar: FloatArray, yaw: FloatArray) -> FloatArray:
    """(..., 2) x and z in the world as (sideways, forward) of a body that faces yaw (...)."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    x, z = planar[..., 0], planar[..., 1]
    return np.stack([cos * x - sin * z, sin * x + cos * z], axis=-1)


def positions_to_features(positions: FloatArray) -> FloatArray:
    """Features (T, 52) of positions (T, 17, 3) at 30 fps, T >= 2. Frame 0 repeats the rates of frame 1."""
    if len(positions) < 2:
        raise ValueError("features need at least two frames, because they hold velocities")
    positions = np.asarray(positions, dtype=np.float64)
    yaw = heading(positions)
    directions = turn(bone_directions(positions), -yaw[:, None])
    yaw_step = np.diff(yaw)
    yaw_step = (yaw_step + np.pi) % (2 * np.pi) - np.pi
    step = np.diff(positions[:, 0], axis=0)
    planar = turn_back(step[:, [0, 2]], yaw[:-1])
    rates = np.concatenate([planar, yaw_step[:, None]], axis=1) * FRAME_RATE
    rates = np.concatenate([rates[:1], rates])
    flat = directions.reshape(len(positions), -1)
    return np.concatenate([flat, positions[:, 0, 1:2], rates], axis=1).astype(np.float32)


def advance(features: FloatArray, place: FloatArray, yaw: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Move a body on by one frame.

    features (..., 52) of the new frame; place (..., 2) = x, z in metres and yaw (...) of the frame before.
    Returns place and yaw of the new frame.
    """
    sideways, forward = np.moveaxis(features[..., PLANAR_VELOCITY], -1, 0) / FRAME_RATE
    cos, sin = np.cos(yaw), np.sin(yaw)
    moved = place + np.stack([cos * sideways + sin * forward, cos * forward - sin * sideways], axis=-1)
    return moved, yaw + features[..., YAW_RATE] / FRAME_RATE


def pose_positions(features: FloatArray, place: FloatArray, yaw: FloatArray) -> FloatArray:
    """Positions (..., 17, 3) of features (..., 52) standing at place (..., 2) and facing yaw (...)."""
    directions = features[..., DIRECTIONS].reshape(*features.shape[:-1], BONE_COUNT, 3)
    directions = turn(unit_vectors(directions), np.asarray(yaw)[..., None])
    pelvis = np.stack([place[..., 0], features[..., HEIGHT], place[..., 1]], axis=-1)
    return forward_kinematics(pelvis, directions, BONE_LENGTHS)


def features_to_positions(
    features: FloatArray, place: FloatArray | None = None, yaw: float = 0.0
) -> FloatArray:
    """Positions (T, 17, 3) float32 of features (T, 52), standing at place (2,) and facing yaw in frame 0."""
    features = np.asarray(features, dtype=np.float64)
    steps = features.copy()
    steps[0, PLANAR_VELOCITY] = 0.0
    steps[0, YAW_RATE] = 0.0
    yaws = yaw + np.cumsum(steps[:, YAW_RATE]) / FRAME_RATE
    before = np.concatenate([[yaw], yaws[:-1]])
    planar = steps[:, PLANAR_VELOCITY] / FRAME_RATE
    moves = turn(np.stack([planar[:, 0], np.zeros(len(planar)), planar[:, 1]], axis=-1), before)
    start = np.zeros(2) if place is None else np.asarray(place, dtype=np.float64)
    places = start + np.cumsum(moves[:, [0, 2]], axis=0)
    return pose_positions(features, places, yaws).astype(np.float32)


def mirror_features(features: FloatArray) -> FloatArray:
    """Features (..., 52) of the mirror image: left and right swapped, sideways and yaw reversed."""
    mirrored = features.copy()
    directions = features[..., DIRECTIONS].reshape(*features.shape[:-1], BONE_COUNT, 3)
    flipped = directions[..., MIRROR[1:] - 1, :] * np.array([-1.0, 1.0, 1.0], dtype=features.dtype)
    mirrored[..., DIRECTIONS] = flipped.reshape(*features.shape[:-1], BONE_COUNT * 3)
    mirrored[..., PLANAR_VELOCITY.start] *= -1
    mirrored[..., YAW_RATE] *= -1
    return mirrored
