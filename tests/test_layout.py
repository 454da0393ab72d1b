"""Packages import only what stands before them, and names that were given up do not come back."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RANKS = {
    "engine": [
        ["streams"],
        ["runtime"],
        ["control", "render"],
        ["osc"],
        ["settings"],
        ["dancer", "visitor"],
        ["screen"],
        ["installation"],
    ],
    "models": [
        ["command_line"],
        ["motion", "emotion"],
        ["data"],
        ["network"],
        ["generation"],
        ["training", "evaluation"],
        ["study"],
        ["prepare", "train", "generate", "evaluate", "benchmark"],
    ],
}
MAX_FLAT_FILES = 12
MAX_LINES = 350
OLD_WORDS = (
    "wish_of wish_in WISH_COUNT activity_input speed_of_input coming_speed Manners "
    "looks_of PHRASES PHRASE_COUNT scarcity as_lively emphasis invention "
    "lowest_speed GOLDEN _led_back _on_its_feet steps_of STEP_COUNT turns_between "
    "seam_between sewn STANDING_TOE LIFTED_TOE FARTHEST_HELD TAKING_HOLD LETTING_GO "
    "Bodies FrameNetwork DanceNetwork queries_keys_values Rehearsal OTHERWISE_CHANCE MotionBank "
    "moving_part Recipe Trainee Recognisable Judge as_camera_sees Manifold "
    "bars_of Trouble Silence Statistics shift_of_grid is_whole is_body "
    "Audience PoseRoom give_way PictureWatch Sighting prominence unlikeness "
    "LabelFlips VisitorBody Upright HeldJoints MovementEmotion OscListener packet_heard "
    "Streamed OscRates Touched FREEDOMS Sculptor _light_up Colours "
    "draw_behind RuledGenerator decision_rate patience wander "
)
BARE_NAMES = "EVERY REACH MEMORY PATIENCE LONGEST SHORTEST MOST"
OLD_PHRASES = (r"\bthe piece\b", r"\bpictures a second\b", rf"\b({BARE_NAMES.replace(' ', '|')})\b")
UNITS = {"Seconds": "_S", "Metres": "_M", "Milliseconds": "_MS", "Frames": "_FRAMES"}
"""How the description of a constant begins, and how its name then ends."""


def modules() -> dict[str, Path]:
    """Every module of the packages by its dotted name."""
    found = {}
    for top in RANKS:
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports_of(name: str) -> set[str]:
    """The modules of these packages that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {one if one in MODULES else node.module for one in full}
    return {one for one in found if one in MODULES}


def rank_of(name: str) -> int:
    top, package = name.split(".")[:2]
    [rank] = [i for i, group in enumerate(RANKS[top]) if package in group]
    return rank


@pytest.mark.parametrize("name", [name for name in MODULES if "." in name])
def test_a_module_imports_only_what_stands_before_it(name: str) -> None:
    top, package = name.split(".")[:2]
    for other in imports_of(name):
        if other.split(".")[0] != top:
            assert top == "engine", f"{name} imports {other}: models imports nothing of engine"
        elif "." in other and other.split(".")[1] != package:
            assert rank_of(other) < rank_of(name), f"{name} imports {other}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    waiting = {name: imports_of(name) - {name} for name in MODULES}
    while done := [name for name, needed in waiting.items() if not needed & waiting.keys()]:
        for name in done:
            del waiting[name]
    assert not waiting, f"a circle among {sorted(waiting)}"


def test_no_private_name_is_imported() -> None:
    found = {
        f"{name} imports {alias.name} of {node.module}"
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name.startswith("_")
    }
    assert not found


def constants_of(path: Path) -> Iterator[tuple[str, str]]:
    """(name, description) of the constants of a module that are described."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for node, after in pairwise(body):
        match node, after:
            case ast.Assign(targets=[target]), ast.Expr(value=ast.Constant(value=str(text))):
                names = [part.id for part in ast.walk(target) if isinstance(part, ast.Name)]
                yield from ((name, text) for name in names if name.isupper())


def test_the_name_of_a_constant_ends_with_its_unit() -> None:
    found = set()
    for module, path in MODULES.items():
        for name, text in constants_of(path):
            unit = re.match(rf"({'|'.join(UNITS)})\b(?! (a|per) second)", text)
            if unit and not name.endswith((UNITS[unit[1]], "_HEIGHT", "_SHARE")):
                found.add(f"{module}.{name}")
    assert not found


def test_folders_are_tables_of_contents() -> None:
    for top in RANKS:
        assert len(list((ROOT / top).glob("*.py"))) <= MAX_FLAT_FILES
    for folder in {path.parent for path in MODULES.values()}:
        docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert docstring, f"{folder.relative_to(ROOT)} does not say what lives in it"


def test_a_file_is_one_idea() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert not {name for name, lines in lengths.items() if lines > MAX_LINES}


def test_words_that_were_given_up_do_not_come_back() -> None:
    words = re.compile(r"\b(" + "|".join(OLD_WORDS.split()) + r")\b|" + "|".join(OLD_PHRASES))
    texts = [*MODULES.values(), ROOT / "app.py", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in texts
        for match in words.finditer(path.read_text(encoding="utf-8"))
    }
    assert not found
