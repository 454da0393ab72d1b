"""What a good dancer would do now: from where a body is, how real movement in the wanted emotion goes on.

Of the frames of real clips that show the emotion the one is taken that is likest in pose, movement and speed
to come; the movement that follows it, with the difference dying away, is the answer. That is motion matching
(Clavet, GDC 2016). It cannot be shipped, since it is made of the data, but it can be imitated: the network
learns its answers at the states that the network itself visits (`models.rehearsal`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.activity import WINDOWS, activity_input
from models.motion_space import POSE_COUNT, STEP_COUNT
from models.skeleton import FloatArray
from models.windows import MotionBank, WindowSampler
from models.wish import WISH_COUNT

LIBRARY = 16384
"""Frames, in whole clips, that compete to be the likest; drawn anew for every act."""
KEPT_CLIPS = 0.8
"""Share of the clips that compete where all would: what is likest should not always be the same."""
ACTIVITY_WEIGHT = 3.0
"""What a difference of one in the activity input counts; one deviation of a number of the pose counts 1."""
MANNER_WEIGHT = 2.0
"""What a deviation of a number of the manner counts."""
RATE_WEIGHT = 0.5
"""What a deviation of travel and turning counts; the stage bends the dancer's way, and no clip knows of it."""
RETURN_RATE = 0.25
"""One over the frames in which what the dancer does turns into what the actor did, see `Expert._way`."""
FOLLOWED = 10
"""Frames for which a clip is followed before another may be likelier."""
FAITH = 3.0
"""By how much another must then be likelier, as half a squared distance of keys."""


@dataclass(frozen=True)
class Library:
    """Frames of clips that show one emotion: keys (N, D) to compare with and where they stand in the bank."""

    keys: FloatArray
    frames: NDArray[np.int64]


