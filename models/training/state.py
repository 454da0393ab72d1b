"""Training that can be stopped and resumed: everything that changes, saved without pickle."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.data.atomic_write import replacing
from models.data.safe_files import check_tensors
from models.network.card import CheckpointError
from models.network.checkpoint import MAX_FILE
from models.network.transformer import MotionNetwork
from models.training.config import TrainConfig

MAX_PROGRESS = 4 * MAX_FILE
"""Bytes: weights, their mean and two moments of each."""


@dataclass
class TrainingState:
    """What changes while training, and what a run is resumed from."""

    network: MotionNetwork
    average: MotionNetwork
    optimizer: torch.optim.AdamW
    step: int = 0

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())


def save_progress(path: Path, training_state: TrainingState, train_config: TrainConfig) -> None:
    """Everything that `resume` needs, without pickle: weights, their mean and the optimizer's moments."""
    tensors = {f"network.{name}": value for name, value in training_state.network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in training_state.average.state_dict().items()}
    for index, moments in training_state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    progress = {"step": str(training_state.step), "train_config": json.dumps(asdict(train_config))}
    with replacing(path) as unfinished:
        save_file({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, unfinished, metadata=progress)


def resume(path: Path, training_state: TrainingState, train_config: TrainConfig) -> None:
    """Go on from `save_progress`; the recipe must be the same, but for the number of steps."""
    try:
        check_tensors(path, MAX_PROGRESS)
        with safe_open(path, "pt") as file:
            progress = file.metadata() or {}
        tensors = load_file(path)
        before = json.loads(progress["train_config"])
        step = int(progress["step"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot resume from it ({error}); start without --resume") from None
    changed = {k for k, v in asdict(train_config).items() if before.get(k) != v} - {"steps"}
    if changed:
        raise CheckpointError(f"{path}: was made with other {', '.join(sorted(changed))}; use the same recipe")
    for part, module in (("network.", training_state.network), ("average.", training_state.average)):
        module.load_state_dict({n.removeprefix(part): t for n, t in tensors.items() if n.startswith(part)})
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = tensor
    groups = training_state.optimizer.state_dict()["param_groups"]
    training_state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    training_state.step = step
