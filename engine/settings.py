"""The settings: one validated model, the only place for names and defaults.

The command line goes over the TOML file, the file over the defaults. Anything wrong raises `StartError`: one
line that names it, says what was expected and how to mend it.
"""

import argparse
import codecs
import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from engine.control.repertoire import DEFAULT_TABLE, RepertoireTable
from engine.osc.sender_limits import parse_network
from engine.osc.server import LOOPBACK_ONLY
from engine.osc.target import parse_address, parse_target
from engine.runtime.faults import StartError

MAX_SETTINGS_FILE = 2**20

METAVARS = {
    "pose_model": "FILE",
    "repertoire": "NAME",
    "glide": "S",
    "influence": "0..1",
    "energy": "0..2",
    "show": "FILE.toml",
    "hold": "S",
    "osc_in": "HOST:PORT",
    "osc_status_port": "PORT",
    "width": "PIXELS",
    "height": "PIXELS",
    "scene": "NAME",
    "display": "N",
    "scale": "0.25..1",
    "frame_rate": "N",
    "attract_after": "S",
    "recordings": "FOLDER",
    "quit_word": "WORD",
    "log": "FILE",
}
"""The settings that take a value on the command line, beside those with words of their own, and its name."""


EXAMPLES: dict[str, object] = {
    "mirror": True,
    "pose_model": "pose_landmarker_full.task",
    "checkpoint": "dancer.safetensors",
    "show": "show.toml",
    "osc_status_port": 9002,
    "seconds": 60,
    "stats": "figures.json",
    "scale": 0.5,
    "quit_word": "goodnight",
    "log": "piece.log",
    "watchdog": 10,
}
"""What could stand there, for settings that have no default."""


def _checked(check: Callable[[str], object]) -> AfterValidator:
    """Keeps the text, if `check` raises no ValueError."""

    def kept(text: str) -> str:
        check(text)
        return text

    return AfterValidator(kept)


def _known_scene(name: str) -> None:
    """Raises ValueError for what is no scene."""
    from engine.render.scenes import SCENES  # with pygame, which only the window needs

    if name not in SCENES:
        raise ValueError(f"there are {', '.join(SCENES)}")


SceneName = Annotated[str, _checked(_known_scene)]
Address = Annotated[str, _checked(parse_address)]
TargetText = Annotated[str, _checked(parse_target)]


