"""Checkpoints: tensors as safetensors, and beside them a card in JSON that says what they are.

Nothing is ever unpickled. A checkpoint that cannot be used raises `CheckpointError`, one line for a person.
"""

import hashlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from models.data.atomic_write import replacing
from models.data.kinds import KINDS
from models.data.restyling import Restyling
from models.data.safe_files import check_tensors
from models.emotion.palette import Palette
from models.motion.skeleton import FloatArray
from models.network.card import FORMAT, CheckpointError, card_path, read_card, write_card
from models.network.conditioning import CONDITIONING_SIZE, EXEMPLAR_SIZE
from models.network.motion_space import INPUT_SIZE, MotionSpace
from models.network.transformer import MotionNetwork, MotionTransformer, NetworkConfig

MAX_FILE = 512 * 2**20


@dataclass(frozen=True)
class Checkpoint:
    """A trained dancer. `card` is everything that is known about it, as plain JSON values."""

    network: MotionNetwork
    space: MotionSpace
    palette: Palette
    conditions: tuple[str, ...]
    exemplars: FloatArray  # (P, kinds, 128, 13) shown in each emotion and kind, slowest first
    restyling: Restyling  # of movement that nobody acted in an emotion
    card: dict[str, Any]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the tensors to `path` and the card beside it; a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    card = {
        "config": asdict(checkpoint.network.config),
        "horizon": checkpoint.space.horizon,
        "palette": checkpoint.palette.to_card(),
        "conditions": list(checkpoint.conditions),
        **checkpoint.card,
    }
    tensors = {f"network.{name}": tensor for name, tensor in checkpoint.network.state_dict().items()}
    tensors |= {f"space.{name}": tensor for name, tensor in checkpoint.space.state_dict().items()}
    tensors["exemplars"] = torch.from_numpy(checkpoint.exemplars)
    tensors |= {
        f"restyling.{name}": torch.from_numpy(value) for name, value in vars(checkpoint.restyling).items()
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as unfinished:
        save_file(tensors, unfinished, metadata={"format": FORMAT})
        card["sha256"] = _digest(unfinished)
    write_card(path, card)


def read_checkpoint(path: Path, device: str = "cpu") -> Checkpoint:
    """Read a checkpoint and its card; raises CheckpointError."""
    card = read_card(path)
    tensors = _read_tensors(path)
    if card.get("sha256") not in (None, _digest(path)):
        raise CheckpointError(
            f"{path}: damaged, or not the file that its card describes (sha256); copy both again"
        )
    try:
        palette = Palette.from_card(card["palette"])
        config = _config_from_card(card["config"])
        space = MotionSpace(_whole(card["horizon"], 1, 64), config.target_count)
        conditions = tuple(str(name) for name in card["conditions"])
        if conditions[: len(palette.names)] != palette.names or len(conditions) != config.label_count:
            raise ValueError("the conditions do not begin with the palette or do not match label_count")
        _same_sizes(config, tensors)
        network = MotionTransformer(config)
        _fill(network, "network.", tensors)
        _fill(space, "space.", tensors)
        if min(space.pose_scale.min(), space.delta_scale.min(), space.metres_moved.min()) <= 0:
            raise ValueError("its units are not all above zero")
        exemplars = _exemplars(tensors, len(palette.names))
        restyling = _restyling(tensors, len(palette.names))
    except KeyError as error:
        raise CheckpointError(
            f"{card_path(path)}: the entry {error} is missing; was it written by python -m models.train?"
        ) from None
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{path}: card and tensors do not describe a dancer: {reason}; train it again or use another file"
        ) from None
    network.to(device).eval()
    space.to(device)
    return Checkpoint(network, space, palette, conditions, exemplars, restyling, card)


