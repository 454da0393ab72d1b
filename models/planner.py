"""One plan of a dancer, from plain tensors to plain tensors, compiled.

A step of one dancer is a hundred small operations, and called one by one each costs more in Python than in
arithmetic; live, each is also a moment at which another thread takes the interpreter. Traced, it is one call.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from models.mixture import choose_component, sample_component
from models.motion_space import MotionSpace
from models.network import Cache, DanceNetwork


class Planner(nn.Module):
    """The network for one frame of B dancers, one sample of its mixture, decoded."""

    def __init__(self, network: DanceNetwork, space: MotionSpace) -> None:
        super().__init__()
        self.network, self.space = network, space

    def forward(
        self,
        pose: Tensor,
        step: Tensor,
        label_weights: Tensor,
        activity: Tensor,
        gumbel: Tensor,
        noise: Tensor,
        keys: Tensor,
        values: Tensor,
        known: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The coming steps (B, horizon, 52) and the three tensors of the cache.

        pose (B, 49), the step (B, 52) that led to it, label_weights (B, L), activity (B, 2), gumbel (B, K) to
        choose a component with, noise (B, Z) in standard deviations.
        """
        frames = self.space.inputs(pose, step)[:, None]
        cache = Cache(keys, values, known)
        mixture, cache = self.network(frames, label_weights[:, None], activity[:, None], cache)
        mixture = mixture.last()
        sample = sample_component(mixture, choose_component(mixture, gumbel), noise)
        return self.space.decode(sample), *cache


def traced(planner: Planner, example: tuple[Tensor, ...]) -> Any:
    """The planner as one compiled call for inputs shaped like `example`, its weights frozen in and packed.

    Torch calls `torch.jit` old, but its successor needs a C++ compiler on the machine that runs it.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        return torch.jit.optimize_for_inference(torch.jit.trace(planner.eval(), example, check_trace=False))
