"""The state of a dance as a plain value: copy it, save it, go back to it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.motion.features import DIRECTIONS, HEIGHT, POSE_SIZE, pose_positions
from models.motion.foot_contact import TOE_CONTACT_HEIGHT, TOES, leg_ik
from models.motion.inertialization import inertialized
from models.motion.skeleton import BONE_COUNT, FloatArray, unit_vectors
from models.network.transformer import Cache

BLEND_FRAMES = 20
"""Frames over which a jump of context fades."""


@dataclass(frozen=True, eq=False)
class Root:
    """Where B dancers are on the stage."""

    position: FloatArray  # (B, 2) metres, x and z of the pelvis
    yaw: FloatArray  # (B,) radians
    facing: FloatArray  # (B, 2) running mean of (sine, cosine) of the yaw; the audience is at (0, 1)

    @classmethod
    def at_the_middle(cls, count: int) -> "Root":
        """Facing the audience."""
        return cls(np.zeros((count, 2)), np.zeros(count), np.tile([0.0, 1.0], (count, 1)))


@dataclass(frozen=True, eq=False)
class Feet:
    """What keeps the feet from sliding, see `models.motion.foot_contact`."""

    root_correction: FloatArray  # (B, 2) metres a frame by which the pelvis follows its feet
    offsets: FloatArray  # (B, 2, 2) metres in x and z by which the legs hold the feet back

    @classmethod
    def free(cls, count: int) -> "Feet":
        """Nothing corrected yet."""
        return cls(np.zeros((count, 2)), np.zeros((count, 2, 2)))


@dataclass(frozen=True, eq=False)
class Request:
    """What the dancer is asked for beside its emotion, until the next exemplar is asked for."""

    kind: NDArray[np.int64]  # (B,) of movement, index in `models.data.kinds.KINDS`
    exemplar_quantile: FloatArray  # (B,) from 0 to 1, of the exemplar among those of its emotion and kind
    descriptor_noise: FloatArray  # (B, 13) standard normal, added to the exemplar's speed and descriptor
    conditioning: FloatArray  # (B, A) that the newest frame was planned with, see `models.network.conditioning`


@dataclass(frozen=True, eq=False)
class Blend:
    """What leads from the danced pose to the shown one after a jump of context."""

    offset: FloatArray  # (B, 52)
    age: int = BLEND_FRAMES
    """frames since the jump"""


@dataclass(frozen=True, eq=False)
class DanceState:
    """Everything that the next frame depends on, for B dancers; never changed in place."""

    pose: FloatArray  # (B, 49)
    delta: FloatArray  # (B, 52) that led to it
    cache: Cache  # of the frames before it
    chunks: (
        FloatArray  # (B, horizon, horizon, 52): chunks[:, a] was planned a frames ago, from its first step on
    )
    noise: FloatArray  # (B, Z) standard normal, off the mean of the component
    request: Request
    root: Root
    feet: Feet
    blend: Blend
    seed: int
    tick: int = 0

    @property
    def features(self) -> FloatArray:
        """The present frame (B, 52) as in `models.motion.features`."""
        return np.concatenate([self.pose, self.delta[:, POSE_SIZE:]], axis=-1)

    @property
    def blended_features(self) -> FloatArray:
        """The frame (B, 52) to show: a jump of context fades from the old pose to the new one."""
        if self.blend.age >= BLEND_FRAMES:
            return self.features
        fade = 0.5 + 0.5 * np.cos(np.pi * self.blend.age / BLEND_FRAMES)
        return inertialized(self.features, self.blend.offset, fade)

    @property
    def positions(self) -> FloatArray:
        """The present frame as joint positions (B, 17, 3) float32 in metres on the stage."""
        shown = self.unplanted_positions
        if self.blend.age < BLEND_FRAMES:
            shown = pose_positions(self.blended_features.astype(float), self.root.position, self.root.yaw)
        return leg_ik(shown, self.feet.offsets).astype(np.float32)

    @cached_property
    def unplanted_positions(self) -> FloatArray:
        """Joint positions (B, 17, 3) of the danced pose, whose feet may slide: the next frame begins there."""
        return pose_positions(self.features.astype(float), self.root.position, self.root.yaw)


def on_the_floor(features: FloatArray) -> FloatArray:
    """The same movement (..., T, 52), raised or lowered as a whole so that its lowest step stands on the floor.

    A visitor's body has other bones than the dancer's, and one camera's word on heights is not to be trusted.
    """
    flat = np.zeros(features.shape[:-1])
    toes = pose_positions(features, np.zeros((*flat.shape, 2)), flat)[..., TOES, 1]
    moved = features.copy()
    moved[..., HEIGHT] += TOE_CONTACT_HEIGHT - toes.min(axis=(-1, -2), keepdims=True)[..., 0]
    return moved


def with_unit_directions(features: FloatArray) -> FloatArray:
    """The same frames (B, 49) or (B, 52) with bone directions of length one."""
    directions = unit_vectors(features[:, DIRECTIONS].reshape(-1, BONE_COUNT, 3))
    return np.concatenate([directions.reshape(len(features), -1), features[:, DIRECTIONS.stop :]], axis=1)
