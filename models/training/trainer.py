"""Training: the schedule, the loss, one step, and the loop over them."""

import math
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from models.emotion.palette import DEFAULT_PALETTE
from models.network.checkpoint import Checkpoint
from models.network.conditioning import CONDITIONING_SIZE
from models.network.motion_space import INPUT_SIZE, MotionSpace
from models.network.transformer import MotionNetwork, MotionTransformer, NetworkConfig
from models.training.config import TrainConfig
from models.training.dagger import DaggerBuffer
from models.training.dataset import TrainingBatch, WindowSampler, concatenated
from models.training.motion_matching import MotionMatcher
from models.training.objectives import Objective, Prediction, likelihood
from models.training.state import TrainingState
from models.training.training_data import TrainingData


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


def pick_device(asked: str) -> torch.device:
    """The device asked for; "auto" takes CUDA, then MPS, then the CPU."""
    if asked != "auto":
        return torch.device(asked)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


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


def new_training_state(
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


def new_dagger_buffer(
    train_config: TrainConfig, data: TrainingData, space: MotionSpace, training_state: TrainingState, rank: int
) -> DaggerBuffer:
    """Rollouts with the running mean of the weights, prompted with clips that are trained on."""
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
