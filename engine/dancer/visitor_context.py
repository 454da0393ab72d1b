"""What the dancer remembers of the visitor: the last second, and when it is worth answering anew."""

from collections import deque

import numpy as np

from engine.streams.pose_history import MAX_GAP_S, append_pose, resample
from engine.streams.values import Pose
from models.generation.answer import TrackedMovement, VisitorMovement
from models.motion.features import positions_to_features
from models.motion.skeleton import FRAME_RATE, FloatArray, joint_speed

ARRIVAL_S = 0.3
"""Seconds for which a visitor is seen before they are answered: by then their speed is known."""
CONTEXT_S = 1.0
"""Seconds of the visitor's movement that become the dancer's context."""
STRONG_SPEED = 0.9
"""Metres a second, mean over the joints and the last second, that call for an answer of their own."""
MIN_PROMPT_INTERVAL_S = 4.0
"""Seconds: a visitor who never stops must not keep the dancer from dancing on."""


class VisitorContext:
    """Collects poses; `movement` is what to answer, `new_prompt` says when the last second is worth taking as
    context."""

    def __init__(self) -> None:
        self._poses: deque[Pose] = deque(maxlen=4 * FRAME_RATE)
        self._tracked = TrackedMovement()
        self._arrival_answered = False
        self._answered_at = -np.inf

    def add(self, pose: Pose | None) -> None:
        """Take in the newest pose; the same one twice does nothing."""
        if pose is None or (self._poses and pose.captured_at <= self._poses[-1].captured_at):
            return
        gap = bool(self._poses) and pose.captured_at - self._poses[-1].captured_at > MAX_GAP_S
        if not pose.present or pose.positions is None or gap:
            self._poses.clear()
            self._tracked = TrackedMovement()
        if not pose.present:
            self._arrival_answered = False
        elif pose.positions is not None and np.isfinite(pose.positions).all():
            append_pose(self._poses, pose)
            self._tracked.see(pose.positions, pose.confidence, pose.captured_at)

    def movement(self) -> VisitorMovement | None:
        """What the dancer answers, None for the first moment after somebody came."""
        known = len(self._poses) > 2 and self._poses[-1].captured_at - self._poses[0].captured_at >= ARRIVAL_S
        return self._tracked.movement if known else None

    def features(self) -> FloatArray | None:
        """The visitor's last second as features (30, 52), None while less is known."""
        if not self._knows_a_second():
            return None
        times = np.array([pose.captured_at for pose in self._poses])
        wanted = times[-1] - CONTEXT_S + np.arange(1, FRAME_RATE + 1) / FRAME_RATE
        stacked = np.stack([pose.positions for pose in self._poses if pose.positions is not None])
        return positions_to_features(resample(times, stacked, wanted))

    def _knows_a_second(self) -> bool:
        if len(self._poses) < FRAME_RATE // 3:
            return False
        return self._poses[-1].captured_at - self._poses[0].captured_at >= CONTEXT_S - 1.0 / FRAME_RATE

    def new_prompt(self, now: float) -> FloatArray | None:
        """Features to take as context, if somebody has just come or moves strongly; otherwise None."""
        if not self._knows_a_second():
            return None
        if self._arrival_answered and (
            now - self._answered_at < MIN_PROMPT_INTERVAL_S or self._speed() < STRONG_SPEED
        ):
            return None
        self._arrival_answered, self._answered_at = True, now
        return self.features()

    def _speed(self) -> float:
        recent = [pose for pose in self._poses if pose.captured_at > self._poses[-1].captured_at - CONTEXT_S]
        seconds = recent[-1].captured_at - recent[0].captured_at
        if seconds <= 0:
            return 0.0
        stacked = np.stack([pose.positions for pose in recent if pose.positions is not None])
        return float(joint_speed(stacked).sum() / FRAME_RATE / seconds)
