"""How a dancer takes up what the visitor does: their pose restyled into the dancer's emotion, and their energy.

A dancer that is drawn to the visitor's own pose loses its emotion by as much as it answers. So the pose that
draws it is restyled first (`models.data.restyling`): it has the emotion's posture and amplitude, around the
mean of how the visitor stood in the last seconds.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.motion.features import FEATURE_SIZE, POSE_SIZE, pose_positions, positions_to_features
from models.motion.skeleton import BONE_PARENTS, INDEX, FloatArray, lengths_of

if TYPE_CHECKING:
    from models.data.restyling import Restyling

STYLE_SIZE = 1.4
"""How much stronger than the actors did the visitor's pose is restyled."""
MEAN_TIME_CONSTANT_S = 3.0
"""Of the running mean of the visitor's pose."""
SPEED_WINDOW_S = 0.2
"""Over which the visitor's speed is measured: from one frame to the next it is mostly the detector's noise."""
RECENT_POSES = 120
"""Poses that are kept for it, of any frame rate."""
POSE_TIME_CONSTANT_S = 0.06
"""Of the visitor's pose, so that a camera's noise does not shake the dancer."""
MAX_DRAW = 0.5
"""Share of the way to the visitor's pose that full influence goes in one frame."""
UPPER_BODY = np.zeros(POSE_SIZE, dtype=np.float32)
UPPER_BODY[: 3 * (INDEX["left_hip"] - 1)] = 1.0
"""What of a pose (49,) is drawn: trunk, head and arms. The legs go on dancing; drawn too, they do everyday
acts."""
USUAL_VISITOR_SPEED = 0.3
"""Mean joint speed in m/s of a visitor whom the dancer answers at its own energy."""
ENERGY_POWER = 1.0
"""Power of the visitor's speed, relative to the usual one, by which the dancer's energy follows it."""
ENERGY_LIMITS = (0.2, 2.0)
"""The least and the most that the visitor makes of the dancer's energy."""

STILL_JOINT_SPEED = 0.3
"""Speed in m/s of the fastest joint under which a visitor stands still: a waving hand is quicker, a detector's
noise slower."""
PAUSE_S = 2.5
"""Seconds for which the dancer pauses with a visitor who stands still; then it dances by itself until they
move."""
RETURN_TIME_CONSTANT_S, ATTENTION_TIME_CONSTANT_S = 2.0, 0.1
"""In which the dancer goes over to dancing by itself, and back to the visitor when they move."""
TEMPO_POWER = 0.5
"""Power of the same by which the dancer's tempo follows: what is planned already is danced slower or quicker,
where energy waits for the network."""
TEMPO_LIMITS = (0.5, 1.6)
"""The least and the most that the visitor makes of the dancer's tempo."""


@dataclass(frozen=True, eq=False)
class VisitorMovement:
    """What is known of the visitor at a frame: `pose` (49,) as in `models.motion.features`, its running `mean`
    (49,), how far each number of it was seen, `seen` (49,) from 0 to 1, `speed`, the mean joint speed in m/s
    relative to the pelvis of a body of the dancer's size, and `attention`, from 1 for who moves to 0 for who
    has stood still for long."""

    pose: FloatArray
    mean: FloatArray
    seen: FloatArray
    speed: float
    attention: float = 1.0

    @classmethod
    def after(
        cls,
        before: "VisitorMovement | None",
        pose: FloatArray,
        seconds: float,
        confidence: FloatArray | None = None,
        speed: float = 0.0,
        attention: float = 1.0,
    ) -> "VisitorMovement":
        """What is known after a pose (49,), so many seconds after the last one, whose joints were seen with a
        confidence (17,) from 0 to 1."""
        seen = np.ones(POSE_SIZE, dtype=np.float32) if confidence is None else seen_features(confidence)
        if before is None:
            return cls(pose, pose, seen, speed, attention)
        share = 1.0 - math.exp(-max(seconds, 0.0) / MEAN_TIME_CONSTANT_S)
        return cls(pose, before.mean + share * (pose - before.mean), seen, speed, attention)


