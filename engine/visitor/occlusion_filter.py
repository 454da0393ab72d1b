"""What a joint does while it is not seen: it is held, then eased to a rest pose, and comes back smoothly.

Works on the 16 bones (each joint relative to its parent) in the heading frame, so that held limbs go along
when the body moves or turns.
"""

import numpy as np

from models.motion.features import heading, turn
from models.motion.inertialization import rotated, rotation_between
from models.motion.skeleton import (
    BONE_COUNT,
    BONE_LENGTHS,
    BONE_PARENTS,
    INDEX,
    JOINTS,
    STANDING_POSE,
    FloatArray,
    forward_kinematics,
    lengths_of,
    unit_vectors,
)

SEEN_FROM = 0.6
LOST_BELOW = 0.4
"""Confidence at which a joint counts as seen, and as lost; two values, so that it does not flicker between."""
HOLD_S = 0.5
"""Seconds that a lost bone stays as it was last."""
RELAX_S = 1.0
"""Seconds that it then takes to come to rest."""
RETURN_S = 0.3
"""Seconds over which a bone that is seen again goes from where it was shown to where it is."""
MAX_STEP_S = 0.2
"""Seconds: after a longer pause between two frames the bones must not leap either."""

REST = unit_vectors(STANDING_POSE)
TORSO = [INDEX[name] for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")]


class OcclusionFilter:
    """Follows one visitor; `reset` when another one comes."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the visitor."""
        self._time: float | None = None
        self._yaw = 0.0
        self._joint_seen = np.zeros(len(JOINTS), dtype=bool)
        self._bone_seen = np.zeros(BONE_COUNT, dtype=bool)
        self._unseen_for = np.full(BONE_COUNT, np.inf)
        self._trust = np.zeros(BONE_COUNT)
        self._shown = REST * BONE_LENGTHS[:, None]
        self._kept = self._shown

    def __call__(self, joints: FloatArray, confidence: FloatArray, time: float) -> FloatArray:
        """Joints (17, 3) around the pelvis with those that are not seen filled in.

        joints (17, 3) in metres as detected, finite; confidence (17,) in 0..1; time in seconds.
        """
        step = 0.0 if self._time is None else float(np.clip(time - self._time, 0.0, MAX_STEP_S))
        self._joint_seen = confidence >= np.where(self._joint_seen, LOST_BELOW, SEEN_FROM)
        bone_seen = self._joint_seen[1:] & self._joint_seen[BONE_PARENTS]
        if self._joint_seen[TORSO].all() or self._time is None:
            self._yaw = float(heading(joints))
        bones = turn(joints[1:] - joints[BONE_PARENTS], np.array(-self._yaw))
        if self._time is None:
            self._trust = bone_seen.astype(float)
        self._time = time
        self._show(bones, bone_seen, step)
        shown = turn(self._shown, np.array(self._yaw))
        return forward_kinematics(np.zeros(3), shown, np.ones(BONE_COUNT))

    def _show(self, bones: FloatArray, seen: FloatArray, step: float) -> None:
        """Move the shown bones on by `step` seconds, given the bones (16, 3) as detected."""
        changed = (seen != self._bone_seen)[:, None]
        self._kept = np.where(changed, self._shown, self._kept)
        self._bone_seen = seen
        self._trust = np.where(seen, np.minimum(self._trust + step / RETURN_S, 1.0), 0.0)
        self._unseen_for = np.where(seen, 0.0, self._unseen_for + step)
        if (self._trust >= 1.0).all():  # nothing is held: no need to swing
            self._shown = bones
            return
        rest = REST * lengths_of(self._kept)
        fallback = swing(self._kept, rest, smooth_step((self._unseen_for - HOLD_S) / RELAX_S))
        self._shown = swing(fallback, bones, smooth_step(self._trust))


def smooth_step(share: FloatArray) -> FloatArray:
    """0 below 0, 1 above 1, and between them without a jerk at either end."""
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def swing(start: FloatArray, end: FloatArray, share: FloatArray) -> FloatArray:
    """Turn bones (N, 3) from `start` towards `end` by `share` (N,), along the arc and not through the joint.

    Bones that point in opposite directions swing forward, as an arm does. Lengths are interpolated.
    """
    share = share[:, None]
    start_length, end_length = lengths_of(start), lengths_of(end)
    first, last = unit_vectors(start), unit_vectors(end)
    direction = np.where(share >= 1.0, last, rotated(first, share * rotation_between(first, last)))
    return direction * (start_length + share * (end_length - start_length))
