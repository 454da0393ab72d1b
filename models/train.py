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
from models.expert import Expert
from models.features import positions_to_features
from models.kinds import kind_of
from models.literature import from_literature
from models.manner import Manners
from models.motion_space import INPUT_COUNT, MotionSpace
from models.network import DanceNetwork, FrameNetwork, NetworkConfig
from models.objectives import Answer, Objective, likelihood
from models.palette import DEFAULT_PALETTE
from models.progress import Trainee, resume, save_progress
from models.recipe import Recipe
from models.rehearsal import PROMPT, Rehearsal
from models.restyling import Restyling
from models.skeleton import FloatArray
from models.windows import Windows, WindowSampler, build_bank, condition_names, joined
from models.wish import WISH_COUNT

LICENCE = "CC BY-NC 4.0"
"""Of what is trained, unless said otherwise: that of the acted data."""


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then half a cosine down to a twentieth."""
    if step < recipe.warm_up:
        return recipe.learning_rate * (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(recipe.steps - recipe.warm_up, 1)
    return recipe.learning_rate * (0.05 + 0.95 * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0))))


def loss_of(
    network: torch.nn.Module,
    space: MotionSpace,
    windows: Windows,
    device: torch.device,
    answered: slice,
    objective: Objective = likelihood,
    done: float = 1.0,
) -> Tensor:
    """What the objective says of the plans of the `answered` frames, after a share `done` of the steps."""
    poses, steps, wishes, plans = (
        torch.from_numpy(array).to(device, non_blocking=True)
        for array in (windows.poses, windows.steps, windows.wishes, windows.plans)
    )
    conditions = torch.from_numpy(windows.conditions).to(device)
    inner = unwrapped(network)
    count = inner.config.label_count
    labels = torch.nn.functional.one_hot(conditions.clamp(min=0), count) * (conditions >= 0).unsqueeze(-1)
    # On a CPU without instructions for it bfloat16 is a hundred times slower than float32, so only on a GPU.
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        mixture, _ = network(space.inputs(poses, steps), labels.float(), wishes, None, answered)
    target = space.encode(plans[:, answered])
    return objective(Answer(inner, space, mixture, target, conditions[:, answered], done))


def unwrapped(network: torch.nn.Module) -> FrameNetwork:
    """The network itself, wrapped for several GPUs or not."""
    inner = network.module if isinstance(network, DistributedDataParallel) else network
    assert isinstance(inner, FrameNetwork)
    return inner


def fit_space(recipe: Recipe, sampler: WindowSampler) -> tuple[MotionSpace, float]:
    """Measure the units on windows that no training step sees again."""
    rng = np.random.default_rng([recipe.seed, 0])
    windows = sampler.draw(rng, 384)
    real = sampler.like(horizon=recipe.horizon, largest_error=0.0, wishes=True)
    bodies = real.draw(np.random.default_rng([recipe.seed, 5]), 384).poses
    space = MotionSpace(recipe.horizon, recipe.target_count)
    plans = windows.plans[:, ::4].reshape(-1, *windows.plans.shape[2:])
    poses, bodies = (part.reshape(-1, part.shape[-1]) for part in (windows.poses, bodies))
    kept = space.fit(poses, plans, bodies)
    return space, kept


class Diverged(ValueError):
    """The loss left the finite numbers."""


def train_step(
    trainee: Trainee,
    wrapped: torch.nn.Module,
    space: MotionSpace,
    windows: Windows,
    recipe: Recipe,
    objective: Objective = likelihood,
) -> float:
    """One step of AdamW and of the running mean; returns the loss. Raises Diverged."""
    device = next(trainee.network.parameters()).device
    for group in trainee.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, trainee.step)
    # Plans of neighbouring frames say nearly the same: every other one, in turn, halves the cost of the head.
    answered, done = slice(trainee.step % 2, None, 2), trainee.step / recipe.steps
    loss = loss_of(wrapped, space, windows, device, answered, objective, done)
    trainee.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trainee.network.parameters(), 1.0)
    trainee.optimizer.step()
    decay = min(recipe.average, (trainee.step + 1) / (trainee.step + 10))
    with torch.no_grad():
        for mean, new in zip(trainee.average.parameters(), trainee.network.parameters(), strict=True):
            mean.lerp_(new, 1 - decay)
    trainee.step += 1
    if not math.isfinite(value := float(loss.detach())):
        raise Diverged(f"the loss is {value} at step {trainee.step}; lower --learning-rate")
    return value


@torch.no_grad()
def validation_loss(
    network: FrameNetwork, space: MotionSpace, sampler: WindowSampler, recipe: Recipe, batches: int = 8
) -> float:
    """Mean loss on windows of held-out clips, the same windows each time."""
    device = next(network.parameters()).device
    rng = np.random.default_rng([recipe.seed, 1])
    draws = [sampler.draw(rng, recipe.batch) for _ in range(batches)]
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


def command_line(options: argparse.Namespace, recipe: Recipe) -> str:
    """The command that makes this checkpoint again, without the folders of this machine."""
    changed = {k: v for k, v in asdict(recipe).items() if v != getattr(Recipe(), k)}
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
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, metavar="X")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = parse_arguments(arguments)
    try:
        if options.save_every < 1:
            raise ValueError(f"--save-every is {options.save_every}; expected at least 1")
        train(options, Recipe(**{name: getattr(options, name) for name in asdict(Recipe())}))
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


def split_data(clips: Clips, recipe: Recipe, *, keep_rest: bool = False) -> TrainingData:
    """Windows of the clips to train on and of those held out; `keep_rest` is that of `build_bank`.

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

    def sampler(indices: NDArray[np.int64], manners: Manners | None = None) -> WindowSampler:
        """Windows of some of the clips, their manners in the given units or in their own."""
        return WindowSampler(
            build_bank(clips, indices.tolist(), names, restyling, keep_rest=keep_rest),
            len(DEFAULT_PALETTE.names),
            length=recipe.length,
            horizon=recipe.horizon,
            largest_error=recipe.largest_error,
            manners=manners,
        )

    training = sampler(split[0])
    held_out = sampler(split[1], training.manners)
    long = [
        clips.clip(i) for i in split[0].tolist() if len(clips.clip(i)) >= PROMPT and kind_of(clips.contents[i])
    ]
    prompts = [positions_to_features(clip[:PROMPT]) for clip in long]
    return TrainingData(names, training, held_out, restyling, prompts, (len(split[0]), len(split[1])))


