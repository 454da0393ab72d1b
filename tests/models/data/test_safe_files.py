"""What a file may ask for: whatever it says of itself, no more memory is taken than the bound."""

import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.data import safe_files as bounded_files
from models.data.clips import read_clips
from models.data.dance_file import read_dances
from models.data.safe_files import (
    MAX_DIRECTORY,
    MAX_NPZ,
    MAX_TENSOR_LIST,
    check_tensors,
    open_npz,
    read_array,
    read_names,
    read_text,
)
from models.generate import read_prompts

READERS = [read_clips, read_dances, read_prompts]
"""Everything that opens an npz file."""
LITTLE = 2**20
"""Bytes: what a refusal may take."""


def header(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """The beginning of an array, without the array."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def packed(path: Path, member: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    """An npz file with one array, `positions`."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("positions.npy", member)
    return path


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound dances, all zeros, that take some kilobytes and unpack to more than is read."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.npz"
    frames = MAX_NPZ // (17 * 3 * 4) + 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("positions.npy", "w") as member:
            member.write(header((1, frames, 17, 3)))
            for _ in range(0, frames, 4096):
                member.write(bytes(4096 * 17 * 3 * 4))
        archive.writestr("fps.npy", header((), "<f4") + struct.pack("<f", 30))
    assert path.stat().st_size < MAX_NPZ / 100
    return path


def refused_with_little(read: Callable[[Path], object], path: Path) -> str:
    """What a reader says of a file, having taken almost no memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            read(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < LITTLE
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("read", READERS)
def test_a_file_of_zeros_that_unpacks_to_hundreds_of_megabytes_is_refused_unread(
    bomb: Path, read: Callable[[Path], object]
) -> None:
    message = refused_with_little(read, bomb)
    assert message.startswith(f"{bomb}: ") and f"at most {MAX_NPZ >> 20} MiB in all" in message


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_is_too_large_itself_is_refused_unread(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    path = packed(tmp_path / "long.npz", header((1,)) + bytes(4))
    os.truncate(path, MAX_NPZ + 1)
    assert f"larger than {MAX_NPZ} bytes" in refused_with_little(read, path)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("fault", ["absent", "folder", "text", "array"])
def test_what_is_no_npz_file_is_refused_by_its_name(
    tmp_path: Path, read: Callable[[Path], object], fault: str
) -> None:
    path = tmp_path / "dances.npz"
    if fault == "folder":
        path.mkdir()
    elif fault == "text":
        path.write_text("dances")
    elif fault == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    assert str(path) in refused_with_little(read, path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("read", READERS)
def test_a_pipe_is_not_waited_for(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    assert "not a file" in refused_with_little(read, tmp_path / "pipe.npz")


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((10**12, 17, 3), "<f4"),
        ((2**32, 2**32), "<f4"),
        ((-1, 3), "<f4"),
        ((10**15, 0, 17, 3), "<f4"),
        ((10**12,), "<U0"),
        ((1,), "<U100000000"),
        ((3,), "|O"),
        ((1,), "|V8"),
    ],
)
def test_an_array_that_claims_what_it_is_not_is_refused_before_memory_is_taken_for_it(
    tmp_path: Path, shape: tuple[int, ...], dtype: str
) -> None:
    path = packed(tmp_path / "claim.npz", header(shape, dtype) + bytes(64))

    def read(path: Path) -> object:
        with open_npz(path) as archive:
            return read_array(archive, "positions")

    assert "positions" in refused_with_little(read, path)


def test_a_member_that_unpacks_to_more_than_it_says_gives_no_more_than_that(tmp_path: Path) -> None:
    # an array of the second format, whose own header claims 4 GB, in a member that says it has 1000 bytes
    member = np.lib.format.magic(2, 0) + struct.pack("<I", 2**32 - 1) + bytes(64 * 2**20)
    path = packed(tmp_path / "liar.npz", member, zipfile.ZIP_DEFLATED)
    size = struct.pack("<I", len(member))
    content = path.read_bytes()
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, struct.pack("<I", 1000)))
    for read in (read_dances, read_prompts):
        refused_with_little(read, path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_what_unpacks_piece_by_piece_is_unpacked(tmp_path: Path, method: int) -> None:
    path = packed(tmp_path / "other.npz", header((2**22,)) + bytes(2**24), method)
    for read in READERS:
        assert "compressed in another way" in refused_with_little(read, path)


def test_a_directory_of_very_many_entries_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "many.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(MAX_DIRECTORY // 40 // 8):
            archive.writestr(f"{number}{'x' * 300}", b"")
    for read in READERS:
        assert "in one piece" in refused_with_little(read, path)


def test_words_are_counted_before_they_are_made(tmp_path: Path) -> None:
    path = packed(tmp_path / "words.npz", header((100,), "<U1") + bytes(400))
    with open_npz(path) as archive:
        assert len(read_names(archive, "positions", 100)) == 100
        with pytest.raises(ValueError, match="at most 99 words"):
            read_names(archive, "positions", 99)


def test_text_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text("é" * 50, encoding="utf-8")
    assert read_text(path, 100) == "é" * 50
    with pytest.raises(ValueError, match="larger than 99 bytes"):
        read_text(path, 99)


@pytest.mark.parametrize("claimed", [0, 93, MAX_TENSOR_LIST + 1, 2**64 - 1])
def test_a_list_of_tensors_is_no_longer_than_its_file_and_the_bound(tmp_path: Path, claimed: int) -> None:
    path = tmp_path / "dancer.safetensors"
    path.write_bytes(struct.pack("<Q", claimed) + bytes(92))
    if claimed > MAX_TENSOR_LIST:
        os.truncate(path, 2 * MAX_TENSOR_LIST)
    with pytest.raises(ValueError, match="no safetensors"):
        check_tensors(path, 2**24)


def test_what_is_within_the_bound_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "dances.npz", header((2**18,)) + bytes(2**20), zipfile.ZIP_DEFLATED)
    with open_npz(path) as archive:
        assert read_array(archive, "positions").shape == (2**18,)
    monkeypatch.setattr(bounded_files, "MAX_NPZ", 2**20)
    with pytest.raises(ValueError, match="at most 1 MiB in all"), open_npz(path):
        pass
