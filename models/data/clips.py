"""Clips of motion on the 17-joint skeleton, their labels, and the npz file that holds them.

The file (bandai17_train.npz is the first of its kind): `pelvis` float32 (N, 3) metres; `offsets` int16 (N,
16, 3), joint minus pelvis in units of 0.1 mm; `starts` int64 (clips + 1,), frame index of each clip; per clip
`clip`, `dataset`, `content`, `style`; `joints`, `parents`, `fps`.
"""

import hashlib
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.atomic_write import replacing
from models.data.safe_files import array_header, has_array, open_npz, read_array
from models.motion.skeleton import BONE_COUNT, FRAME_RATE, JOINT_COUNT, JOINTS, PARENTS, FloatArray

MAX_FRAMES = 2_500_000
MAX_CLIPS = 200_000

OFFSET_UNIT_M = 1e-4
"""Metres per unit of `offsets`."""

MAX_JOINT_M = np.iinfo(np.int16).max * OFFSET_UNIT_M
"""Metres along each axis from the pelvis that `offsets` can hold."""

MAX_PELVIS_M = 1e4
"""Metres along each axis from the origin; farther away float32 is coarser than a millimetre."""

PALETTE_LABELS = {
    "neutral": ("1/normal", "2/normal"),
    "happy": ("1/happy",),
    "sad": ("1/sad",),
    "angry": ("1/angry",),
    "timid": ("1/not-confident",),
    "proud": ("1/proud",),
    "tired": ("1/tired", "2/exhausted"),
    "energetic": ("1/active", "2/active"),
}
"""Palette name -> labels of the Bandai-Namco data that show that emotion."""

SPLIT_LABEL_SIZE = 5
"""A label with at least this many clips is always represented in the validation set."""


class ClipsError(ValueError):
    """Clips or a file of clips that cannot be used; one line that names file, array and what was expected."""


@dataclass(frozen=True)
class Clips:
    """Clips one after another at 30 fps.

    `positions` (N, 17, 3) float32 in metres, y up; `starts` (clips + 1,) int64, where each clip begins, then
    N; and for each clip its name, data set, content (what is done) and style (how).
    """

    positions: FloatArray
    starts: NDArray[np.int64]
    names: tuple[str, ...]
    datasets: tuple[str, ...]
    contents: tuple[str, ...]
    styles: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def clip(self, index: int) -> FloatArray:
        """Positions (T, 17, 3) of one clip, a view."""
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        return self.positions[self.starts[index] : self.starts[index + 1]]

    @property
    def labels(self) -> tuple[str, ...]:
        """Per clip 'dataset/style', the unit in which emotions are learnt."""
        return tuple(f"{dataset}/{style}" for dataset, style in zip(self.datasets, self.styles, strict=True))


@dataclass(frozen=True)
class _Array:
    """What a file must hold under one name. `shape`: numbers, 'frames', 'clips' or 'starts' (clips + 1)."""

    kinds: str
    shape: tuple[int | str, ...]
    meaning: str


_ARRAYS = {
    "pelvis": _Array("f", ("frames", 3), "float (N, 3)"),
    "offsets": _Array("i", ("frames", BONE_COUNT, 3), f"int16 (N, {BONE_COUNT}, 3)"),
    "starts": _Array("iu", ("starts",), "int (clips + 1,)"),
    "clip": _Array("U", ("clips",), "str (clips,)"),
    "dataset": _Array("iuU", ("clips",), "int or str (clips,)"),
    "content": _Array("U", ("clips",), "str (clips,)"),
    "style": _Array("U", ("clips",), "str (clips,)"),
    "joints": _Array("U", (JOINT_COUNT,), f"str ({JOINT_COUNT},)"),
    "parents": _Array("iu", (JOINT_COUNT,), f"int ({JOINT_COUNT},)"),
    "fps": _Array("fiu", (), "a number"),
}


