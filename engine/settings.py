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

from engine.control.operator import DEFAULT_HOLD_S
from engine.control.repertoire import DEFAULT_TABLE, RepertoireTable
from engine.osc.sender_limits import parse_network
from engine.osc.server import LOOPBACK_ONLY
from engine.osc.target import parse_address, parse_target
from engine.runtime.faults import StartError
from models.emotion.glide import DEFAULT_GLIDE_S

MAX_SETTINGS_FILE = 2**20


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


def setting(
    default: object,
    meaning: str,
    metavar: str | None = None,
    *,
    example: object = None,
    argument: dict[str, Any] | None = None,
    **limits: Any,
) -> Any:
    """A field of `Settings`. `metavar`: the name of its value on the command line, without one it is a switch;
    `argument`: more for its option there; `example`: what could stand in a file where there is no default."""
    shown: Any = {"metavar": metavar, "example": example, "argument": argument or {}}
    return Field(default, description=meaning, json_schema_extra=shown, **limits)


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

    source: str = setting(
        "camera", "where the visitor comes from: camera[:N], a video file, osc[:PORT], or none", "SOURCE"
    )
    loop: bool = setting(False, "play a video file again and again")
    mirror: bool | None = setting(None, "mirror the picture (default: cameras yes, files no)", example=True)
    pose_model: Path | None = setting(
        None,
        "a pose_landmarker .task file (default: found or made, see docs/pose-model.md)",
        "FILE",
        example="pose_landmarker_full.task",
    )

    emotion: str = setting("neutral", "the emotion at the start", "NAME")
    glide: float = setting(DEFAULT_GLIDE_S, "seconds that a change of emotion takes, 0 to 60", "S", ge=0, le=60)
    repertoire: RepertoireTable = setting(
        DEFAULT_TABLE,
        "what is danced: dance, gesture, walk, or in a file weights: { dance = 0.8, walk = 0.2 }",
        "NAME",
    )
    influence: float = setting(0.6, "how much the visitor draws the dancer, 0 to 1", "0..1", ge=0, le=1)
    energy: float = setting(1.0, "how much the dancer moves, 0 to 2; 1 as the actors did", "0..2", ge=0, le=2)
    seed: int = setting(0, "the same seed dances the same dance", "N", ge=0, lt=2**63)
    checkpoint: Path | None = setting(
        None,
        "the dancer: a file, or free, which may be used commercially (default: the one that ships)",
        "FILE",
        example="dancer.safetensors",
    )

    show: Path | None = setting(
        None,
        "a TOML file with a timeline of emotion, repertoire, influence and energy",
        "FILE.toml",
        example="show.toml",
    )
    hold: float = setting(
        DEFAULT_HOLD_S,
        "seconds for which a hand on a control goes over show and automatic, 0 to 3600",
        "S",
        ge=0,
        le=3600,
    )
    automatic: bool = setting(False, "let the visitor's movement set the emotion from the start")

    osc_targets: tuple[TargetText, ...] = setting(
        ("127.0.0.1:9001",),
        "where the skeletons are sent, HOST:PORT[,FORMAT][,RATE][,FRAME]",
        "HOST:PORT[,…]",
        argument={"nargs": "+"},
        max_length=16,
    )
    osc_in: Address | Literal["off"] = setting(
        "127.0.0.1:9000", "where controls are heard, HOST:PORT, or off", "HOST:PORT"
    )

    osc_senders: tuple[Annotated[str, _checked(parse_network)], ...] = setting(
        LOOPBACK_ONLY,
        "addresses and networks that may send, such as 192.168.0.0/24",
        "NETWORK",
        argument={"nargs": "+"},
        max_length=64,
    )
    osc_status_port: int | None = setting(
        None,
        "port for /status (default: the one that a control came from)",
        "PORT",
        example=9002,
        ge=1,
        le=65_535,
    )

    fullscreen: bool = setting(False, "fill the screen")
    width: int = setting(1280, "width of the window in pixels, 160 to 7680", "PIXELS", ge=160, le=7680)
    height: int = setting(720, "height of the window in pixels, 90 to 4320", "PIXELS", ge=90, le=4320)
    headless: bool = setting(False, "no window; dance, draw and stream all the same")
    seconds: float | None = setting(None, "stop by itself after so many seconds", "S", example=60, gt=0)
    stats: Path | None = setting(
        None, "write the figures to this JSON file on exit", "FILE.json", example="figures.json"
    )

    scene: SceneName = setting("figure", "the scene at the start", "NAME")
    kiosk: bool = setting(False, "full screen, no cursor, quit only by Ctrl+Q or OSC /quit")
    display: int = setting(0, "the screen to fill, counted from 0", "N", ge=0, le=15)
    rotate: Literal[0, 90, 180, 270] = setting(
        0,
        "degrees clockwise to turn the picture: 90 or 270 for a screen that hangs upright",
        "DEGREES",
        argument={"type": int},
    )
    scale: float | None = setting(
        None,
        "share of the screen's pixels per side to draw, 0.25 to 1 (default: automatic)",
        "0.25..1",
        example=0.5,
        ge=0.25,
        le=1,
    )
    frame_rate: int = setting(
        60, "frames per second, 24 to 120; 120 where the screen shows them", "N", ge=24, le=120
    )
    attract_after: float = setting(
        60,
        "seconds without a visitor until the stage waits for one, 0 to 3600; 0 for never",
        "S",
        ge=0,
        le=3600,
    )
    mirror_figure: bool = setting(True, "show the visitor as a faint mirror figure")
    recordings: Path = setting(Path("recordings"), "folder for pictures and recordings", "FOLDER")
    quit_word: str | None = setting(
        None, "the word with which OSC /quit ends the installation", "WORD", example="goodnight", max_length=64
    )
    log: Path | None = setting(
        None, "write the log to this file too, at most 6 MiB of it", "FILE", example="piece.log"
    )
    watchdog: float | None = setting(
        None,
        "seconds without a heartbeat after which it is started anew, 2 to 3600",
        "S",
        example=10,
        argument={"nargs": "?", "const": "10"},
        ge=2,
        le=3600,
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
        example = as_toml(_shown(name)["example"])
        lines += [f"#{name} = {example}" if value is None else f"{name} = {as_toml(value)}", ""]
    return "\n".join(lines)


def _shown(name: str) -> dict[str, Any]:
    """How a setting is shown, see `setting`."""
    extra = Settings.model_fields[name].json_schema_extra
    assert isinstance(extra, dict)
    return extra


def as_toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {as_toml(entry)}' for name, entry in value.items())}}}"
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
        default = as_toml(default) if isinstance(default, dict) else default
        shown = "" if default is None or default is False else f" (default: {default})"
        return f"{field.description}{shown}".replace("%", "%%")

    parser.add_argument(
        "--config", type=Path, metavar="FILE.toml", help="settings by name, as listed in docs/settings.md"
    )
    for name in Settings.model_fields:
        option, shown = f"--{name.replace('_', '-')}", _shown(name)
        if name == "fullscreen":
            screen = parser.add_mutually_exclusive_group()
            screen.add_argument(option, action="store_true", help=describe(name))
            screen.add_argument("--windowed", dest=name, action="store_false", help="a window (default)")
        elif shown["metavar"] is None:
            parser.add_argument(option, action=argparse.BooleanOptionalAction, help=describe(name))
        else:
            parser.add_argument(option, metavar=shown["metavar"], help=describe(name), **shown["argument"])
    parser.add_argument(
        "--print-settings", action="store_true", help="write a commented file with every setting and exit"
    )
    return parser
