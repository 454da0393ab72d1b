"""The light of each emotion: colours read from assets/emotions.toml, blended by emotion weights."""

import logging
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.runtime.faults import StartError

FILE_NAME = "emotions.toml"
MAX_FILE = 2**20
UNKNOWN = "unknown"
COLOUR_KEYS = ("figure", "glow", "background")
NUMBER_KEYS = {"trail_seconds": (0.05, 6.0, None), "glow_strength": (0.0, 2.0, 1.0), "grain": (0.0, 4.0, 1.0)}
"""Lowest and highest value, and what counts where none is given."""

RELOAD_INTERVAL_S = 0.5
"""Seconds between two looks at the file."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Light:
    """What one emotion, or a blend of several, looks like. Each colour is (3,) float32 sRGB in 0..1."""

    figure: NDArray[np.float32]
    glow: NDArray[np.float32]
    background: NDArray[np.float32]
    trail_seconds: float
    glow_strength: float = 1.0
    grain: float = 1.0

    def towards(self, other: "Light", share: float) -> "Light":
        """This light faded by `share` (0..1) into the other; or the other where nobody would see it."""
        if other is self:
            return self
        way = other.row - self.row
        return Light.from_row(self.row + way * np.float32(share)) if np.abs(way).max() > 1e-4 else other

    def dimmed(self, share: float) -> "Light":
        """The same light with `share` (0..1) of its brightness."""
        if share == 1.0:
            return self
        row = self.row.copy()
        row[:9] *= np.float32(share)
        return Light.from_row(row)

    @cached_property
    def row(self) -> NDArray[np.float32]:
        """All values as one (12,) row, so that lights can be mixed and compared."""
        numbers = [self.trail_seconds, self.glow_strength, self.grain]
        return np.concatenate([self.figure, self.glow, self.background, numbers]).astype(np.float32)

    @staticmethod
    def from_row(row: NDArray[np.float32]) -> "Light":
        """The light whose `row` is that."""
        return Light(row[0:3], row[3:6], row[6:9], *map(float, row[9:12]))


class EmotionLights:
    """The lights by emotion name; a name without one of its own gets the table `unknown`."""

    def __init__(self, lights: Mapping[str, Light]) -> None:
        self._lights = dict(lights)
        self._blended: tuple[tuple[str, ...], NDArray[np.floating], Light] | None = None

    def of(self, name: str) -> Light:
        """The light of one emotion."""
        return self._lights.get(name, self._lights[UNKNOWN])

    def blend(self, palette: Sequence[str], weights: NDArray[np.floating] | None) -> Light:
        """The mean light of the palette by its weights (P,); without weights the light of `unknown`."""
        if weights is None or len(palette) != len(weights):
            return self.of(UNKNOWN)
        names = tuple(palette)
        if self._blended is not None:  # weights seldom change, and then this is the same light as before
            before, same, light = self._blended
            if before == names and np.array_equal(same, weights):
                return light
        if not np.isfinite(weights).all():
            return self.of(UNKNOWN)
        shares = np.maximum(np.asarray(weights, dtype=np.float32), 0.0)
        if shares.sum() <= 0.0:
            return self.of(UNKNOWN)
        light = Light.from_row(shares @ np.stack([self.of(name).row for name in names]) / shares.sum())
        self._blended = names, weights.copy(), light
        return light


def colours_path() -> Path:
    """The file with the lights."""
    return Path(str(resources.files("assets").joinpath(FILE_NAME)))


def load_colours(text: str | None = None) -> EmotionLights:
    """Read the lights from TOML text, by default assets/emotions.toml. Raises StartError in one line."""
    try:
        text = read_text(colours_path()) if text is None else text
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"assets/{FILE_NAME} cannot be read: {error}. Restore the file.") from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError of its own
        raise StartError(
            f"assets/{FILE_NAME} is not valid TOML: {error}. Mend it or restore the file."
        ) from error
    if UNKNOWN not in tables:
        raise StartError(f"assets/{FILE_NAME} has no table [{UNKNOWN}]: add it, it lights names with none.")
    return EmotionLights({name: _light(name, table) for name, table in tables.items()})


def read_text(path: Path) -> str:
    """The text of a small file. Raises StartError for a large one, OSError, UnicodeDecodeError."""
    if path.stat().st_size > MAX_FILE:
        raise StartError(f"{path.name} is larger than {MAX_FILE} bytes: expected a small TOML file.")
    return path.read_text(encoding="utf-8-sig")


def _light(name: str, table: Any) -> Light:
    if not isinstance(table, dict):
        raise StartError(f"assets/{FILE_NAME}: '{name}' must be a table, such as [{name}] with figure, glow, …")
    unknown = set(table) - set(COLOUR_KEYS) - set(NUMBER_KEYS)
    if unknown:
        raise StartError(
            f"assets/{FILE_NAME}: [{name}] has {sorted(unknown)[0]!r}; it may have "
            f"{', '.join((*COLOUR_KEYS, *NUMBER_KEYS))}."
        )
    colours = [_colour(name, key, table.get(key)) for key in COLOUR_KEYS]
    numbers = [_number(name, key, table.get(key)) for key in NUMBER_KEYS]
    return Light(colours[0], colours[1], colours[2], *numbers)


def _number(name: str, key: str, value: Any) -> float:
    low, high, default = NUMBER_KEYS[key]
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise StartError(f"assets/{FILE_NAME}: {key} of [{name}] must be a number from {low:g} to {high:g}.")
    return float(value)


def _colour(name: str, key: str, value: Any) -> NDArray[np.float32]:
    try:
        if not (isinstance(value, str) and value.startswith("#") and len(value) == 7):
            raise ValueError
        return np.frombuffer(bytes.fromhex(value[1:]), dtype=np.uint8).astype(np.float32) / 255.0
    except ValueError:
        raise StartError(
            f'assets/{FILE_NAME}: {key} of [{name}] is {value!r}, expected a colour such as "#ffae35".'
        ) from None


class LiveColours:
    """The lights of the file as it is now: an artist may edit it while the installation runs.

    `mistake` is one line about the file as it was last saved, None if nothing is wrong with it; while it is
    wrong, the last good lights stay.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or colours_path()
        self.mistake: str | None = None
        self._stamp = self._read_stamp()
        self.colours = load_colours(self._first_text())
        self._look_at = 0.0

    def at(self, time: float) -> EmotionLights:
        """The lights at a time in seconds; looks at the file twice a second."""
        if time >= self._look_at:
            self._look_at = time + RELOAD_INTERVAL_S
            stamp = self._read_stamp()
            if stamp != self._stamp:
                self._stamp = stamp
                self._reload()
        return self.colours

    def _first_text(self) -> str:
        try:
            return read_text(self._path)
        except (OSError, UnicodeDecodeError) as error:
            raise StartError(f"assets/{FILE_NAME} cannot be read: {error}. Restore the file.") from error

    def _reload(self) -> None:
        try:
            self.colours, self.mistake = load_colours(read_text(self._path)), None
            log.info("%s was read again", self._path.name)
        except (StartError, OSError, UnicodeDecodeError) as error:
            self.mistake = " ".join(str(error).split())
            log.warning("%s; the last good lights stay", self.mistake)

    def _read_stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size
