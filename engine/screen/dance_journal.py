"""What is danced while somebody records, appended to a file each second, and made into NPZ and BVH afterwards.

Afterwards is the end of the recording, or the next start where there was no end: a killed process or a power
cut leaves FILE.recording behind, of which the last second may be missing.
"""

import json
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.streams.values import DancerFrame
from models.data.bvh_writer import write_bvh
from models.data.dance_file import Dances, write_dances
from models.motion.skeleton import JOINT_COUNT

log = logging.getLogger(__name__)

SUFFIX = ".recording"
MAX_JOURNAL = 2**28
"""Bytes: an hour has 26 MB."""
MAX_HEADER = 2**16
ABANDONED_AFTER_S = 10.0
"""Seconds without a change after which nobody writes a journal any more: it grows each second."""


class DanceJournal:
    """Appends frames to FILE.recording; `finish` makes FILE.npz and FILE.bvh of it. Each raises OSError."""

    def __init__(self, stem: Path, palette: Sequence[str]) -> None:
        self._path = stem.with_name(stem.name + SUFFIX)
        self._file = open(self._path, "wb")  # noqa: SIM115 - closed in `finish`
        self._file.write(json.dumps({"palette": list(palette)}).encode() + b"\n")

    def append(self, frames: Sequence[DancerFrame]) -> None:
        """Write frames down, so that not even a power cut loses them."""
        rows = [np.concatenate([frame.positions.ravel(), frame.emotion_weights]) for frame in frames]
        self._file.write(b"".join(row.astype("<f4").tobytes() for row in rows))
        self._file.flush()
        os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Write the files and remove the journal; without a frame there are none."""
        self._file.close()
        _convert(self._path)


def recover(folder: Path, wait_s: float = ABANDONED_AFTER_S) -> None:
    """Make files of the journals that a process left behind in a folder. What fails is a line in the log.

    A watchdog starts the next process a moment after one has died: who finds a journal that may still be
    written looks again after `wait_s` seconds.
    """
    found = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    for last in (False, True):
        young = [path for path in found if not _recover_one(path)]
        if not young or last:
            return
        time.sleep(wait_s)
        found = young


def _recover_one(path: Path) -> bool:
    """Make files of a journal; False if somebody may still write it."""
    try:
        if time.time() - path.stat().st_mtime <= ABANDONED_AFTER_S:
            return False
        _convert(path)
        log.info("recovered %s (.npz, .bvh), which a process that ended had left", path.with_suffix(""))
    except (OSError, ValueError) as error:
        log.warning("%s cannot be recovered: %s", path, error)
    return True


def _convert(path: Path) -> None:
    """Write the files of a journal and remove it. Raises OSError; ValueError where it is none."""
    if path.stat().st_size > MAX_JOURNAL:
        raise ValueError("too large to be a recording")
    with open(path, "rb") as file:
        header = json.loads(file.readline(MAX_HEADER))
        data = file.read()
    palette = header.get("palette") if isinstance(header, dict) else None
    if not isinstance(palette, list) or not palette or not all(isinstance(name, str) for name in palette):
        raise ValueError("no names of a palette in it")
    width = 3 * JOINT_COUNT + len(palette)
    rows = np.frombuffer(data[: len(data) // (4 * width) * 4 * width], dtype="<f4").reshape(-1, width)
    rows = rows[np.isfinite(rows).all(axis=1)].astype(np.float32)
    if len(rows):
        positions, weights = rows[:, : 3 * JOINT_COUNT].reshape(-1, JOINT_COUNT, 3), rows[:, 3 * JOINT_COUNT :]
        emotion = palette[int(weights.mean(axis=0).argmax())]
        write_dances(
            path.with_suffix(".npz"), Dances(positions[None], (emotion,), weights[None], tuple(palette))
        )
        write_bvh(path.with_suffix(".bvh"), positions)
    path.unlink()
