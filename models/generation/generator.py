"""The streaming dancer: one call, one frame, for ever, at constant cost.

All that a dance is lives in a `DanceState`, a plain value: copy it, save it, go back to it. The network plans
the coming quarter of a second at every frame; the step that is danced is the mean of what the newest plans say
of this moment, so a new idea enters like a breath and not like a blow (action chunking with temporal
ensembling: Zhao et al. 2023, arXiv:2304.13705).
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.kinds import DEFAULT_REPERTOIRE, KINDS
from models.generation.chunk_sampler import ChunkSampler, traced
from models.generation.pose_prior import PosePrior
from models.motion.features import (
    DIRECTIONS,
    FEATURE_SIZE,
    HEIGHT,
    PLANAR_VELOCITY,
    POSE_SIZE,
    YAW_RATE,
    advance,
    pose_positions,
    turn_back,
)
from models.motion.foot_contact import (
    ROOT_CORRECTION_RATE,
    TOE_CONTACT_HEIGHT,
    TOES,
    floor_correction,
    foot_lock_offsets,
    foot_skate,
    leg_ik,
)
from models.motion.inertialization import inertialization_offset, inertialized
from models.motion.skeleton import BONE_COUNT, FRAME_RATE, FloatArray, unit_vectors
from models.network.checkpoint import Checkpoint
from models.network.conditioning import CONDITIONING_SIZE, EXEMPLAR_SIZE
from models.network.exemplar_selection import sparsity
from models.network.motion_space import DELTA_SIZE, frame_deltas, unit_directions
from models.network.speed_encoding import encode_speed
from models.network.transformer import Cache

TEMPERATURE_RANGE = (0.5, 1.2)
"""What energy may make of the temperature."""
EXEMPLAR_QUANTILES = (0.15, 0.975)
"""The calmest and the liveliest exemplars that are asked for, as ranks among those of an emotion: below are
rests between two movements, beyond single leaps."""
QUANTILE_STEP = 0.618
"""By how much the exemplar_quantile goes on from one exemplar to the next, from 1 back to 0: each is far from
the last few."""
FACING_TIME_CONSTANT_S = 2.0
"""Of the running mean of the heading that is led to the audience: a spin is over by then."""
FACING_GAIN, MAX_FACING_RATE = 1.2, 1.8
"""Radians a second by which the heading turns for each radian that its mean looks past the audience, and at
most."""
FACING_SPEED = 0.25
"""Mean joint speed in m/s from which on it turns as fast as that; a body that stands would be turned on its
feet."""
HOMEWARD_RATE = 0.08
"""Share of the way to the middle of the stage that a dancer who moves drifts in a second."""
BLEND_FRAMES = 20
"""Frames over which a jump of context fades."""


@dataclass(frozen=True)
class Sampling:
    """How the mixture is turned into movement."""

    temperature: float = 1.0
    """share of each Gaussian's deviation that is used, at energy 1"""
    noise_persistence: float = 0.6
    """correlation of the Gaussians' noise from frame to frame: plans that were made one after the other are
    averaged, and with independent noise the mean moves at half the speed of what was learnt"""
    ensemble_decay: float = 0.8
    """weight of each plan relative to the next newer one when their steps are averaged"""
    emotion_guidance: float = 0.55
    """how much further than in training the emotion that the network hears lies from the mean of all: in the
    spirit of guidance (Ho & Salimans 2022, arXiv:2207.12598), which extrapolates what comes out, at no cost"""
    exemplar_seconds: float = 4.0
    """mean seconds for which one exemplar is asked, as long as actors keep to one"""
    descriptor_noise: float = 0.2
    """deviations by which the descriptor asked for differs from that of the exemplar: an actor never does it
    twice"""
    sparsity_boost: float = 0.46
    """by how much descriptor_noise, and by which share temperature, grows in emotions that few exemplars are
    known of: what is known would soon be danced again"""
    speed_noise: float = 0.12
    """deviations of the logarithm of the speed asked for, by which it differs from that of the exemplar"""
    min_speed: float = 0.18
    """m/s, the calmest that the dancer is ever asked to be: actors may stand between two clips, it may not"""
    stage_radius: float = 2.5
    """metres from the middle of the stage where the dancer is being turned back; it begins at half of that"""


