"""Training windows: continuous movement, joined from short clips.

Clips last some four seconds and end at rest; trained on whole clips, a network learns that every movement ends.
So rest at the ends is cut, and where a clip ends the window continues in another one at a similar frame, with
the difference fading over a third of a second. Some continue in another emotion: so the network sees a change
of emotion, and movement that does not belong to the emotion asked for.

Input poses carry noise of the size and persistence of a running network's errors; targets steer perturbed poses
back to the clip over several frames.
"""

from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.kinds import KINDS, TRAINING_REPERTOIRE
from models.motion.features import (
    DIRECTIONS,
    FEATURE_SIZE,
    HEIGHT,
    POSE_SIZE,
)
from models.motion.skeleton import BONE_COUNT, FloatArray, unit_vectors
from models.network.conditioning import DESCRIPTOR, EXEMPLAR_SIZE, EXEMPLARS
from models.network.exemplar_selection import class_posterior, tilt_to_mean
from models.network.motion_descriptor import DescriptorSpace
from models.network.motion_space import DELTA_SIZE, group_scale
from models.network.speed_encoding import SPEED_HORIZON_FRAMES, encode_speed, future_mean_speed
from models.training.motion_database import MIN_FRAMES, MotionDatabase

FADE_FRAMES = 10
"""Frames over which the difference at a join fades."""
CANDIDATE_COUNT = 48
"""How many frames compete to be the one a window goes on at."""
HEIGHT_ERROR_M = 0.15
"""Metres that the height strays by, beside what goes with the pose, where the error is of size 1."""
WAY_BACK = 0.88
"""Share of an error that is left after each frame of the plan that leads back."""
PERSISTENCE = 0.95
"""Correlation of the error from frame to frame."""
TEMPI = (0.8, 1.25)
"""How much slower and faster than the actor a movement may be danced. No two are of one tempo live either."""
CONTENT_POWER = 0.2
"""Power of the length of a content by which it counts among the exemplars that are asked for: three quarters of
the dances are salsa, and a network that is asked for it half of the time shows little else."""
TEMPO_DEVIATION = 0.1
"""Deviation of the logarithm of the tempo of a piece in a window."""


def as_often(shares: FloatArray, contents: NDArray[np.str_]) -> FloatArray:
    """Shares (N,) scaled so that each content counts by how often it is there, whatever its shares are."""
    scaled = shares.astype(np.float64)
    for content in np.unique(contents):
        own = contents == content
        scaled[own] *= own.sum() / scaled[own].sum()
    return scaled


@dataclass(frozen=True)
class TrainingBatch:
    """A batch: what goes in (with errors), what is asked for, and the way on."""

    poses: FloatArray  # (B, T, 49), with errors
    steps: FloatArray  # (B, T, 52) that led to them
    conditions: NDArray[np.int64]  # (B, T), of the frame that comes next; -1 is "any"
    conditioning: FloatArray  # (B, T, A) as in `models.network.conditioning`, NaN is "any"
    plans: FloatArray  # (B, T, horizon, 52), the steps to come


def concatenated(*parts: TrainingBatch) -> TrainingBatch:
    """Batches of windows of one length as one batch."""
    return TrainingBatch(
        **{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])}
    )


