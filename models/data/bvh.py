"""BVH motion capture files: what they say, checked.

A file may come from anywhere, so everything in it is bounded and nothing in it is believed before it is
checked. The format: Meredith and Maddock, "Motion Capture File Formats Explained", University of Sheffield
2001.
"""

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from models.data.bvh_kinematics import joint_positions

MAX_FILE_BYTES = 256 * 2**20
MAX_LINES = 4_000_000
MAX_LINE_LENGTH = 256 * 2**10
MAX_NAME_LENGTH = 256
MAX_JOINTS = 512
MAX_DEPTH = 128
MAX_MOTION_VALUES = 40_000_000
MAX_JOINT_FRAMES = 10_000_000
MAX_SECONDS = 4 * 3600.0
MAX_MAGNITUDE = 1e6
"""No offset, position or angle is larger, in the file's own units; beyond it arithmetic would overflow."""

END_SITE = " End Site"
MAX_FRAME_TIME_S, MAX_FRAME_RATE = 1.0, 1000.0
"""A frame time between the two is meant as a number of frames a second."""

CHANNEL_NAMES = ("Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation")
_CHANNELS = {name.lower(): name for name in CHANNEL_NAMES}
_UNDECODED = re.compile("[\udc80-\udcff]")


class BvhError(ValueError):
    """A BVH file that cannot be used; one line that names the file, the line and what was expected."""


@dataclass(frozen=True)
class Bvh:
    """One motion capture take, in the file's own units (lengths as written, angles in degrees), y up.

    `joints`: J names in file order, a parent before its children. `parents`: index of each joint's parent, -1
    for a root. `offsets` (J, 3): rest position relative to the parent. `channels`: per joint the names that
    its columns of `frames` (T, C) have, in column order. `frame_time`: seconds. An End Site is a joint without
    channels that is called as its parent with `END_SITE` behind it. `mended`: what the file says of itself and
    is not so, in words.
    """

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: NDArray[np.float64]
    channels: tuple[tuple[str, ...], ...]
    frames: NDArray[np.float64]
    frame_time: float
    mended: tuple[str, ...] = ()

    def positions(self) -> NDArray[np.float64]:
        """Global joint positions (T, J, 3) by forward kinematics, in the file's units."""
        return joint_positions(self.parents, self.offsets, self.channels, self.frames)


def read_bvh(path: str | Path) -> Bvh:
    """The take in the BVH file at `path`. Raises BvhError for a file unreadable, malformed or too large."""
    try:
        if not stat.S_ISREG((status := Path(path).stat()).st_mode):
            raise BvhError(f"{path}: expected a file")  # a pipe would be waited for without end
        if status.st_size > MAX_FILE_BYTES:
            raise BvhError(f"{path}: expected a BVH file of at most {MAX_FILE_BYTES >> 20} MiB")
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as stream:
            reader = _Reader(str(path), stream)
            hierarchy = _read_hierarchy(reader)
            frames, frame_time, mended = _read_motion(reader, hierarchy)
    except OSError as error:
        raise BvhError(f"{path}: expected a readable BVH file ({error.strerror or error})") from error
    return Bvh(
        tuple(hierarchy.joints),
        tuple(hierarchy.parents),
        np.array(hierarchy.offsets, dtype=np.float64),
        tuple(hierarchy.channels),
        frames,
        frame_time,
        mended,
    )


