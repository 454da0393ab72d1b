"""Ask for what will be danced: `python -m models.calibrate --data clips.npz --checkpoint dancer.safetensors`.

A dancer that is asked for a speed dances somewhat slower or faster, and in one emotion more so than in another:
a network moves towards the mean, and calm phrases are left out live. So a dancer that is done learning dances
for a while, and the phrases of emotions that are too slow or too fast beside real clips are drawn anew,
livelier or calmer by most of what was missing or too much, a few times over. The weights stay as they are.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.card import CheckpointError
from models.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from models.clips import Clips, ClipsError, read_clips, split_clips
from models.generator import Generator
from models.judge import emotion_of
from models.recipe import Recipe
from models.skeleton import FRAME_RATE, FloatArray, joint_speed
from models.train import split_data
from models.windows import WindowSampler

DANCERS = 8
"""Of each emotion."""
SECONDS = 40
ROUNDS = 3
DAMPING = 0.6
"""The power of what was missing that is made up for in a round: livelier phrases are also shorter of rests, so
that a dance grows by more than its phrases."""
TOLERANCE = 0.15
"""What a dance may be slower or faster than real clips before its phrases are touched: actors differ more."""
MOST = 1.4
"""The most that phrases are made livelier, and one over the most that they are made calmer."""


def real_speeds(clips: Clips, indices: Sequence[int], palette: Sequence[str]) -> FloatArray:
    """Mean joint speed (P,) in m/s of the clips at `indices` that show each emotion, NaN where none does."""
    speeds: list[float] = []
    for emotion in range(len(palette)):
        own = [i for i in indices if emotion_of(clips.labels[i], palette) == emotion]
        frames = [joint_speed(clips.clip(i)) for i in own]
        speeds.append(float(np.concatenate(frames).mean()) if frames else float("nan"))
    return np.array(speeds)


def danced_speeds(checkpoint: Checkpoint, seed: int = 0, seconds: int = SECONDS) -> FloatArray:
    """Mean joint speed (P,) in m/s of dances of each emotion, from no prompt."""
    generator, size = Generator(checkpoint), len(checkpoint.palette)
    weights = np.repeat(np.eye(size, dtype=np.float32), DANCERS, axis=0)
    state = generator.warm(generator.start(len(weights), seed), weights)
    dance = []
    for _ in range(seconds * FRAME_RATE):
        state = generator.step(state, weights)
        dance.append(state.positions)
    speeds = [joint_speed(one).mean() for one in np.stack(dance, axis=1)]
    return np.array(speeds).reshape(size, DANCERS).mean(axis=1)


def calibrated(checkpoint: Checkpoint, sampler: WindowSampler, real: FloatArray, seed: int) -> Checkpoint:
    """The same dancer with phrases of clips that make it as lively as `real` (P,) says, drawn with a seed."""
    livelier = np.ones(len(checkpoint.palette))
    for round_ in range(ROUNDS):
        missing = np.nan_to_num(
            real / danced_speeds(_drawn(checkpoint, sampler, livelier, seed), round_), nan=1.0
        )
        missing[abs(missing - 1.0) <= TOLERANCE] = 1.0
        livelier = np.clip(livelier * missing**DAMPING, 1 / MOST, MOST)
    return _drawn(checkpoint, sampler, livelier, seed)


def _drawn(checkpoint: Checkpoint, sampler: WindowSampler, livelier: FloatArray, seed: int) -> Checkpoint:
    phrases = sampler.phrases(np.random.default_rng([seed, 3]), len(livelier), livelier=livelier)
    return replace(checkpoint, phrases=phrases)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.calibrate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="clips as written by models.prepare")
    parser.add_argument("--checkpoint", type=Path, required=True, help="the dancer, written over")
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    options = parser.parse_args(arguments)
    try:
        clips, before = read_clips(options.data), read_checkpoint(options.checkpoint)
        indices = split_clips(clips)[0].tolist()
        real = real_speeds(clips, indices, before.palette.names)
        after = calibrated(before, split_data(clips, Recipe()).training, real, options.seed)
        command = f"python -m models.calibrate --data {options.data.name} --seed {options.seed}"
        after = replace(after, card={**after.card, "calibrated": command})
        write_checkpoint(options.checkpoint, after)
    except (CheckpointError, ClipsError, ValueError, OSError) as error:
        print(f"models.calibrate: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    speeds = zip(before.palette.names, real, danced_speeds(after, seed=ROUNDS), strict=True)
    print("\n".join(f"{name}: real {own:.2f}, danced {danced:.2f} m/s" for name, own, danced in speeds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
