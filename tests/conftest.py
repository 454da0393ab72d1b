import os
from pathlib import Path

import pytest
import torch

from models.network.checkpoint import Checkpoint, write_checkpoint
from tests.synthetic import tiny_dancer

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def dancer() -> Checkpoint:
    """An untrained dancer."""
    return tiny_dancer()


@pytest.fixture(scope="session")
def checkpoint_file(dancer: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same dancer as a checkpoint on disk."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    write_checkpoint(path, dancer)
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with data and media beside the project; the test is skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared with motion capture and videos, which is not here")
    return folder
