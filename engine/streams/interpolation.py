"""From 30 generated frames a second to a frame at any moment, without steps, lag or rubber-banding."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.streams.values import DancerFrame, Pose
from models.motion.skeleton import BONE_PARENTS, FRAME_RATE, bone_directions, forward_kinematics, lengths_of

DELAY_FRAMES = 1.0
"""Generated frames (33 ms) by which what is shown trails: about as many as it takes to interpolate."""

MAX_LEAD_FRAMES = 1.5
"""Frames that one may lie ahead of what is shown to lead it: one that comes early is not kept waiting."""

MIN_SEGMENT_FRAMES = 1.0
"""Frames that a way takes at least: what came late is caught up with over as long, not at once."""

FRAMES_KEPT = 12
OFFSET_SHARE = 0.03
"""How much of one stamp's jitter enters the clock: the clock forgets over about a second."""

OFFSET_JUMP_FRAMES = 2.5
"""Frames of deviation that are no jitter but a stall or a restart: the clock takes them over at once."""

CORRECTION_RATE = 2.0
"""Share of the distance to the clock that is made up per second …"""

CORRECTION_LIMIT = 0.2
"""… by playing at most this much faster or slower."""

MAX_BEHIND_FRAMES = 8.0
"""Frames wanted the clock beyond which playing faster would take seconds: skip forwards instead."""

MAX_OVERRUN_FRAMES = 0.8
"""Frames that the frame may run ahead of the newest frame, easing to a hold: half a frame for the easing, and
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


@dataclass(frozen=True, eq=False)
class HermiteSegment:
    """A cubic Hermite from where the frame is, at a fractional frame index, to a frame.

    `positions` (17, 3), `velocities` (17, 3) in metres per frame and the `lengths` (16,) of bones are those at
    its `start`; `step` (17, 3) is the movement that led to the frame, and goes on after it. Whenever a newer
    frame takes over, early or late, place and speed stay as they are: what was shown is never revised (Murphy
    2011, Believable Dead Reckoning for Networked Games).
    """

    start: float
    positions: NDArray[np.float32]
    velocities: NDArray[np.float32]
    lengths: NDArray[np.float32]
    emotion_weights: NDArray[np.float32]
    visitor: Pose | None
    frame: DancerFrame
    step: NDArray[np.float32]

    def at(self, index: float) -> Moment:
        """The dancer at a fractional index; bones keep their lengths."""
        share = self._share(index)
        return Moment(
            _kept_long(self._place(index), self._lengths(share)),
            self._weights(share),
            _visitor(self.visitor, self.frame.visitor, share),
            self.frame.visitor,
            self.frame.emotion_changed_at,
        )

    def onward(self, index: float, frame: DancerFrame, step: NDArray[np.float32]) -> HermiteSegment:
        """The way from a fractional frame index of this one to a later frame."""
        share = self._share(index)
        return HermiteSegment(
            index,
            self._place(index),
            self._velocity(index),
            self._lengths(share),
            self._weights(share),
            _visitor(self.visitor, self.frame.visitor, share),
            frame,
            step,
        )

    @property
    def end(self) -> float:
        """The index at which it meets the frame's own way."""
        return max(float(self.frame.index), self.start + MIN_SEGMENT_FRAMES)

    def _share(self, index: float) -> np.float32:
        """How much of the way lies behind an index, 0 to 1."""
        return np.float32(min(max((index - self.start) / (self.end - self.start), 0.0), 1.0))

    def _goal(self, index: float) -> NDArray[np.float32]:
        """Where the frame's own way is at an index, (17, 3)."""
        return self.frame.positions + self.step * np.float32(index - self.frame.index)

    def _place(self, index: float) -> NDArray[np.float32]:
        if index >= self.end:
            return self._goal(index)
        span = np.float32(self.end - self.start)
        share = self._share(index)
        rest = np.float32(1.0) - share
        return (
            self.positions * (rest * rest * (1 + 2 * share))
            + self._goal(self.end) * (share * share * (1 + 2 * rest))
            + self.velocities * (span * share * rest * rest)
            - self.step * (span * share * share * rest)
        )

    def _velocity(self, index: float) -> NDArray[np.float32]:
        """Metres per frame, (17, 3): how `_place` changes."""
        if index >= self.end:
            return self.step
        span = np.float32(self.end - self.start)
        share = self._share(index)
        rest = np.float32(1.0) - share
        return (
            (self._goal(self.end) - self.positions) * (6 * share * rest / span)
            + self.velocities * (rest * (1 - 3 * share))
            + self.step * (share * (3 * share - 2))
        )

    def _lengths(self, share: np.float32) -> NDArray[np.float32]:
        """(16,): between two places of an elbow that bends the wrist would come too near to it."""
        return self.lengths + (_lengths(self.frame.positions) - self.lengths) * share

    def _weights(self, share: np.float32) -> NDArray[np.float32]:
        weights = self.frame.emotion_weights
        if weights.shape != self.emotion_weights.shape:
            return weights
        return self.emotion_weights + (weights - self.emotion_weights) * share