class Settings(BaseModel):
    """Everything that can be set, with its default and its meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_control_characters(cls, value: object) -> object:
        """A backslash in a TOML string begins an escape: "C:\\temp" without doubling it holds a tabulator."""
        if isinstance(value, str) and any(ord(letter) < ord(" ") for letter in value):
            raise ValueError("it holds a character that is none; write paths with / or in single quotes")
        return value

    source: str = Field(
        "camera", description="where the visitor comes from: camera[:N], a video file, osc[:PORT], or none"
    )
    loop: bool = Field(False, description="play a video file again and again")
    mirror: bool | None = Field(None, description="mirror the picture (default: cameras yes, files no)")
    pose_model: Path | None = Field(
        None, description="a pose_landmarker .task file (default: found or made, see docs/pose-model.md)"
    )

    emotion: str = Field("neutral", description="the emotion at the start")
    glide: float = Field(0.5, ge=0, le=60, description="seconds that a change of emotion takes, 0 to 60")
    repertoire: RepertoireTable = Field(
        DEFAULT_TABLE,
        description="what is danced: dance, gesture, walk, or in a file weights: { dance = 0.8, walk = 0.2 }",
    )
    influence: float = Field(0.6, ge=0, le=1, description="how much the visitor draws the dancer, 0 to 1")
    energy: float = Field(1.0, ge=0, le=2, description="how much the dancer moves, 0 to 2; 1 as the actors did")
    seed: int = Field(0, ge=0, lt=2**63, description="the same seed dances the same dance")
    checkpoint: Path | None = Field(
        None,
        description="the dancer: a file, or free, which may be used commercially (default: the one that ships)",
    )

    show: Path | None = Field(
        None, description="a TOML file with a timeline of emotion, repertoire, influence and energy"
    )
    hold: float = Field(
        30.0,
        ge=0,
        le=3600,
        description="seconds for which a hand on a control goes over show and automatic, 0 to 3600",
    )
    automatic: bool = Field(False, description="let the visitor's movement set the emotion from the start")

    osc_targets: tuple[TargetText, ...] = Field(
        ("127.0.0.1:9001",),
        max_length=16,
        description="where the skeletons are sent, HOST:PORT[,FORMAT][,RATE][,FRAME]",
    )
    osc_in: Address | Literal["off"] = Field(
        "127.0.0.1:9000", description="where controls are heard, HOST:PORT, or off"
    )

    osc_senders: tuple[Annotated[str, _checked(parse_network)], ...] = Field(
        LOOPBACK_ONLY, max_length=64, description="addresses and networks that may send, such as 192.168.0.0/24"
    )
    osc_status_port: int | None = Field(
        None, ge=1, le=65_535, description="port for /status (default: the one that a control came from)"
    )

    fullscreen: bool = Field(False, description="fill the screen")
    width: int = Field(1280, ge=160, le=7680, description="width of the window in pixels, 160 to 7680")
    height: int = Field(720, ge=90, le=4320, description="height of the window in pixels, 90 to 4320")
    headless: bool = Field(False, description="no window; dance, draw and stream all the same")
    seconds: float | None = Field(None, gt=0, description="stop by itself after so many seconds")
    stats: Path | None = Field(None, description="write the figures to this JSON file on exit")

    scene: SceneName = Field("figure", description="the scene at the start")
    kiosk: bool = Field(False, description="full screen, no cursor, quit only by Ctrl+Q or OSC /quit")
    display: int = Field(0, ge=0, le=15, description="the screen to fill, counted from 0")
    rotate: Literal[0, 90, 180, 270] = Field(
        0, description="degrees clockwise to turn the picture: 90 or 270 for a screen that hangs upright"
    )
    scale: float | None = Field(
        None, ge=0.25, le=1, description="share of the screen's pixels per side to draw (default: automatic)"
    )
    frame_rate: int = Field(
        60, ge=24, le=120, description="frames per second, 24 to 120; 120 where the screen shows them"
    )
    attract_after: float = Field(
        60,
        ge=0,
        le=3600,
        description="seconds without a visitor until the stage waits for one, 0 to 3600; 0 for never",
    )
    mirror_figure: bool = Field(True, description="show the visitor as a faint mirror figure")
    recordings: Path = Field(Path("recordings"), description="folder for pictures and recordings")
    quit_word: str | None = Field(
        None, max_length=64, description="the word with which OSC /quit ends the installation"
    )
    log: Path | None = Field(None, description="write the log to this file too, at most 6 MiB of it")
    watchdog: float | None = Field(
        None, ge=2, le=3600, description="seconds without a heartbeat after which it is started anew, 2 to 3600"
    )


def parse_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Settings from the command line and the file that `--config` names. Raises StartError.

    With `--print-settings` it prints them as a commented file and exits.
    """
    given = vars(_parser().parse_args(arguments))
    printing = given.pop("print_settings", False)
    config = given.pop("config", None)
    from_file = read_settings_file(config) if config else {}
    try:
        settings = Settings(**(from_file | given))
    except ValidationError as error:
        raise StartError(_first_complaint(error, set(given), config)) from None
    if printing:
        sys.stdout.write(as_file(settings))
        raise SystemExit(0)
    return settings


def as_file(settings: Settings) -> str:
    """The settings as a TOML file with every setting in it; what is not set stands there as a comment."""
    lines = ["# Settings: python app.py --config FILE.toml. A line that begins with # is not set."]
    lines += ["# Save it as UTF-8. Paths: 'C:\\piece\\film.mp4' in single quotes, or with /.", ""]
    for name, field in Settings.model_fields.items():
        lines.append(f"# {field.description}")
        value = getattr(settings, name)
        example = _as_toml(EXAMPLES.get(name, ""))
        lines += [f"#{name} = {example}" if value is None else f"{name} = {_as_toml(value)}", ""]
    return "\n".join(lines)


