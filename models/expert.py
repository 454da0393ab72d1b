"""What a good dancer would do now: from where a body is, how real movement in the wanted emotion goes on.

Of the frames of real clips that show the emotion the one is taken that is likest in pose, movement and speed
to come; the movement that follows it, with the difference dying away, is the answer. That is motion matching
(Clavet, GDC 2016). It cannot be shipped, since it is made of the data, but it can be imitated: the network
learns its answers at the states that the network itself visits (`models.rehearsal`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.activity import SPEED_HORIZON, activity_input, speed_of_input
from models.features import POSE_COUNT
from models.kinds import KINDS
from models.skeleton import FloatArray
from models.windows import TEMPI, MotionBank, WindowSampler
from models.wish import MANNER, WISH_COUNT

ACTIVITY_WEIGHT = 3.0
"""What a difference of one in the activity input counts; one deviation of a number of the pose counts 1."""
MANNER_WEIGHT = 2.5
"""What a deviation of a number of the manner counts."""
RATE_WEIGHT = 0.5
"""What a deviation of travel and turning counts; the stage bends the dancer's way, and no clip knows of it."""
MAX_FRAMES = 60_000
"""Frames of a library: of a larger one every second, third … is kept, since neighbours differ little."""
RETURN_RATE = 0.35
"""One over the frames in which what the dancer does turns into what the actor did, see `Expert._way`."""


@dataclass(frozen=True)
class Library:
    """Frames of clips that show one emotion in one kind of movement: keys (N, D) to compare with and where they
    stand in the bank."""

    keys: FloatArray
    frames: NDArray[np.int64]


class Expert:
    """Answers from the clips of a sampler."""

    def __init__(self, sampler: WindowSampler) -> None:
        self.sampler, self.bank, self.horizon = sampler, sampler.bank, sampler.horizon
        self.reach = math.ceil(self.horizon * TEMPI[1]) + 1
        features = self.bank.features
        self._steps = np.concatenate(
            [
                np.diff(features[:, :POSE_COUNT], axis=0, prepend=features[:1, :POSE_COUNT]),
                features[:, POSE_COUNT:],
            ],
            axis=1,
        )
        speed = activity_input(coming_speed_in_clip(self.bank))
        kinds = np.eye(len(KINDS))[np.repeat(self.bank.kind, np.diff(self.bank.starts))]
        self._wishes = np.column_stack([speed, sampler.manner, kinds]).astype(np.float32)
        assert self._wishes.shape[1] == WISH_COUNT
        self._libraries: dict[tuple[int, int], Library] = {}

    def shown(self, count: int) -> NDArray[np.bool_]:
        """Which of the first `count` conditions in which kind (count, kinds) some clip shows for long enough to
        answer from."""
        shows = [[self.sampler.shows(c, k, 2 + self.reach) for k in range(len(KINDS))] for c in range(count)]
        return np.array(shows)

    def library(self, condition: int, kind: int) -> Library:
        """The frames of the clips that show an emotion in a kind, but for those too near the end of their clip.

        Always the same: what the dancer sees decides the answer, and what is decided can be learnt. Where
        clips are left out by chance, or followed for a while once chosen, answers to the same differ, and
        their mean is in no manner and no emotion. Raises KeyError for a condition and kind that no
        clip shows.
        """
        if (condition, kind) not in self._libraries:
            segments, _ = self.sampler.segments_of(condition, kind)
            starts = self.bank.starts
            clips = [np.arange(starts[i] + 1, starts[i + 1] - self.reach) for i in segments]
            frames = np.concatenate(clips)
            frames = frames[:: -(-len(frames) // MAX_FRAMES)]
            keys = self._keys(self.bank.features[frames], self._steps[frames], self._wishes[frames])
            self._libraries[condition, kind] = Library(keys, frames)
        return self._libraries[condition, kind]

    def answer(self, library: Library, poses: FloatArray, steps: FloatArray, wishes: FloatArray) -> FloatArray:
        """The coming steps (N, horizon, 52) for poses (N, 49) that steps (N, 52) led to, and wishes (N, A)."""
        keys = self._keys(poses, steps, wishes)
        likeness = keys @ library.keys.T - 0.5 * np.square(library.keys).sum(axis=1)
        frames = library.frames[likeness.argmax(axis=1)]
        return self._way(frames, self._tempo(frames, wishes), poses, steps)

    def _tempo(self, frames: NDArray[np.int64], wishes: FloatArray) -> FloatArray:
        """How much faster (N,) the movement after frames (N,) should be to be as fast as was wished for."""
        found, wished = (speed_of_input(part[:, 0]) for part in (self._wishes[frames], wishes))
        return np.clip(np.nan_to_num(wished / found, nan=1.0), *TEMPI).astype(np.float32)

    def _way(
        self, frames: NDArray[np.int64], tempo: FloatArray, poses: FloatArray, steps: FloatArray
    ) -> FloatArray:
        """The coming steps (N, horizon, 52) from poses (N, 49) and steps (N, 52) into the clips after `frames`,
        danced at a tempo (N,).

        The pose and the step are the dancer's own at first and become the actor's as a critically damped spring
        comes to rest, so nothing leaps, not even the speed (inertialization: Bollo, GDC 2018).
        """
        ahead = np.arange(self.horizon + 1, dtype=np.float32)
        movement = self.bank.danced(frames[:, None] + tempo[:, None] * ahead, tempo[:, None])
        coming = np.concatenate([np.diff(movement[..., :POSE_COUNT], axis=1), movement[:, 1:, POSE_COUNT:]], -1)
        left = np.exp(-RETURN_RATE * ahead)
        apart = (poses[:, :POSE_COUNT] - self.bank.features[frames, :POSE_COUNT])[:, None]
        faster = (steps - tempo[:, None] * self._steps[frames])[:, None]
        drift = faster[..., :POSE_COUNT] + RETURN_RATE * apart
        coming[..., :POSE_COUNT] += np.diff((apart + drift * ahead[:, None]) * left[:, None], axis=1)
        coming[..., POSE_COUNT:] += faster[..., POSE_COUNT:] * left[1:, None]
        return coming

    def _keys(self, features: FloatArray, steps: FloatArray, wishes: FloatArray) -> FloatArray:
        pose = features[:, :POSE_COUNT] * self.sampler.pose_weight[:POSE_COUNT]
        turned = steps[:, :POSE_COUNT] * self.sampler.step_weight[:POSE_COUNT]
        travel = steps[:, POSE_COUNT:] * RATE_WEIGHT * self.sampler.pose_weight[POSE_COUNT:]
        speed = ACTIVITY_WEIGHT * wishes[:, :1]
        manner = MANNER_WEIGHT * wishes[:, MANNER]
        return np.concatenate([pose, turned, travel, speed, manner], axis=1).astype(np.float32)


def coming_speed_in_clip(bank: MotionBank) -> FloatArray:
    """Mean speed (N,) of the second after each frame, or of what is left of its clip."""
    total = np.concatenate([[0.0], np.cumsum(bank.speed, dtype=np.float64)])
    stops = np.repeat(bank.starts[1:], np.diff(bank.starts))
    first = np.arange(len(bank.speed)) + 1
    last = np.minimum(first + SPEED_HORIZON, stops)
    first = np.minimum(first, last - 1)
    return ((total[last] - total[first]) / (last - first)).astype(np.float32)