class TrackedMovement:
    """Follows one visitor from pose to pose; `movement` is what is known, None before the first."""

    def __init__(self) -> None:
        self.movement: VisitorMovement | None = None
        self._smooth: FloatArray | None = None
        self._attention, self._stood = 1.0, 0.0
        self._recent: deque[tuple[float, FloatArray]] = deque(maxlen=RECENT_POSES)

    def see(self, positions: FloatArray, confidence: FloatArray | None, at: float) -> None:
        """Take in the positions (17, 3) in metres of a pose, its confidence (17,) and its time in seconds."""
        since = at - self._recent[-1][0] if self._recent else math.inf
        share = 1.0 - math.exp(-max(since, 0.0) / POSE_TIME_CONSTANT_S)
        smooth = positions if self._smooth is None else self._smooth + share * (positions - self._smooth)
        self._smooth = smooth
        pose = positions_to_features(np.stack([smooth, smooth]))[-1, :POSE_SIZE]
        self._recent.append((at, pose))
        while len(self._recent) > 2 and at - self._recent[1][0] >= SPEED_WINDOW_S:
            self._recent.popleft()
        first_at, first = self._recent[0]
        known = at - first_at > SPEED_WINDOW_S / 2
        speeds = joint_speeds(first, pose, at - first_at) if known else np.zeros(len(positions))
        certain = np.ones(len(speeds)) if confidence is None else np.clip(np.nan_to_num(confidence), 0.0, 1.0)
        self._attend(bool((certain * speeds).max() > STILL_JOINT_SPEED), since)
        self.movement = VisitorMovement.after(
            self.movement, pose, since, confidence, float(speeds.mean()), self._attention
        )

    def _attend(self, moving: bool, since: float) -> None:
        if not math.isfinite(since):
            return
        self._stood = 0.0 if moving else self._stood + since
        wanted = 1.0 if self._stood < PAUSE_S else 0.0
        constant = ATTENTION_TIME_CONSTANT_S if wanted else RETURN_TIME_CONSTANT_S
        self._attention += (1.0 - math.exp(-max(since, 0.0) / constant)) * (wanted - self._attention)


def draw_share(visitor: VisitorMovement, influence: float) -> FloatArray:
    """Share of the way to the visitor's pose (49,) that is gone in one frame, by the influence from 0 to 1."""
    return MAX_DRAW * influence**2 * visitor.attention * visitor.seen * UPPER_BODY


def seen_features(confidence: FloatArray) -> FloatArray:
    """How far each number (49,) of a pose was seen: a bone as far as the less certain of its two joints
    (17,)."""
    confidence = np.clip(np.nan_to_num(confidence), 0.0, 1.0)  # a sender may give anything
    bones = np.minimum(confidence[1:], confidence[BONE_PARENTS])
    return np.append(np.repeat(bones, 3), 1.0).astype(np.float32)


def joint_speeds(before: FloatArray, after: FloatArray, seconds: float) -> FloatArray:
    """Speeds (17,) in m/s, relative to the pelvis, of the joints of a body of the dancer's size between two
    poses (49,)."""
    poses = np.pad(np.stack([before, after]).astype(float), ((0, 0), (0, FEATURE_SIZE - POSE_SIZE)))
    one, other = pose_positions(poses, np.zeros((2, 2)), np.zeros(2))
    return lengths_of((other - other[:1]) - (one - one[:1]))[..., 0] / seconds


def answering_pose(visitor: VisitorMovement, weights: FloatArray, restyling: "Restyling") -> FloatArray:
    """The visitor's pose (49,) restyled into emotions of weights (P,)."""
    return restyling.pose(visitor.pose, visitor.mean, weights, STYLE_SIZE)


def answering_context(
    features: FloatArray, visitor: VisitorMovement, weights: FloatArray, restyling: "Restyling"
) -> FloatArray:
    """The visitor's last movement, features (T, 52), restyled into emotions of weights (P,)."""
    pose = restyling.pose(features[:, :POSE_SIZE], visitor.mean, weights, STYLE_SIZE)
    return np.concatenate([pose, features[:, POSE_SIZE:]], axis=1)


def answering_energy(visitor: VisitorMovement, influence: float) -> float:
    """The factor of the dancer's energy: above 1 while the visitor moves more than usual, below while less."""
    return _following(visitor, influence, ENERGY_POWER, ENERGY_LIMITS)


def answering_tempo(visitor: VisitorMovement, influence: float) -> float:
    """The factor of the dancer's tempo, as `answering_energy`."""
    return _following(visitor, influence, TEMPO_POWER, TEMPO_LIMITS)


def _following(visitor: VisitorMovement, influence: float, power: float, limits: tuple[float, float]) -> float:
    own = float(np.clip((visitor.speed / USUAL_VISITOR_SPEED) ** power, *limits))
    return 1.0 + influence * visitor.attention * (own - 1.0)
