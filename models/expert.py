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
from models.windows import WAY_BACK, MotionBank, WindowSampler

LIBRARY = 8192
"""Frames, in whole clips, that compete to be the likest; drawn anew for every act."""
KEPT_CLIPS = 0.7
"""Share of the clips that compete where all would: what is likest should not always be the same."""
ACTIVITY_WEIGHT = 4.0
"""What a difference of one in the activity input counts; one deviation of a number of the pose counts 1."""
RATE_WEIGHT = 0.5
"""What a deviation of travel and turning counts; the stage bends the dancer's way, and no clip knows of it."""


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
        self._activity = activity_input(coming_speed_in_clip(self.bank)).astype(np.float32)

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
            self._keys(self.bank.features[frames], self._steps[frames], self._activity[frames]), frames
        )

    def answer(
        self, library: Library, poses: FloatArray, steps: FloatArray, activity: FloatArray
    ) -> FloatArray:
        """The coming steps (N, horizon, 52) for poses (N, 49) that steps (N, 52) led to, asked for the activity
        input (N,) of the coming second."""
        keys = self._keys(poses, steps, activity)
        likeness = keys @ library.keys.T - 0.5 * np.square(library.keys).sum(axis=1)
        frames = library.frames[likeness.argmax(axis=1)]
        coming = self._steps[frames[:, None] + np.arange(1, self.horizon + 1)]  # copies
        left = (WAY_BACK ** np.arange(self.horizon + 1)).astype(np.float32)
        difference = poses[:, :POSE_COUNT] - self.bank.features[frames, :POSE_COUNT]
        coming[..., :POSE_COUNT] += difference[:, None] * np.diff(left)[:, None]
        assert coming.shape[-1] == STEP_COUNT
        return coming

    def _keys(self, features: FloatArray, steps: FloatArray, activity: FloatArray) -> FloatArray:
        pose = features[:, :POSE_COUNT] * self.sampler.pose_weight[:POSE_COUNT]
        turned = steps[:, :POSE_COUNT] * self.sampler.step_weight[:POSE_COUNT]
        travel = steps[:, POSE_COUNT:] * RATE_WEIGHT * self.sampler.pose_weight[POSE_COUNT:]
        asked = ACTIVITY_WEIGHT * activity[:, None]
        return np.concatenate([pose, turned, travel, asked], axis=1).astype(np.float32)


def coming_speed_in_clip(bank: MotionBank) -> FloatArray:
    """Mean speed (N,) of the second after each frame, or of what is left of its clip."""
    total = np.concatenate([[0.0], np.cumsum(bank.speed, dtype=np.float64)])
    stops = np.repeat(bank.starts[1:], np.diff(bank.starts))
    first = np.arange(len(bank.speed)) + 1
    last = np.minimum(first + WINDOWS[0], stops)
    first = np.minimum(first, last - 1)
    return ((total[last] - total[first]) / (last - first)).astype(np.float32)