def config_of(recipe: Recipe, label_count: int) -> NetworkConfig:
    """The sizes of the network that a recipe trains."""
    return NetworkConfig(
        input_count=INPUT_COUNT,
        wish_count=WISH_COUNT,
        target_count=recipe.target_count,
        label_count=label_count,
        width=recipe.width,
        layers=recipe.layers,
        heads=recipe.heads,
        span=recipe.span,
        components=recipe.components,
        dropout=recipe.dropout,
    )


def new_trainee(
    recipe: Recipe, label_count: int, device: torch.device, kind: type[FrameNetwork] = DanceNetwork
) -> Trainee:
    """A network that knows nothing yet, and its optimizer. Weight decay is for matrices alone."""
    config = config_of(recipe, label_count)
    network, average = kind(config).to(device), kind(config).to(device)
    average.load_state_dict(network.state_dict())
    average.eval()
    matrices = [p for p in network.parameters() if p.dim() > 1]
    vectors = [p for p in network.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
    )
    return Trainee(network, average, optimizer)


def progress_file(options: argparse.Namespace) -> Path:
    """Where a run keeps what it needs to be resumed."""
    return Path(options.out.with_suffix(".progress"))


def begin(options: argparse.Namespace, recipe: Recipe, trainee: Trainee, space: MotionSpace) -> None:
    """Start from a checkpoint, or go on where a run stopped, if that was asked for. Raises CheckpointError."""
    if options.start:
        if is_noncommercial(read_card(options.start)) and not is_noncommercial({"licence": options.licence}):
            raise CheckpointError(f"{options.start} may not be used commercially, nor may what begins with it")
        start_from(options.start, trainee, space)
    if options.resume and progress_file(options).exists():
        resume(progress_file(options), trainee, recipe)


def start_from(path: Path, trainee: Trainee, space: MotionSpace) -> None:
    """Begin with the weights and the units of a checkpoint. Raises CheckpointError, ValueError."""
    before = read_checkpoint(path)
    if before.network.config != trainee.network.config or before.space.horizon != space.horizon:
        raise CheckpointError(f"{path}: its network has other sizes than this recipe; give the same ones")
    for module in (trainee.network, trainee.average):
        module.load_state_dict(before.network.state_dict())
    space.load_state_dict(before.space.state_dict())


def story_of(card: dict[str, Any]) -> dict[str, Any]:
    """What a card says of how its checkpoint came to be, for the card of one that began with it."""
    told = (
        "data",
        "licence",
        "command",
        "git_revision",
        "recipe",
        "seconds",
        "machine",
        "torch",
        "started_from",
    )
    return {name: card[name] for name in told if name in card}


def new_rehearsal(
    recipe: Recipe, data: TrainingData, space: MotionSpace, trainee: Trainee, rank: int
) -> Rehearsal:
    """A company that dances with the running mean of the weights, prompted with clips that are trained on."""
    rng = np.random.default_rng([recipe.seed, 4, rank])
    phrases = data.training.phrases(rng, len(DEFAULT_PALETTE))
    dancer = Checkpoint(trainee.average, space, DEFAULT_PALETTE, data.conditions, phrases, data.restyling, {})
    return Rehearsal(dancer, Expert(data.training), data.prompts, rng, recipe.length)


