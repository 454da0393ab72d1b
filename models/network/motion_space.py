"""The units in which the network sees and plans movement.

In: a frame as its pose (bone directions and height, 49 numbers) and its last step (52: the change of those,
planar velocity and yaw rate). Out: the steps of the coming `horizon` frames as one vector of whitened principal
components, so that one Gaussian deviation is a coherent movement of the whole body over a quarter of a second
and not independent noise in every number. Components are found in metres that joints move, not in turned
angles: what is kept is what is seen.
"""

import numpy as np
import torch
from torch import Tensor, nn

from models.motion.features import FEATURE_SIZE, POSE_SIZE
from models.motion.skeleton import (
    BONE_COUNT,
    BONE_LENGTHS,
    FRAME_RATE,
    INDEX,
    JOINT_COUNT,
    PARENTS,
    FloatArray,
)

DELTA_SIZE = FEATURE_SIZE
INPUT_SIZE = POSE_SIZE + DELTA_SIZE

MIN_LENGTH_M = 0.2
"""Metres that the shortest bones count as: with their real lengths a plan keeps half of what feet do."""
HEAD_LENGTH_M = 0.6
"""Metres that the neck counts as. With its 0.1 m a plan keeps a third of how the head inclines; the rest of it
cannot be corrected, and after a minute of dance the head hangs."""


def _joints_below(bone: int) -> int:
    """How many joints move when this bone turns."""
    moved = {bone + 1}
    for joint, parent in enumerate(PARENTS):
        if parent in moved:
            moved.add(joint)
    return len(moved)


def _metres_moved() -> FloatArray:
    """For each number of a step (52) how far joints move by one of it, as the root of the summed squares.

    A change of direction by d moves every joint beyond the bone by length x d, at least by `MIN_LENGTH_M`, the
    head by `HEAD_LENGTH_M`; height and planar velocity move all joints alike; yaw moves them by their distance
    from the spine, taken as 0.2 m.
    """
    bones = [max(BONE_LENGTHS[bone] * np.sqrt(_joints_below(bone)), MIN_LENGTH_M) for bone in range(BONE_COUNT)]
    bones[INDEX["head"] - 1] = HEAD_LENGTH_M
    whole = np.sqrt(JOINT_COUNT)
    travel = [whole / FRAME_RATE, whole / FRAME_RATE, 0.2 * whole / FRAME_RATE]
    return np.array([*np.repeat(bones, 3), whole, *travel], dtype=np.float32)


METRES_MOVED = _metres_moved()
MIN_DEVIATION_M = 1e-5
"""Metres under which a component counts as no movement; it is only met in movement made by code."""


def _levers() -> FloatArray:
    """(16, 16) metres that joint 1 + row moves, relative to the pelvis, by a change of one bone's direction."""
    levers = np.zeros((BONE_COUNT, BONE_COUNT), dtype=np.float32)
    for joint in range(1, JOINT_COUNT):
        bone_of = joint
        while bone_of > 0:
            levers[joint - 1, bone_of - 1] = BONE_LENGTHS[bone_of - 1]
            bone_of = PARENTS[bone_of]
    return levers


LEVERS = _levers()


def frame_deltas(features: Tensor) -> Tensor:
    """Steps (..., T - 1, 52) that lead to frames 1 .. T - 1 of features (..., T, 52)."""
    change = features[..., 1:, :POSE_SIZE] - features[..., :-1, :POSE_SIZE]
    return torch.cat([change, features[..., 1:, POSE_SIZE:]], dim=-1)


def unit_directions(pose: Tensor) -> Tensor:
    """The same pose (..., 49 or 52) with bone directions of length one."""
    directions = pose[..., : BONE_COUNT * 3].unflatten(-1, (BONE_COUNT, 3))
    directions = directions / directions.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    return torch.cat([directions.flatten(-2), pose[..., BONE_COUNT * 3 :]], dim=-1)


