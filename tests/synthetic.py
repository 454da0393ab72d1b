"""Movement and checkpoints made by code, so that what ships is tested without any data."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from models.data.clips import Clips
from models.data.restyling import Restyling
from models.data.synthetic import CONTENTS, swinging_figure, synthetic_clips
from models.emotion.palette import DEFAULT_PALETTE
from models.generation.state import DanceState
from models.motion.skeleton import STANDING_POSE, FloatArray, forward_kinematics, unit_vectors
from models.network.checkpoint import Checkpoint
from models.network.conditioning import CONDITIONING_SIZE
from models.network.motion_space import INPUT_SIZE
from models.network.transformer import MotionTransformer, NetworkConfig
from models.training.config import TrainConfig
from models.training.dataset import WindowSampler
from models.training.motion_database import build_database, condition_names
from models.training.trainer import fit_space

__all__ = [
    "TINY",
    "clips_of",
    "standing",
    "swinging_figure",
    "synthetic_clips",
    "synthetic_sampler",
    "tiny_dancer",
]

TINY = TrainConfig(
    steps=3,
    batch=2,
    length=24,
    horizon=4,
    target_count=16,
    width=32,
    layers=2,
    heads=2,
    context_length=16,
    components=3,
    warm_up=1,
    seed=7,
)


def standing(pelvis: tuple[float, float, float] = (0.0, 0.9, 0.0)) -> FloatArray:
    """Positions (17, 3) of a body that stands with hanging arms and faces +z."""
    return forward_kinematics(np.array(pelvis), unit_vectors(STANDING_POSE)).astype(np.float32)


def clips_of(parts: Sequence[tuple[str, str, str, FloatArray]]) -> Clips:
    """Clips of (data set, content, style, positions (T, 17, 3)), each with a name of its own."""
    datasets, contents, styles, movements = zip(*parts, strict=True)
    names = tuple(f"{'-'.join(part[:3])}-{number}" for number, part in enumerate(parts))
    starts = np.cumsum([0] + [len(movement) for movement in movements])
    return Clips(np.concatenate(movements), starts, names, datasets, contents, styles)


def synthetic_sampler(
    train_config: TrainConfig = TINY, per_label: int = 2, contents: Sequence[str] = CONTENTS
) -> tuple[WindowSampler, tuple[str, ...]]:
    """A sampler over `synthetic_clips` and the names of its conditions."""
    clips = synthetic_clips(per_label, contents=contents)
    names = condition_names(DEFAULT_PALETTE.names, clips)
    database = build_database(clips, range(len(clips)), names)
    sampler = WindowSampler(
        database, len(DEFAULT_PALETTE), length=train_config.length, horizon=train_config.horizon
    )
    return sampler, names


def tiny_dancer(train_config: TrainConfig = TINY) -> Checkpoint:
    """An untrained dancer, small and the same every time."""
    torch.manual_seed(train_config.seed)
    sampler, names = synthetic_sampler(train_config)
    space, _ = fit_space(train_config, sampler)
    config = NetworkConfig(
        input_size=INPUT_SIZE,
        conditioning_size=CONDITIONING_SIZE,
        target_count=train_config.target_count,
        label_count=len(names),
        width=train_config.width,
        layers=train_config.layers,
        heads=train_config.heads,
        context_length=train_config.context_length,
        components=train_config.components,
        dropout=train_config.dropout,
    )
    exemplars = sampler.exemplars(np.random.default_rng(0), len(DEFAULT_PALETTE))
    card = {"licence": "MIT", "data": ["synthetic"]}
    network = MotionTransformer(config).eval()
    restyling = Restyling.none(len(DEFAULT_PALETTE))
    return Checkpoint(network, space, DEFAULT_PALETTE, names, exemplars, restyling, card)


def moved_by(state: DanceState, metres: float) -> DanceState:
    """The state with its dancers moved on the stage, in x and z."""
    return replace(state, root=replace(state.root, position=state.root.position + metres))


def without_numbers(state: DanceState, part: str) -> DanceState:
    """The state with NaN in a part: "pose", "root.facing"."""
    group, _, name = part.partition(".")
    if not name:
        return replace(state, **{group: getattr(state, group) * np.nan})
    value = getattr(state, group)
    return replace(state, **{group: replace(value, **{name: getattr(value, name) * np.nan})})
