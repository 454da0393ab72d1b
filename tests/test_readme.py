"""What README and docs say about addresses, keys, settings and commands is what the code does."""

import contextlib
import importlib
import re
import shlex
from pathlib import Path

import pytest

from engine.osc.addresses import ALWAYS, IN, OUT, SOURCE, STATUS, table
from engine.osc.formats import FORMATS, FRAMES
from engine.screen.keys import listing
from engine.settings import Settings, as_toml, parse_settings
from models import evaluate, generate, prepare, train
from models.emotion.palette import DATASET_EMOTIONS, DEFAULT_PALETTE
from models.motion.skeleton import JOINTS
from models.study import __main__ as study

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
OSC = PAGES["osc"]
EVERYTHING = "\n".join([README, *PAGES.values()])


def rows(columns: int, text: str) -> list[tuple[str, ...]]:
    """The cells of every table row of so many columns."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return [row for row in cells if len(row) == columns]


TABLES = {**OUT, "always": ALWAYS, "in": IN, "status": STATUS, "source": SOURCE}


@pytest.mark.parametrize("name", TABLES)
def test_every_osc_table_is_the_codes_own(name: str) -> None:
    assert table(TABLES[name]) in OSC


def test_the_tables_hold_no_address_that_there_is_not() -> None:
    named = {row[0].strip("`") for row in rows(3, OSC) if row[0].startswith("`/")}
    assert named == {entry.address for entries in TABLES.values() for entry in entries}


def test_the_words_of_a_target_are_all_there() -> None:
    words = " ".join(row[0] for row in rows(3, OSC))
    assert all(f"`{word}`" in words for word in (*FORMATS, *FRAMES))


def test_every_emotion_stands_at_its_point() -> None:
    shown = {row[0]: row[1] for row in rows(2, OSC)}
    for name, (valence, arousal) in zip(DEFAULT_PALETTE.names, DEFAULT_PALETTE.points, strict=True):
        assert shown[name] == f"{valence:.2f}, {arousal:.2f}"


def test_every_key_is_in_the_table_in_its_order() -> None:
    assert tuple(row for row in rows(2, README.split("## Read on")[0]) if row[0] != "key") == listing()


def test_every_setting_is_in_the_table_with_its_default_and_meaning() -> None:
    table = {
        row[0].strip("`"): row[1:]
        for row in rows(3, PAGES["settings"])
        if row[0].startswith("`") and row[0].strip("`").isidentifier()
    }
    assert set(table) == set(Settings.model_fields)
    for name, (default, meaning) in table.items():
        field = Settings.model_fields[name]
        said, _, unset = str(field.description).removesuffix(")").partition(" (default: ")
        assert meaning.replace("`", "") == said
        if field.default is not None:
            assert default.strip("`").strip('"') == as_toml(field.default).strip('"')
        elif unset:
            assert unset.startswith(default)


def test_the_joints_and_emotions_are_named() -> None:
    flat = " ".join(EVERYTHING.split())
    assert ", ".join(JOINTS[:6]) in flat and ", ".join(JOINTS[-3:]) in flat
    assert ", ".join(DEFAULT_PALETTE.names) in flat and ", ".join(DATASET_EMOTIONS) in flat


def commands(start: str) -> list[list[str]]:
    """The arguments of each command in the code blocks that begins with `start`."""
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```$", EVERYTHING, flags=re.DOTALL | re.MULTILINE))
    lines = [line.split("   ")[0] for line in blocks.splitlines() if line.startswith(start)]
    return [shlex.split(line.removeprefix(start)) for line in lines]


def test_the_commands_are_understood() -> None:
    shown = commands("python app.py ")
    assert len(shown) >= 4
    for arguments in shown:
        if "--print-settings" not in arguments:
            parse_settings(arguments)
    parsers = {
        "generate": generate,
        "train": train,
        "prepare": prepare,
        "evaluate": evaluate,
        "study": study,
    }
    for name, module in parsers.items():
        assert commands(f"python -m models.{name} "), name
        for arguments in commands(f"python -m models.{name} "):
            module.parse_arguments(arguments)


def test_the_two_commands_of_the_start_are_there() -> None:
    assert "\npython -m pip install -e . && python app.py\n" in README
    assert '\npython -m pip install -e ".[test]" && python -m pytest\n' in README


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in PAGES)])
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_readme_names_every_page() -> None:
    assert set(re.findall(r"\(docs/([a-z-]+)\.md\)", README)) == set(PAGES)


TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "models" / "STUDY.md"]
TEXTS += sorted(path for top in ("engine", "models") for path in (ROOT / top).rglob("*.py"))


def exists(name: str) -> bool:
    """Whether a dotted name is a module of this project, or something in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT / "/".join(parts[:count])
        if not (place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()):
            continue
        module: object = importlib.import_module(".".join(parts[:count]))
        with contextlib.suppress(AttributeError):
            for attribute in parts[count:]:
                module = getattr(module, attribute)
            return True
        return False
    return False


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_named_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    names = set(re.findall(r"(?<![\w./])(?:engine|models)(?:\.\w+)+", re.sub(r"getLogger\([^)]*\)", "", text)))
    assert not {name for name in names if not exists(name)}
    if path.suffix == ".md":
        files = set(re.findall(r"(?<![\w./])(?:engine|models|tests|assets|docs)/[\w/.-]*\w", text))
        assert not {file for file in files if not (ROOT / file).exists()}
