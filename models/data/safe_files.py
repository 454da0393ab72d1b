"""Files that anyone may have made: how much each can ask for is known before any of it is parsed.

What is refused is a ValueError in a few words; the reader of that kind of file names the file and the remedy.
An npz file is a zip: a few kilobytes may unpack to any size, and an array's header may claim any size.
"""

import io
import math
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAX_NPZ = 320 * 2**20
"""Bytes of a file, and of all that it unpacks to: more than 13 hours of dance, or of clips a bit more than
MAX_FRAMES; reading any file, however hostile, takes less than 1 GB of memory."""
MAX_HEADER = 2**14
"""Bytes from an array's beginning in which numpy finds its header, of 10,000 at most."""
MAX_ITEM = 2**16
"""Bytes of one number or one text."""
MAX_DIRECTORY = 2**20
"""Bytes of a zip's directory, which takes ten times that once it is read; an npz file has a dozen entries."""
MAX_TENSOR_LIST = 2**20
"""Bytes of the header of a safetensors file, which names every tensor in a hundred or so."""


def check_size(path: str | Path, largest: int) -> int:
    """The size of a file in bytes. Raises ValueError for a larger one and for what is no file, OSError."""
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a file")  # a pipe would be waited for without end, a device read without end
    if status.st_size > largest:
        raise ValueError(f"larger than {largest} bytes")
    return status.st_size


def read_text(path: Path, largest: int) -> str:
    """The text of a file of at most `largest` bytes. Raises ValueError, OSError."""
    check_size(path, largest)
    return path.read_text(encoding="utf-8")


def check_tensors(path: Path, largest: int) -> None:
    """Whether a file can be one of safetensors, of at most `largest` bytes. Raises ValueError, OSError."""
    size = check_size(path, largest)
    with path.open("rb") as file:
        head = file.read(8)
    if len(head) < 8 or not 0 < struct.unpack("<Q", head)[0] <= min(size - 8, MAX_TENSOR_LIST):
        raise ValueError(f"no safetensors, or cut short at {size} bytes")


class _SmallReads(io.BufferedReader):
    """A file that gives little at once: zipfile reads a zip's directory, however long it says it is, in one."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise ValueError("more in one piece than an npz file has")
        return super().read(size)


@contextmanager
def open_npz(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """An npz file, for `array_header` and `read_array`.

    Raises ValueError for one that is larger than MAX_NPZ or unpacks to more, OSError, and on damaged bytes
    nearly everything that zipfile can.
    """
    check_size(path, MAX_NPZ)
    with _SmallReads(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_NPZ:
            raise ValueError(f"unpacks to {unpacked >> 20} MiB, of at most {MAX_NPZ >> 20} MiB in all")
        for member in archive.infolist():
            # zipfile takes the whole of what the other methods give before it looks how much that is
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("compressed in another way than numpy does")
        yield archive


def has_array(archive: zipfile.ZipFile, name: str) -> bool:
    """Whether there is an array of that name."""
    return f"{name}.npy" in archive.NameToInfo


def array_header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype that an array claims to have, of numbers or text, not empty and in the file as a whole.

    Raises ValueError for another, and on damaged bytes nearly everything that zipfile and numpy can.
    """
    if not has_array(archive, name):
        raise ValueError(f"there is no array {name!r}")
    with archive.open(f"{name}.npy") as member:
        head = io.BytesIO(member.read(MAX_HEADER))
    read_header = (
        np.lib.format.read_array_header_1_0
        if np.lib.format.read_magic(head) == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_header(head)
    if dtype.kind not in "biufU" or not 0 < dtype.itemsize <= MAX_ITEM:
        raise ValueError(f"{name!r} holds {dtype}, neither numbers nor text")
    if min(shape, default=1) < 1:
        raise ValueError(f"{name!r} is empty, {shape}")
    if math.prod(shape) * dtype.itemsize > archive.getinfo(f"{name}.npy").file_size:
        raise ValueError(f"{name!r} claims to be {dtype} {shape} and is smaller")
    return shape, dtype


def read_array(archive: zipfile.ZipFile, name: str, kinds: str = "biufU") -> NDArray:
    """An array whose dtype is of one of these kinds. Raises what `array_header` does."""
    shape, dtype = array_header(archive, name)
    if dtype.kind not in kinds:
        raise ValueError(f"{name!r} holds {dtype} {shape}")
    with archive.open(f"{name}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def read_floats(archive: zipfile.ZipFile, name: str) -> NDArray[np.float32]:
    """An array of floating point numbers as float32. Raises what `array_header` does."""
    return read_array(archive, name, "f").astype(np.float32, copy=False)


def read_names(archive: zipfile.ZipFile, name: str, most: int) -> tuple[str, ...]:
    """An array of one to so many words. Raises what `array_header` does."""
    shape, dtype = array_header(archive, name)
    if dtype.kind != "U" or len(shape) != 1 or shape[0] > most:
        raise ValueError(f"{name!r} is {dtype} {shape}, expected at most {most} words")
    return tuple(map(str, read_array(archive, name)))
