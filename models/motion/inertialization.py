"""Inertialization (Bollo, GDC 2018): after a jump of the pose the shown body turns from the old pose to the new
one.

The offset between the two poses is added to the new movement and fades. Bones turn along arcs, so that a raised
arm swings up and does not pass through the shoulder.
"""

import numpy as np

from models.motion.features import DIRECTIONS
from models.motion.skeleton import BONE_COUNT, FloatArray, cross, lengths_of, unit_vectors


def rotation_between(start: FloatArray, end: FloatArray) -> FloatArray:
    """Rotation vectors (..., 3) in radians that turn unit vectors `start` (..., 3) into `end`.

    Between opposite vectors every way is as long; forwards, as an arm goes, is taken.
    """
    axis = cross(start, end)
    sine = lengths_of(axis)
    cosine = (start * end).sum(axis=-1, keepdims=True)
    sideways = unit_vectors(cross(start, np.array([0.0, 0.0, 1.0])))
    axis = np.where(sine > 1e-6, axis / np.maximum(sine, 1e-6), sideways)
    return axis * np.arctan2(sine, cosine)


def rotated(vectors: FloatArray, turns: FloatArray) -> FloatArray:
    """Vectors (..., 3) rotated by rotation vectors (..., 3) in radians (Rodrigues' formula)."""
    angle = lengths_of(turns)
    axis = turns / np.maximum(angle, 1e-9)
    along = (axis * vectors).sum(axis=-1, keepdims=True) * axis
    return along + np.cos(angle) * (vectors - along) + np.sin(angle) * cross(axis, vectors)


def inertialization_offset(shown: FloatArray, danced: FloatArray) -> FloatArray:
    """What leads from danced features (B, 52) to the shown ones: turns of the bones (48), differences (4)."""
    turns = rotation_between(_directions(danced), _directions(shown))
    rest = shown[:, DIRECTIONS.stop :] - danced[:, DIRECTIONS.stop :]
    return np.concatenate([turns.reshape(len(shown), -1), rest], axis=1)


def inertialized(danced: FloatArray, seam: FloatArray, share: float) -> FloatArray:
    """Danced features (B, 52) with a share of the seam (B, 52) that is left."""
    bones = rotated(_directions(danced), share * _directions(seam))
    rest = danced[:, DIRECTIONS.stop :] + share * seam[:, DIRECTIONS.stop :]
    return np.concatenate([bones.reshape(len(danced), -1), rest], axis=1)


def _directions(features: FloatArray) -> FloatArray:
    return features[:, DIRECTIONS].reshape(len(features), BONE_COUNT, 3)
