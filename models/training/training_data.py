"""Training batches of the clips to train on and of those held out."""

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.clips import PALETTE_LABELS, Clips, split_clips
from models.data.kinds import kind_of
from models.data.literature import from_literature
from models.data.restyling import Restyling
from models.emotion.palette import DEFAULT_PALETTE
from models.motion.features import positions_to_features
from models.motion.skeleton import FloatArray
from models.network.motion_descriptor import DescriptorSpace
from models.training.config import TrainConfig
from models.training.dagger import PROMPT_FRAMES
from models.training.dataset import WindowSampler
from models.training.motion_database import build_database, condition_names


@dataclass(frozen=True)
class TrainingData:
    """Where windows come from, split by clip."""

    conditions: tuple[str, ...]
    training: WindowSampler
    held_out: WindowSampler
    restyling: Restyling
    prompts: list[FloatArray]
    """two seconds (60, 52) of each clip to train on that is long enough"""
    clips: tuple[int, int]
    """how many to train on, how many held out"""


def with_only_clips(
    clips: Clips, training: NDArray[np.int64], held_out: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same halves (N,), (M,), but that the only clip of a content in a label is trained on: what is held
    out, the dancer could not show in that emotion at all. Where none would be left, all are kept."""
    shown = {(clips.labels[i], clips.contents[i]) for i in training.tolist()}
    only = np.array([(clips.labels[i], clips.contents[i]) not in shown for i in held_out.tolist()], dtype=bool)
    if only.all():
        return training, held_out
    return np.sort(np.concatenate([training, held_out[only]])), held_out[~only]


def split_data(clips: Clips, train_config: TrainConfig, *, keep_rest: bool = False) -> TrainingData:
    """Training batches of the clips to train on and of those held out; `keep_rest` is that of `build_database`.

    Raises ValueError.
    """
    names = condition_names(DEFAULT_PALETTE.names, clips)
    split = with_only_clips(clips, *split_clips(clips))
    unseen = [n for n in DEFAULT_PALETTE.names if not set(PALETTE_LABELS[n]) & set(clips.labels)]
    restyling = Restyling.fit(clips, split[0].tolist(), DEFAULT_PALETTE.names)
    restyling = from_literature(restyling, DEFAULT_PALETTE.names, unseen)
    if unseen:
        print(
            f"models.train: no clip was acted in {', '.join(unseen)}; see models.data.literature",
            file=sys.stderr,
        )

    def sampler(indices: NDArray[np.int64], descriptor_space: DescriptorSpace | None = None) -> WindowSampler:
        """Training batches of some of the clips, their descriptors in the given units or in their own."""
        return WindowSampler(
            build_database(clips, indices.tolist(), names, restyling, keep_rest=keep_rest),
            len(DEFAULT_PALETTE.names),
            length=train_config.length,
            horizon=train_config.horizon,
            input_noise=train_config.input_noise,
            descriptor_space=descriptor_space,
        )

    training = sampler(split[0])
    held_out = sampler(split[1], training.descriptor_space)
    long = [
        clips.clip(i)
        for i in split[0].tolist()
        if len(clips.clip(i)) >= PROMPT_FRAMES and kind_of(clips.contents[i])
    ]
    prompts = [positions_to_features(clip[:PROMPT_FRAMES]) for clip in long]
    return TrainingData(names, training, held_out, restyling, prompts, (len(split[0]), len(split[1])))
