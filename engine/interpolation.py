"""From 30 generated frames a second to a picture at any moment, without steps, lag or rubber-banding."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.values import DancerFrame, Pose
from models.skeleton import BONE_PARENTS, FRAME_RATE, bone_directions, forward_kinematics, lengths_of

DELAY = 1.0
"""Generated frames (33 ms) by which the picture trails: as many as it takes to interpolate. Where a frame comes
late, the last step goes on for as long; when it is 5 ms late, what it then says is half a millimetre away."""

FRAMES_KEPT = 12
OFFSET_SHARE = 0.03
"""How much of one stamp's jitter enters the clock: the clock forgets over about a second."""

OFFSET_JUMP = 2.5
"""Frames of deviation that are no jitter but a stall or a restart: the clock takes them over at once."""

CORRECTION_RATE = 2.0
"""Share of the distance to the clock that is made up per second …"""

CORRECTION_LIMIT = 0.2
"""… by playing at most this much faster or slower."""

CATCH_UP = 8.0
"""Frames wanted the clock beyond which playing faster would take seconds: skip forwards instead."""

OVERRUN = 0.8
"""Frames that the picture may run ahead of the newest frame, easing to a hold: half a frame for the easing, and
a third for a frame in time after some that were early."""


@dataclass(frozen=True, eq=False)
class Moment:
    """The dancer at one display time: positions (17, 3), emotion_weights (P,) and the visitor, if any.

    `led_by` and `emotion_changed_at`: what the newest frame answers that has a part in it.
    """

    positions: NDArray[np.float32]
    emotion_weights: NDArray[np.float32]
    visitor: Pose | None
    led_by: Pose | None
    emotion_changed_at: float | None


def moment_at(frames: Sequence[DancerFrame], index: float) -> Moment:
    """The dancer at a fractional frame index, from frames in order of their index.

    Cubic Hermite between frames, whose tangent at a frame is the step that led to it. That is C1-continuous and
    needs no frame from the future, so what was shown is never revised when the next frame arrives. Bones keep
    their lengths. Before the first frame its pose holds; after the newest the last step goes on.
    """
    if index <= frames[0].index or len(frames) == 1:
        return _moment(frames[0])
    after = next((i for i, frame in enumerate(frames) if frame.index >= index), len(frames))
    if after == len(frames):
        newest = frames[-1]
        positions = newest.positions + _step(frames, after - 1) * np.float32(index - newest.index)
        return Moment(
            _kept_long(positions, _lengths(newest.positions)),
            newest.emotion_weights,
            newest.visitor,
            newest.visitor,
            newest.emotion_changed_at,
        )
    start, end = frames[after - 1], frames[after]
    span = end.index - start.index
    share = np.float32((index - start.index) / span)
    rest = np.float32(1.0) - share
    positions = (
        start.positions * (rest * rest * (1 + 2 * share))
        + end.positions * (share * share * (1 + 2 * rest))
        + _step(frames, after - 1) * (span * share * rest * rest)
        - _step(frames, after) * (span * share * share * rest)
    )
    weights = start.emotion_weights
    if weights.shape == end.emotion_weights.shape:
        weights = weights + (end.emotion_weights - weights) * share
    lengths = _lengths(start.positions) * rest + _lengths(end.positions) * share
    visitor = _visitor(start.visitor, end.visitor, share)
    return Moment(_kept_long(positions, lengths), weights, visitor, end.visitor, end.emotion_changed_at)


class FrameInterpolator:
    """Plays the newest frames on a steady clock; `put` every new frame, ask `at` the display time."""

    def __init__(self) -> None:
        self._frames: deque[DancerFrame] = deque(maxlen=FRAMES_KEPT)
        self._offset = 0.0
        self._playhead: float | None = None
        self._shown_at = 0.0

    def put(self, frame: DancerFrame) -> None:
        """Add a frame; one with a NaN, or one that is already known, is ignored. A lower index starts anew."""
        if not (np.isfinite(frame.positions).all() and np.isfinite(frame.emotion_weights).all()):
            return
        stamp = frame.generated_at * FRAME_RATE - frame.index
        if not self._frames or frame.index < self._frames[-1].index:
            self._frames.clear()
            self._playhead = None
            self._offset = stamp
        elif frame.index == self._frames[-1].index:
            return
        deviation = stamp - self._offset
        self._offset += deviation * (1.0 if abs(deviation) > OFFSET_JUMP else OFFSET_SHARE)
        self._frames.append(frame)

    def at(self, time: float) -> Moment | None:
        """The dancer at a monotonic display time, or None before the first frame. Times must not decrease."""
        if not self._frames:
            return None
        target = time * FRAME_RATE - self._offset - DELAY
        newest = self._frames[-1].index
        wanted = min(target, newest)
        if self._playhead is None:
            self._playhead = wanted  # before the first frame that holds
        elif wanted - self._playhead > CATCH_UP:
            self._playhead = wanted
        else:
            self._playhead += self._advance(target, newest, time - self._shown_at)
        self._shown_at = time
        return moment_at(self._frames, self._playhead)

    def _advance(self, target: float, newest: int, seconds: float) -> float:
        """Frames to play in the next `seconds`: never backwards, and slower before running out of frames."""
        assert self._playhead is not None
        played = max(seconds, 0.0) * FRAME_RATE
        ahead = target - (self._playhead + played)
        correction = min(max(ahead * CORRECTION_RATE / FRAME_RATE, -CORRECTION_LIMIT), CORRECTION_LIMIT)
        room = newest + OVERRUN - self._playhead
        return max(min(played * (1.0 + correction), room * (1.0 - np.exp(-2.0 * played))), 0.0)


def _lengths(positions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lengths (16,) of the bones of positions (17, 3)."""
    return lengths_of(positions[1:] - positions[BONE_PARENTS])[:, 0]


def _kept_long(positions: NDArray[np.float32], lengths: NDArray[np.float32]) -> NDArray[np.float32]:
    """Positions (17, 3) with bones of these lengths (16,): a point between two places of a wrist that turns
    about its elbow lies nearer to the elbow than both."""
    return forward_kinematics(positions[0], bone_directions(positions), lengths)


def _step(frames: Sequence[DancerFrame], i: int) -> NDArray[np.float32]:
    """Movement per frame that led to frame i, (17, 3); nothing led to the first."""
    if i == 0:
        return np.zeros_like(frames[0].positions)
    return (frames[i].positions - frames[i - 1].positions) / np.float32(frames[i].index - frames[i - 1].index)


def _moment(frame: DancerFrame) -> Moment:
    visitor, changed_at = frame.visitor, frame.emotion_changed_at
    return Moment(frame.positions, frame.emotion_weights, visitor, visitor, changed_at)


def _visitor(start: Pose | None, end: Pose | None, share: np.float32) -> Pose | None:
    if start is None or end is None or start.positions is None or end.positions is None:
        return end
    positions = start.positions + (end.positions - start.positions) * share
    return Pose(end.present, end.captured_at, positions, end.confidence)
