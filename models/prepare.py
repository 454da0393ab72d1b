"""Prepare motion data for training: `python -m models.prepare bvh FOLDER --label-from REGEX --out FILE`."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.command_line import one_line, with_exit_status
from models.data.bvh import BvhError, read_bvh
from models.data.clips import MAX_JOINT_M, MAX_PELVIS_M, Clips, ClipsError, farthest_joint, write_clips
from models.data.rigs import RIGS, RigError, skeleton_positions
from models.data.sanity import UP_ROTATIONS, SanityError
from models.motion.skeleton import FloatArray


class PrepareError(ValueError):
    """Arguments or data that nothing can be made of; one line that says what was expected."""


@dataclass(frozen=True)
class Take:
    """One file's motion, (T, 17, 3) float32 metres at 30 fps, and what the file is called."""

    positions: FloatArray
    name: str
    dataset: str
    content: str
    style: str


def label_pattern(text: str) -> re.Pattern[str]:
    """The pattern of --label-from. Raises PrepareError for one that is malformed or has no group 'style'."""
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise PrepareError(f"--label-from: expected a regular expression ({error})") from error
    if "style" not in pattern.groupindex:
        raise PrepareError("--label-from: expected a group named style, such as '_(?P<style>[a-z-]+)_'")
    return pattern


def bvh_files(folder: Path) -> list[Path]:
    """Every *.bvh file under a folder, sorted. Raises PrepareError if there is no such folder or file."""
    if not folder.is_dir():
        raise PrepareError(f"{folder}: expected a folder with BVH files")
    found = [
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(".bvh")
    ]
    if not found:
        raise PrepareError(f"{folder}: expected at least one *.bvh file in it or below it")
    return sorted(found)


def read_take(
    path: Path,
    folder: Path,
    pattern: re.Pattern[str],
    scale: float | None,
    up: str | None = None,
    fps: float | None = None,
) -> Take:
    """The motion of one BVH file, labelled by its path relative to `folder`.

    Groups that the pattern lacks, or that took no part in the match, fall back: data set to the folder's
    name, clip to the file's name, content to ''. What was mended is a line on stderr. Raises BvhError,
    RigError, SanityError or PrepareError.
    """
    relative = path.relative_to(folder)
    label = pattern.search(relative.as_posix())
    if label is None or not label["style"]:
        raise PrepareError(f"{path}: expected --label-from to find a style in {relative.as_posix()!r}")
    try:
        positions, mended = skeleton_positions(read_bvh(path), scale, up=up, fps=fps)
    except (RigError, SanityError) as error:
        raise type(error)(f"{path}: {error}") from error
    if mended:
        tqdm.write(one_line(PrepareError(f"{path}: {'; '.join(mended)}")), file=sys.stderr)
    if len(positions) < 2:
        raise PrepareError(f"{path}: expected at least two frames at 30 fps")
    if farthest_joint(positions) > MAX_JOINT_M or np.abs(positions).max() > MAX_PELVIS_M:
        raise PrepareError(
            f"{path}: expected a body within {MAX_JOINT_M:.2f} m of its pelvis and {MAX_PELVIS_M:g} m "
            "of the origin; mend it with --scale"
        )
    given = {name: text for name, text in label.groupdict().items() if text}
    return Take(
        positions,
        given.get("clip", path.stem),
        given.get("dataset", folder.resolve().name),
        given.get("content", ""),
        given["style"],
    )


def join_takes(takes: Sequence[Take]) -> Clips:
    """Clips of takes in their order."""
    return Clips(
        np.concatenate([take.positions for take in takes]),
        np.cumsum([0, *(len(take.positions) for take in takes)]),
        tuple(take.name for take in takes),
        tuple(take.dataset for take in takes),
        tuple(take.content for take in takes),
        tuple(take.style for take in takes),
    )


def prepare_bvh(arguments: argparse.Namespace) -> None:
    """The subcommand `bvh`. Raises PrepareError or ClipsError where no file can be written."""
    pattern = label_pattern(arguments.label_from)
    scale = arguments.scale
    if scale is not None and not 0.0 < scale < 1e3:
        raise PrepareError(
            f"--scale: expected metres per unit of the files, above 0 and below 1000, found {scale:g}"
        )
    if arguments.fps is not None and not 1.0 <= arguments.fps <= 1000.0:
        raise PrepareError(f"--fps: expected frames a second from 1 to 1000, found {arguments.fps:g}")
    out = arguments.out
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise PrepareError(f"--out: expected a file in a folder that exists and can be written to, found {out}")
    takes = []
    for path in tqdm(bvh_files(arguments.folder), desc="reading", unit="file", disable=None):
        try:
            takes.append(read_take(path, arguments.folder, pattern, scale, arguments.up, arguments.fps))
        except (BvhError, RigError, SanityError, PrepareError) as error:
            tqdm.write(one_line(error), file=sys.stderr)
    if not takes:
        raise PrepareError(
            f"{arguments.folder}: expected at least one file that loads; the lines above say why none did"
        )
    clips = join_takes(takes)
    write_clips(out, clips)
    labels = ", ".join(sorted(set(clips.labels)))
    print(f"{out}: {len(clips)} clips, {len(clips.positions)} frames, labels {labels}")


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The subcommand and its options; what cannot be one ends the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m models.prepare", description="Prepare motion data for training."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    bvh = commands.add_parser(
        "bvh",
        help="convert a folder of BVH files",
        description="Convert BVH files to clips on the 17-joint skeleton: metres, y up, 30 fps. Rigs known: "
        f"{', '.join(rig.name for rig in RIGS)}. A file that does not load costs one line on stderr; the "
        "others go on.",
    )
    bvh.add_argument("folder", type=Path, metavar="FOLDER", help="searched for *.bvh, as all folders below it")
    bvh.add_argument(
        "--label-from",
        required=True,
        metavar="REGEX",
        help="searched in each file's path relative to FOLDER, with / between folders. Its named groups "
        "label the clip: style (required), dataset (else FOLDER's name), content (else empty), clip (else "
        "the file's name). Example: 'dataset-(?P<dataset>\\d)_(?P<content>.+)_(?P<style>[a-z-]+)_\\d+'",
    )
    bvh.add_argument("--out", required=True, type=Path, metavar="FILE.npz", help="the clips file to write")
    bvh.add_argument(
        "--scale",
        type=float,
        metavar="S",
        help="metres per unit of length in the files, such as 0.01 for centimetres (default: deduced for "
        "each file from the length of the legs)",
    )
    bvh.add_argument(
        "--up", choices=UP_ROTATIONS, help="the axis that is up in the files (default: told by the bodies)"
    )
    bvh.add_argument("--fps", type=float, metavar="N", help="frames a second (default: as the files say)")
    bvh.set_defaults(run=prepare_bvh)
    return parser.parse_args(argv)


@with_exit_status("models.prepare", PrepareError, ClipsError)
def main(argv: Sequence[str] | None = None) -> None:
    """Run a subcommand; returns the exit status, 2 where the arguments or the data allow no result."""
    arguments = parse_arguments(argv)
    arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
