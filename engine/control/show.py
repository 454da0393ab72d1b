"""A show: a timeline of emotion, repertoire, influence and energy over minutes, from a TOML file.

length = 600            # seconds, after which it begins anew; without it the last cue stays
[[cue]]
at = 0                  # seconds from the beginning of the dance
glide = 20              # seconds over which it comes, from what is there then (default 10)
emotion = "sad"         # a name, or weights: { sad = 0.7, timid = 0.3 }
repertoire = "dance"    # a name, or weights: { dance = 0.8, gesture = 0.2 }
influence = 0.2         # each of the four may be left out and then stays as it was
energy = 0.8
"""

import logging
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.control.controls import MAX_ENERGY
from engine.control.operator import Operator
from engine.control.repertoire import RepertoireTable, table_weights
from engine.runtime.faults import StartError
from engine.runtime.metrics import Metrics
from engine.runtime.service import Service
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame
from models.emotion.palette import Palette, Weights

MAX_FILE = 2**20
MAX_CUES = 1_000
MAX_LENGTH_S = 24 * 3600.0
CUES_A_SECOND = 5.0
PASSES = 8
"""Passes of a loop after which it no longer matters what was there before the first."""

Seconds = Annotated[float, Field(ge=0, le=MAX_LENGTH_S)]


class CueEntry(BaseModel):
    """A cue as it stands in the file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    at: Seconds
    glide: Seconds = 10.0
    emotion: str | Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)] | None = None
    repertoire: RepertoireTable | None = None
    influence: Annotated[float, Field(ge=0, le=1)] | None = None
    energy: Annotated[float, Field(ge=0, le=MAX_ENERGY)] | None = None


class ShowFile(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    length: Annotated[float, Field(gt=0, le=MAX_LENGTH_S)] | None = None
    cue: list[CueEntry] = Field(min_length=1, max_length=MAX_CUES)


@dataclass(frozen=True, eq=False)
class Track:
    """One value (K,) over time: at each of `times` it begins to glide to the next of `values`, for `seconds`.

    `length` is the time of a loop in seconds, None where the last value stays.
    """

    times: tuple[float, ...]
    seconds: tuple[float, ...]
    values: tuple[Weights, ...]
    length: float | None

    def at(self, moment: float, initial: Weights) -> Weights | None:
        """The value at a moment in seconds from the beginning, when it was `initial`; None as long as there
        has been no cue."""
        if not self.times or moment < self.times[0]:
            return None
        value = initial
        if self.length is not None:
            passes, moment = divmod(moment, self.length)
            for _ in range(min(int(passes), PASSES)):
                value = self._played(value, self.length)
        return self._played(value, moment)

    def _played(self, value: Weights, until: float) -> Weights:
        """What a value has become at a moment of a pass: each cue glides from where the last one got to."""
        ends = (*self.times[1:], float("inf"))
        for begins, ends_at, seconds, target in zip(self.times, ends, self.seconds, self.values, strict=True):
            if begins > until:
                break
            past = min(until, ends_at) - begins
            share = 1.0 if past >= seconds else past / seconds
            value = (value + np.float32(share) * (target - value)).astype(np.float32)
        return value


@dataclass(frozen=True, eq=False)
class Show:
    """The four tracks."""

    emotion: Track
    repertoire: Track
    influence: Track
    energy: Track

    @classmethod
    def of(cls, file: ShowFile, palette: Palette) -> "Show":
        """From a file. Raises ValueError for an emotion that there is not and for cues out of their order."""
        times = [cue.at for cue in file.cue]
        if sorted(set(times)) != times:
            raise ValueError("the cues should stand in the order of their times, no two at one time")
        if file.length is not None and times[-1] >= file.length:
            raise ValueError(f"the last cue is at {times[-1]:g} s, when the show of {file.length:g} s is over")

        def number(value: float) -> Weights:
            return np.array([value], dtype=np.float32)

        def track(name: str, value_of: Callable[[Any], Weights]) -> Track:
            """The cues of one control, in the file's order."""
            cues = [cue for cue in file.cue if getattr(cue, name) is not None]
            values = [value_of(getattr(cue, name)) for cue in cues]
            return Track(
                tuple(cue.at for cue in cues), tuple(cue.glide for cue in cues), tuple(values), file.length
            )

        return cls(
            track("emotion", lambda emotion: weights_of(emotion, palette)),
            track("repertoire", table_weights),
            track("influence", number),
            track("energy", number),
        )


def weights_of(emotion: str | dict[str, float], palette: Palette) -> Weights:
    """The weights (P,) that a name or a table of weights means. Raises ValueError."""
    if isinstance(emotion, str):
        resolved = palette.resolve(emotion)
        if resolved.note:
            logging.getLogger("engine.control.show").info("%s", resolved.note)
        return resolved.weights
    total = sum(emotion.values())
    if total <= 0:
        raise ValueError("the weights of an emotion should not all be 0")
    blend = sum(weight / total * palette.resolve(name).weights for name, weight in emotion.items())
    return np.asarray(blend, dtype=np.float32)


def read_show(path: Path, palette: Palette) -> Show:
    """The show in a file. Raises StartError, one line."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise StartError(f"--show: {path}: larger than {MAX_FILE} bytes; expected a small TOML file")
        file = ShowFile(**tomllib.loads(path.read_text(encoding="utf-8-sig")))
        return Show.of(file, palette)
    except OSError as error:
        raise StartError(f"--show: {path}: {error.strerror or 'cannot be read'}; give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StartError(f"--show: {path}: not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][:3])
        raise StartError(
            f"--show: {path}: {place}: {first['msg'].lower()}; see docs/show-and-automatic.md"
        ) from None
    except (TypeError, ValueError) as error:
        raise StartError(f"--show: {path}: {error}") from None


class ShowService(Service):
    """Plays the show: five times a second it asks the operator for what the moment wants."""

    name = "show"

    def __init__(self, show: Show, operator: Operator, metrics: Metrics, frames: Mailbox[DancerFrame]) -> None:
        super().__init__(metrics)
        self._frames = frames
        self._show, self._operator = show, operator
        self._began: float | None = None
        self._before: dict[str, Weights] = {}
        """what the first cue of each track glides from: what was there when it came"""

    def step(self) -> None:
        """Ask once and wait. The show begins with the dance, and goes on after a fault."""
        if self._began is None and self._frames.version:
            self._began = time.perf_counter()
        if self._began is not None:
            self.play(time.perf_counter() - self._began)
        self.sleep(1.0 / CUES_A_SECOND)

    def play(self, moment: float) -> None:
        """Ask for what a moment in seconds wants."""
        blend, controls = self._operator.snapshot()
        emotion = self._at("emotion", moment, blend)
        repertoire = self._at("repertoire", moment, controls.repertoire)
        influence = self._at("influence", moment, np.array([controls.influence], dtype=np.float32))
        energy = self._at("energy", moment, np.array([controls.energy], dtype=np.float32))
        self._operator.show_cue(
            emotion,
            None if influence is None else float(influence[0]),
            None if energy is None else float(energy[0]),
            repertoire,
        )

    def _at(self, name: str, moment: float, present: Weights) -> Weights | None:
        """The value of a track at a moment, when its control is at `present`."""
        value: Weights | None = getattr(self._show, name).at(moment, self._before.setdefault(name, present))
        if value is None:
            self._before[name] = present
        return value
