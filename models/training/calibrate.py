"""Draw exemplars again so that a trained dancer moves as fast as the clips:
`python -m models.training.calibrate --data clips.npz --checkpoint dancer.safetensors`.

A network moves towards the mean, and calm exemplars are left out when dancing, so some emotions and kinds come
out slower or faster than the clips. The dancer is rolled out, and exemplars of emotions and kinds that differ
by more than `TOLERANCE` are drawn again, livelier or calmer, for a few rounds. The weights stay as they are.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.command_line import with_exit_status
from models.data.clips import join_clips, read_clips
from models.data.kinds import KINDS
from models.generation.generator import Generator
from models.motion.skeleton import FRAME_RATE, FloatArray, joint_speed
from models.network.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from models.training.config import TrainConfig
from models.training.dataset import WindowSampler
from models.training.training_data import split_data

DANCERS = 4
"""Of each emotion and kind."""
SECONDS = 40
ROUNDS = 3
DAMPING = 0.6
"""The power of what was missing that is made up for in a round: livelier exemplars are also shorter of rests,
so that a dance grows by more than its exemplars."""
TOLERANCE = 0.15
"""What a dance may be slower or faster than clips before its exemplars are touched: actors differ more."""
MAX_FACTOR = 1.4
"""The most that exemplars are made livelier, and one over the most that they are made calmer."""


def learnt_speeds(sampler: WindowSampler, count: int) -> FloatArray:
    """Mean joint speed (P, kinds) in m/s of what is learnt in each of `count` emotions and in each kind,
    contents covered as windows are drawn; NaN where no clip shows it."""
    bank = sampler.database
    speeds = np.full((count, len(KINDS)), np.nan)
    for emotion in range(count):
        for kind in range(len(KINDS)):
            if sampler.shows(emotion, kind, 1):
                segments, shares = sampler.segments_of(emotion, kind)
                means = [bank.speed[bank.starts[i] : bank.starts[i + 1]].mean() for i in segments]
                speeds[emotion, kind] = shares @ np.array(means)
    return speeds


def danced_speeds(checkpoint: Checkpoint, seed: int = 0, seconds: int = SECONDS) -> FloatArray:
    """Mean joint speed (P, kinds) in m/s of dances of each emotion and kind, from no prompt."""
    generator, size = Generator(checkpoint), len(checkpoint.palette)
    weights = np.repeat(np.eye(size, dtype=np.float32), len(KINDS) * DANCERS, axis=0)
    repertoire = np.tile(np.repeat(np.eye(len(KINDS)), DANCERS, axis=0), (size, 1))
    state = generator.warm_up(generator.initial_state(len(weights), seed), weights, repertoire=repertoire)
    dance = []
    for _ in range(seconds * FRAME_RATE):
        state = generator.step(state, weights, repertoire=repertoire)
        dance.append(state.positions)
    speeds = [joint_speed(one).mean() for one in np.stack(dance, axis=1)]
    return np.array(speeds).reshape(size, len(KINDS), DANCERS).mean(axis=2)


def calibrated(checkpoint: Checkpoint, sampler: WindowSampler, wanted: FloatArray, seed: int) -> Checkpoint:
    """The same dancer with exemplars of clips that make it as lively as `wanted` (P, kinds) says, drawn with a
    seed."""
    livelier = np.ones(wanted.shape)
    for round_ in range(ROUNDS):
        danced = danced_speeds(_drawn(checkpoint, sampler, livelier, seed), round_)
        missing = np.nan_to_num(wanted / danced, nan=1.0)
        missing[abs(missing - 1.0) <= TOLERANCE] = 1.0
        livelier = np.clip(livelier * missing**DAMPING, 1 / MAX_FACTOR, MAX_FACTOR)
    return _drawn(checkpoint, sampler, livelier, seed)


def _drawn(checkpoint: Checkpoint, sampler: WindowSampler, livelier: FloatArray, seed: int) -> Checkpoint:
    """The same dancer with exemplars drawn anew, `livelier` (P, kinds) times as lively."""
    exemplars = sampler.exemplars(np.random.default_rng([seed, 3]), len(livelier), livelier=livelier)
    return replace(checkpoint, exemplars=exemplars)


@with_exit_status("models.training.calibrate", ValueError, OSError)
def main(arguments: list[str] | None = None) -> None:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.training.calibrate", description=__doc__)
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="clips as written by models.prepare"
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="the dancer, written over")
    parser.add_argument("--seed", type=int, default=TrainConfig().seed)
    options = parser.parse_args(arguments)
    clips = join_clips([read_clips(path) for path in options.data])
    before = read_checkpoint(options.checkpoint)
    sampler = split_data(clips, TrainConfig()).training
    wanted = learnt_speeds(sampler, len(before.palette))
    after = calibrated(before, sampler, wanted, options.seed)
    data = " ".join(path.name for path in options.data)
    command = f"python -m models.training.calibrate --data {data} --seed {options.seed}"
    after = replace(after, card={**after.card, "calibrated": command})
    write_checkpoint(options.checkpoint, after)
    danced = danced_speeds(after, seed=ROUNDS)
    for emotion, name in enumerate(before.palette.names):
        for kind in np.flatnonzero(np.isfinite(wanted[emotion])).tolist():
            speeds = f"learnt {wanted[emotion, kind]:.2f}, danced {danced[emotion, kind]:.2f} m/s"
            print(f"{name}, {KINDS[kind]}: {speeds}")


if __name__ == "__main__":
    sys.exit(main())