class WindowSampler:
    """Draws windows from a database. The same generator state gives the same windows."""

    def __init__(
        self,
        database: MotionDatabase,
        palette_count: int,
        *,
        length: int,
        horizon: int,
        input_noise: float = 0.6,
        emotion_share: float = 0.8,
        descriptor_space: DescriptorSpace | None = None,
    ) -> None:
        """`descriptor_space` holds the units of descriptors, measured on the database if there are none
        yet."""
        self.database, self.length, self.horizon = database, length, horizon
        self.input_noise, self.conditioned = input_noise, True
        self.span = 1 + length + max(horizon, SPEED_HORIZON_FRAMES)
        self.descriptor_space = descriptor_space or DescriptorSpace.fit(database.features, database.starts)
        self.descriptor = self.descriptor_space.of(database.features, database.starts)
        self._groups = self._group_segments()
        self._group_weights = self._weigh_groups(palette_count, emotion_share)
        spread = database.features[:, :POSE_SIZE] - database.features[:, :POSE_SIZE].mean(axis=0)
        covariance = np.cov(spread[:: max(len(spread) // 50_000, 1)], rowvar=False)
        # Height is little seen in the covariance, but it is a sum of steps and so strays the most.
        covariance[HEIGHT, HEIGHT] += HEIGHT_ERROR_M**2
        variances, vectors = np.linalg.eigh(covariance)
        self._error_basis = (vectors * np.sqrt(np.maximum(variances, 0))).T.astype(np.float32)
        self._step_deviation = np.abs(np.diff(spread, axis=0)).mean(axis=0).astype(np.float32)
        self.pose_weight = 1.0 / group_scale(database.features - database.features.mean(axis=0), floor=0.05)
        self.delta_weight = 0.5 / group_scale(np.diff(database.features, axis=0), floor=1e-3)

    def like(self, *, horizon: int, input_noise: float, conditioned: bool) -> "WindowSampler":
        """The same movement for the same chance, planned less far ahead (at most 30 frames), with errors of
        another size, and without conditioning if not `conditioned`."""
        other = copy(self)
        other.horizon, other.input_noise, other.conditioned = horizon, input_noise, conditioned
        return other

    def _group_segments(self) -> dict[tuple[int, int], tuple[NDArray[np.int64], FloatArray]]:
        """For each condition and kind its segments and how often each is drawn.

        A rare content would vanish beside a frequent one: each counts by the root of its length.
        """
        groups = {}
        for condition, kind in np.unique(
            np.stack([self.database.condition, self.database.kind], axis=1), axis=0
        ):
            chosen = np.flatnonzero((self.database.condition == condition) & (self.database.kind == kind))
            groups[int(condition), int(kind)] = (chosen, self._balanced(chosen, 0.5))
        return groups

    def _balanced(self, segments: NDArray[np.int64], power: float) -> FloatArray:
        """How often each of some segments is drawn (N,): by its length, and its content by its length to a
        power."""
        weights = np.diff(self.database.starts)[segments].astype(np.float64)
        contents = self.database.content[segments]
        for content in np.unique(contents):
            own = contents == content
            weights[own] *= weights[own].sum() ** (power - 1.0)
        return weights / weights.sum()

    def _weigh_groups(self, palette_count: int, emotion_share: float) -> FloatArray:
        """How often each condition and kind is drawn: emotions alike, and in each its kinds as they are
        learnt."""
        conditions, kinds = np.array(list(self._groups)).T
        weights = np.asarray(TRAINING_REPERTOIRE)[kinds]
        for condition in np.unique(conditions):
            weights[conditions == condition] /= weights[conditions == condition].sum()
        emotional = conditions < palette_count
        for some, share in ((emotional, emotion_share), (~emotional, 1 - emotion_share)):
            weights[some] *= share / max(weights[some].sum(), 1e-9)
        return weights / weights.sum()

    def shows(self, condition: int, kind: int, frames: int) -> bool:
        """Whether some segment of at least so many frames shows a condition in a kind of movement."""
        own = (self.database.condition == condition) & (self.database.kind == kind)
        return bool((np.diff(self.database.starts)[own] >= frames).any())

    def segments_of(self, condition: int, kind: int) -> tuple[NDArray[np.int64], FloatArray]:
        """The segments of the database that show a condition in a kind, and how often each is drawn. Raises
        KeyError."""
        return self._groups[condition, kind]

    def draw(self, rng: np.random.Generator, count: int) -> TrainingBatch:
        """`count` windows."""
        rows = [self._sample_stream(rng) for _ in range(count)]
        features, conditions, speed, descriptor, kinds = (np.stack(part) for part in zip(*rows, strict=True))
        coming_frame = slice(2, 2 + self.length)
        conditions, descriptor, kinds = (
            conditions[:, coming_frame],
            descriptor[:, coming_frame],
            kinds[:, coming_frame],
        )
        coming = future_mean_speed(speed[:, 1:], SPEED_HORIZON_FRAMES)[:, : self.length, None]
        conditioning = np.concatenate([encode_speed(coming), descriptor, np.eye(len(KINDS))[kinds]], axis=-1)
        self._drop_conditioning(rng, conditions, conditioning)
        return self._add_input_noise(
            rng, features, conditions.astype(np.int64), conditioning.astype(np.float32)
        )

    def _sample_stream(self, rng: np.random.Generator) -> tuple[NDArray, ...]:
        """`span` frames of features, condition, speed, descriptor and kind, gone on in other clips where one
        ends."""
        database = self.database
        features = np.empty((self.span, FEATURE_SIZE), dtype=np.float32)
        conditions = np.empty(self.span, dtype=np.int64)
        speed = np.empty(self.span, dtype=np.float32)
        descriptor = np.empty((self.span, self.descriptor.shape[1]), dtype=np.float32)
        kinds = np.empty(self.span, dtype=np.int64)
        group = self._any_group(rng)
        filled = 0
        while filled < self.span:
            before = features[filled - 2 : filled] if filled else None
            at, stop = self._best_transition(rng, group, before)
            if rng.random() < 0.3:
                stop = int(rng.integers(min(at + MIN_FRAMES // 2, stop), stop + 1))
            tempo = float(np.clip(np.exp(TEMPO_DEVIATION * rng.standard_normal()), *TEMPI))
            taken = min(int((stop - 2 - at) / tempo) + 1, self.span - filled)
            times = at + tempo * np.arange(-1, taken)
            # The clip's own frame before the entry is the one that stands where `before` stands.
            own, piece = np.split(database.danced(times, tempo), [1])
            if before is not None:
                fade = (
                    0.5 + 0.5 * np.cos(np.pi * np.arange(1, FADE_FRAMES + 1) / (FADE_FRAMES + 1))[:taken, None]
                )
                piece[:FADE_FRAMES] += fade * (before[-1] - own)
            frames = np.round(times[1:]).astype(np.int64)
            features[filled : filled + taken] = piece
            conditions[filled : filled + taken], kinds[filled : filled + taken] = group
            speed[filled : filled + taken] = tempo * database.speed[frames]
            descriptor[filled : filled + taken] = self.descriptor[frames]
            filled += taken
            if rng.random() < 0.3:
                group = self._any_group(rng)
        directions = features[:, DIRECTIONS].reshape(-1, BONE_COUNT, 3)
        features[:, DIRECTIONS] = unit_vectors(directions).reshape(-1, BONE_COUNT * 3)
        return features, conditions, speed, descriptor, kinds

    def _any_group(self, rng: np.random.Generator) -> tuple[int, int]:
        return list(self._groups)[int(rng.choice(len(self._groups), p=self._group_weights))]

    def _best_transition(
        self, rng: np.random.Generator, group: tuple[int, int], before: FloatArray | None
    ) -> tuple[int, int]:
        """Where to go on in this group: (frame, end of its clip), of some random frames the one that is likest
        in pose and movement to `before` (2, 52)."""
        segments, weights = self._groups[group]
        count = CANDIDATE_COUNT if before is not None else 1
        chosen = rng.choice(segments, size=count, p=weights)
        first, stop = self.database.starts[chosen] + 3, self.database.starts[chosen + 1]
        at = first + (rng.random(count) * (stop - MIN_FRAMES // 2 - first)).astype(np.int64)
        if before is None:
            return int(at[0]), int(stop[0])
        pose = (self.database.features[at - 1] - before[-1]) * self.pose_weight
        step = (
            self.database.features[at] - self.database.features[at - 1] - np.diff(before, axis=0)
        ) * self.delta_weight
        best = int((np.square(pose).sum(axis=1) + np.square(step).sum(axis=1)).argmin())
        return int(at[best]), int(stop[best])

    def exemplars(
        self, rng: np.random.Generator, palette_count: int, *, livelier: FloatArray | None = None
    ) -> FloatArray:
        """Exemplars (P, kinds, 128, 13) that were shown in each palette entry and kind of movement, slowest
        first.

        Contents count by their length to the power of `CONTENT_POWER`; within each, exemplars that show their
        emotion better count more (`models.network.exemplar_selection`), as lively in the mean, or `livelier`
        (P, kinds) times as much. A kind that no clip shows in an emotion is asked for at a middling speed in
        the mean descriptor.
        """
        table = np.zeros((palette_count, len(KINDS), EXEMPLARS, EXEMPLAR_SIZE), dtype=np.float32)
        table[..., 0] = 0.3
        for kind in range(len(KINDS)):
            shown = [c for c in range(palette_count) if self.shows(c, kind, SPEED_HORIZON_FRAMES + 1)]
            if not shown:
                continue
            drawn = [self._draw_exemplars(rng, condition, kind) for condition in shown]
            exemplars, clips = (np.stack(part) for part in zip(*drawn, strict=True))
            shares = class_posterior(exemplars, clips)
            for condition, some, segments, share in zip(shown, exemplars, clips, shares, strict=True):
                chances = tilt_to_mean(
                    as_often(share, self.database.content[segments]),
                    some[:, 0],
                    1.0 if livelier is None else float(livelier[condition, kind]),
                )
                kept = some[rng.choice(len(some), size=EXEMPLARS, p=chances)]
                table[condition, kind] = kept[np.argsort(kept[:, 0], kind="stable")]
        return table

    def _draw_exemplars(
        self, rng: np.random.Generator, condition: int, kind: int
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """Exemplars (N, 13) of a condition and kind, and the segments (N,) they come from."""
        second = SPEED_HORIZON_FRAMES
        segments, _ = self.segments_of(condition, kind)
        segments = segments[np.diff(self.database.starts)[segments] > second]
        drawn = rng.choice(segments, size=4 * EXEMPLARS, p=self._balanced(segments, CONTENT_POWER))
        at = rng.integers(self.database.starts[drawn], self.database.starts[drawn + 1] - second)
        speeds = self.database.speed[at[:, None] + np.arange(second)].mean(axis=1)
        exemplars = np.concatenate([speeds[:, None], self.descriptor[at + second // 2]], axis=1)
        return exemplars, drawn

    def _drop_conditioning(
        self, rng: np.random.Generator, conditions: NDArray[np.int64], conditioning: FloatArray
    ) -> None:
        """Leave some windows unlabelled up to some frame, as a visitor's movement is; some without a
        conditioning."""
        count = len(conditions)
        until = np.where(rng.random(count) < 0.15, rng.integers(1, 2 * self.length, count), 0)
        conditions[np.arange(self.length) < until[:, None]] = -1
        conditioning[rng.random(count) < 0.1, :, 0] = np.nan
        conditioning[rng.random(count) < 0.1, :, DESCRIPTOR] = np.nan
        conditioning[rng.random(count) < 0.1, :, DESCRIPTOR.stop :] = np.nan
        if not self.conditioned:
            conditioning[:] = np.nan

    def _add_input_noise(
        self,
        rng: np.random.Generator,
        features: FloatArray,
        conditions: NDArray[np.int64],
        conditioning: FloatArray,
    ) -> TrainingBatch:
        count, length = len(features), self.length
        clean = features[..., :POSE_SIZE]
        size = self.input_noise * rng.random((count, 1, 1)).astype(np.float32) ** 2
        white = rng.standard_normal((count, length + 1, POSE_SIZE), dtype=np.float32)
        persistent = white @ self._error_basis
        for t in range(1, length + 1):
            persistent[:, t] *= np.sqrt(1 - PERSISTENCE**2)
            persistent[:, t] += PERSISTENCE * persistent[:, t - 1]
        quick = rng.standard_normal(persistent.shape, dtype=np.float32) * self._step_deviation
        poses = clean[:, : length + 1] + size * persistent + size * quick
        directions = poses[..., DIRECTIONS].reshape(count, length + 1, BONE_COUNT, 3)
        poses[..., DIRECTIONS] = unit_vectors(directions).reshape(count, length + 1, -1)
        error = (poses - clean[:, : length + 1])[:, 1:]
        rates = features[..., POSE_SIZE:]
        wrong_rates = rates[:, 1 : length + 1] * (
            1 + size * rng.standard_normal((count, length, rates.shape[-1]), dtype=np.float32)
        )
        steps = np.concatenate([np.diff(poses, axis=1), wrong_rates], axis=-1)
        true_steps = np.concatenate([np.diff(clean, axis=1), rates[:, 1:]], axis=-1)
        ahead = np.lib.stride_tricks.sliding_window_view(true_steps, self.horizon, axis=1)
        plans = ahead[:, 1 : length + 1].transpose(0, 1, 3, 2).copy()  # (B, T, horizon, 52)
        left = WAY_BACK ** np.arange(self.horizon + 1)
        plans[..., :POSE_SIZE] += error[:, :, None] * np.diff(left)[:, None].astype(np.float32)
        assert plans.shape[-1] == DELTA_SIZE
        return TrainingBatch(poses[:, 1:], steps, conditions, conditioning, plans)