class Expert:
    """Answers from the clips of a sampler."""

    def __init__(self, sampler: WindowSampler) -> None:
        self.sampler, self.bank, self.horizon = sampler, sampler.bank, sampler.horizon
        features = self.bank.features
        self._steps = np.concatenate(
            [
                np.diff(features[:, :POSE_COUNT], axis=0, prepend=features[:1, :POSE_COUNT]),
                features[:, POSE_COUNT:],
            ],
            axis=1,
        )
        speed = activity_input(coming_speed_in_clip(self.bank))
        at_once = np.full(len(features), np.nan)  # said to some dancers, and never compared
        self._wishes = np.column_stack([speed, at_once, sampler.manner]).astype(np.float32)
        assert self._wishes.shape[1] == WISH_COUNT
        self._stop = np.repeat(self.bank.starts[1:], np.diff(self.bank.starts))

    def library(self, rng: np.random.Generator, condition: int) -> Library:
        """Some clips of an emotion, drawn as the sampler draws them."""
        segments, weights = self.sampler.segments_of(condition)
        lengths = np.diff(self.bank.starts)
        order = rng.choice(segments, size=len(segments), replace=False, p=weights)
        enough = int(np.searchsorted(np.cumsum(lengths[order]), LIBRARY)) + 1
        chosen = order[: max(min(enough, round(KEPT_CLIPS * len(order))), 1)]
        frames = np.concatenate(
            [np.arange(self.bank.starts[i] + 1, self.bank.starts[i + 1] - self.horizon) for i in chosen]
        )
        return Library(
            self._keys(self.bank.features[frames], self._steps[frames], self._wishes[frames]), frames
        )

    def answer(self, library: Library, poses: FloatArray, steps: FloatArray, wishes: FloatArray) -> FloatArray:
        """The coming steps (N, T, horizon, 52) for N dancers' poses (N, T, 49) that steps (N, T, 52) led to,
        and who were asked for wishes (N, T, A).

        Who is given a clip to follow follows it for a third of a second, and on, unless another has become
        likelier or the wish has changed. Looked for anew at each frame, the likest of a slow dancer would
        always be the slowest moment of a lively clip, and the dancer would never get going.
        """
        count, length = poses.shape[:2]
        plans = np.empty((count, length, self.horizon, STEP_COUNT), dtype=np.float32)
        frames = np.full(count, -1)
        for t in range(length):
            going = (frames >= 0) & (frames + 1 + self.horizon < self._stop[frames])
            changed = t == 0 or (wishes[:, t, len(WINDOWS) :] != wishes[:, t - 1, len(WINDOWS) :]).any(axis=1)
            look = ~going | changed | ((np.arange(count) + t) % FOLLOWED == 0)
            keys = self._keys(poses[look, t], steps[look, t], wishes[look, t])
            frames[look] = self._likest(library, keys, np.where(going, frames + 1, -1)[look])
            frames[~look] += 1
            plans[:, t] = self._way(frames, poses[:, t], steps[:, t])
        return plans

    def _likest(self, library: Library, keys: FloatArray, going: NDArray[np.int64]) -> NDArray[np.int64]:
        """The frames (n,) of the library likest to keys (n, D), or `going` where that is nearly as like."""
        likeness = keys @ library.keys.T - 0.5 * np.square(library.keys).sum(axis=1)
        best = likeness.argmax(axis=1)
        own = self._keys(self.bank.features[going], self._steps[going], self._wishes[going])
        still = (keys * own).sum(axis=1) - 0.5 * np.square(own).sum(axis=1)
        stay = (going >= 0) & (still > likeness.max(axis=1) - FAITH)
        return np.where(stay, going, library.frames[best])

    def _way(self, frames: NDArray[np.int64], poses: FloatArray, steps: FloatArray) -> FloatArray:
        """The coming steps (N, horizon, 52) from poses (N, 49) and steps (N, 52) into the clips after `frames`.

        The pose and the step are the dancer's own at first and become the actor's as a critically damped spring
        comes to rest, so nothing leaps, not even the speed (inertialization: Bollo, GDC 2018).
        """
        coming = self._steps[frames[:, None] + np.arange(1, self.horizon + 1)]  # copies
        ahead = np.arange(self.horizon + 1, dtype=np.float32)
        left = np.exp(-RETURN_RATE * ahead)
        apart = (poses[:, :POSE_COUNT] - self.bank.features[frames, :POSE_COUNT])[:, None]
        faster = (steps - self._steps[frames])[:, None]
        drift = faster[..., :POSE_COUNT] + RETURN_RATE * apart
        coming[..., :POSE_COUNT] += np.diff((apart + drift * ahead[:, None]) * left[:, None], axis=1)
        coming[..., POSE_COUNT:] += faster[..., POSE_COUNT:] * left[1:, None]
        return coming

    def _keys(self, features: FloatArray, steps: FloatArray, wishes: FloatArray) -> FloatArray:
        pose = features[:, :POSE_COUNT] * self.sampler.pose_weight[:POSE_COUNT]
        turned = steps[:, :POSE_COUNT] * self.sampler.step_weight[:POSE_COUNT]
        travel = steps[:, POSE_COUNT:] * RATE_WEIGHT * self.sampler.pose_weight[POSE_COUNT:]
        speed = ACTIVITY_WEIGHT * wishes[:, :1]
        manner = MANNER_WEIGHT * wishes[:, len(WINDOWS) :]
        return np.concatenate([pose, turned, travel, speed, manner], axis=1).astype(np.float32)


def coming_speed_in_clip(bank: MotionBank) -> FloatArray:
    """Mean speed (N,) of the second after each frame, or of what is left of its clip."""
    total = np.concatenate([[0.0], np.cumsum(bank.speed, dtype=np.float64)])
    stops = np.repeat(bank.starts[1:], np.diff(bank.starts))
    first = np.arange(len(bank.speed)) + 1
    last = np.minimum(first + WINDOWS[0], stops)
    first = np.minimum(first, last - 1)
    return ((total[last] - total[first]) / (last - first)).astype(np.float32)
