"""The card beside a checkpoint: what the dancer is, in JSON that a person can read too.

It is read without the network, so that a program knows its palette before anything large is loaded.
"""

import json
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from models.data.atomic_write import replacing
from models.data.safe_files import read_text
from models.emotion.palette import Palette

FORMAT = "emotion-dancer-5"
MAX_CARD = 2**20


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file, what was expected and how to mend it."""


FREE = "free"
"""What the checkpoint that may be used commercially is called on a command line."""


def default_checkpoint() -> Path:
    """The checkpoint that ships, wherever the package was installed."""
    return Path(str(files("assets"))) / "dancer.safetensors"


def checkpoint_named(value: str) -> Path:
    """The path of a checkpoint, or the second one that ships by its name, `FREE`."""
    return Path(str(files("assets"))) / "dancer-free.safetensors" if value == FREE else Path(value)


def card_path(checkpoint: Path) -> Path:
    """The card that lies beside a checkpoint. Raises CheckpointError for a path without a name."""
    try:
        return checkpoint.with_suffix(".json")
    except ValueError:
        raise CheckpointError(f"{checkpoint}: not a file; expected NAME.safetensors") from None


def write_card(checkpoint: Path, card: dict[str, Any]) -> None:
    """Write the card beside a checkpoint; a reader never sees half a file."""
    path = card_path(checkpoint)
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps({"format": FORMAT, **card}, indent=1) + "\n", encoding="utf-8")


def read_palette(checkpoint: Path) -> Palette:
    """The palette of a checkpoint, from its card alone. Raises CheckpointError."""
    card = read_card(checkpoint)
    try:
        return Palette.from_card(card.get("palette"))
    except ValueError as error:
        raise CheckpointError(f"{card_path(checkpoint)}: palette: {error}") from None


def is_noncommercial(card: dict[str, Any]) -> bool:
    """Whether a card says outright that its checkpoint may not be used commercially."""
    return bool(re.search(r"\bNC\b|non-?commercial", str(card.get("licence")), re.IGNORECASE))


def read_card(checkpoint: Path) -> dict[str, Any]:
    """The card of a checkpoint as JSON values. Raises CheckpointError."""
    path = card_path(checkpoint)
    if os.path.isdir(checkpoint):
        raise CheckpointError(
            f"{checkpoint}: a folder; a checkpoint is NAME.safetensors with NAME.json beside it"
        )
    try:
        card = json.loads(read_text(path, MAX_CARD))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: no such file; a checkpoint is NAME.safetensors with its card NAME.json beside it"
        ) from None
    except (OSError, ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError
        raise CheckpointError(f"{path}: expected the checkpoint's card in JSON: {error}") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else type(card).__name__
        raise CheckpointError(
            f"{path}: format is {str(found)[:60]!r}, this version reads {FORMAT!r}; "
            "train it again with this version or use the checkpoint that came with it"
        )
    return card