def read_clips(path: str | Path) -> Clips:
    """The clips in the file at `path`. Raises ClipsError for a file unreadable, malformed or too large."""
    try:
        with open_npz(path) as archive:
            _check_headers(path, archive)
            arrays = {name: read_array(archive, name) for name in _ARRAYS}
    except ClipsError:
        raise
    except Exception as error:  # on damaged bytes zipfile, zlib and numpy raise nearly every kind there is
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ClipsError(f"{path}: expected a readable clips file, npz ({reason})") from error
    _check_values(path, arrays)
    positions = np.empty((len(arrays["pelvis"]), JOINT_COUNT, 3), dtype=np.float32)
    positions[:, 0] = arrays["pelvis"]
    np.multiply(arrays["offsets"], np.float32(OFFSET_UNIT_M), out=positions[:, 1:])
    positions[:, 1:] += positions[:, :1]
    texts = [tuple(map(str, arrays[name])) for name in ("clip", "dataset", "content", "style")]
    return Clips(positions, arrays["starts"].astype(np.int64), *texts)


def write_clips(path: str | Path, clips: Clips) -> None:
    """Write clips so that `read_clips` gives them back, offsets rounded to 0.1 mm.

    The file appears whole or not at all. Raises ClipsError for clips that the format cannot hold, and for a
    path that cannot be written.
    """
    positions = np.asarray(clips.positions, dtype=np.float32)
    _check_clips(path, clips, positions)
    offsets = np.rint((positions[:, 1:] - positions[:, :1]) / np.float32(OFFSET_UNIT_M)).astype(np.int16)
    try:
        with replacing(Path(path)) as unfinished, unfinished.open("wb") as file:
            np.savez_compressed(
                file,
                pelvis=positions[:, 0],
                offsets=offsets,
                starts=np.asarray(clips.starts, dtype=np.int64),
                clip=np.array(clips.names, dtype=np.str_),
                dataset=_dataset_array(clips.datasets),
                content=np.array(clips.contents, dtype=np.str_),
                style=np.array(clips.styles, dtype=np.str_),
                joints=np.array(JOINTS),
                parents=np.array(PARENTS, dtype=np.int64),
                fps=np.float32(FRAME_RATE),
            )
    except OSError as error:
        raise ClipsError(f"{path}: expected a place to write to ({error.strerror or error})") from error


def join_clips(parts: Sequence[Clips]) -> Clips:
    """Several sets of clips as one. Raises ValueError for none."""
    if not parts:
        raise ValueError("no clips to join")
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    texts = (
        sum((getattr(part, name) for part in parts), ()) for name in ("names", "datasets", "contents", "styles")
    )
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return Clips(np.concatenate([part.positions for part in parts]), starts, *texts)


