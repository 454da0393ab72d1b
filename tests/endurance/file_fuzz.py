"""Hostile files: every importer loads them or refuses them in one line, and takes neither for ever nor 1 GB.

python -m tests.endurance.file_fuzz --count 100000                 so many of each kind
python -m tests.endurance.file_fuzz --count 100000 --kind npz      of one kind
"""

import argparse
import faulthandler
import json
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from engine.control.show import read_show
from engine.render.emotion_lights import colours_path, load_colours, read_text
from engine.runtime.faults import StartError
from engine.settings import Settings, as_file, parse_settings
from models.data.bvh import BvhError, read_bvh
from models.data.bvh_writer import write_bvh
from models.data.clips import ClipsError, read_clips, write_clips
from models.data.dance_file import DanceFileError
from models.emotion.palette import DEFAULT_PALETTE
from models.evaluation.emotion_classifier import (
    ClassifierConfig,
    ClassifierError,
    EmotionClassifier,
    save_classifier,
)
from models.evaluation.movement_classifier import read_movement_classifier
from models.evaluation.rollouts import Rollouts, read_rollouts, save_rollouts
from models.generate import GenerateError, read_prompts
from models.network.card import CheckpointError, card_path, read_palette
from models.network.checkpoint import read_checkpoint, write_checkpoint
from tests.synthetic import swinging_figure, synthetic_clips, tiny_dancer

MAX_CASE = 30
"""Seconds after which a case hangs: the program ends with the place where it did."""
MAX_MEMORY = 2**30
REFUSALS = (CheckpointError, StartError, BvhError, ClipsError, DanceFileError, GenerateError, ClassifierError)
SHOW = b"""length = 60

[[cue]]
at = 0
glide = 3
emotion = "sad"

[[cue]]
at = 9
emotion = { happy = 0.5, sad = 1 }
repertoire = { dance = 0.5, walk = 1 }
energy = 1.5
"""
WORDS = (
    *(b"nan", b"inf", b"-inf", b"1e999", b"-1e308", b"9" * 400, b"-1", b"0", b"0.0", b"true", b"null", b'""'),
    *(
        b"[]",
        b"{}",
        b"[" * 3000,
        b"{" * 3000,
        b'{"a":' * 500,
        b"\x00",
        b"\xff\xfe",
        b"\xf0\x9f\x92\x83",
        b"'''",
    ),
    *(
        b'"""',
        b"#",
        b"=",
        b"[[cue]]",
        b"}",
        b"{",
        b"MOTION",
        b"Frames: 999999999999",
        b"CHANNELS 6",
        b"End Site",
    ),
    *(
        b"1_000",
        b"0x7f",
        b"1979-05-27",
        b"\r\n",
        b"\n" * 50,
        b" " * 500,
        b"\xed\xa0\x80",
        b"../" * 40,
        b"2147483648",
    ),
)


@dataclass(frozen=True)
class Kind:
    """One kind of file: its name in a folder, what a good one holds, and how it is read."""

    name: str
    file: str
    good: bytes
    read: Callable[[Path], object]