class FrameInterpolator:
    """Plays the newest frames on a steady clock, `delay` frames late; `put` every new one, ask `at` a time."""

    def __init__(self, delay: float = DELAY_FRAMES) -> None:
        self._delay = delay
        self._frames: deque[DancerFrame] = deque(maxlen=FRAMES_KEPT)
        self._offset = 0.0
        self._playhead: float | None = None
        self._way: HermiteSegment | None = None
        self._shown_at = 0.0

    def put(self, frame: DancerFrame) -> None:
        """Add a frame; one with a NaN, or one that is already known, is ignored. A lower index starts anew."""
        if not (np.isfinite(frame.positions).all() and np.isfinite(frame.emotion_weights).all()):
            return
        stamp = frame.generated_at * FRAME_RATE - frame.index
        if not self._frames or frame.index < self._frames[-1].index:
            self._frames.clear()
            self._playhead = self._way = None
            self._offset = stamp
        elif frame.index == self._frames[-1].index:
            return
        deviation = stamp - self._offset
        self._offset += deviation * (1.0 if abs(deviation) > OFFSET_JUMP_FRAMES else OFFSET_SHARE)
        self._frames.append(frame)

    def at(self, time: float) -> Moment | None:
        """The dancer at a time of `time.perf_counter`, or None before the first frame. It never goes back."""
        if not self._frames:
            return None
        time = max(time, self._shown_at)
        target = time * FRAME_RATE - self._offset - self._delay
        newest = self._frames[-1].index
        wanted = min(target, newest)
        shown = self._playhead
        if shown is None or wanted - shown > MAX_BEHIND_FRAMES:
            shown = self._playhead = wanted  # before the first frame that holds
            self._way = None
        else:
            self._playhead = shown + self._advance(target, newest, time - self._shown_at)
        self._shown_at = time
        self._way = self._onward(shown, self._playhead)
        return self._way.at(self._playhead)

    def _onward(self, shown: float, index: float) -> HermiteSegment:
        """The way on which it goes from the index that was `shown` to another one: to the newest frame within
        reach."""
        frames, way = self._frames, self._way
        if way is None:
            i = max((i for i, frame in enumerate(frames) if frame.index <= shown), default=0)
            first, step = frames[i], self._step(i)
            lengths = _lengths(first.positions)
            way = HermiteSegment(
                first.index, first.positions, step, lengths, first.emotion_weights, first.visitor, first, step
            )
            shown = first.index  # what lies between is not danced by a single step
        while newer := [i for i, frame in enumerate(frames) if frame.index > way.frame.index]:
            near = [i for i in newer if frames[i].index <= index + MAX_LEAD_FRAMES]
            if not near and index <= way.frame.index:
                break
            if not near:  # the way is at its end: on from there
                shown, near = max(shown, way.frame.index), newer[:1]
            way = way.onward(max(shown, way.start), frames[near[-1]], self._step(near[-1]))
        return way

    def _advance(self, target: float, newest: int, seconds: float) -> float:
        """Frames to play in the next `seconds`: never backwards, and slower before running out of frames."""
        assert self._playhead is not None
        played = max(seconds, 0.0) * FRAME_RATE
        ahead = target - (self._playhead + played)
        correction = min(max(ahead * CORRECTION_RATE / FRAME_RATE, -CORRECTION_LIMIT), CORRECTION_LIMIT)
        slack = newest + MAX_OVERRUN_FRAMES - self._playhead
        return max(min(played * (1.0 + correction), slack * (1.0 - np.exp(-2.0 * played))), 0.0)

    def _step(self, i: int) -> NDArray[np.float32]:
        """Movement per frame that led to frame i, (17, 3); nothing led to the first."""
        frame, before = self._frames[i], self._frames[max(i - 1, 0)]
        if i == 0:
            return np.zeros_like(frame.positions)
        return (frame.positions - before.positions) / np.float32(frame.index - before.index)


def _lengths(positions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lengths (16,) of the bones of positions (17, 3)."""
    return lengths_of(positions[1:] - positions[BONE_PARENTS])[:, 0]


def _kept_long(positions: NDArray[np.float32], lengths: NDArray[np.float32]) -> NDArray[np.float32]:
    """Positions (17, 3) with bones of these lengths (16,)."""
    return forward_kinematics(positions[0], bone_directions(positions), lengths)


def _visitor(start: Pose | None, end: Pose | None, share: np.float32) -> Pose | None:
    if start is None or end is None or start.positions is None or end.positions is None:
        return end
    positions = start.positions + (end.positions - start.positions) * share
    return Pose(end.present, end.captured_at, positions, end.confidence)