def _whole(value: Any, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{value!r} should be a whole number from {low} to {high}")
    return value


def _config_from_card(values: Any) -> NetworkConfig:
    """The network's sizes, each bounded, so that a hostile card cannot ask for more memory than there is."""
    if not isinstance(values, dict):
        raise ValueError("config should be an object")
    known = {field.name for field in fields(NetworkConfig)}
    if unknown := set(values) - known:
        raise ValueError(f"config has unknown entries {sorted(unknown)}")
    limits = {"layers": 32, "heads": 32, "context_length": 1024, "components": 128}
    sizes = {
        name: _whole(value, 1, limits.get(name, 2048)) for name, value in values.items() if name != "dropout"
    }
    config = NetworkConfig(**sizes, dropout=float(values.get("dropout", 0.0)))
    if config.input_size != INPUT_SIZE:
        raise ValueError(f"input_size is {config.input_size}, this version needs {INPUT_SIZE}")
    if config.conditioning_size != CONDITIONING_SIZE:
        raise ValueError(
            f"conditioning_size is {config.conditioning_size}, this version needs {CONDITIONING_SIZE}"
        )
    if config.width % (2 * config.heads):
        raise ValueError("width should be a multiple of twice the heads")
    if (
        config.components * config.target_count * config.width > 2**26
        or config.width**2 * config.layers > 2**26
    ):
        raise ValueError("config asks for a network larger than this program runs")
    return config


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        check_tensors(path, MAX_FILE)
        return load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; give one with --checkpoint or train one") from None
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: not a whole safetensors file ({error}); copy it again or train it again"
        ) from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same_sizes(config: NetworkConfig, tensors: dict[str, torch.Tensor]) -> None:
    """Whether the file holds the network that its card speaks of, before memory is taken for it."""
    with torch.device("meta"):
        wanted = {
            f"network.{name}": value.shape for name, value in MotionTransformer(config).state_dict().items()
        }
    for name, shape in wanted.items():
        if name not in tensors or tensors[name].shape != shape:
            raise ValueError(f"the tensor {name} is missing or not of shape {tuple(shape)}")


def _exemplars(tensors: dict[str, torch.Tensor], palette_count: int) -> FloatArray:
    """The exemplars of each palette entry; they must be there and make sense."""
    if "exemplars" not in tensors:
        raise ValueError("the tensor exemplars is missing")
    exemplars = tensors["exemplars"].float().numpy()
    wanted = (palette_count, len(KINDS), EXEMPLAR_SIZE)
    if exemplars.ndim != 4 or exemplars.shape[2] < 1 or (*exemplars.shape[:2], exemplars.shape[3]) != wanted:
        raise ValueError(
            f"exemplars should be of {wanted} with at least 1 before the last, not {exemplars.shape}"
        )
    if not np.isfinite(exemplars).all() or (exemplars[..., 0] < 0).any():
        raise ValueError("exemplars are not made of finite numbers and speeds")
    return exemplars


def _restyling(tensors: dict[str, torch.Tensor], palette_count: int) -> Restyling:
    """How movement is restyled into each palette entry; it must be there and make sense."""
    parts = {}
    for name, value in vars(Restyling.none(palette_count)).items():
        if f"restyling.{name}" not in tensors:
            raise ValueError(f"the tensor restyling.{name} is missing")
        parts[name] = tensors[f"restyling.{name}"].float().numpy()
        if parts[name].shape != value.shape or not np.isfinite(parts[name]).all():
            raise ValueError(f"restyling.{name} should be {value.shape} finite numbers")
    restyling = Restyling(**parts)
    if min(restyling.amplitude.min(), restyling.tempo.min()) <= 0:
        raise ValueError("the amplitude and tempo of restyling should be above 0")
    return restyling


def _fill(module: torch.nn.Module, prefix: str, tensors: dict[str, torch.Tensor]) -> None:
    """Load the tensors under `prefix`; every one must be there, of the right shape, and finite."""
    state = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
    for name, value in state.items():
        if not value.is_floating_point() or not torch.isfinite(value).all():
            raise ValueError(f"the tensor {prefix}{name} is not made of finite numbers")
    module.load_state_dict({name: value.float() for name, value in state.items()})