class MotionSpace(nn.Module):
    """Normalisation and the whitened basis of plans, measured on training windows by `fit`."""

    pose_mean: Tensor
    pose_scale: Tensor
    delta_scale: Tensor
    metres_moved: Tensor
    levers: Tensor
    plan_mean: Tensor
    basis: Tensor
    body_mean: Tensor
    body_axes: Tensor
    body_spread: Tensor

    def __init__(self, horizon: int, target_count: int) -> None:
        super().__init__()
        self.horizon, self.target_count = horizon, target_count
        self.register_buffer("pose_mean", torch.zeros(POSE_SIZE))
        self.register_buffer("pose_scale", torch.ones(POSE_SIZE))
        self.register_buffer("delta_scale", torch.ones(DELTA_SIZE))
        self.register_buffer("metres_moved", torch.from_numpy(METRES_MOVED.copy()))
        self.register_buffer("levers", torch.from_numpy(LEVERS.copy()), persistent=False)
        self.register_buffer("plan_mean", torch.zeros(horizon * DELTA_SIZE))
        self.register_buffer("basis", torch.zeros(target_count, horizon * DELTA_SIZE))  # rows: one deviation
        self.register_buffer("body_mean", torch.zeros(POSE_SIZE))
        self.register_buffer("body_axes", torch.eye(POSE_SIZE))  # columns: principal axes of real poses
        self.register_buffer("body_spread", torch.ones(POSE_SIZE))  # deviation of real poses along each

    def inputs(self, pose: Tensor, step: Tensor) -> Tensor:
        """What the network sees (..., 101) of a pose (..., 49) and the step (..., 52) that led to it."""
        return torch.cat([(pose - self.pose_mean) / self.pose_scale, step / self.delta_scale], dim=-1)

    def encode(self, steps: Tensor) -> Tensor:
        """Whitened coordinates (..., Z) of the coming steps (..., horizon, 52)."""
        flat = (steps * self.metres_moved).flatten(-2) - self.plan_mean
        return flat @ (self.basis / self.basis.square().sum(-1, keepdim=True)).T

    def decode(self, coordinates: Tensor) -> Tensor:
        """Steps (..., horizon, 52) of whitened coordinates (..., Z)."""
        flat = coordinates @ self.basis + self.plan_mean
        return flat.unflatten(-1, (self.horizon, DELTA_SIZE)) / self.metres_moved

    def speed(self, steps: Tensor) -> Tensor:
        """Mean joint speed in m/s (...) of steps (..., horizon, 52): `skeleton.joint_speed` but for the turns
        of the whole body."""
        turned = steps[..., : BONE_COUNT * 3].unflatten(-1, (BONE_COUNT, 3))
        return (self.levers @ turned).norm(dim=-1).mean(dim=(-1, -2)) * FRAME_RATE

    def fit(self, poses: FloatArray, plans: FloatArray, bodies: FloatArray | None = None) -> float:
        """Measure the units on poses (N, 49), plans (M, horizon, 52) and `bodies`, poses (K, 49) without errors
        or, by default, `poses`; returns the variance share kept."""
        bodies = (poses if bodies is None else bodies).astype(np.float64)
        spreads, axes = np.linalg.eigh(np.cov(bodies, rowvar=False))
        self.body_mean.copy_(torch.from_numpy(bodies.mean(axis=0)))
        self.body_axes.copy_(torch.from_numpy(axes))
        self.body_spread.copy_(torch.from_numpy(np.sqrt(np.maximum(spreads, 0.0))))
        self.pose_mean.copy_(torch.from_numpy(poses.mean(axis=0)))
        self.pose_scale.copy_(torch.from_numpy(group_scale(poses - poses.mean(axis=0), floor=0.05)))
        self.delta_scale.copy_(torch.from_numpy(group_scale(plans.reshape(-1, DELTA_SIZE), floor=1e-3)))
        flat = (plans * METRES_MOVED).reshape(len(plans), -1)
        mean = flat.mean(axis=0)
        variances, vectors = np.linalg.eigh(np.cov(flat - mean, rowvar=False))
        order = np.argsort(variances)[::-1][: self.target_count]
        self.plan_mean.copy_(torch.from_numpy(mean))
        deviations = np.sqrt(np.maximum(variances[order], MIN_DEVIATION_M**2))
        self.basis.copy_(torch.from_numpy((vectors[:, order] * deviations).T.copy()))
        return float(variances[order].sum() / variances.sum())


def group_scale(values: FloatArray, floor: float) -> FloatArray:
    """Root mean square of values (N, D) with one scale a bone, not a coordinate, so that axes stay equal."""
    square = (values.astype(np.float64) ** 2).mean(axis=0)
    directions = square[: BONE_COUNT * 3].reshape(BONE_COUNT, 3)
    square[: BONE_COUNT * 3] = np.repeat(directions.mean(axis=1), 3)
    return np.maximum(np.sqrt(square), floor).astype(np.float32)
