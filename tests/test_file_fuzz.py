"""A few hundred hostile files, always the same; `python -m tests.endurance.file_fuzz` tries as many as you
like."""

import re
from pathlib import Path

import pytest

from tests.endurance.file_fuzz import Kind, fuzz, kinds

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Kind]]:
    folder = tmp_path_factory.mktemp("fuzz")
    return folder, {kind.name: kind for kind in kinds(folder)}


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("card", 120),
        ("tensors", 120),
        ("settings", 150),
        ("show", 300),
        ("emotions", 150),
        ("bvh", 200),
        ("npz", 120),
        ("rollouts", 120),
        ("prompt", 120),
        ("classifier-card", 120),
        ("classifier", 120),
    ],
)
def test_hostile_files_are_loaded_or_refused_in_one_line(
    all_kinds: tuple[Path, dict[str, Kind]], name: str, count: int
) -> None:
    folder, by_name = all_kinds
    path = folder / by_name[name].file
    path.write_bytes(by_name[name].good)
    by_name[name].read(path)
    loaded, refused = fuzz(by_name[name], folder, count, seed=7)
    assert loaded + refused == count and refused > count / 10


def test_nothing_is_ever_unpickled() -> None:
    names = "(?:c?pickle|dill|joblib|shelve|marshal)"
    unpickles = re.compile(
        rf"\bimport\s+{names}\b|\bfrom\s+{names}\b|\b{names}\.load|torch\.load\("
        r"|allow_pickle\s*=\s*True|weights_only\s*=\s*False|yaml\.(?:unsafe_)?load\("
    )
    sources = [ROOT / "app.py", *(ROOT / "engine").rglob("*.py"), *(ROOT / "models").rglob("*.py")]
    sources += list((ROOT / "assets").rglob("*.py"))
    assert len(sources) > 80
    guilty = [path.name for path in sources if unpickles.search(path.read_text(encoding="utf-8"))]
    assert guilty == []


def test_every_npz_is_opened_where_its_size_is_bounded_and_pickle_forbidden() -> None:
    opens = re.compile(r"\bnp\.load\(|\bread_array\([^\n]*allow_pickle|\bZipFile\(")
    sources = [*(ROOT / "engine").rglob("*.py"), *(ROOT / "models").rglob("*.py")]
    opening = {path.name for path in sources if opens.search(path.read_text(encoding="utf-8"))}
    # these two bound the networks that they unpack themselves
    assert opening == {"safe_files.py", "pose_bundle.py", "pose_model_build.py"}
    calls = re.findall(r"format\.read_array\([^\n]*", (ROOT / "models" / "data" / "safe_files.py").read_text())
    assert calls and all("allow_pickle=False" in call for call in calls)
