"""The light of each emotion: colours read from assets/emotions.toml, blended by emotion weights."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.faults import StartError

FILE_NAME = "emotions.toml"
UNKNOWN = "unknown"
COLOUR_KEYS = ("figure", "glow", "background")


@dataclass(frozen=True, eq=False)
class Light:
    """What one emotion, or a blend of several, looks like. Colours are (3,) float32 sRGB in 0..1."""

    figure: NDArray[np.float32]
    glow: NDArray[np.float32]
    background: NDArray[np.float32]
    trail_seconds: float

    def towards(self, other: "Light", share: float) -> "Light":
        """This light faded by `share` (0..1) into the other."""
        mine, theirs = self.as_row(), other.as_row()
        return Light.from_row(mine + (theirs - mine) * np.float32(share))

    def as_row(self) -> NDArray[np.float32]:
        """All values as one (10,) row, so that lights can be mixed and compared."""
        parts = (self.figure, self.glow, self.background, [self.trail_seconds])
        return np.concatenate(parts).astype(np.float32)

    @staticmethod
    def from_row(row: NDArray[np.float32]) -> "Light":
        """The light whose `as_row` is `row`."""
        return Light(figure=row[0:3], glow=row[3:6], background=row[6:9], trail_seconds=float(row[9]))


class Colours:
    """The lights by emotion name; a name without one of its own gets the table `unknown`."""

    def __init__(self, lights: Mapping[str, Light]) -> None:
        self._lights = dict(lights)

    def of(self, name: str) -> Light:
        """The light of one emotion."""
        return self._lights.get(name, self._lights[UNKNOWN])

    def blend(self, palette: Sequence[str], weights: NDArray[np.floating] | None) -> Light:
        """The mean light of the palette by its weights (P,); without weights the light of `unknown`."""
        if weights is None or len(palette) != len(weights) or not np.isfinite(weights).all():
            return self.of(UNKNOWN)
        shares = np.maximum(np.asarray(weights, dtype=np.float32), 0.0)
        if shares.sum() <= 0.0:
            return self.of(UNKNOWN)
        rows = np.stack([self.of(name).as_row() for name in palette])
        return Light.from_row(shares @ rows / shares.sum())


def load_colours(text: str | None = None) -> Colours:
    """Read the lights from TOML text, by default assets/emotions.toml. Raises StartError in one line."""
    if text is None:
        text = resources.files("assets").joinpath(FILE_NAME).read_text(encoding="utf-8")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StartError(
            f"assets/{FILE_NAME} is not valid TOML: {error}. Mend it or restore the file."
        ) from error
    if UNKNOWN not in tables:
        raise StartError(f"assets/{FILE_NAME} has no table [{UNKNOWN}]: add it, it lights names with none.")
    return Colours({name: _light(name, table) for name, table in tables.items()})


def _light(name: str, table: Any) -> Light:
    if not isinstance(table, dict):
        raise StartError(f"assets/{FILE_NAME}: '{name}' must be a table, such as [{name}] with figure, glow, …")
    seconds = table.get("trail_seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 10:
        raise StartError(f"assets/{FILE_NAME}: trail_seconds of [{name}] must be a number over 0, at most 10.")
    figure, glow, background = (_colour(name, key, table.get(key)) for key in COLOUR_KEYS)
    return Light(figure, glow, background, float(seconds))


def _colour(name: str, key: str, value: Any) -> NDArray[np.float32]:
    try:
        if not (isinstance(value, str) and value.startswith("#") and len(value) == 7):
            raise ValueError
        return np.frombuffer(bytes.fromhex(value[1:]), dtype=np.uint8).astype(np.float32) / 255.0
    except ValueError:
        raise StartError(
            f'assets/{FILE_NAME}: {key} of [{name}] is {value!r}, expected a colour such as "#ffae35".'
        ) from None