def split_clips(clips: Clips, validation_share: float = 0.1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the training clips and of the validation clips, both ascending.

    A clip's side follows from a hash of its name, so it stays the same when clips are added, in any order and
    on any machine. Only where a label of at least SPLIT_LABEL_SIZE clips would have none in validation, its
    clip with the smallest hash goes there.
    """
    if not 0.0 < validation_share < 1.0:
        raise ValueError(f"expected a validation share between 0 and 1, found {validation_share}")
    places = np.array([_place_of(name) for name in clips.names])
    held_out = places < validation_share
    labels = np.array(clips.labels)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) >= SPLIT_LABEL_SIZE and not held_out[members].any():
            held_out[members[np.argmin(places[members])]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _place_of(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _dataset_array(datasets: Sequence[str]) -> NDArray[np.int64] | NDArray[np.str_]:
    """Numbers where every name is one, as in bandai17_train.npz, else text."""
    plain = all(
        name.isascii() and name.isdigit() and len(name) < 10 and str(int(name)) == name for name in datasets
    )
    return np.array(datasets, dtype=np.str_) if not plain else np.array([int(name) for name in datasets])


def _check_headers(path: str | Path, archive: zipfile.ZipFile) -> None:
    """Refuse, before any array is read, a file whose arrays are missing, too long or of the wrong form."""
    sizes: dict[str, int] = {}
    for name, wanted in _ARRAYS.items():
        if not has_array(archive, name):
            raise ClipsError(f"{path}: expected an array {name!r}, {wanted.meaning}")
        shape, dtype = array_header(archive, name)
        if dtype.kind not in wanted.kinds or not _fits(shape, wanted.shape, sizes):
            raise ClipsError(f"{path}: expected {name!r} to be {wanted.meaning}, found {dtype} {shape}")
        if name == "offsets" and dtype.itemsize != 2:
            raise ClipsError(f"{path}: expected 'offsets' to be {wanted.meaning}, found {dtype} {shape}")


def _fits(shape: tuple[int, ...], wanted: tuple[int | str, ...], sizes: dict[str, int]) -> bool:
    """Whether a shape is the wanted one. `sizes` holds the lengths met so far and takes up the new ones."""
    if len(shape) != len(wanted):
        return False
    for size, want in zip(shape, wanted, strict=True):
        if isinstance(want, int):
            if size != want:
                return False
            continue
        key, count = ("clips", size - 1) if want == "starts" else (want, size)
        most = MAX_FRAMES if key == "frames" else MAX_CLIPS
        if not 1 <= count <= most or sizes.setdefault(key, count) != count:
            return False
    return True


def _check_values(path: str | Path, arrays: dict[str, NDArray]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind == "U":
            code_points = array.view(array.dtype.str[0] + "u4")
            if (code_points > sys.maxunicode).any():
                raise ClipsError(f"{path}: expected {name!r} to hold Unicode text")
    if tuple(arrays["joints"]) != JOINTS or tuple(arrays["parents"]) != PARENTS:
        raise ClipsError(f"{path}: expected 'joints' and 'parents' to be those of models/motion/skeleton.py")
    if float(arrays["fps"]) != FRAME_RATE:
        raise ClipsError(f"{path}: expected 'fps' to be {FRAME_RATE}, found {float(arrays['fps']):g}")
    if not (np.abs(arrays["pelvis"]) <= MAX_PELVIS_M).all():
        raise ClipsError(f"{path}: expected 'pelvis' to hold metres up to {MAX_PELVIS_M:g} on each axis")
    _check_starts(path, arrays["starts"], len(arrays["pelvis"]))


def _check_starts(path: str | Path, starts: NDArray, frame_count: int) -> None:
    if starts[0] != 0 or starts[-1] != frame_count or not (starts[1:] > starts[:-1]).all():
        raise ClipsError(f"{path}: expected 'starts' to rise from 0 to the number of frames, {frame_count}")


def farthest_joint(positions: FloatArray) -> float:
    """The largest distance in metres along one axis from the pelvis to a joint of positions (T, 17, 3)."""
    return float(np.abs(positions[:, 1:] - positions[:, :1]).max())


def _check_clips(path: str | Path, clips: Clips, positions: FloatArray) -> None:
    """Refuse clips that `read_clips` would refuse, or that int16 offsets cannot hold."""
    if not 1 <= len(clips) <= MAX_CLIPS or not 1 <= len(positions) <= MAX_FRAMES:
        raise ClipsError(f"{path}: expected 1 to {MAX_CLIPS} clips with 1 to {MAX_FRAMES} frames in all")
    if positions.shape[1:] != (JOINT_COUNT, 3):
        raise ClipsError(f"{path}: expected positions (N, {JOINT_COUNT}, 3), found {positions.shape}")
    if not (np.abs(positions) <= MAX_PELVIS_M).all():
        raise ClipsError(f"{path}: expected positions in metres up to {MAX_PELVIS_M:g} on each axis")
    counts = {len(clips.starts) - 1, len(clips.datasets), len(clips.contents), len(clips.styles)}
    if counts != {len(clips)}:
        raise ClipsError(
            f"{path}: expected a start, data set, content and style for each of {len(clips)} clips"
        )
    _check_starts(path, np.asarray(clips.starts), len(positions))
    if farthest_joint(positions) > MAX_JOINT_M:
        raise ClipsError(f"{path}: expected every joint within {MAX_JOINT_M:.2f} m of the pelvis on each axis")


def emotion_of(label: str, emotions: Sequence[str]) -> int | None:
    """Index of the emotion that a label "dataset/style" shows, None for another style."""
    for index, name in enumerate(emotions):
        if label in PALETTE_LABELS.get(name, ()):
            return index
    return None