class _Reader:
    """The words of one file, with the number of the line that they stand on."""

    def __init__(self, path: str, stream: TextIO) -> None:
        self.path, self.line_number = path, 0
        self._sample_stream = stream
        self._words: list[str] = []  # of the current line, last word first

    def error(self, expected: str, found: str | None = None) -> BvhError:
        seen = "" if found is None else f", found {found[:40]!r}"
        return BvhError(f"{self.path}, line {self.line_number}: expected {expected}{seen}")

    def word(self, expected: str) -> str:
        """The next word of the file; at its end raises BvhError that says what was expected."""
        found = self.word_if_any()
        if found is None:
            raise self.error(expected, "the end of the file")
        return found

    def word_if_any(self) -> str | None:
        """The next word of the file, or None at its end."""
        while not self._words:
            words = self._next_line()
            if words is None:
                return None
            self._words = words[::-1]
        return self._words.pop()

    def line_if_any(self) -> list[str] | None:
        """As `line`, or None at the end of the file."""
        first = self.word_if_any()
        if first is None:
            return None
        others, self._words = self._words[::-1], []
        return [first, *others]

    def at_end(self) -> bool:
        """Whether nothing follows."""
        word = self.word_if_any()
        if word is not None:
            self._words.append(word)
        return word is None

    def line(self, expected: str) -> list[str]:
        """What is left of the current line, or the words of the next line that is not blank."""
        found = self.line_if_any()
        if found is None:
            raise self.error(expected, "the end of the file")
        return found

    def numbers(self, words: list[str], expected: str) -> NDArray[np.float64]:
        """The words as finite numbers (len(words),) within MAX_MAGNITUDE."""
        values = np.array([self._number(word, expected) for word in words])
        fits = np.abs(values) <= MAX_MAGNITUDE
        if not fits.all():
            found = words[int(np.argmin(fits))]
            raise self.error(f"{expected}, finite and at most {MAX_MAGNITUDE:g} in size", found)
        return values

    def _number(self, word: str, expected: str) -> float:
        try:
            return float(word.replace("_", "no digit"))  # Python alone takes 1_000 for a number
        except ValueError:
            raise self.error(expected, word) from None

    def _next_line(self) -> list[str] | None:
        line = self._sample_stream.readline(MAX_LINE_LENGTH + 1)
        if not line:
            return None
        self.line_number += 1
        if self.line_number > MAX_LINES:
            raise self.error(f"at most {MAX_LINES} lines")
        if len(line) > MAX_LINE_LENGTH:
            raise self.error(f"lines of at most {MAX_LINE_LENGTH} characters")
        if not line.isascii() and _UNDECODED.search(line):
            raise self.error("UTF-8 text")
        return line.split()


@dataclass
class _Hierarchy:
    """The joints read so far, and which of them lack their closing brace."""

    joints: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[NDArray[np.float64] | None] = field(default_factory=list)
    channels: list[tuple[str, ...]] = field(default_factory=list)
    unclosed: list[int] = field(default_factory=list)

    def add_joint(self, name: str) -> None:
        self.joints.append(name)
        self.parents.append(self.unclosed[-1] if self.unclosed else -1)
        self.offsets.append(None)
        self.channels.append(())
        self.unclosed.append(len(self.joints) - 1)


def _read_hierarchy(reader: _Reader) -> _Hierarchy:
    """Everything up to and including the word MOTION."""
    if (found := reader.word("HIERARCHY")).upper() != "HIERARCHY":
        raise reader.error("HIERARCHY", found)
    hierarchy = _Hierarchy()
    while True:
        if hierarchy.unclosed:
            _read_in_joint(reader, hierarchy)
            continue
        expected = "ROOT or MOTION" if hierarchy.joints else "ROOT"
        found = reader.word(expected)
        if found.upper() == "ROOT":
            _open_joint(reader, hierarchy)
        elif found.upper() == "MOTION" and hierarchy.joints:
            return hierarchy
        else:
            raise reader.error(expected, found)


def _read_in_joint(reader: _Reader, hierarchy: _Hierarchy) -> None:
    """One entry between the braces of the innermost open joint or End Site."""
    joint = hierarchy.unclosed[-1]
    in_joint = not hierarchy.joints[joint].endswith(END_SITE)
    expected = "OFFSET, CHANNELS, JOINT, End Site or '}'" if in_joint else "OFFSET or '}'"
    found = reader.word(expected)
    match found.upper():
        case "OFFSET":
            meaning = "three numbers after OFFSET"
            offset = reader.numbers([reader.word(meaning) for _ in range(3)], meaning)
            hierarchy.offsets[joint] = offset
        case "CHANNELS" if in_joint:
            if joint != len(hierarchy.joints) - 1 or hierarchy.channels[joint]:
                raise reader.error("CHANNELS once in a joint, before its children", found)
            hierarchy.channels[joint] = _read_channels(reader)
        case "JOINT" if in_joint:
            _open_joint(reader, hierarchy)
        case "END" if in_joint:
            _expect(reader, "Site")
            _expect(reader, "{")
            hierarchy.add_joint(hierarchy.joints[joint] + END_SITE)
        case "}":
            if hierarchy.offsets[joint] is None:
                raise reader.error(f"OFFSET in joint {hierarchy.joints[joint]!r}", found)
            hierarchy.unclosed.pop()
        case _:
            raise reader.error(expected, found)


def _expect(reader: _Reader, word: str) -> None:
    if (found := reader.word(f"'{word}'")).upper() != word.upper():
        raise reader.error(f"'{word}'", found)


