"""Files of dances: what `models.generate`, `models.evaluate` and a recording write.

An npz file with positions float32 (N, T, 17, 3) in metres, emotion str (N,), emotion_weights float32 (N, T, P),
joints str (17,), palette str (P,) and fps; where they answer a visitor, visitor float32 (T, 17, 3); where an
evaluation prompted them, mismatched bool (N,).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.safe_files import has_array, open_npz, read_array, read_floats, read_names
from models.emotion.palette import MAX_ENTRIES
from models.motion.skeleton import FRAME_RATE, JOINT_COUNT, JOINTS, FloatArray


class DanceFileError(ValueError):
    """A file that holds no dances; one line for a person."""


@dataclass(frozen=True, eq=False)
class Dances:
    """N dances of T frames at `rate` fps: positions (N, T, 17, 3) in metres, the emotion that each was asked
    for, in words, and emotion_weights (N, T, P) over the palette.

    `visitor`: positions (T, 17, 3) of whom they all answered. `mismatched` (N,): whether the prompt of a dance
    was another emotion's movement.
    """

    positions: FloatArray
    emotions: tuple[str, ...]
    emotion_weights: FloatArray
    palette: tuple[str, ...]
    rate: float = FRAME_RATE
    visitor: FloatArray | None = None
    mismatched: NDArray[np.bool_] | None = None


def write_dances(path: Path, dances: Dances) -> None:
    """Write dances so that `read_dances` gives them back. Raises OSError."""
    arrays: dict[str, Any] = {
        "positions": dances.positions.astype(np.float32, copy=False),
        "emotion": np.array(dances.emotions),
        "emotion_weights": dances.emotion_weights.astype(np.float32, copy=False),
        "joints": np.array(JOINTS),
        "palette": np.array(dances.palette),
        "fps": np.float32(dances.rate),
        "visitor": dances.visitor,
        "mismatched": dances.mismatched,
    }
    with path.open("wb") as file:  # numpy would append .npz to a name
        np.savez_compressed(file, **{name: array for name, array in arrays.items() if array is not None})


def read_dances(path: Path) -> Dances:
    """The dances in a file. Raises DanceFileError."""
    try:
        with open_npz(path) as file:
            positions = read_floats(file, "positions")
            dances = Dances(
                positions=positions,
                emotions=read_names(file, "emotion", len(positions)),
                emotion_weights=read_floats(file, "emotion_weights"),
                palette=read_names(file, "palette", MAX_ENTRIES),
                rate=float(read_array(file, "fps", "fiu")),
                visitor=read_floats(file, "visitor") if has_array(file, "visitor") else None,
                mismatched=read_array(file, "mismatched", "b") if has_array(file, "mismatched") else None,
            )
            joints = read_names(file, "joints", JOINT_COUNT)
    except Exception as error:  # damaged bytes raise nearly every kind there is
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DanceFileError(f"{path}: expected dances from models.generate: {reason}") from None
    _check(path, dances, joints)
    return dances


def _check(path: Path, dances: Dances, joints: tuple[str, ...]) -> None:
    """Raise DanceFileError for arrays that do not fit together."""
    shape, visitor = dances.positions.shape, dances.visitor
    if joints != JOINTS or len(shape) != 4 or shape[2:] != (JOINT_COUNT, 3):
        raise DanceFileError(f"{path}: positions {shape} with {len(joints)} joints, expected (N, T, 17, 3)")
    weights = (*shape[:2], len(dances.palette))
    if dances.emotion_weights.shape != weights or len(dances.emotions) != len(dances.positions):
        raise DanceFileError(f"{path}: expected emotion weights {weights} and an emotion for each dance")
    if visitor is not None and (visitor.shape != shape[1:] or not np.isfinite(visitor).all()):
        raise DanceFileError(f"{path}: expected a visitor {shape[1:]} with finite positions")
    if dances.mismatched is not None and dances.mismatched.shape != shape[:1]:
        raise DanceFileError(f"{path}: mismatched {dances.mismatched.shape}; expected one for each dance")
    if not np.isfinite(dances.positions).all() or not 1.0 <= dances.rate <= 1000.0:
        raise DanceFileError(f"{path}: expected finite positions at 1 to 1000 fps")
