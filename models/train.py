"""Train the dancer: `python -m models.train --data clips.npz --out runs/dancer.safetensors`.

On several GPUs: `torchrun --nproc-per-node N -m models.train …` (gradients are averaged over N batches).
"""

import argparse
import math
import os
import platform
import shlex
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from models.card import CheckpointError, is_noncommercial, read_card
from models.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from models.clips import PALETTE_LABELS, Clips, ClipsError, join_clips, read_clips, split_clips
from models.conditioning import CONDITIONING_SIZE
from models.dagger import PROMPT_FRAMES, DaggerBuffer
from models.dataset import TrainingBatch, WindowSampler, build_database, concatenated, condition_names
from models.features import positions_to_features
from models.kinds import kind_of
from models.literature import from_literature
from models.motion_descriptor import DescriptorSpace
from models.motion_matching import MotionMatcher
from models.motion_space import INPUT_SIZE, MotionSpace
from models.network import MotionNetwork, MotionTransformer, NetworkConfig
from models.objectives import Objective, Prediction, likelihood
from models.palette import DEFAULT_PALETTE
from models.restyling import Restyling
from models.skeleton import FloatArray
from models.train_config import TrainConfig
from models.training_state import TrainingState, resume, save_progress

LICENCE = "CC BY-NC 4.0"
"""Of what is trained, unless said otherwise: that of the acted data."""