@dataclass(frozen=True, eq=False)
class DanceState:
    """Everything that the next frame depends on, for B dancers; never changed in place."""

    pose: FloatArray  # (B, 49)
    delta: FloatArray  # (B, 52) that led to it
    cache: Cache  # of the frames before it
    plans: FloatArray  # (B, horizon, horizon, 52): plans[:, a] was made a frames ago, from its first step on
    noise: FloatArray  # (B, Z) standard normal, off the mean of the component
    kind: NDArray[np.int64]  # (B,) of movement, index in `models.data.kinds.KINDS`
    exemplar_quantile: (
        FloatArray  # (B,) from 0 to 1, of the exemplar that is asked for among those of its emotion and kind
    )
    descriptor_noise: (
        FloatArray  # (B, 13) standard normal, by which its speed and its descriptor differ from the exemplar's
    )
    conditioning: FloatArray  # (B, A) that the frame was danced with, see `models.network.conditioning`
    blend_offset: (
        FloatArray  # (B, 52) what leads from the danced pose to the shown one, after a jump of context
    )
    blend_age: int  # frames since
    place: FloatArray  # (B, 2) metres, x and z of the pelvis
    yaw: FloatArray  # (B,) radians
    facing: (
        FloatArray  # (B, 2) running mean of the heading as (sine, cosine) of the yaw; the audience is at (0, 1)
    )
    drift: FloatArray  # (B, 2) metres a frame by which the pelvis follows its feet
    holds: FloatArray  # (B, 2, 2) metres by which the legs hold the feet back
    seed: int
    tick: int

    @property
    def features(self) -> FloatArray:
        """The present frame (B, 52) as in `models.motion.features`."""
        return np.concatenate([self.pose, self.delta[:, POSE_SIZE:]], axis=-1)

    @property
    def blended_features(self) -> FloatArray:
        """The frame (B, 52) to show: a jump of context fades from the old pose to the new one."""
        if self.blend_age >= BLEND_FRAMES:
            return self.features
        fade = 0.5 + 0.5 * np.cos(np.pi * self.blend_age / BLEND_FRAMES)
        return inertialized(self.features, self.blend_offset, fade)

    @property
    def positions(self) -> FloatArray:
        """The present frame as joint positions (B, 17, 3) float32 in metres on the stage."""
        shown = self.unplanted_positions
        if self.blend_age < BLEND_FRAMES:
            shown = pose_positions(self.blended_features.astype(float), self.place, self.yaw)
        return leg_ik(shown, self.holds).astype(np.float32)

    @cached_property
    def unplanted_positions(self) -> FloatArray:
        """Joint positions (B, 17, 3) of the danced pose, whose feet may slide: the next frame begins there."""
        return pose_positions(self.features.astype(float), self.place, self.yaw)


def on_the_floor(features: FloatArray) -> FloatArray:
    """The same movement (..., T, 52), raised or lowered as a whole so that its lowest step stands on the floor.

    A visitor's body has other bones than the dancer's, and one camera's word on heights is not to be trusted.
    """
    flat = np.zeros(features.shape[:-1])
    toes = pose_positions(features, np.zeros((*flat.shape, 2)), flat)[..., TOES, 1]
    moved = features.copy()
    moved[..., HEIGHT] += TOE_CONTACT_HEIGHT - toes.min(axis=(-1, -2), keepdims=True)[..., 0]
    return moved


def with_unit_directions(features: FloatArray) -> FloatArray:
    """The same frames (B, 49) or (B, 52) with bone directions of length one."""
    directions = unit_vectors(features[:, DIRECTIONS].reshape(-1, BONE_COUNT, 3))
    return np.concatenate([directions.reshape(len(features), -1), features[:, DIRECTIONS.stop :]], axis=1)


