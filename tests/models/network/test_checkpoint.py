import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.data.kinds import KINDS
from models.data.restyling import Restyling
from models.emotion.palette import DEFAULT_PALETTE
from models.network.card import (
    CheckpointError,
    card_path,
    checkpoint_named,
    default_checkpoint,
    is_noncommercial,
    read_card,
    read_palette,
)
from models.network.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from models.network.conditioning import EXEMPLAR_SIZE, EXEMPLARS


@pytest.fixture
def copied(checkpoint_file: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    path = tmp_path / "dancer.safetensors"
    shutil.copy(checkpoint_file, path)
    shutil.copy(card_path(checkpoint_file), card_path(path))
    return path


def change_card(path: Path, **changes: object) -> None:
    card = json.loads(card_path(path).read_text())
    card.update(changes)
    card_path(path).write_text(json.dumps(card))


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def with_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write other tensors into the file, and no word of it in the card."""
    save_file(tensors, path)
    change_card(path, sha256=None)


def test_what_is_written_is_read_back(dancer: Checkpoint, checkpoint_file: Path) -> None:
    back = read_checkpoint(checkpoint_file)
    for name, tensor in dancer.network.state_dict().items():
        torch.testing.assert_close(back.network.state_dict()[name], tensor)
    torch.testing.assert_close(back.space.basis, dancer.space.basis)
    assert back.palette == DEFAULT_PALETTE and back.conditions == dancer.conditions
    np.testing.assert_array_equal(back.exemplars, dancer.exemplars)
    assert back.exemplars.shape == (8, len(KINDS), EXEMPLARS, EXEMPLAR_SIZE)
    assert back.card["licence"] == "MIT"


def test_restyling_is_read_back(dancer: Checkpoint, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = {
        name: rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
        for name, value in vars(dancer.restyling).items()
    }
    path = tmp_path / "restyled.safetensors"
    write_checkpoint(path, replace(dancer, restyling=Restyling(**parts)))
    for name, value in vars(read_checkpoint(path).restyling).items():
        np.testing.assert_array_equal(value, parts[name])


def test_the_palette_is_read_from_the_card_alone(copied: Path) -> None:
    copied.unlink()
    assert read_palette(copied) == DEFAULT_PALETTE


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    assert "nowhere.json: no such file" in refused(tmp_path / "nowhere.safetensors")


def test_absent_tensors_are_named(copied: Path) -> None:
    copied.unlink()
    assert "dancer.safetensors: no such file" in refused(copied)


@pytest.mark.parametrize("size", [0, 5, 1000, -100])
def test_a_file_cut_short_is_refused(copied: Path, size: int) -> None:
    content = copied.read_bytes()
    copied.write_bytes(content[:size])
    assert "copy it again" in refused(copied)


def test_a_pickle_in_disguise_is_refused_and_not_run(copied: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (copied.with_name("sprung"),)  # type: ignore[return-value]

    copied.write_bytes(pickle.dumps(Trap()))
    refused(copied)
    torch.save({"network": Trap()}, copied)
    refused(copied)
    assert not copied.with_name("sprung").exists()


def test_one_flipped_bit_anywhere_is_refused(copied: Path) -> None:
    content = copied.read_bytes()
    for place in (0, 9, len(content) // 2, len(content) - 1):
        spoiled = bytearray(content)
        spoiled[place] ^= 1
        copied.write_bytes(spoiled)
        refused(copied)
    copied.write_bytes(content)
    read_checkpoint(copied)


def test_flipped_bits_never_crash_the_reader_of_a_card_without_a_digest(copied: Path) -> None:
    change_card(copied, sha256=None)
    content = bytearray(copied.read_bytes())
    for place in range(0, 4000, 97):
        spoiled = content.copy()
        spoiled[place] ^= 0xFF
        copied.write_bytes(spoiled)
        try:
            read_checkpoint(copied)
        except CheckpointError as error:
            assert "\n" not in str(error)


def test_weights_that_are_not_finite_are_refused(dancer: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "nan.safetensors"
    with torch.no_grad():
        kept = dancer.network.head.bias[0].item()
        dancer.network.head.bias[0] = torch.nan
        write_checkpoint(path, dancer)
        dancer.network.head.bias[0] = kept
    assert "not made of finite numbers" in refused(path)


def test_a_card_of_another_version_is_refused(copied: Path) -> None:
    change_card(copied, format="emotion-dancer-99")
    assert "emotion-dancer-99" in refused(copied)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\udcff", "9" * 5000])
def test_a_card_that_is_no_card_is_refused(copied: Path, text: str) -> None:
    card_path(copied).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "json" in refused(copied) or "format" in refused(copied)


@pytest.mark.parametrize(
    "changes",
    [
        {"palette": []},
        {"conditions": ["neutral"]},
        {"horizon": 10**9},
        {"horizon": "4"},
        {"config": {"width": 2**40}},
        {"config": None},
    ],
)
def test_a_card_that_does_not_fit_is_refused(copied: Path, changes: dict[str, object]) -> None:
    change_card(copied, **changes)
    refused(copied)


def test_a_card_that_asks_for_more_memory_than_its_file_holds_is_refused_before_it_is_taken(
    copied: Path,
) -> None:
    config = json.loads(card_path(copied).read_text(encoding="utf-8"))["config"]
    change_card(copied, config=config | {"width": 2048, "layers": 16})
    assert "missing or not of shape" in refused(copied)


@pytest.mark.parametrize(
    "exemplars",
    [
        np.zeros((8, 3, 0, 13)),
        np.zeros((2, 3, 9, 13)),
        np.zeros((8, 2, 9, 13)),
        np.zeros((8, 9, 13)),
        np.full((8, 3, 9, 13), -1.0),
        None,
    ],
)
def test_phrases_that_make_no_sense_are_refused(copied: Path, exemplars: np.ndarray | None) -> None:
    tensors = load_file(copied)
    del tensors["exemplars"]
    if exemplars is not None:
        tensors["exemplars"] = torch.from_numpy(exemplars).float()
    with_tensors(copied, tensors)
    assert "exemplars" in refused(copied).replace(str(copied), "")


@pytest.mark.parametrize("name", ["shift", "amplitude", "tempo", "accent"])
@pytest.mark.parametrize("fault", ["missing", "nan", "shape"])
def test_restyling_that_makes_no_sense_is_refused(copied: Path, name: str, fault: str) -> None:
    tensors = load_file(copied)
    if fault == "missing":
        del tensors[f"restyling.{name}"]
    elif fault == "nan":
        tensors[f"restyling.{name}"][-1] = torch.nan
    else:
        tensors[f"restyling.{name}"] = tensors[f"restyling.{name}"][1:].clone()
    with_tensors(copied, tensors)
    assert f"restyling.{name}" in refused(copied)


@pytest.mark.parametrize("name", ["amplitude", "tempo"])
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_restyling_that_leaves_no_movement_or_no_time_is_refused(copied: Path, name: str, value: float) -> None:
    tensors = load_file(copied)
    tensors[f"restyling.{name}"][2] = value
    with_tensors(copied, tensors)
    assert "above 0" in refused(copied)


def test_a_missing_entry_is_named(copied: Path) -> None:
    card = json.loads(card_path(copied).read_text())
    del card["horizon"]
    card_path(copied).write_text(json.dumps(card))
    assert "'horizon' is missing" in refused(copied)


def test_a_checkpoint_is_a_path_or_the_free_one_by_its_name() -> None:
    assert checkpoint_named("own/dancer.safetensors") == Path("own/dancer.safetensors")
    assert checkpoint_named("free").parent == default_checkpoint().parent
    assert checkpoint_named("free") != default_checkpoint()


@pytest.mark.parametrize(
    ("path", "licence"), [(default_checkpoint(), "CC BY-NC 4.0"), (checkpoint_named("free"), "MIT")]
)
def test_a_dancer_that_ships_can_be_read_and_its_card_says_what_it_is(path: Path, licence: str) -> None:
    checkpoint = read_checkpoint(path)
    assert checkpoint.palette.names == DEFAULT_PALETTE.names
    assert path.stat().st_size < 30 * 2**20
    assert checkpoint.card["licence"] == licence
    assert {"data", "git_revision", "train_config", "command", "metrics"} <= set(checkpoint.card)


def test_nothing_non_commercial_is_in_the_free_dancer() -> None:
    card = read_card(checkpoint_named("free"))
    assert not is_noncommercial(card) and is_noncommercial(read_card(default_checkpoint()))
    assert card["data"] == ["dance_train.npz"] and "started_from" not in card