def learning_rate(train_config: TrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to a twentieth."""
    if step < train_config.warm_up:
        return train_config.learning_rate * (step + 1) / train_config.warm_up
    done = (step - train_config.warm_up) / max(train_config.steps - train_config.warm_up, 1)
    return train_config.learning_rate * (0.05 + 0.95 * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0))))


def loss_of(
    network: torch.nn.Module,
    space: MotionSpace,
    windows: TrainingBatch,
    device: torch.device,
    output_frames: slice,
    objective: Objective = likelihood,
    done: float = 1.0,
) -> Tensor:
    """What the objective says of the plans of the `output_frames` frames, after a share `done` of the steps."""
    poses, steps, conditioning, plans = (
        torch.from_numpy(array).to(device, non_blocking=True)
        for array in (windows.poses, windows.steps, windows.conditioning, windows.plans)
    )
    conditions = torch.from_numpy(windows.conditions).to(device)
    inner = unwrapped(network)
    count = inner.config.label_count
    labels = torch.nn.functional.one_hot(conditions.clamp(min=0), count) * (conditions >= 0).unsqueeze(-1)
    # On a CPU without instructions for it bfloat16 is a hundred times slower than float32, so only on a GPU.
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        mixture, _ = network(space.inputs(poses, steps), labels.float(), conditioning, None, output_frames)
    target = space.encode(plans[:, output_frames])
    return objective(Prediction(inner, space, mixture, target, conditions[:, output_frames], done))


def unwrapped(network: torch.nn.Module) -> MotionNetwork:
    """The network itself, wrapped for several GPUs or not."""
    inner = network.module if isinstance(network, DistributedDataParallel) else network
    assert isinstance(inner, MotionNetwork)
    return inner


def fit_space(train_config: TrainConfig, sampler: WindowSampler) -> tuple[MotionSpace, float]:
    """Measure the units on windows that no training step sees again."""
    rng = np.random.default_rng([train_config.seed, 0])
    windows = sampler.draw(rng, 384)
    real = sampler.like(horizon=train_config.horizon, input_noise=0.0, conditioned=True)
    bodies = real.draw(np.random.default_rng([train_config.seed, 5]), 384).poses
    space = MotionSpace(train_config.horizon, train_config.target_count)
    plans = windows.plans[:, ::4].reshape(-1, *windows.plans.shape[2:])
    poses, bodies = (part.reshape(-1, part.shape[-1]) for part in (windows.poses, bodies))
    kept = space.fit(poses, plans, bodies)
    return space, kept


class Diverged(ValueError):
    """The loss left the finite numbers."""


def train_step(
    training_state: TrainingState,
    wrapped: torch.nn.Module,
    space: MotionSpace,
    windows: TrainingBatch,
    train_config: TrainConfig,
    objective: Objective = likelihood,
) -> float:
    """One step of AdamW and of the running mean; returns the loss. Raises Diverged."""
    device = next(training_state.network.parameters()).device
    for group in training_state.optimizer.param_groups:
        group["lr"] = learning_rate(train_config, training_state.step)
    # Plans of neighbouring frames say nearly the same: every other one, in turn, halves the cost of the head.
    output_frames, done = slice(training_state.step % 2, None, 2), training_state.step / train_config.steps
    loss = loss_of(wrapped, space, windows, device, output_frames, objective, done)
    training_state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(training_state.network.parameters(), 1.0)
    training_state.optimizer.step()
    decay = min(train_config.ema_decay, (training_state.step + 1) / (training_state.step + 10))
    with torch.no_grad():
        for mean, new in zip(
            training_state.average.parameters(), training_state.network.parameters(), strict=True
        ):
            mean.lerp_(new, 1 - decay)
    training_state.step += 1
    if not math.isfinite(value := float(loss.detach())):
        raise Diverged(f"the loss is {value} at step {training_state.step}; lower --learning-rate")
    return value


@torch.no_grad()
def validation_loss(
    network: MotionNetwork,
    space: MotionSpace,
    sampler: WindowSampler,
    train_config: TrainConfig,
    batches: int = 8,
) -> float:
    """Mean loss on windows of held-out clips, the same windows each time."""
    device = next(network.parameters()).device
    rng = np.random.default_rng([train_config.seed, 1])
    draws = [sampler.draw(rng, train_config.batch) for _ in range(batches)]
    losses = [float(loss_of(network, space, windows, device, slice(None, None, 2))) for windows in draws]
    return sum(losses) / len(losses)


def git_revision() -> str:
    """The revision of the code, or "unknown" outside a checkout."""
    try:
        folder = Path(__file__).parent
        call = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def command_line(options: argparse.Namespace, train_config: TrainConfig) -> str:
    """The command that makes this checkpoint again, without the folders of this machine."""
    changed = {k: v for k, v in asdict(train_config).items() if v != getattr(TrainConfig(), k)}
    extra = "".join(f" --{name.replace('_', '-')} {value}" for name, value in changed.items())
    start = f" --start {options.start.name}" if options.start else ""
    data = " ".join(path.name for path in options.data)
    licence = "" if options.licence == LICENCE else f" --licence {shlex.quote(options.licence)}"
    return f"python -m models.train --data {data} --out {options.out.name}{start}{extra}{licence}"


def pick_device(asked: str) -> torch.device:
    """The device asked for; "auto" takes CUDA, then MPS, then the CPU."""
    if asked != "auto":
        return torch.device(asked)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


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


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = parse_arguments(arguments)
    try:
        if options.save_every < 1:
            raise ValueError(f"--save-every is {options.save_every}; expected at least 1")
        train(options, TrainConfig(**{name: getattr(options, name) for name in asdict(TrainConfig())}))
    except (CheckpointError, ClipsError, ValueError, OSError, RuntimeError, AssertionError) as error:
        # torch says with an AssertionError that it knows no CUDA
        print(f"models.train: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


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
    """TrainingBatch of the clips to train on and of those held out; `keep_rest` is that of `build_database`.

    Raises ValueError.
    """
    names = condition_names(DEFAULT_PALETTE.names, clips)
    split = with_only_clips(clips, *split_clips(clips))
    unseen = [n for n in DEFAULT_PALETTE.names if not set(PALETTE_LABELS[n]) & set(clips.labels)]
    restyling = Restyling.fit(clips, split[0].tolist(), DEFAULT_PALETTE.names)
    restyling = from_literature(restyling, DEFAULT_PALETTE.names, unseen)
    if unseen:
        print(
            f"models.train: no clip was acted in {', '.join(unseen)}; see models.literature",
            file=sys.stderr,
        )

    def sampler(indices: NDArray[np.int64], descriptor_space: DescriptorSpace | None = None) -> WindowSampler:
        """TrainingBatch of some of the clips, their descriptor_space in the given units or in their own."""
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


def config_of(train_config: TrainConfig, label_count: int) -> NetworkConfig:
    """The sizes of the network that a recipe trains."""
    return NetworkConfig(
        input_size=INPUT_SIZE,
        conditioning_size=CONDITIONING_SIZE,
        target_count=train_config.target_count,
        label_count=label_count,
        width=train_config.width,
        layers=train_config.layers,
        heads=train_config.heads,
        context_length=train_config.context_length,
        components=train_config.components,
        dropout=train_config.dropout,
    )


def new_trainee(
    train_config: TrainConfig,
    label_count: int,
    device: torch.device,
    kind: type[MotionNetwork] = MotionTransformer,
) -> TrainingState:
    """A network that knows nothing yet, and its optimizer. Weight decay is for matrices alone."""
    config = config_of(train_config, label_count)
    network, average = kind(config).to(device), kind(config).to(device)
    average.load_state_dict(network.state_dict())
    average.eval()
    matrices = [p for p in network.parameters() if p.dim() > 1]
    vectors = [p for p in network.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": train_config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=train_config.learning_rate,
        betas=(0.9, 0.98),
    )
    return TrainingState(network, average, optimizer)


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


def new_dagger_buffer(
    train_config: TrainConfig, data: TrainingData, space: MotionSpace, training_state: TrainingState, rank: int
) -> DaggerBuffer:
    """A company that dances with the running mean of the weights, prompted with clips that are trained on."""
    rng = np.random.default_rng([train_config.seed, 4, rank])
    exemplars = data.training.exemplars(rng, len(DEFAULT_PALETTE))
    dancer = Checkpoint(
        training_state.average, space, DEFAULT_PALETTE, data.conditions, exemplars, data.restyling, {}
    )
    return DaggerBuffer(dancer, MotionMatcher(data.training), data.prompts, rng, train_config.length)


def steps(
    training_state: TrainingState,
    wrapped: torch.nn.Module,
    space: MotionSpace,
    sampler: WindowSampler,
    train_config: TrainConfig,
    dagger: DaggerBuffer | None = None,
    objective: Objective = likelihood,
    rank: int = 0,
) -> Iterator[float]:
    """Train to the end of the recipe, windows drawn one step ahead; gives the loss of each step."""

    def draw(step: int) -> TrainingBatch:
        rng = np.random.default_rng([train_config.seed, 2, rank, step])
        if dagger is None or not dagger.ready:
            return sampler.draw(rng, train_config.batch)
        # What is real is never left out altogether.
        own = min(round(train_config.dagger_share * train_config.batch), train_config.batch - 1)
        windows = sampler.draw(rng, train_config.batch - own)
        return concatenated(windows, dagger.draw(rng, own)) if own else windows

    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(draw, training_state.step)
        while training_state.step < train_config.steps:
            windows = coming.result()
            due = (
                training_state.step >= train_config.dagger_from
                and training_state.step % train_config.dagger_every == 0
            )
            if dagger is not None and due:
                dagger.roll_out()
            coming = ahead.submit(draw, training_state.step + 1)
            yield train_step(training_state, wrapped, space, windows, train_config, objective)


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
    training_state = new_trainee(train_config, len(data.conditions), device)
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
