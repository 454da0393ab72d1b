"""Mixtures of diagonal Gaussians: likelihood in log space, and sampling that makes movement, not jitter.

Mixture-density networks: Bishop 1994 (Aston University NCRG/94/004); for dance: Pettee et al. 2019,
arXiv:1907.05297.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Mixture(NamedTuple):
    """K Gaussians over Z dimensions, for any leading shape."""

    log_weights: Tensor  # (..., K), normalised
    means: Tensor  # (..., K, Z)
    log_scales: Tensor  # (..., K, Z), log of the standard deviations

    def last(self) -> "Mixture":
        """The mixture of the last frame: (B, T, ...) becomes (B, ...)."""
        return Mixture(self.log_weights[:, -1], self.means[:, -1], self.log_scales[:, -1])


def negative_log_likelihood(mixture: Mixture, target: Tensor) -> Tensor:
    """-log p(target) in nats, shape (...), for target (..., Z)."""
    z = (target.unsqueeze(-2) - mixture.means) * torch.exp(-mixture.log_scales)
    log_normal = -0.5 * z.square() - mixture.log_scales - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(mixture.log_weights + log_normal.sum(-1), dim=-1)


def choose_component(log_weights: Tensor, gumbel: Tensor) -> Tensor:
    """Index (...) of one component each, drawn from log_weights (..., K) by the Gumbel-max rule with the given
    noise (..., K).

    With fresh noise this is an exact draw from the weights.
    """
    return (log_weights + gumbel).argmax(dim=-1)


def sample_components(mixture: Mixture, noise: Tensor) -> Tensor:
    """Of each component the point (..., K, Z) that lies `noise` (..., Z) standard deviations off its mean."""
    return mixture.means + mixture.log_scales.exp() * noise.unsqueeze(-2)


def sample_component(mixture: Mixture, chosen: Tensor, noise: Tensor) -> Tensor:
    """Of one component (...) each the point (..., Z) that lies `noise` (..., Z) standard deviations off its
    mean."""
    index = chosen[..., None, None].expand(*chosen.shape, 1, noise.shape[-1])
    means, log_scales = (part.gather(-2, index).squeeze(-2) for part in (mixture.means, mixture.log_scales))
    return means + log_scales.exp() * noise
