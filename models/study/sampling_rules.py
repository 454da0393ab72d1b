"""Ways to make movement of a mixture, for comparison: which component, and how much of its deviation.

A rule says with what shares (B, K) the samples of the K components are blended, from their weights, from the
speeds at which they would move and from chance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.generation.chunk_sampler import ChunkSampler
from models.generation.generator import Generator
from models.generation.sampling import Sampling
from models.network.checkpoint import Checkpoint
from models.network.mixture import Mixture, choose_component, sample_components
from models.network.motion_space import MotionSpace
from models.network.transformer import MotionNetwork

COSINE_PERIOD_S = 4.0
"""Seconds in which the variance falls from all of it to nothing and rises again."""

Shares = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(log_weights (B, K), speeds (B, K) in m/s, gumbel noise (B, K)) -> shares (B, K) that sum to 1."""


def drawn(log_weights: Tensor, speeds: Tensor, gumbel: Tensor) -> Tensor:
    """One component, drawn by the weights in every frame."""
    return _one(choose_component(log_weights, gumbel), log_weights)


def most_probable(log_weights: Tensor, speeds: Tensor, gumbel: Tensor) -> Tensor:
    """The component of the largest weight."""
    return _one(log_weights.argmax(dim=-1), log_weights)


def next_most_probable(log_weights: Tensor, speeds: Tensor, gumbel: Tensor) -> Tensor:
    """The component of the second largest weight; of one component that one."""
    most = log_weights.topk(min(2, log_weights.shape[-1]), dim=-1).indices
    return _one(most[..., -1], log_weights)


def at_random(log_weights: Tensor, speeds: Tensor, gumbel: Tensor) -> Tensor:
    """Any component in every frame, whatever its weight."""
    return _one(gumbel.argmax(dim=-1), log_weights)


def movement_ranked(log_weights: Tensor, speeds: Tensor, gumbel: Tensor) -> Tensor:
    """All components by their weights, each next slower one for half as much."""
    rank = speeds.argsort(dim=-1, descending=True).argsort(dim=-1)
    shares = log_weights.exp() * 0.5**rank
    return shares / shares.sum(dim=-1, keepdim=True)


def _one(chosen: Tensor, log_weights: Tensor) -> Tensor:
    return functional.one_hot(chosen, log_weights.shape[-1]).to(log_weights.dtype)


@dataclass(frozen=True)
class Rule:
    """How components are blended, by what the variance is divided, and what else is done or left undone."""

    name: str
    idea: str
    shares: Shares = drawn
    variance_divided_by: float = 1.0
    cosine: bool = False
    newest: bool = False
    """dances the newest plan, and not the mean of those that overlap"""
    alone: bool = False
    """the pose is neither led back to what bodies do nor its feet put on the floor"""
    emotion_guidance: float = 0.0
    """see `Sampling`"""

    def deviation(self, seconds: float) -> float:
        """The share of each Gaussian's deviation that is used after so many seconds of dance."""
        variance = 1.0 / self.variance_divided_by
        if self.cosine:
            variance *= 0.5 + 0.5 * np.cos(2 * np.pi * seconds / COSINE_PERIOD_S)
        return float(np.sqrt(variance))


MEAN = Rule("mean", "the mean of the distribution", variance_divided_by=np.inf)
DRAWN = Rule("drawn", "a component drawn by its weight in every frame, with all of its variance")
LEFT_ALONE = Rule(
    "left alone",
    "the mean; neither led back to what bodies do nor its feet put on the floor",
    variance_divided_by=np.inf,
    alone=True,
)
NEWEST = Rule("newest plan", "the newest plan, not the mean of those that overlap", newest=True)
RULES = (
    DRAWN,
    Rule("most probable", "always the component of the largest weight", most_probable),
    Rule("next most probable", "always the component of the second largest weight", next_most_probable),
    Rule("random", "any component in every frame, whatever its weight", at_random),
    Rule("movement-ranked", "all by their weights, each next slower one for half as much", movement_ranked),
    Rule("variance / 10", "drawn, a tenth of the variance", variance_divided_by=10.0),
    Rule("variance / 100", "drawn, a hundredth of the variance", variance_divided_by=100.0),
    Rule("no variance", "drawn, none of the variance", variance_divided_by=np.inf),
    Rule("cosine variance", "drawn, the variance falls to nothing and returns every 4 s", cosine=True),
    Rule("emphasised", "drawn, the emotion emphasised as live", emotion_guidance=Sampling.emotion_guidance),
)


class RuleSampler(ChunkSampler):
    """Blends samples of all components as a rule says."""

    def __init__(self, network: MotionNetwork, space: MotionSpace, rule: Rule) -> None:
        super().__init__(network, space)
        self.rule = rule

    def deviation(self, seconds: float) -> float:
        return self.rule.deviation(seconds)

    def sample(self, mixture: Mixture, gumbel: Tensor, noise: Tensor) -> Tensor:
        plans = self.space.decode(sample_components(mixture, noise))  # (B, K, horizon, 52)
        shares = self.rule.shares(mixture.log_weights, self.space.speed(plans), gumbel)
        return torch.einsum("bk,bkhs->bhs", shares, plans)


def ruled_generator(checkpoint: Checkpoint, rule: Rule) -> Generator:
    """A dancer that follows a rule and hears only the emotion. Noise is drawn anew in every frame."""
    return Generator(
        checkpoint,
        Sampling(
            noise_persistence=0.0,
            ensemble_decay=0.0 if rule.newest else Sampling.ensemble_decay,
            emotion_guidance=rule.emotion_guidance,
            sparsity_boost=0.0,
        ),
        sampler=RuleSampler(checkpoint.network, checkpoint.space, rule),
        compiled=False,
        conditioned=False,
        post_processing=not rule.alone,
    )