def steps(
    trainee: Trainee,
    wrapped: torch.nn.Module,
    space: MotionSpace,
    sampler: WindowSampler,
    recipe: Recipe,
    rehearsal: Rehearsal | None = None,
    objective: Objective = likelihood,
    rank: int = 0,
) -> Iterator[float]:
    """Train to the end of the recipe, windows drawn one step ahead; gives the loss of each step."""

    def draw(step: int) -> Windows:
        rng = np.random.default_rng([recipe.seed, 2, rank, step])
        if rehearsal is None or not rehearsal.begun:
            return sampler.draw(rng, recipe.batch)
        # What is real is never left out altogether.
        own = min(round(recipe.rehearsal_share * recipe.batch), recipe.batch - 1)
        windows = sampler.draw(rng, recipe.batch - own)
        return joined(windows, rehearsal.draw(rng, own)) if own else windows

    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(draw, trainee.step)
        while trainee.step < recipe.steps:
            windows = coming.result()
            due = trainee.step >= recipe.rehearsal_from and trainee.step % recipe.rehearsal_every == 0
            if rehearsal is not None and due:
                rehearsal.dance()
            coming = ahead.submit(draw, trainee.step + 1)
            yield train_step(trainee, wrapped, space, windows, recipe, objective)


def train(options: argparse.Namespace, recipe: Recipe) -> None:
    """The whole run, top to bottom."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = pick_device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    if world > 1:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    torch.manual_seed(recipe.seed)
    data = split_data(join_clips([read_clips(path) for path in options.data]), recipe)
    space, kept = fit_space(recipe, data.training)
    space.to(device)
    trainee = new_trainee(recipe, len(data.conditions), device)
    revision = git_revision()  # of the code that runs, whatever becomes of the checkout meanwhile
    begin(options, recipe, trainee, space)
    wrapped: torch.nn.Module = DistributedDataParallel(trainee.network) if world > 1 else trainee.network
    if rank == 0:
        print(
            f"{data.clips[0]} clips to train on, {data.clips[1]} held out, {len(data.conditions)} conditions; "
            f"{trainee.parameter_count / 1e6:.2f} M parameters on {device}; "
            f"{recipe.target_count} components keep {kept:.2%} of the variance of the plans"
        )

    rehearsal = new_rehearsal(recipe, data, space, trainee, rank)
    losses: deque[float] = deque(maxlen=200)
    history: list[dict[str, float]] = []
    started, first = time.monotonic(), trainee.step
    with tqdm(total=recipe.steps, initial=first, disable=rank > 0, unit="step", mininterval=2.0) as bar:
        for loss in steps(trainee, wrapped, space, data.training, recipe, rehearsal, rank=rank):
            losses.append(loss)
            bar.update()
            if trainee.step % 50 == 0:
                frames = (trainee.step - first) * recipe.batch * recipe.length * world
                rate = frames / (time.monotonic() - started)
                bar.set_postfix(loss=f"{np.mean(losses):.3f}", frames_per_s=f"{rate:,.0f}")
            last = trainee.step == recipe.steps
            if rank == 0 and (last or trainee.step % options.save_every == 0):
                held = validation_loss(trainee.average, space, data.held_out, recipe)
                history.append({"step": trainee.step, "loss": float(np.mean(losses)), "held_out": held})
                bar.write(f"step {trainee.step}: loss {np.mean(losses):.4f}, held out {held:.4f}")
                save_progress(progress_file(options), trainee, recipe)
                seconds = time.monotonic() - started
                save_checkpoint(options, recipe, data, space, trainee, history, seconds, revision)
    if rank == 0:
        print(f"wrote {options.out} and its card {options.out.with_suffix('.json').name}")
    if world > 1:
        distributed.destroy_process_group()


def save_checkpoint(
    options: argparse.Namespace,
    recipe: Recipe,
    data: TrainingData,
    space: MotionSpace,
    trainee: Trainee,
    history: list[dict[str, float]],
    seconds: float,
    revision: str,
) -> None:
    """Write the running mean of the weights, and the card that says where it comes from."""
    device = next(trainee.network.parameters()).device
    card = {
        "data": [path.name for path in options.data],
        "licence": options.licence,
        "git_revision": revision,
        "recipe": asdict(recipe),
        "command": command_line(options, recipe),
        "clips": {"trained_on": data.clips[0], "held_out": data.clips[1]},
        "parameters": trainee.parameter_count,
        "torch": torch.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {device.type}",
        "seconds": round(seconds),
        "metrics": {"nats_per_dimension": history},
    }
    if options.start:
        card["started_from"] = story_of(read_card(options.start))
    rng = np.random.default_rng([recipe.seed, 3])
    phrases = data.training.phrases(rng, len(DEFAULT_PALETTE))
    checkpoint = Checkpoint(
        trainee.average, space, DEFAULT_PALETTE, data.conditions, phrases, data.restyling, card
    )
    write_checkpoint(options.out, checkpoint)


if __name__ == "__main__":
    sys.exit(main())
