"""Movement and checkpoints made by code, so that what ships is tested without any data."""

import numpy as np
import torch

from models.checkpoint import Checkpoint
from models.clips import PALETTE_LABELS, Clips
from models.motion_space import INPUT_COUNT
from models.network import DanceNetwork, NetworkConfig
from models.palette import DEFAULT_PALETTE
from models.recipe import Recipe
from models.skeleton import BONE_COUNT, FRAME_RATE, INDEX, FloatArray, forward_kinematics, unit_vectors
from models.train import fit_space
from models.windows import WindowSampler, build_bank, condition_names
from models.wish import WISH_COUNT

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
STANDING = {
    "neck": (0, 1, 0),
    "head": (0, 1, 0.2),
    "left_shoulder": (1, 0, 0),
    "left_elbow": (0.2, -1, 0),
    "left_wrist": (0.1, -1, 0.2),
    "right_shoulder": (-1, 0, 0),
    "right_elbow": (-0.2, -1, 0),
    "right_wrist": (-0.1, -1, 0.2),
    "left_hip": (1, 0, 0),
    "left_knee": (0.05, -1, 0.05),
    "left_ankle": (0, -1, -0.05),
    "left_toe": (0, -0.6, 0.8),
    "right_hip": (-1, 0, 0),
    "right_knee": (-0.05, -1, 0.05),
    "right_ankle": (0, -1, -0.05),
    "right_toe": (0, -0.6, 0.8),
}


def swinging_figure(frames: int, *, rate: float = 1.0, turn: float = 0.0, phase: float = 0.0) -> FloatArray:
    """Positions (frames, 17, 3) of a figure that swings its arms `rate` times a second, walks and turns."""
    time = np.arange(frames) / FRAME_RATE
    swing = 0.6 * np.sin(2 * np.pi * rate * time + phase)
    directions = np.tile(np.array([STANDING[name] for name in list(INDEX)[1:]], dtype=float), (frames, 1, 1))
    for side, sign in (("left", 1), ("right", -1)):
        for joint in ("elbow", "wrist"):
            directions[:, INDEX[f"{side}_{joint}"] - 1, 2] += sign * swing
        for joint in ("knee", "ankle"):
            directions[:, INDEX[f"{side}_{joint}"] - 1, 2] -= 0.5 * sign * swing
    yaw = turn * time
    heading = np.stack([np.sin(yaw), np.zeros(frames), np.cos(yaw)], axis=-1)
    pelvis = np.cumsum(0.5 / FRAME_RATE * heading, axis=0) + [0.0, 0.88, 0.0]
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, y, z = np.moveaxis(directions, -1, 0)
    directions = np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)
    assert directions.shape[1] == BONE_COUNT
    return forward_kinematics(pelvis, unit_vectors(directions)).astype(np.float32)


def synthetic_clips(per_label: int = 2, frames: int = 70) -> Clips:
    """Clips of every label of the palette and of one other style, each with its own rate of swinging."""
    labels = [label for labels in PALETTE_LABELS.values() for label in labels] + ["1/giant"]
    movements, datasets, styles, names = [], [], [], []
    for number, label in enumerate(labels):
        for take in range(per_label):
            rate = 0.4 + 0.15 * number
            movements.append(swinging_figure(frames, rate=rate, turn=0.3 * take, phase=take))
            dataset, style = label.split("/")
            datasets.append(dataset)
            styles.append(style)
            names.append(f"{dataset}-{style}-{take}")
    starts = np.cumsum([0] + [len(movement) for movement in movements])
    contents = tuple("swing" for _ in names)
    return Clips(np.concatenate(movements), starts, tuple(names), tuple(datasets), contents, tuple(styles))


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
