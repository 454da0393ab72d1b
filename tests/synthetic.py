"""Movement and checkpoints made by code, so that what ships is tested without any data."""

import numpy as np
import torch

from models.checkpoint import Checkpoint
from models.motion_space import INPUT_COUNT
from models.network import DanceNetwork, NetworkConfig
from models.palette import DEFAULT_PALETTE
from models.recipe import Recipe
from models.synthetic import swinging_figure, synthetic_clips
from models.train import fit_space
from models.windows import WindowSampler, build_bank, condition_names
from models.wish import WISH_COUNT

__all__ = ["TINY", "swinging_figure", "synthetic_clips", "synthetic_sampler", "tiny_dancer"]

TINY = Recipe(
    steps=3,
    batch=2,
    length=24,
    horizon=4,
    target_count=16,
    width=32,
    layers=2,
    heads=2,
    span=16,
    components=3,
    warm_up=1,
    seed=7,
)


def synthetic_sampler(recipe: Recipe = TINY) -> tuple[WindowSampler, tuple[str, ...]]:
    """A sampler over `synthetic_clips` and the names of its conditions."""
    clips = synthetic_clips()
    names = condition_names(DEFAULT_PALETTE.names, clips)
    bank = build_bank(clips, range(len(clips)), names)
    sampler = WindowSampler(bank, len(DEFAULT_PALETTE), length=recipe.length, horizon=recipe.horizon)
    return sampler, names


def tiny_dancer(recipe: Recipe = TINY) -> Checkpoint:
    """An untrained dancer, small and the same every time."""
    torch.manual_seed(recipe.seed)
    sampler, names = synthetic_sampler(recipe)
    space, _ = fit_space(recipe, sampler)
    config = NetworkConfig(
        input_count=INPUT_COUNT,
        wish_count=WISH_COUNT,
        target_count=recipe.target_count,
        label_count=len(names),
        width=recipe.width,
        layers=recipe.layers,
        heads=recipe.heads,
        span=recipe.span,
        components=recipe.components,
        dropout=recipe.dropout,
    )
    phrases = sampler.phrases(np.random.default_rng(0), len(DEFAULT_PALETTE))
    card = {"licence": "MIT", "data": ["synthetic"]}
    network = DanceNetwork(config).eval()
    return Checkpoint(network, space, DEFAULT_PALETTE, names, phrases, card)
