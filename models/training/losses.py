"""What a dancer was ever trained to make small, one idea a function, each a number or a tensor to add up.

Shapes: B sequences, T frames, Z target dimensions, L labels. A delta is how far the joints move from one frame
to the next, relative to the pelvis, the mean over the joints in metres, as the network predicts it. Training
answers every other frame of a window, so a cumulative delta is the sum over half of its frames.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from models.network.mixture import Mixture

MIN_TRAVEL_M = 1e-3
"""Metres added to a cumulative delta before its inverse is taken: who stands still costs much, not infinity."""
MIXTURE_BEGINS, MIXTURE_RAMP = 0.1, (0.2, 0.8)
"""Weight of the mixture's likelihood at first, and between which shares of the training it rises to 1."""


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of predictions (..., Z): least at the mean of all that could come next."""
    return (prediction - target).square().mean()


def absolute_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of predictions (..., Z): least at the median of all that could come next."""
    return (prediction - target).abs().mean()


def weight_l1(weights: Iterable[Tensor]) -> Tensor:
    """Sum of the absolute weights (the lasso: Tibshirani 1996)."""
    return torch.stack([weight.abs().sum() for weight in weights]).sum()


def weight_l2(weights: Iterable[Tensor]) -> Tensor:
    """Sum of the squared weights, a penalty in the loss (Krogh & Hertz 1991); under Adam that is another thing
    than weight decay (Loshchilov & Hutter 2017, arXiv:1711.05101)."""
    return torch.stack([weight.square().sum() for weight in weights]).sum()


def small_movement(deltas: Tensor) -> Tensor:
    """Inverse of the cumulative delta of each sequence (B, T), then the mean: the stillest one decides."""
    return (deltas.sum(dim=1) + MIN_TRAVEL_M).reciprocal().mean()


def small_movement_of_batch(deltas: Tensor) -> Tensor:
    """Inverse of the mean cumulative delta of the batch (B, T): who moves makes up for who stands still."""
    return (deltas.sum(dim=1).mean() + MIN_TRAVEL_M).reciprocal()


def masked_small_movement(deltas: Tensor, threshold: float) -> Tensor:
    """How far deltas (B, T) stay under a threshold in metres, as a share of it; others are masked out."""
    return torch.where(deltas < threshold, 1 - deltas / threshold, 0.0).mean()


def expectation(mixture: Mixture) -> Tensor:
    """Mean (..., Z) of a mixture; with one component, what it predicts."""
    return (mixture.log_weights.exp().unsqueeze(-1) * mixture.means).sum(dim=-2)


def mixture_share(done: float) -> float:
    """Weight of the mixture's likelihood beside the squared error, after a share `done` of the training."""
    begin, end = MIXTURE_RAMP
    risen = min(max((done - begin) / (end - begin), 0.0), 1.0)
    return MIXTURE_BEGINS + (1 - MIXTURE_BEGINS) * risen


def emotion_error(logits: Tensor, conditions: Tensor) -> Tensor:
    """Cross-entropy in nats of logits (B, T, L) where conditions (B, T) name a label and are not -1."""
    named = (conditions >= 0).sum().clamp(min=1)
    return (
        functional.cross_entropy(logits.flatten(0, 1), conditions.flatten(), ignore_index=-1, reduction="sum")
        / named
    )
