"""Movement and checkpoints made by code, so that what ships is tested without any data."""

from collections.abc import Sequence

import numpy as np
import torch

from models.checkpoint import Checkpoint
from models.clips import Clips
from models.motion_space import INPUT_COUNT
from models.network import DanceNetwork, NetworkConfig
from models.palette import DEFAULT_PALETTE
from models.recipe import Recipe
from models.restyling import Restyling
from models.skeleton import FloatArray
from models.synthetic import CONTENTS, swinging_figure, synthetic_clips
from models.train import fit_space
from models.windows import WindowSampler, build_bank, condition_names
from models.wish import WISH_COUNT

__all__ = ["TINY", "clips_of", "swinging_figure", "synthetic_clips", "synthetic_sampler", "tiny_dancer"]

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


def clips_of(parts: Sequence[tuple[str, str, str, FloatArray]]) -> Clips:
    """Clips of (data set, content, style, positions (T, 17, 3)), each with a name of its own."""
    datasets, contents, styles, movements = zip(*parts, strict=True)
    names = tuple(f"{'-'.join(part[:3])}-{number}" for number, part in enumerate(parts))
    starts = np.cumsum([0] + [len(movement) for movement in movements])
    return Clips(np.concatenate(movements), starts, names, datasets, contents, styles)


def synthetic_sampler(
    recipe: Recipe = TINY, per_label: int = 2, contents: Sequence[str] = CONTENTS
) -> tuple[WindowSampler, tuple[str, ...]]:
    """A sampler over `synthetic_clips` and the names of its conditions."""
    clips = synthetic_clips(per_label, contents=contents)
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
    restyling = Restyling.none(len(DEFAULT_PALETTE))
    return Checkpoint(network, space, DEFAULT_PALETTE, names, phrases, restyling, card)
