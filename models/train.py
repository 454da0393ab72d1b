"""Train the dancer: `python -m models.train --data clips.npz --out runs/dancer.safetensors`.

On several GPUs: `torchrun --nproc-per-node N -m models.train …` (gradients are averaged over N batches).
"""

import argparse
import os
import platform
import shlex
import sys
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from models.command_line import TORCH_ERRORS, with_exit_status
from models.data.clips import join_clips, read_clips
from models.emotion.palette import DEFAULT_PALETTE
from models.network.card import CheckpointError, is_noncommercial, read_card
from models.network.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from models.network.motion_space import MotionSpace
from models.training.config import TrainConfig
from models.training.state import TrainingState, resume, save_progress
from models.training.trainer import (
    fit_space,
    git_revision,
    new_dagger_buffer,
    new_training_state,
    pick_device,
    steps,
    validation_loss,
)
from models.training.training_data import TrainingData, split_data

LICENCE = "CC BY-NC 4.0"
"""Of what is trained, unless said otherwise: that of the acted data."""


def command_line(options: argparse.Namespace, train_config: TrainConfig) -> str:
    """The command that makes this checkpoint again, without the folders of this machine."""
    changed = {k: v for k, v in asdict(train_config).items() if v != getattr(TrainConfig(), k)}
    extra = "".join(f" --{name.replace('_', '-')} {value}" for name, value in changed.items())
    start = f" --start {options.start.name}" if options.start else ""
    data = " ".join(path.name for path in options.data)
    licence = "" if options.licence == LICENCE else f" --licence {shlex.quote(options.licence)}"
    return f"python -m models.train --data {data} --out {options.out.name}{start}{extra}{licence}"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command line; what cannot be one ends the program with status 2."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="clips as written by models.prepare"
    )
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write, NAME.safetensors")
    parser.add_argument("--resume", action="store_true", help="go on from NAME.progress if it is there")
    parser.add_argument("--start", type=Path, metavar="FILE", help="a checkpoint to begin with")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for all")
    parser.add_argument("--save-every", type=int, default=1000, metavar="STEPS")
    parser.add_argument("--licence", default=LICENCE, help="licence of what is trained on this data")
    for name, value in asdict(TrainConfig()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, metavar="X")
    return parser.parse_args(arguments)


@with_exit_status("models.train", ValueError, OSError, *TORCH_ERRORS)
def main(arguments: list[str] | None = None) -> None:
    """The command line; returns the exit status."""
    options = parse_arguments(arguments)
    if options.save_every < 1:
        raise ValueError(f"--save-every is {options.save_every}; expected at least 1")
    train(options, TrainConfig(**{name: getattr(options, name) for name in asdict(TrainConfig())}))


def progress_file(options: argparse.Namespace) -> Path:
    """Where a run keeps what it needs to be resumed."""
    return Path(options.out.with_suffix(".progress"))


def begin(
    options: argparse.Namespace, train_config: TrainConfig, training_state: TrainingState, space: MotionSpace
) -> None:
    """Start from a checkpoint, or go on where a run stopped, if that was asked for. Raises CheckpointError."""
    if options.start:
        if is_noncommercial(read_card(options.start)) and not is_noncommercial({"licence": options.licence}):
            raise CheckpointError(f"{options.start} may not be used commercially, nor may what begins with it")
        start_from(options.start, training_state, space)
    if options.resume and progress_file(options).exists():
        resume(progress_file(options), training_state, train_config)


def start_from(path: Path, training_state: TrainingState, space: MotionSpace) -> None:
    """Begin with the weights and the units of a checkpoint. Raises CheckpointError, ValueError."""
    before = read_checkpoint(path)
    if before.network.config != training_state.network.config or before.space.horizon != space.horizon:
        raise CheckpointError(f"{path}: its network has other sizes than this recipe; give the same ones")
    for module in (training_state.network, training_state.average):
        module.load_state_dict(before.network.state_dict())
    space.load_state_dict(before.space.state_dict())


