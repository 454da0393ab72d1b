"""The streaming dancer: one call, one frame, for ever, at constant cost.

All that a dance is lives in a `DanceState`, a plain value: copy it, save it, go back to it. The network plans
the coming quarter of a second at every frame; the step that is danced is the mean of what the newest plans say
of this moment, so a new idea enters like a breath and not like a blow (action chunking with temporal
ensembling: Zhao et al. 2023, arXiv:2304.13705).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.activity import QUANTILES, activity_input
from models.checkpoint import Checkpoint
from models.features import FEATURE_COUNT, HEIGHT, PLANAR_VELOCITY, YAW_RATE, advance, pose_positions, turn_back
from models.footing import rise, slide
from models.mixture import choose_component, sample_component
from models.motion_space import POSE_COUNT, steps_of, unit_directions
from models.network import Cache
from models.skeleton import FRAME_RATE, FloatArray

TEMPERATURE_RANGE = (0.5, 1.2)
"""What energy may make of the temperature."""
SEAM = 20
"""Frames over which a jump of context fades."""


@dataclass(frozen=True)
class Sampling:
    """How the mixture is turned into movement."""

    temperature: float = 1.0
    """share of each Gaussian's deviation that is used, at energy 1"""
    decision_rate: float = 1.0
    """mean number of times a second that the choice of component is drawn anew"""
    overlap: float = 0.9
    """weight of each plan relative to the next newer one when their steps are averaged"""
    activity_wander: float = 2.0
    """seconds over which the asked activity wanders"""
    lowest_rank: float = 0.4
    """the calmest that the dancer is ever asked to be, as a rank of what the actors did in this emotion"""
    stage_radius: float = 1.5
    """metres from the middle of the stage beyond which the dancer is turned back"""


@dataclass(frozen=True, eq=False)
class DanceState:
    """Everything that the next frame depends on, for B dancers; never changed in place."""

    pose: Tensor  # (B, 49)
    step: Tensor  # (B, 52) that led to it
    cache: Cache | None  # of the frames before it
    plans: Tensor  # (B, horizon, horizon, 52): plans[:, a] was made a frames ago, from its own first step on
    gumbel: Tensor  # (B, K)
    rank: Tensor  # (B,) standard normal, the wandering rank of the asked activity
    seam: Tensor  # (B, 52) what the shown pose differs by from the danced one, right after a jump of context
    seam_age: int  # frames since
    place: FloatArray  # (B, 2) metres, x and z of the pelvis
    yaw: FloatArray  # (B,) radians
    seed: int
    tick: int

    @property
    def features(self) -> FloatArray:
        """The present frame (B, 52) as in `models.features`."""
        return torch.cat([self.pose, self.step[:, POSE_COUNT:]], dim=-1).cpu().numpy()

    @property
    def shown_features(self) -> FloatArray:
        """The frame (B, 52) to show: a jump of context fades from the old pose to the new one."""
        if self.seam_age >= SEAM:
            return self.features
        fade = 0.5 + 0.5 * np.cos(np.pi * self.seam_age / SEAM)
        seamless = torch.from_numpy(self.features) + fade * self.seam.cpu()
        return unit_directions(seamless).numpy()

    @property
    def positions(self) -> FloatArray:
        """The present frame as joint positions (B, 17, 3) float32 in metres on the stage."""
        return pose_positions(self.shown_features.astype(np.float64), self.place, self.yaw).astype(np.float32)