def _as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {_as_toml(entry)}' for name, entry in value.items())}}}"
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False)  # a JSON string is a TOML string


def read_settings_file(path: Path) -> dict[str, Any]:
    """The values in a TOML file. Raises StartError."""
    try:
        if path.stat().st_size > MAX_SETTINGS_FILE:
            raise StartError(f"{path}: larger than {MAX_SETTINGS_FILE} bytes; expected a small TOML file")
        text = path.read_bytes()
        if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise StartError(f"{path}: saved as UTF-16, as Windows PowerShell does; save it as UTF-8")
        return tomllib.loads(text.decode("utf-8-sig"))
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise StartError(f"{path}: {reason}; give --config a TOML file that is there") from None
    except StartError:
        raise
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError of its own
        raise StartError(f"{path}: not valid TOML: {error}; mend that place or leave --config out") from None


def _first_complaint(error: ValidationError, given: set[str], config: Path | None) -> str:
    """One line about the first thing that is wrong."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    where = f"--{name.replace('_', '-')}" if name in given or config is None else f"{config}: {name}"
    field = Settings.model_fields.get(name)
    if field is None:
        return f"{where}: there is no such setting; the settings are {', '.join(Settings.model_fields)}"
    found = repr(first["input"])[:60]
    reason = first["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:] if reason[:1].isalpha() else reason
    return f"{where}: {found} will not do: {reason}; expected: {field.description}"


class _OneLineParser(argparse.ArgumentParser):
    """Complains as everything else does at the start."""

    def error(self, message: str) -> NoReturn:
        raise StartError(f"{message}; python app.py --help lists what there is")


def _parser() -> argparse.ArgumentParser:
    """The command line of the installation. Nothing has a default here: what is not given is not set."""
    parser = _OneLineParser(
        prog="python app.py",
        description="A dancer that answers whoever moves in front of the camera, in the emotion you set.",
        argument_default=argparse.SUPPRESS,
    )

    def describe(name: str) -> str:
        field = Settings.model_fields[name]
        default = " ".join(field.default) if isinstance(field.default, tuple) else field.default
        default = _as_toml(default) if isinstance(default, dict) else default
        shown = "" if default is None or default is False else f" (default: {default})"
        return f"{field.description}{shown}".replace("%", "%%")

    for name, metavar in (("source", "SOURCE"), ("emotion", "NAME"), ("seed", "N"), ("checkpoint", "FILE")):
        parser.add_argument(f"--{name}", metavar=metavar, help=describe(name))
    parser.add_argument(
        "--config", type=Path, metavar="FILE.toml", help="settings by name, as listed in docs/settings.md"
    )
    screen = parser.add_mutually_exclusive_group()
    screen.add_argument("--fullscreen", action="store_true", help=describe("fullscreen"))
    screen.add_argument("--windowed", dest="fullscreen", action="store_false", help="a window (default)")
    for name, metavar in METAVARS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=describe(name))
    # the model tells 90 from "90"
    parser.add_argument("--rotate", type=int, metavar="DEGREES", help=describe("rotate"))
    parser.add_argument("--watchdog", nargs="?", const="10", metavar="S", help=f"{describe('watchdog')}; S: 10")
    for name in ("loop", "mirror", "headless", "kiosk", "automatic", "mirror_figure"):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, action=argparse.BooleanOptionalAction, help=describe(name))
    parser.add_argument(
        "--print-settings", action="store_true", help="write a commented file with every setting and exit"
    )
    parser.add_argument("--osc-targets", nargs="+", metavar="HOST:PORT[,…]", help=describe("osc_targets"))
    parser.add_argument("--osc-senders", nargs="+", metavar="NETWORK", help=describe("osc_senders"))
    parser.add_argument("--seconds", metavar="S", help=describe("seconds"))
    parser.add_argument("--stats", metavar="FILE.json", help=describe("stats"))
    return parser
