"""Draws an action chunk, the plan of the coming steps, from the network's mixture, compiled.

A step of one dancer is a hundred small operations, and called one by one each costs more in Python than in
arithmetic; live, each is also a moment at which another thread takes the interpreter. Traced, it is one call.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from models.network.mixture import Mixture, choose_component, sample_component
from models.network.motion_space import MotionSpace
from models.network.transformer import Cache, MotionNetwork


class ChunkSampler(nn.Module):
    """The network for one frame of B dancers, and a sample of one component of its mixture."""

    def __init__(self, network: MotionNetwork, space: MotionSpace) -> None:
        super().__init__()
        self.network, self.space = network, space

    def deviation(self, seconds: float) -> float:
        """The share of each Gaussian's deviation that is used after so many seconds of dance."""
        return 1.0

    def forward(
        self,
        pose: Tensor,
        step: Tensor,
        label_weights: Tensor,
        conditioning: Tensor,
        gumbel: Tensor,
        noise: Tensor,
        keys: Tensor,
        values: Tensor,
        valid: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The coming steps (B, horizon, 52) and the three tensors of the cache.

        pose (B, 49), the step (B, 52) that led to it, label_weights (B, L), conditioning (B, A), gumbel (B, K)
        to choose a component with, noise (B, Z) in standard deviations.
        """
        frames = self.space.inputs(pose, step)[:, None]
        cache = Cache(keys, values, valid)
        mixture, cache = self.network(frames, label_weights[:, None], conditioning[:, None], cache)
        return self.sample(mixture.last(), gumbel, noise), *cache

    def sample(self, mixture: Mixture, gumbel: Tensor, noise: Tensor) -> Tensor:
        """The coming steps (B, horizon, 52) out of the mixture (B, K) over them."""
        chosen = choose_component(mixture.log_weights, gumbel)
        return self.space.decode(sample_component(mixture, chosen, noise))


def traced(sampler: ChunkSampler, example: tuple[Tensor, ...]) -> Any:
    """The sampler as one compiled call for inputs shaped like `example`, its weights frozen in and packed.

    Torch calls `torch.jit` old, but its successor needs a C++ compiler on the machine that runs it.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        return torch.jit.optimize_for_inference(torch.jit.trace(sampler.eval(), example, check_trace=False))