def _open_joint(reader: _Reader, hierarchy: _Hierarchy) -> None:
    """The name, which may hold blanks, and the opening brace."""
    name = reader.word("a joint name")
    if name == "{":
        raise reader.error("a joint name", name)
    while (word := reader.word("'{'")) != "{":
        name = f"{name} {word}"
        if len(name) > MAX_NAME_LENGTH or word == "}" or word.upper() in ("OFFSET", "CHANNELS"):
            raise reader.error("'{' after a joint name", word)
    if len(name) > MAX_NAME_LENGTH:
        raise reader.error(f"a joint name of at most {MAX_NAME_LENGTH} characters", name)
    if len(hierarchy.joints) == MAX_JOINTS or len(hierarchy.unclosed) == MAX_DEPTH:
        raise reader.error(f"at most {MAX_JOINTS} joints, {MAX_DEPTH} inside one another", name)
    hierarchy.add_joint(name)


def _read_channels(reader: _Reader) -> tuple[str, ...]:
    """The channel names of one joint as in CHANNEL_NAMES, whatever their case in the file."""
    count = reader.word("the number of channels")
    if count not in ("0", "1", "2", "3", "4", "5", "6"):
        raise reader.error("a number of channels from 0 to 6", count)
    names: list[str] = []
    for _ in range(int(count)):
        expected = f"{count} channel names such as Xposition or Zrotation"
        found = reader.word(expected)
        name = _CHANNELS.get(found.lower())
        if name is None or (name in names and name.endswith("position")):
            raise reader.error(expected, found)
        names.append(name)
    return tuple(names)


def _read_motion(reader: _Reader, hierarchy: _Hierarchy) -> tuple[NDArray[np.float64], float, tuple[str, ...]]:
    """Frames (T, C), the frame time in seconds, and what was mended: everything after the word MOTION.

    There are as many frames as whole lines: headers are off by one, and a recording may have been cut off.
    """
    channel_count = sum(map(len, hierarchy.channels))
    if channel_count == 0:
        raise reader.error("at least one channel in the hierarchy")
    frame_count = _read_frame_count(reader)
    if (
        frame_count * channel_count > MAX_MOTION_VALUES
        or frame_count * len(hierarchy.joints) > MAX_JOINT_FRAMES
    ):
        raise reader.error(f"at most {MAX_MOTION_VALUES} values and {MAX_JOINT_FRAMES} joint positions")
    frame_time, mended = _read_frame_time(reader)
    if frame_count * frame_time > MAX_SECONDS:
        raise reader.error(f"a take of at most {MAX_SECONDS / 3600:g} hours")
    most = min(
        MAX_MOTION_VALUES // channel_count,
        MAX_JOINT_FRAMES // len(hierarchy.joints),
        int(MAX_SECONDS / frame_time),
    )
    expected = f"{channel_count} numbers, one a channel"
    frames: list[NDArray[np.float64]] = []
    while (words := reader.line_if_any()) is not None:
        if len(words) < channel_count and reader.at_end():
            mended.append("the last line is cut short")
            break
        if len(words) != channel_count:
            raise reader.error(expected, f"{len(words)} values")
        frames.append(reader.numbers(words, expected))
        if len(frames) > most:
            raise reader.error(f"at most {most} frames")
    if not frames:
        raise reader.error("at least one frame")
    if len(frames) != frame_count:
        mended.append(f"{len(frames)} frames where the header says {frame_count}")
    return np.stack(frames), frame_time, tuple(mended)


def _read_frame_count(reader: _Reader) -> int:
    expected = "'Frames:' and a number of frames, at least 1"
    line = " ".join(reader.line(expected))
    found = re.fullmatch(r"frames ?: ?([0-9]{1,12})", line, re.IGNORECASE)
    if found is None or int(found[1]) < 1:
        raise reader.error(expected, line)
    return int(found[1])


def _read_frame_time(reader: _Reader) -> tuple[float, list[str]]:
    expected = "'Frame Time:' and a number of seconds above 0"
    line = " ".join(reader.line(expected))
    found = re.fullmatch(r"frame time ?: ?(\S+)", line, re.IGNORECASE)
    if found is None:
        raise reader.error(expected, line)
    frame_time = float(reader.numbers([found[1]], expected)[0])
    if not 0.0 < frame_time <= MAX_FRAME_RATE:
        raise reader.error(expected, line)
    if frame_time > MAX_FRAME_TIME_S:
        return 1.0 / frame_time, [f"the frame time is the number of frames a second, {frame_time:g}"]
    return frame_time, []