def story_of(card: dict[str, Any]) -> dict[str, Any]:
    """What a card says of how its checkpoint came to be, for the card of one that began with it."""
    told = (
        "data",
        "licence",
        "command",
        "git_revision",
        "train_config",
        "seconds",
        "machine",
        "torch",
        "started_from",
    )
    return {name: card[name] for name in told if name in card}


def train(options: argparse.Namespace, train_config: TrainConfig) -> None:
    """The whole run, top to bottom."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = pick_device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    if world > 1:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    torch.manual_seed(train_config.seed)
    data = split_data(join_clips([read_clips(path) for path in options.data]), train_config)
    space, kept = fit_space(train_config, data.training)
    space.to(device)
    training_state = new_training_state(train_config, len(data.conditions), device)
    revision = git_revision()  # of the code that runs, whatever becomes of the checkout meanwhile
    begin(options, train_config, training_state, space)
    wrapped: torch.nn.Module = (
        DistributedDataParallel(training_state.network) if world > 1 else training_state.network
    )
    if rank == 0:
        print(
            f"{data.clips[0]} clips to train on, {data.clips[1]} held out, {len(data.conditions)} conditions; "
            f"{training_state.parameter_count / 1e6:.2f} M parameters on {device}; "
            f"{train_config.target_count} components keep {kept:.2%} of the variance of the plans"
        )

    dagger = new_dagger_buffer(train_config, data, space, training_state, rank)
    losses: deque[float] = deque(maxlen=200)
    history: list[dict[str, float]] = []
    started, first = time.monotonic(), training_state.step
    with tqdm(total=train_config.steps, initial=first, disable=rank > 0, unit="step", mininterval=2.0) as bar:
        for loss in steps(training_state, wrapped, space, data.training, train_config, dagger, rank=rank):
            losses.append(loss)
            bar.update()
            if training_state.step % 50 == 0:
                frames = (training_state.step - first) * train_config.batch * train_config.length * world
                rate = frames / (time.monotonic() - started)
                bar.set_postfix(loss=f"{np.mean(losses):.3f}", frames_per_s=f"{rate:,.0f}")
            last = training_state.step == train_config.steps
            if rank == 0 and (last or training_state.step % options.save_every == 0):
                held = validation_loss(training_state.average, space, data.held_out, train_config)
                history.append({"step": training_state.step, "loss": float(np.mean(losses)), "held_out": held})
                bar.write(f"step {training_state.step}: loss {np.mean(losses):.4f}, held out {held:.4f}")
                save_progress(progress_file(options), training_state, train_config)
                seconds = time.monotonic() - started
                save_checkpoint(options, train_config, data, space, training_state, history, seconds, revision)
    if rank == 0:
        print(f"wrote {options.out} and its card {options.out.with_suffix('.json').name}")
    if world > 1:
        distributed.destroy_process_group()


def save_checkpoint(
    options: argparse.Namespace,
    train_config: TrainConfig,
    data: TrainingData,
    space: MotionSpace,
    training_state: TrainingState,
    history: list[dict[str, float]],
    seconds: float,
    revision: str,
) -> None:
    """Write the running mean of the weights, and the card that says where it comes from."""
    device = next(training_state.network.parameters()).device
    card = {
        "data": [path.name for path in options.data],
        "licence": options.licence,
        "git_revision": revision,
        "train_config": asdict(train_config),
        "command": command_line(options, train_config),
        "clips": {"trained_on": data.clips[0], "held_out": data.clips[1]},
        "parameters": training_state.parameter_count,
        "torch": torch.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {device.type}",
        "seconds": round(seconds),
        "metrics": {"nats_per_dimension": history},
    }
    if options.start:
        card["started_from"] = story_of(read_card(options.start))
    rng = np.random.default_rng([train_config.seed, 3])
    exemplars = data.training.exemplars(rng, len(DEFAULT_PALETTE))
    checkpoint = Checkpoint(
        training_state.average, space, DEFAULT_PALETTE, data.conditions, exemplars, data.restyling, card
    )
    write_checkpoint(options.out, checkpoint)


if __name__ == "__main__":
    sys.exit(main())