class Generator:
    """Steps dancers of one checkpoint."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        sampling: Sampling | None = None,
        *,
        sampler: ChunkSampler | None = None,
        compiled: bool = True,
        conditioned: bool = True,
        post_processing: bool = True,
    ) -> None:
        """`sampler` draws plans from the mixture; `compiled` steps faster, with the weights as they are when it
        first steps, and without it a network that is being trained can dance. Not `conditioned` the network
        hears the emotion alone; without `post_processing` poses stay as planned, feet slide and bodies float.
        """
        self.checkpoint, self.compiled = checkpoint, compiled
        self.conditioned, self.post_processing = conditioned, post_processing
        self.sampler = (sampler or ChunkSampler(checkpoint.network, checkpoint.space)).eval()
        self.sampling = sampling or Sampling()
        self.network, self.space = checkpoint.network, checkpoint.space
        self.device = next(self.network.parameters()).device
        self._pose_prior = PosePrior.of(self.space)
        kinds = range(len(KINDS))
        self._sparsity = np.stack(
            [sparsity(checkpoint.exemplars[:, kind]) for kind in kinds], axis=1
        )  # (P, kinds)
        self._samplers: dict[int, Any] = {}  # compiled, by the number of dancers

    def initial_state(self, count: int = 1, seed: int = 0) -> DanceState:
        """`count` dancers standing in the middle of the stage, about to begin."""
        horizon = self.space.horizon
        pose = with_unit_directions(self.space.pose_mean[None].cpu().numpy())
        rng = self._random(seed, -1)
        return DanceState(
            pose=pose.repeat(count, axis=0),
            delta=np.zeros((count, DELTA_SIZE), dtype=np.float32),
            cache=self.network.empty_cache(count),
            plans=np.zeros((count, 0, horizon, DELTA_SIZE), dtype=np.float32),
            noise=self._white(rng, count),
            kind=np.full(count, int(np.argmax(DEFAULT_REPERTOIRE))),
            exemplar_quantile=rng.random(count),
            descriptor_noise=rng.standard_normal((count, EXEMPLAR_SIZE)),
            conditioning=np.full((count, CONDITIONING_SIZE), np.nan),
            blend_offset=np.zeros((count, FEATURE_SIZE), dtype=np.float32),
            blend_age=BLEND_FRAMES,
            place=np.zeros((count, 2)),
            yaw=np.zeros(count),
            facing=np.tile([0.0, 1.0], (count, 1)),
            drift=np.zeros((count, 2)),
            holds=np.zeros((count, 2, 2)),
            seed=seed,
            tick=0,
        )

    def warm_up(
        self,
        state: DanceState,
        emotion_weights: FloatArray,
        frames: int = FRAME_RATE,
        longest: float = math.inf,
        repertoire: FloatArray | Sequence[float] = DEFAULT_REPERTOIRE,
    ) -> DanceState:
        """Dance unseen for some frames, so that a dancer who has just been started is already moving: at least
        one, and no more once `longest` seconds are over."""
        over = time.perf_counter() + longest
        for _ in range(frames):
            state = self.step(state, emotion_weights, repertoire=repertoire)
            if time.perf_counter() > over:
                break
        # What the legs hold and where the pelvis drifts are directions on the stage, which yaw turns.
        still = {name: np.zeros_like(getattr(state, name)) for name in ("place", "yaw", "drift", "holds")}
        return replace(state, facing=np.tile([0.0, 1.0], (len(state.yaw), 1)), **still)

    @torch.inference_mode()
    def prompt(self, state: DanceState, features: FloatArray, *, seamless: bool = True) -> DanceState:
        """Make other movement the dancer's past: features (T, 52) or (B, T, 52) of T >= 2 frames.

        The place on the stage and the heading stay. The movement counts as being in no particular emotion. The
        pose that is shown fades from the old one to the new one, unless `seamless` is False.
        """
        features = on_the_floor(np.asarray(features, dtype=np.float32))
        past = torch.as_tensor(features, device=self.device)
        past = past.expand(len(state.pose), *past.shape[-2:])
        past = unit_directions(past[:, -self.network.config.context_length - 1 :])
        steps = frame_deltas(past)
        poses = past[:, 1:, :POSE_SIZE]
        count, length = len(poses), poses.shape[1] - 1  # the last frame is the first that `step` takes in
        cache = self.network.empty_cache(count)
        if length > 0:
            labels = torch.zeros(count, length, self.network.config.label_count, device=self.device)
            conditioning = torch.full((count, length, CONDITIONING_SIZE), torch.nan, device=self.device)
            _, cache = self.network(self.space.inputs(poses[:, :-1], steps[:, :-1]), labels, conditioning)
        prompted = replace(
            state,
            pose=poses[:, -1].cpu().numpy(),
            delta=steps[:, -1].cpu().numpy(),
            cache=cache,
            plans=state.plans[:, :0],
            blend_age=BLEND_FRAMES,
        )
        return self.blend(state, prompted) if seamless else prompted

    @staticmethod
    def blend(before: DanceState, after: DanceState) -> DanceState:
        """`after`, standing where `before` stood and shown as if it grew out of it."""
        blend_offset = inertialization_offset(before.blended_features, after.features)
        return replace(
            after,
            blend_offset=blend_offset,
            blend_age=0,
            place=before.place,
            yaw=before.yaw,
            facing=before.facing,
            drift=before.drift,
            holds=before.holds,
            tick=before.tick,
        )

    def step(
        self,
        state: DanceState,
        emotion_weights: FloatArray | Sequence[float],
        energy: float = 1.0,
        toward: FloatArray | None = None,
        influence: float | FloatArray = 0.0,
        repertoire: FloatArray | Sequence[float] = DEFAULT_REPERTOIRE,
        tempo: float = 1.0,
    ) -> DanceState:
        """Dance one frame.

        emotion_weights (P,) or (B, P) over the palette; repertoire (3,) or (B, 3) over
        `models.data.kinds.KINDS`; energy scales the activity asked for and, by its root, the temperature;
        toward (49,) or (B, 49) is a pose whose bone directions draw the dancer, in each frame by a share
        `influence` of the difference, one for all or one each (49,); tempo is how much quicker than planned it
        dances.
        """
        return self.apply(self.predict(state, emotion_weights, energy, repertoire), toward, influence, tempo)

    def predict(
        self,
        state: DanceState,
        emotion_weights: FloatArray | Sequence[float],
        energy: float = 1.0,
        repertoire: FloatArray | Sequence[float] = DEFAULT_REPERTOIRE,
    ) -> DanceState:
        """The long half of a step: everything but the body, which `act` moves. No visitor is needed."""
        weights = np.broadcast_to(
            np.asarray(emotion_weights, dtype=np.float32), (len(state.pose), len(self.checkpoint.palette))
        )
        rng = self._random(state.seed, state.tick)
        noise, kind, exemplar_quantile, descriptor_noise = self._draw_noise(
            state, rng, np.asarray(repertoire, dtype=np.float64)
        )
        conditioning = self.conditioning_for(
            replace(state, kind=kind, exemplar_quantile=exemplar_quantile, descriptor_noise=descriptor_noise),
            weights,
            energy,
        )
        hot = self._temperature(energy, weights, kind) * self.sampler.deviation(state.tick / FRAME_RATE)
        plan, cache = self._plan(state, weights, conditioning, self._gumbel(rng, len(noise)), hot * noise)
        return replace(
            state,
            cache=cache,
            plans=np.concatenate([plan[:, None], state.plans], axis=1)[:, : self.space.horizon],
            noise=noise,
            kind=kind,
            exemplar_quantile=exemplar_quantile,
            descriptor_noise=descriptor_noise,
            conditioning=conditioning,
            blend_age=min(state.blend_age + 1, BLEND_FRAMES),
            tick=state.tick + 1,
        )

    def apply(
        self,
        thought: DanceState,
        toward: FloatArray | None = None,
        influence: float | FloatArray = 0.0,
        tempo: float = 1.0,
    ) -> DanceState:
        """The short half of a step: the body moved as it was thought, at a tempo and drawn as `step` says."""
        pose, rates = self._ensemble(thought.pose, thought.plans, toward, influence, tempo)
        return self._integrate_root(thought, pose, rates)

    def conditioning_for(self, state: DanceState, weights: FloatArray, energy: float) -> FloatArray:
        """The conditioning (B, A) with which dancers in this state are asked for emotions of weights (B, P)."""
        if not self.conditioned:
            return np.full((len(weights), CONDITIONING_SIZE), np.nan)
        asked, descriptor = self._exemplar(weights, state.kind, state.exemplar_quantile, energy)
        asked = asked * np.exp(self.sampling.speed_noise * state.descriptor_noise[:, 0])
        activity = encode_speed(np.maximum(asked, self.sampling.min_speed))
        descriptor_noise = self.sampling.descriptor_noise + self._sparsity_boost(weights, state.kind)
        descriptor = descriptor + descriptor_noise[:, None] * state.descriptor_noise[:, 1:]
        return np.concatenate([activity[:, None], descriptor, np.eye(len(KINDS))[state.kind]], axis=-1)

    @torch.inference_mode()
    def _plan(
        self,
        state: DanceState,
        weights: FloatArray,
        conditioning: FloatArray,
        gumbel: FloatArray,
        noise: FloatArray,
    ) -> tuple[FloatArray, Cache]:
        """The coming steps (B, horizon, 52) as planned now, and the cache with this frame in it."""
        count = len(state.pose)
        labels = np.zeros((count, self.network.config.label_count), dtype=np.float32)
        away = weights - 1.0 / weights.shape[1]
        labels[:, : weights.shape[1]] = weights + self.sampling.emotion_guidance * away
        given = (state.pose, state.delta, labels, conditioning, gumbel, noise)
        tensors = [torch.from_numpy(np.ascontiguousarray(part, np.float32)).to(self.device) for part in given]
        if count not in self._samplers:
            inputs = (*tensors, *state.cache)
            self._samplers[count] = traced(self.sampler, inputs) if self.compiled else self.sampler
        plan, *cache = self._samplers[count](*tensors, *state.cache)
        return plan.cpu().numpy(), Cache(*cache)

    def _temperature(self, energy: float, weights: FloatArray, kind: NDArray[np.int64]) -> FloatArray:
        """The share of each Gaussian's deviation that is used in this frame, (B, 1)."""
        hot = self.sampling.temperature * (1.0 + self._sparsity_boost(weights, kind)[:, None])
        return hot * np.float32(np.clip(np.sqrt(energy), *TEMPERATURE_RANGE))

    def _sparsity_boost(self, weights: FloatArray, kind: NDArray[np.int64]) -> FloatArray:
        """By which share temperature grows, and by how much descriptor_noise, (B,), in emotions of weights (B,
        P) and kinds (B,) of movement."""
        sparse = np.take_along_axis(weights @ self._sparsity, kind[:, None], axis=1)[:, 0]
        return np.asarray(self.sampling.sparsity_boost * sparse, dtype=np.float32)

    def _ensemble(
        self,
        pose: FloatArray,
        plans: FloatArray,
        toward: FloatArray | None,
        influence: float | FloatArray,
        tempo: float,
    ) -> tuple[FloatArray, FloatArray]:
        """The next pose (B, 49) and rates (B, 3): the plans' mean opinion at a tempo, drawn towards
        `toward`."""
        ages = np.arange(plans.shape[1])
        share = self.sampling.ensemble_decay**ages
        share = (share / share.sum()).astype(np.float32)
        step = tempo * (plans[:, ages, ages] * share[:, None]).sum(axis=1)  # planned a frames ago for now
        moved = pose + step[:, :POSE_SIZE]
        if toward is not None and np.any(np.asarray(influence) > 0):
            difference = np.asarray(toward, dtype=np.float32) - moved
            difference[..., HEIGHT] = 0.0  # the height stays the dancer's own: bodies differ
            moved = moved + influence * difference
        if self.post_processing:
            moved = self._pose_prior.project(moved)
        return with_unit_directions(moved), step[:, POSE_SIZE:]

    def _integrate_root(self, state: DanceState, pose: FloatArray, rates: FloatArray) -> DanceState:
        """The body moved on the stage, its feet on the floor and turned back at the edge.

        Whatever moved the body is written into the step, so that the network knows what it did.
        """
        before = state.unplanted_positions
        features = np.concatenate([pose, rates], axis=-1)
        place, yaw = advance(features, state.place, state.yaw)
        after = pose_positions(features, place, yaw)
        drift, holds, raised = self._ground_feet(state, before, after)
        features[:, HEIGHT] += raised
        place = place - drift - self._homeward(state.place, before, after)
        sideways, forward = np.moveaxis(turn_back(place - state.place, state.yaw), -1, 0)
        features[:, PLANAR_VELOCITY] = np.stack([sideways, forward], axis=-1) * FRAME_RATE
        change = (after[:, 1:] - after[:, :1]) - (before[:, 1:] - before[:, :1])
        speed = np.linalg.norm(change, axis=-1).mean(axis=-1) * FRAME_RATE
        yaw = yaw + self._steer(state.place, place) + self._face(state.facing, speed)
        looking = np.stack([np.sin(yaw), np.cos(yaw)], axis=-1)
        facing = state.facing + (looking - state.facing) / (FRAME_RATE * FACING_TIME_CONSTANT_S)
        features[:, YAW_RATE] = (yaw - state.yaw) * FRAME_RATE
        danced = features[:, :POSE_SIZE]
        step = np.concatenate([danced - state.pose, features[:, POSE_SIZE:]], axis=-1)
        moved = replace(state, pose=danced, delta=step, place=place, yaw=yaw, facing=facing)
        return replace(moved, drift=drift, holds=holds)

    def _ground_feet(
        self, state: DanceState, before: FloatArray, after: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """How the pelvis drifts (B, 2) and the legs hold (B, 2, 2) between two frames of joint positions, and
        by how many metres (B,) the body is raised."""
        if not self.post_processing:
            return np.zeros_like(state.drift), np.zeros_like(state.holds), np.zeros(len(after))
        drift = state.drift + ROOT_CORRECTION_RATE * (foot_skate(before, after) - state.drift)
        return drift, foot_lock_offsets(before, after, -drift, state.holds), floor_correction(after)

    def _steer(self, before: FloatArray, place: FloatArray) -> FloatArray:
        """Radians (B,) by which the heading bends inwards near the edge of the stage.

        The network does not know which way it faces, so this costs nothing.
        """
        travelled = place - before
        speed = np.linalg.norm(travelled, axis=-1) * FRAME_RATE
        going = np.arctan2(travelled[:, 0], travelled[:, 1])
        inwards = np.arctan2(-place[:, 0], -place[:, 1])
        wrong = (inwards - going + np.pi) % (2 * np.pi) - np.pi
        beyond = np.clip(np.linalg.norm(place, axis=-1) / self.sampling.stage_radius - 0.5, 0.0, 1.0)
        fastest = 1.5 / FRAME_RATE * beyond * np.clip(speed, 0.0, 1.0)
        return np.clip(wrong, -fastest, fastest)

    def _homeward(self, place: FloatArray, before: FloatArray, after: FloatArray) -> FloatArray:
        """Metres (B, 2) by which the body drifts from the middle of the stage less than it would, at a place
        (B, 2): the quicker it moves between two frames of joint positions the more. Its feet hold what they
        can."""
        moved = np.linalg.norm(after - before, axis=-1).mean(axis=-1) * FRAME_RATE
        rate = HOMEWARD_RATE * np.clip(moved / FACING_SPEED, 0.0, 1.0) / FRAME_RATE
        drift: FloatArray = rate[:, None] * place
        return drift

    def _face(self, facing: FloatArray, speed: FloatArray) -> FloatArray:
        """Radians (B,) by which the heading turns to the audience, from its running mean (B, 2) and the mean
        joint speed (B,) in m/s. While the dancer spins the mean is short and hardly turns it."""
        past = np.arctan2(facing[:, 0], facing[:, 1]) * np.linalg.norm(facing, axis=-1)
        rate = np.clip(-FACING_GAIN * past, -MAX_FACING_RATE, MAX_FACING_RATE)
        turned: FloatArray = rate * np.clip(speed / FACING_SPEED, 0.0, 1.0) / FRAME_RATE
        return turned

    def _draw_noise(
        self, state: DanceState, rng: np.random.Generator, repertoire: FloatArray
    ) -> tuple[NDArray, ...]:
        """The kinds of chance: noise that persists; a kind, an exemplar and a descriptor_noise that are kept
        for a bout."""
        count = len(state.pose)
        kept = self.sampling.noise_persistence
        noise = kept * state.noise + math.sqrt(1.0 - kept**2) * self._white(rng, count)
        shares = np.cumsum(
            np.broadcast_to(repertoire / repertoire.sum(axis=-1, keepdims=True), (count, len(KINDS))), axis=1
        )
        unwanted = np.take_along_axis(np.diff(shares, prepend=0.0), state.kind[:, None], axis=1)[:, 0] <= 0.0
        ends = (rng.random(count) < 1.0 / (FRAME_RATE * self.sampling.exemplar_seconds)) | unwanted
        drawn = (rng.random((count, 1)) * shares[:, -1:] >= shares).sum(axis=1)
        kind = np.where(ends, np.minimum(drawn, len(KINDS) - 1), state.kind)
        exemplar_quantile = np.where(
            ends,
            (state.exemplar_quantile + QUANTILE_STEP + rng.uniform(-0.1, 0.1, count)) % 1.0,
            state.exemplar_quantile,
        )
        descriptor_noise = np.where(
            ends[:, None], rng.standard_normal(state.descriptor_noise.shape), state.descriptor_noise
        )
        return noise, kind, exemplar_quantile, descriptor_noise

    def _exemplar(
        self, weights: FloatArray, kind: NDArray[np.int64], exemplar_quantile: FloatArray, energy: float
    ) -> tuple[FloatArray, FloatArray]:
        """The speed in m/s (B,) to dance the coming second at, and the descriptor (B, 12): of exemplars of one
        kind and the same exemplar_quantile of all emotions, the mean by their weights."""
        exemplars = self.checkpoint.exemplars
        among = EXEMPLAR_QUANTILES[0] + (EXEMPLAR_QUANTILES[1] - EXEMPLAR_QUANTILES[0]) * exemplar_quantile
        chosen = exemplars[:, kind, (among * exemplars.shape[2]).astype(int)]  # (P, B, 13)
        wanted = np.einsum("bp,pbw->bw", weights, chosen)
        return energy * wanted[:, 0], wanted[:, 1:]

    def _white(self, rng: np.random.Generator, count: int) -> FloatArray:
        return rng.standard_normal((count, self.network.config.target_count), dtype=np.float32)

    def _gumbel(self, rng: np.random.Generator, count: int) -> FloatArray:
        return rng.gumbel(size=(count, self.network.config.components)).astype(np.float32)

    @staticmethod
    def _random(seed: int, tick: int) -> np.random.Generator:
        """Chance as a function of seed and tick, so that a state needs no hidden generator."""
        return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, tick + 1]))