class Spoiler:
    """Spoils files; the same seed spoils them in the same way."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def spoiled(self, good: bytes) -> bytes:
        """A file that was good, and usually is no more."""
        if self._rng.random() < 0.02:
            return self._rng.randbytes(self._rng.choice((0, 1, 7, 64, 1000)))
        data = bytearray(good)
        for _ in range(self._rng.choice((1, 1, 2, 4, 16))):
            self._rng.choice(
                (self._flip, self._flip, self._word, self._word, self._number, self._cut, self._copy)
            )(data)
        return bytes(data)

    def _place(self, data: bytearray) -> int:
        """Anywhere, but often near the beginning, where headers are."""
        reach = len(data) if self._rng.random() < 0.6 else min(len(data), 400)
        return self._rng.randrange(reach + 1)

    def _flip(self, data: bytearray) -> None:
        if data:
            data[min(self._place(data), len(data) - 1)] ^= 1 << self._rng.randrange(8)

    def _word(self, data: bytearray) -> None:
        """Put a nasty word in the place of one that was there, or between two."""
        at = self._place(data)
        end = at + self._rng.choice((0, 1, 4, 12))
        data[at:end] = self._rng.choice(WORDS)

    def _number(self, data: bytearray) -> None:
        at = self._place(data)
        value = self._rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1, 2**40))
        data[at : at + 8] = struct.pack("<Q", value)

    def _cut(self, data: bytearray) -> None:
        if self._rng.random() < 0.5:
            del data[self._place(data) :]
        else:
            at = self._place(data)
            del data[at : at + self._rng.choice((1, 8, 200))]

    def _copy(self, data: bytearray) -> None:
        """Say something twice."""
        at, length = self._place(data), self._rng.choice((4, 40, 400))
        data[at:at] = data[at : at + length] * self._rng.choice((1, 2, 20))


def kinds(folder: Path) -> list[Kind]:
    """Every kind of file that is read from outside, with a small good one of each."""
    dancer = folder / "dancer.safetensors"
    write_checkpoint(dancer, tiny_dancer())
    write_clips(folder / "clips.npz", synthetic_clips(1, 12))
    write_bvh(folder / "dance.bvh", swinging_figure(6))
    save_rollouts(folder / "rollouts.npz", two_dances())
    emotion_classifier, train_config = folder / "classifier.safetensors", ClassifierConfig(width=2)
    save_classifier(
        emotion_classifier,
        EmotionClassifier(DEFAULT_PALETTE.names, train_config.width, train_config.dropout),
        train_config,
    )
    rollouts = (folder / "rollouts.npz").read_bytes()

    def card(path: Path) -> object:
        return read_palette(path.with_suffix(".safetensors")), read_checkpoint(path.with_suffix(".safetensors"))

    # the card is spoiled in a folder where its tensors stay whole, and the other way round
    for name, good in (
        ("card", dancer),
        ("tensors", dancer),
        ("classifier-card", emotion_classifier),
        ("classifier", emotion_classifier),
    ):
        (folder / name).mkdir()
        (folder / name / good.name).write_bytes(good.read_bytes())
        card_path(folder / name / good.name).write_bytes(card_path(good).read_bytes())
    # without its digest, which would refuse each spoiled file before the reader looks into it
    blind = json.loads(card_path(dancer).read_text(encoding="utf-8")) | {"sha256": None}
    card_path(folder / "tensors" / dancer.name).write_text(json.dumps(blind), encoding="utf-8")
    return [
        Kind("card", "card/dancer.json", card_path(dancer).read_bytes(), card),
        Kind("tensors", "tensors/dancer.safetensors", dancer.read_bytes(), read_checkpoint),
        Kind(
            "settings",
            "piece.toml",
            as_file(Settings()).encode(),
            lambda path: parse_settings(["--config", str(path)]),
        ),
        Kind("show", "show.toml", SHOW, lambda path: read_show(path, DEFAULT_PALETTE)),
        Kind("emotions", "emotions.toml", colours_path().read_bytes(), lights),
        Kind(
            "bvh", "spoiled.bvh", (folder / "dance.bvh").read_bytes(), lambda path: read_bvh(path).positions()
        ),
        Kind("npz", "spoiled.npz", (folder / "clips.npz").read_bytes(), read_clips),
        Kind("rollouts", "spoiled_rollouts.npz", rollouts, read_rollouts),
        Kind("prompt", "spoiled_prompt.npz", rollouts, read_prompts),
        Kind(
            "classifier-card",
            "classifier-card/classifier.json",
            card_path(emotion_classifier).read_bytes(),
            lambda path: read_movement_classifier(path.with_suffix(".safetensors")),
        ),
        Kind(
            "classifier",
            "classifier/classifier.safetensors",
            emotion_classifier.read_bytes(),
            read_movement_classifier,
        ),
    ]


def two_dances() -> Rollouts:
    """Two short dances, one of them from another emotion's movement."""
    positions = np.stack([swinging_figure(6)] * 2)
    weights = np.repeat(np.eye(len(DEFAULT_PALETTE), dtype=np.float32)[[1, 4]][:, None], 6, axis=1)
    return Rollouts(positions, weights, DEFAULT_PALETTE.names, np.array([False, True]))


def lights(path: Path) -> object:
    """The lights in a file, as the installation reads them while it runs."""
    try:
        return load_colours(read_text(path))
    except UnicodeDecodeError as error:
        raise StartError(f"{path.name}: {error}") from None


def fuzz(kind: Kind, folder: Path, count: int, seed: int = 0) -> tuple[int, int]:
    """(loaded, refused) of so many spoiled files. Whatever else is raised is a fault that they found."""
    spoiler, path = Spoiler(seed), folder / kind.file
    loaded = refused = 0
    for number in range(count):
        data = spoiler.spoiled(kind.good)
        path.write_bytes(data)
        try:
            kind.read(path)
            loaded += 1
        except REFUSALS as error:
            assert str(error) and "\n" not in str(error).strip(), (kind.name, number, str(error)[:300])
            refused += 1
        except BaseException as error:
            (keep := Path(tempfile.gettempdir()) / f"file_fuzz-{kind.name}-{seed}-{number}").write_bytes(data)
            error.add_note(f"{kind.name}, seed {seed}, file {number}; kept as {keep}")
            raise
        if number % 50 == 0 and faulthandler.is_enabled():
            faulthandler.dump_traceback_later(50 * MAX_CASE, exit=True)
    faulthandler.cancel_dump_traceback_later()
    return loaded, refused


def _limit_memory() -> str:
    """Let an allocation beyond 1 GB more than now fail, where the system can do that."""
    try:
        import resource

        limit = psutil.Process().memory_info().vms + MAX_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, OSError, ValueError):
        return "memory not limited on this system"
    return "memory limited to 1 GiB more than at the start"


def main() -> int:
    """Fuzz each kind and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.file_fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="files of each kind (default: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", default=None, help="as in tests.test_file_fuzz: card, tensors, …, classifier")
    given = parser.parse_args()
    say, process = sys.stdout.write, psutil.Process()
    faulthandler.enable()
    with tempfile.TemporaryDirectory(prefix="file_fuzz-") as name:
        folder = Path(name)
        chosen = [kind for kind in kinds(folder) if given.kind in (None, kind.name)]
        for kind in chosen:
            fuzz(kind, folder, 20, given.seed + 1)  # what is loaded once is no leak
        say(f"{_limit_memory()}\n")
        for kind in chosen:
            before, began = process.memory_info().rss, time.perf_counter()
            loaded, refused = fuzz(kind, folder, given.count, given.seed)
            say(
                f"{kind.name:9s} {given.count} files in {time.perf_counter() - began:.0f} s: {loaded} loaded, "
                f"{refused} refused, memory {(process.memory_info().rss - before) / 2**20:+.1f} MiB\n"
            )
            sys.stdout.flush()
    say(json.dumps({"count": given.count, "seed": given.seed, "kinds": [kind.name for kind in chosen]}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