class Generator:
    """Steps dancers of one checkpoint."""

    def __init__(self, checkpoint: Checkpoint, sampling: Sampling | None = None) -> None:
        self.checkpoint = checkpoint
        self.sampling = sampling or Sampling()
        self.network, self.space = checkpoint.network, checkpoint.space
        self.device = next(self.network.parameters()).device
        self._ranges = np.array(checkpoint.activity_ranges)  # (P, 11)

    def start(self, count: int = 1, seed: int = 0) -> DanceState:
        """`count` dancers standing in the middle of the stage, about to begin."""
        config, horizon = self.network.config, self.space.horizon
        pose = unit_directions(self.space.pose_mean)[None].repeat(count, 1)
        rng = self._random(seed, -1)
        return DanceState(
            pose=pose,
            step=torch.zeros(count, self.space.step_scale.shape[0], device=self.device),
            cache=None,
            plans=torch.zeros(count, 0, horizon, self.space.step_scale.shape[0], device=self.device),
            gumbel=self._gumbel(rng, count, config.components),
            rank=self._normal(rng, count),
            seam=torch.zeros(count, FEATURE_COUNT),
            seam_age=SEAM,
            place=np.zeros((count, 2)),
            yaw=np.zeros(count),
            seed=seed,
            tick=0,
        )

    def warm(self, state: DanceState, emotion_weights: FloatArray, frames: int = FRAME_RATE) -> DanceState:
        """Dance unseen for some frames, so that a dancer who has just been started is already moving."""
        for _ in range(frames):
            state = self.step(state, emotion_weights)
        return replace(state, place=np.zeros_like(state.place), yaw=np.zeros_like(state.yaw))

    @torch.inference_mode()
    def prompt(self, state: DanceState, features: FloatArray, *, seamless: bool = True) -> DanceState:
        """Make other movement the dancer's past: features (T, 52) or (B, T, 52) of T >= 2 frames.

        The place on the stage and the heading stay. The movement counts as being in no particular emotion. The
        pose that is shown fades from the old one to the new one, unless `seamless` is False.
        """
        past = torch.as_tensor(np.asarray(features), dtype=torch.float32, device=self.device)
        past = past.expand(len(state.pose), *past.shape[-2:])
        past = unit_directions(past[:, -self.network.config.span - 1 :])
        steps = steps_of(past)
        poses = past[:, 1:, :POSE_COUNT]
        cache = None
        count, length = len(poses), poses.shape[1] - 1  # the last frame is the first that `step` takes in
        if length > 0:
            labels = torch.zeros(count, length, self.network.config.label_count, device=self.device)
            activity = torch.full((count, length), torch.nan, device=self.device)
            tokens = self.space.inputs(poses[:, :-1], steps[:, :-1])
            _, cache = self.network(tokens, labels, activity)
        prompted = replace(
            state, pose=poses[:, -1], step=steps[:, -1], cache=cache, plans=state.plans[:, :0], seam_age=SEAM
        )
        return self.sew(state, prompted) if seamless else prompted

    @staticmethod
    def sew(before: DanceState, after: DanceState) -> DanceState:
        """`after`, standing where `before` stood and shown as if it grew out of it."""
        seam = torch.from_numpy(before.shown_features - after.features)
        return replace(after, seam=seam, seam_age=0, place=before.place, yaw=before.yaw, tick=before.tick)

    @torch.inference_mode()
    def step(
        self,
        state: DanceState,
        emotion_weights: FloatArray | Sequence[float],
        energy: float = 1.0,
        toward: FloatArray | None = None,
        influence: float = 0.0,
    ) -> DanceState:
        """Dance one frame.

        emotion_weights (P,) or (B, P) over the palette; energy scales the activity asked for and, by its
        root, the temperature; toward (52,) or (B, 52) is a pose whose bone directions draw the dancer, by a
        share `influence` of the difference in each frame.
        """
        sampling = self.sampling
        weights = np.broadcast_to(
            np.asarray(emotion_weights, dtype=np.float32), (len(state.pose), len(self._ranges))
        )
        rng = self._random(state.seed, state.tick)
        noise, gumbel, rank = self._wander(state, rng)
        mixture, cache = self.network(
            self.space.inputs(state.pose, state.step)[:, None],
            self._labels(weights)[:, None],
            self._activity(weights, rank, energy)[:, None],
            state.cache,
        )
        mixture = mixture.last()
        hot = sampling.temperature * float(np.clip(np.sqrt(energy), *TEMPERATURE_RANGE))
        temperature = torch.full((len(state.pose),), hot, device=self.device)
        chosen = choose_component(mixture, gumbel)
        plan = self.space.decode(sample_component(mixture, chosen, noise, temperature))
        plans = torch.cat([plan[:, None], state.plans], dim=1)[:, : self.space.horizon]
        moved, rates = self._dance(state.pose, plans, toward, influence)
        pose, step, place, yaw = self._travel(state, moved, rates)
        return replace(
            state,
            pose=pose,
            step=step,
            cache=cache,
            plans=plans,
            gumbel=gumbel,
            rank=rank,
            place=place,
            yaw=yaw,
            seam_age=min(state.seam_age + 1, SEAM),
            tick=state.tick + 1,
        )

    def _dance(
        self, pose: Tensor, plans: Tensor, toward: FloatArray | None, influence: float
    ) -> tuple[Tensor, Tensor]:
        """The next pose (B, 49) and rates (B, 3): the plans' mean opinion, drawn towards `toward`."""
        ages = torch.arange(plans.shape[1], device=self.device)
        share = self.sampling.overlap**ages
        share = share / share.sum()
        step = (plans[:, ages, ages] * share[:, None]).sum(dim=1)  # what was planned a frames ago for now
        moved = pose + step[:, :POSE_COUNT]
        if toward is not None and influence > 0:
            goal = torch.as_tensor(np.asarray(toward), dtype=torch.float32, device=self.device)
            difference = goal[..., :POSE_COUNT] - moved
            difference[..., -1] = 0.0  # the height stays the dancer's own: bodies differ
            moved = moved + influence * difference
        return unit_directions(moved), step[:, POSE_COUNT:]

    def _travel(
        self, state: DanceState, pose: Tensor, rates: Tensor
    ) -> tuple[Tensor, Tensor, FloatArray, FloatArray]:
        """The body on the stage: (pose, step, place, yaw) with its feet on the floor, turned back at the edge.

        Whatever moved the body is written into the step, so that the network knows what it did.
        """
        before = pose_positions(state.features.astype(np.float64), state.place, state.yaw)
        features = torch.cat([pose, rates], dim=-1).cpu().numpy().astype(np.float64)
        place, yaw = advance(features, state.place, state.yaw)
        after = pose_positions(features, place, yaw)
        slid = slide(before, after)
        features[:, HEIGHT] += rise(after)
        place = place - slid
        sideways, forward = np.moveaxis(turn_back(place - state.place, state.yaw), -1, 0)
        features[:, PLANAR_VELOCITY] = np.stack([sideways, forward], axis=-1) * FRAME_RATE
        yaw = yaw + self._bend(state.place, place)
        features[:, YAW_RATE] = (yaw - state.yaw) * FRAME_RATE
        danced = torch.as_tensor(features, dtype=torch.float32, device=self.device)
        step = torch.cat([danced[:, :POSE_COUNT] - state.pose, danced[:, POSE_COUNT:]], dim=-1)
        return danced[:, :POSE_COUNT], step, place, yaw

    def _bend(self, before: FloatArray, place: FloatArray) -> FloatArray:
        """Radians (B,) by which the heading bends inwards near the edge of the stage.

        The network does not know which way it faces, so this costs nothing.
        """
        travelled = place - before
        speed = np.linalg.norm(travelled, axis=-1) * FRAME_RATE
        going = np.arctan2(travelled[:, 0], travelled[:, 1])
        inwards = np.arctan2(-place[:, 0], -place[:, 1])
        wrong = (inwards - going + np.pi) % (2 * np.pi) - np.pi
        beyond = np.clip(np.linalg.norm(place, axis=-1) / self.sampling.stage_radius - 0.5, 0.0, 1.0)
        fastest = 2.5 / FRAME_RATE * beyond * np.clip(speed, 0.0, 1.0)
        return np.clip(wrong, -fastest, fastest)

    def _wander(self, state: DanceState, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The three kinds of chance: white noise, a choice that is held, an activity that wanders."""
        count, config = len(state.pose), self.network.config
        noise = self._normal(rng, count, config.target_count)
        anew = torch.from_numpy(rng.random((count, 1)) < self.sampling.decision_rate / FRAME_RATE)
        fresh = self._gumbel(rng, count, config.components)
        gumbel = torch.where(anew.to(self.device), fresh, state.gumbel)
        kept = float(np.exp(-1.0 / (FRAME_RATE * self.sampling.activity_wander)))
        rank = kept * state.rank + (1 - kept**2) ** 0.5 * self._normal(rng, count)
        return noise, gumbel, rank

    def _labels(self, weights: FloatArray) -> Tensor:
        labels = torch.zeros(len(weights), self.network.config.label_count)
        labels[:, : weights.shape[1]] = torch.from_numpy(weights.copy())
        return labels.to(self.device)

    def _activity(self, weights: FloatArray, rank: Tensor, energy: float) -> Tensor:
        """What the network is told of the coming second: drawn from the emotion's own range."""
        share = torch.special.ndtr(rank).cpu().numpy()
        share = self.sampling.lowest_rank + (0.97 - self.sampling.lowest_rank) * share
        ranges = weights @ self._ranges  # (B, 11)
        speed = np.array([np.interp(s, QUANTILES, row) for s, row in zip(share, ranges, strict=True)])
        return torch.as_tensor(activity_input(speed * energy), dtype=torch.float32, device=self.device)

    @staticmethod
    def _random(seed: int, tick: int) -> np.random.Generator:
        """Chance as a function of seed and tick, so that a state needs no hidden generator."""
        return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, tick + 1]))

    def _normal(self, rng: np.random.Generator, *shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)).to(self.device)

    def _gumbel(self, rng: np.random.Generator, *shape: int) -> Tensor:
        return torch.from_numpy(rng.gumbel(size=shape).astype(np.float32)).to(self.device)
