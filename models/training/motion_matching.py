"""Motion matching (Clavet, GDC 2016): how real movement in an emotion continues from a given pose.

Of the frames of clips that show the emotion in a kind, the one nearest in pose, movement, speed to come and
descriptor is taken; the movement after it, inertialized from the given pose, is the plan. It cannot be shipped,
because it needs the data; the network learns its plans at states that the network visits
(`models.training.dagger`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.kinds import KINDS
from models.motion.features import POSE_SIZE
from models.motion.skeleton import FloatArray
from models.network.conditioning import CONDITIONING_SIZE, DESCRIPTOR
from models.network.speed_encoding import SPEED_HORIZON_FRAMES, decode_speed, encode_speed
from models.training.dataset import TEMPI, WindowSampler
from models.training.motion_database import MotionDatabase

ACTIVITY_WEIGHT = 3.0
"""What a difference of one in the activity input counts; one deviation of a number of the pose counts 1."""
DESCRIPTOR_WEIGHT = 2.5
"""What a deviation of a number of the descriptor counts."""
RATE_WEIGHT = 0.5
"""What a deviation of travel and turning counts; the stage bends the dancer's way, and no clip knows of it."""
MAX_FRAMES = 60_000
"""Frames of a database: of a larger one every second, third … is kept, since neighbours differ little."""
RETURN_RATE = 0.35
"""One over the frames in which what the dancer does turns into what the actor did, see
`MotionMatcher._inertialized_plan`."""


@dataclass(frozen=True)
class MatchingDatabase:
    """Frames of clips that show one emotion in one kind of movement: keys (N, D) to compare with and where they
    stand in the motion."""

    keys: FloatArray
    frames: NDArray[np.int64]


