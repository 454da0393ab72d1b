"""One plan of a dancer, from plain tensors to plain tensors, compiled.

A step of one dancer is a hundred small operations, and called one by one each costs more in Python than in
arithmetic; live, each is also a moment at which another thread takes the interpreter. Traced, it is one call.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from models.mixture import Mixture, choose_component, sample_components
from models.motion_space import MotionSpace
from models.network import Cache, FrameNetwork

CALM = 0.05
"""Metres a second added to speeds before they are compared as ratios."""


class Planner(nn.Module):
    """The network for one frame of B dancers, a sample of each component of its mixture, and a choice of one.

    The choice is drawn by the weights of the components and by how well the speed of each sample fits the one
    that was asked for: `pull` is what a factor e between the two costs, in nats. The network alone, asked for
    movement, can stay with the component that stands still, as long as there is one.
    """

    def __init__(self, network: FrameNetwork, space: MotionSpace, pull: float) -> None:
        super().__init__()
        self.network, self.space, self.pull = network, space, pull

    def forward(
        self,
        pose: Tensor,
        step: Tensor,
        label_weights: Tensor,
        wish: Tensor,
        asked: Tensor,
        gumbel: Tensor,
        noise: Tensor,
        keys: Tensor,
        values: Tensor,
        known: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The coming steps (B, horizon, 52) and the three tensors of the cache.

        pose (B, 49), the step (B, 52) that led to it, label_weights (B, L), wish (B, A), asked (B,) m/s,
        gumbel (B, K) to choose a component with, noise (B, Z) in standard deviations.
        """
        frames = self.space.inputs(pose, step)[:, None]
        cache = Cache(keys, values, known)
        mixture, cache = self.network(frames, label_weights[:, None], wish[:, None], cache)
        return self.pick(mixture.last(), asked, gumbel, noise), *cache

    def pick(self, mixture: Mixture, asked: Tensor, gumbel: Tensor, noise: Tensor) -> Tensor:
        """The coming steps (B, horizon, 52) out of the mixture (B, K) over them."""
        plans = self.space.decode(sample_components(mixture, noise))  # (B, K, horizon, 52)
        misfit = torch.log((self.space.speed(plans) + CALM) / (asked[:, None] + CALM))
        chosen = choose_component(mixture.log_weights - self.pull * misfit.square(), gumbel)
        return plans[torch.arange(len(plans), device=plans.device), chosen]


def traced(planner: Planner, example: tuple[Tensor, ...]) -> Any:
    """The planner as one compiled call for inputs shaped like `example`, its weights frozen in and packed.

    Torch calls `torch.jit` old, but its successor needs a C++ compiler on the machine that runs it.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        return torch.jit.optimize_for_inference(torch.jit.trace(planner.eval(), example, check_trace=False))
