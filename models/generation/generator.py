"""The streaming generator: one call, one frame, without end, at constant cost.

Everything that the next frame depends on is in a `DanceState`. At every frame the network plans the coming
quarter of a second (`ChunkSampler`), the plans for this frame are averaged (`TemporalEnsemble`), and the pose
is drawn towards the visitor's, projected by the prior over poses, put on its feet and moved on the stage.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.kinds import DEFAULT_REPERTOIRE, KINDS
from models.generation.chunk_sampler import ChunkSampler, traced
from models.generation.exemplar_request import exemplar_at, next_request
from models.generation.pose_prior import PosePrior
from models.generation.root_motion import FACING_TIME_CONSTANT_S, face_audience, homeward, steer
from models.generation.sampling import Sampling
from models.generation.state import (
    BLEND_FRAMES,
    Blend,
    DanceState,
    Feet,
    Request,
    Root,
    on_the_floor,
    with_unit_directions,
)
from models.generation.temporal_ensemble import TemporalEnsemble, appended
from models.motion.features import (
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
    floor_correction,
    foot_lock_offsets,
    foot_skate,
)
from models.motion.inertialization import inertialization_offset
from models.motion.skeleton import FRAME_RATE, FloatArray
from models.network.checkpoint import Checkpoint
from models.network.conditioning import CONDITIONING_SIZE, EXEMPLAR_SIZE
from models.network.exemplar_selection import sparsity
from models.network.motion_space import DELTA_SIZE, frame_deltas, unit_directions
from models.network.speed_encoding import encode_speed
from models.network.transformer import Cache

TEMPERATURE_RANGE = (0.5, 1.2)
"""What energy may make of the temperature."""


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
            chunks=np.zeros((count, 0, horizon, DELTA_SIZE), dtype=np.float32),
            noise=self._white(rng, count),
            request=Request(
                kind=np.full(count, int(np.argmax(DEFAULT_REPERTOIRE))),
                exemplar_quantile=rng.random(count),
                descriptor_noise=rng.standard_normal((count, EXEMPLAR_SIZE)),
                conditioning=np.full((count, CONDITIONING_SIZE), np.nan),
            ),
            root=Root.at_the_middle(count),
            feet=Feet.free(count),
            blend=Blend(np.zeros((count, FEATURE_SIZE), dtype=np.float32)),
            seed=seed,
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
        count = len(state.pose)
        return replace(state, root=Root.at_the_middle(count), feet=Feet.free(count))

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
            chunks=state.chunks[:, :0],
            blend=Blend(state.blend.offset),
        )
        return self.blend(state, prompted) if seamless else prompted

    @staticmethod
    def blend(before: DanceState, after: DanceState) -> DanceState:
        """`after`, standing where `before` stood and shown as if it grew out of it."""
        offset = inertialization_offset(before.blended_features, after.features)
        return replace(after, blend=Blend(offset, age=0), root=before.root, feet=before.feet, tick=before.tick)

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
        """The long part of a step: everything but the body, which `apply` moves. No visitor is needed."""
        weights = np.broadcast_to(
            np.asarray(emotion_weights, dtype=np.float32), (len(state.pose), len(self.checkpoint.palette))
        )
        rng = self._random(state.seed, state.tick)
        kept = self.sampling.noise_persistence
        noise = kept * state.noise + math.sqrt(1.0 - kept**2) * self._white(rng, len(state.pose))
        shares = np.asarray(repertoire, dtype=np.float64)
        request = next_request(state.request, rng, shares, self.sampling.exemplar_seconds)
        request = replace(request, conditioning=self.conditioning_for(request, weights, energy))
        temperature = self._temperature(energy, weights, request.kind)
        temperature = temperature * self.sampler.deviation(state.tick / FRAME_RATE)
        chunk, cache = self._plan(
            state, weights, request.conditioning, self._gumbel(rng, len(noise)), temperature * noise
        )
        return replace(
            state,
            cache=cache,
            chunks=appended(chunk, state.chunks),
            noise=noise,
            request=request,
            blend=replace(state.blend, age=min(state.blend.age + 1, BLEND_FRAMES)),
            tick=state.tick + 1,
        )

    def apply(
        self,
        predicted: DanceState,
        toward: FloatArray | None = None,
        influence: float | FloatArray = 0.0,
        tempo: float = 1.0,
    ) -> DanceState:
        """The short part of a step: the body moved as predicted, at a tempo and drawn as `step` says."""
        pose, rates = self._next_pose(predicted.pose, predicted.chunks, toward, influence, tempo)
        return self._integrate_root(predicted, pose, rates)

    def conditioning_for(self, request: Request, weights: FloatArray, energy: float) -> FloatArray:
        """The conditioning (B, A) of a request in emotions of weights (B, P)."""
        if not self.conditioned:
            return np.full((len(weights), CONDITIONING_SIZE), np.nan)
        quantile = request.exemplar_quantile
        asked, descriptor = exemplar_at(self.checkpoint.exemplars, weights, request.kind, quantile)
        asked = energy * asked * np.exp(self.sampling.speed_noise * request.descriptor_noise[:, 0])
        activity = encode_speed(np.maximum(asked, self.sampling.min_speed))
        descriptor_noise = self.sampling.descriptor_noise + self._sparsity_boost(weights, request.kind)
        descriptor = descriptor + descriptor_noise[:, None] * request.descriptor_noise[:, 1:]
        return np.concatenate([activity[:, None], descriptor, np.eye(len(KINDS))[request.kind]], axis=-1)

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

    def _next_pose(
        self,
        pose: FloatArray,
        chunks: FloatArray,
        toward: FloatArray | None,
        influence: float | FloatArray,
        tempo: float,
    ) -> tuple[FloatArray, FloatArray]:
        """The next pose (B, 49) and rates (B, 3): the mean of the plans at a tempo, drawn towards `toward`."""
        delta = tempo * TemporalEnsemble(self.sampling.ensemble_decay).delta(chunks)
        moved = pose + delta[:, :POSE_SIZE]
        if toward is not None and np.any(np.asarray(influence) > 0):
            difference = np.asarray(toward, dtype=np.float32) - moved
            difference[..., HEIGHT] = 0.0  # the height stays the dancer's own: bodies differ
            moved = moved + influence * difference
        if self.post_processing:
            moved = self._pose_prior.project(moved)
        return with_unit_directions(moved), delta[:, POSE_SIZE:]

    def _integrate_root(self, state: DanceState, pose: FloatArray, rates: FloatArray) -> DanceState:
        """The body moved on the stage, its feet on the floor and turned back at the edge.

        Whatever moved the body is written into the delta, so that the network sees the movement that was shown.
        """
        before, root = state.unplanted_positions, state.root
        features = np.concatenate([pose, rates], axis=-1)
        position, yaw = advance(features, root.position, root.yaw)
        after = pose_positions(features, position, yaw)
        feet, raised = self._ground_feet(state.feet, before, after)
        features[:, HEIGHT] += raised
        position = position - feet.root_correction - homeward(root.position, before, after)
        sideways, forward = np.moveaxis(turn_back(position - root.position, root.yaw), -1, 0)
        features[:, PLANAR_VELOCITY] = np.stack([sideways, forward], axis=-1) * FRAME_RATE
        change = (after[:, 1:] - after[:, :1]) - (before[:, 1:] - before[:, :1])
        speed = np.linalg.norm(change, axis=-1).mean(axis=-1) * FRAME_RATE
        yaw = (
            yaw + steer(root.position, position, self.sampling.stage_radius) + face_audience(root.facing, speed)
        )
        looking = np.stack([np.sin(yaw), np.cos(yaw)], axis=-1)
        facing = root.facing + (looking - root.facing) / (FRAME_RATE * FACING_TIME_CONSTANT_S)
        features[:, YAW_RATE] = (yaw - root.yaw) * FRAME_RATE
        moved = features[:, :POSE_SIZE]
        delta = np.concatenate([moved - state.pose, features[:, POSE_SIZE:]], axis=-1)
        return replace(state, pose=moved, delta=delta, root=Root(position, yaw, facing), feet=feet)

    def _ground_feet(self, feet: Feet, before: FloatArray, after: FloatArray) -> tuple[Feet, FloatArray]:
        """The feet between two frames of joint positions, and by how many metres (B,) the body is raised."""
        if not self.post_processing:
            return Feet.free(len(after)), np.zeros(len(after))
        correction = feet.root_correction
        correction = correction + ROOT_CORRECTION_RATE * (foot_skate(before, after) - correction)
        offsets = foot_lock_offsets(before, after, -correction, feet.offsets)
        return Feet(correction, offsets), floor_correction(after)

    def _white(self, rng: np.random.Generator, count: int) -> FloatArray:
        return rng.standard_normal((count, self.network.config.target_count), dtype=np.float32)

    def _gumbel(self, rng: np.random.Generator, count: int) -> FloatArray:
        return rng.gumbel(size=(count, self.network.config.components)).astype(np.float32)

    @staticmethod
    def _random(seed: int, tick: int) -> np.random.Generator:
        """Chance as a function of seed and tick, so that a state needs no hidden generator."""
        return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, tick + 1]))