class MotionMatcher:
    """Answers from the clips of a sampler."""

    def __init__(self, sampler: WindowSampler) -> None:
        self.sampler, self.motion, self.horizon = sampler, sampler.database, sampler.horizon
        self.reach = math.ceil(self.horizon * TEMPI[1]) + 1
        features = self.motion.features
        self._steps = np.concatenate(
            [
                np.diff(features[:, :POSE_SIZE], axis=0, prepend=features[:1, :POSE_SIZE]),
                features[:, POSE_SIZE:],
            ],
            axis=1,
        )
        speed = encode_speed(future_mean_speed_in_clip(self.motion))
        kinds = np.eye(len(KINDS))[np.repeat(self.motion.kind, np.diff(self.motion.starts))]
        self._conditioning = np.column_stack([speed, sampler.descriptor, kinds]).astype(np.float32)
        assert self._conditioning.shape[1] == CONDITIONING_SIZE
        self._databases: dict[tuple[int, int], MatchingDatabase] = {}

    def shown(self, count: int) -> NDArray[np.bool_]:
        """Which of the first `count` conditions in which kind (count, kinds) some clip shows for long enough to
        plan from."""
        shows = [[self.sampler.shows(c, k, 2 + self.reach) for k in range(len(KINDS))] for c in range(count)]
        return np.array(shows)

    def database(self, condition: int, kind: int) -> MatchingDatabase:
        """The frames of the clips that show an emotion in a kind, but for those too near the end of their clip.

        Always the same: what the dancer sees decides the plan, and what is decided can be learnt. Where
        clips are left out by chance, or followed for a while once chosen, answers to the same differ, and
        their mean is in no descriptor and no emotion. Raises KeyError for a condition and kind that no
        clip shows.
        """
        if (condition, kind) not in self._databases:
            segments, _ = self.sampler.segments_of(condition, kind)
            starts = self.motion.starts
            clips = [np.arange(starts[i] + 1, starts[i + 1] - self.reach) for i in segments]
            frames = np.concatenate(clips)
            frames = frames[:: -(-len(frames) // MAX_FRAMES)]
            keys = self._keys(self.motion.features[frames], self._steps[frames], self._conditioning[frames])
            self._databases[condition, kind] = MatchingDatabase(keys, frames)
        return self._databases[condition, kind]

    def plan(
        self, database: MatchingDatabase, poses: FloatArray, steps: FloatArray, conditioning: FloatArray
    ) -> FloatArray:
        """The coming steps (N, horizon, 52) for poses (N, 49) that steps (N, 52) led to, and conditioning (N,
        A)."""
        keys = self._keys(poses, steps, conditioning)
        likeness = keys @ database.keys.T - 0.5 * np.square(database.keys).sum(axis=1)
        frames = database.frames[likeness.argmax(axis=1)]
        return self._inertialized_plan(frames, self._tempo(frames, conditioning), poses, steps)

    def _tempo(self, frames: NDArray[np.int64], conditioning: FloatArray) -> FloatArray:
        """How much faster (N,) the movement after frames (N,) should be to be as fast as was wished for."""
        found, wished = (decode_speed(part[:, 0]) for part in (self._conditioning[frames], conditioning))
        return np.clip(np.nan_to_num(wished / found, nan=1.0), *TEMPI).astype(np.float32)

    def _inertialized_plan(
        self, frames: NDArray[np.int64], tempo: FloatArray, poses: FloatArray, steps: FloatArray
    ) -> FloatArray:
        """The coming steps (N, horizon, 52) from poses (N, 49) and steps (N, 52) into the clips after `frames`,
        danced at a tempo (N,).

        The pose and the step are the dancer's own at first and become the actor's as a critically damped spring
        comes to rest, so nothing leaps, not even the speed (inertialization: Bollo, GDC 2018).
        """
        ahead = np.arange(self.horizon + 1, dtype=np.float32)
        movement = self.motion.danced(frames[:, None] + tempo[:, None] * ahead, tempo[:, None])
        coming = np.concatenate([np.diff(movement[..., :POSE_SIZE], axis=1), movement[:, 1:, POSE_SIZE:]], -1)
        left = np.exp(-RETURN_RATE * ahead)
        apart = (poses[:, :POSE_SIZE] - self.motion.features[frames, :POSE_SIZE])[:, None]
        faster = (steps - tempo[:, None] * self._steps[frames])[:, None]
        drift = faster[..., :POSE_SIZE] + RETURN_RATE * apart
        coming[..., :POSE_SIZE] += np.diff((apart + drift * ahead[:, None]) * left[:, None], axis=1)
        coming[..., POSE_SIZE:] += faster[..., POSE_SIZE:] * left[1:, None]
        return coming

    def _keys(self, features: FloatArray, steps: FloatArray, conditioning: FloatArray) -> FloatArray:
        pose = features[:, :POSE_SIZE] * self.sampler.pose_weight[:POSE_SIZE]
        turned = steps[:, :POSE_SIZE] * self.sampler.delta_weight[:POSE_SIZE]
        travel = steps[:, POSE_SIZE:] * RATE_WEIGHT * self.sampler.pose_weight[POSE_SIZE:]
        speed = ACTIVITY_WEIGHT * conditioning[:, :1]
        descriptor = DESCRIPTOR_WEIGHT * conditioning[:, DESCRIPTOR]
        return np.concatenate([pose, turned, travel, speed, descriptor], axis=1).astype(np.float32)


def future_mean_speed_in_clip(motion: MotionDatabase) -> FloatArray:
    """Mean speed (N,) of the second after each frame, or of what is left of its clip."""
    total = np.concatenate([[0.0], np.cumsum(motion.speed, dtype=np.float64)])
    stops = np.repeat(motion.starts[1:], np.diff(motion.starts))
    first = np.arange(len(motion.speed)) + 1
    last = np.minimum(first + SPEED_HORIZON_FRAMES, stops)
    first = np.minimum(first, last - 1)
    return ((total[last] - total[first]) / (last - first)).astype(np.float32)
