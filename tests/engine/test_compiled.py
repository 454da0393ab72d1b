"""Machine code does what its Python says, wherever it can be kept."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.compiled import compiled

ROOT = Path(__file__).parents[2]

MODULE = """
import numpy as np
from engine.compiled import compiled

@compiled("f8(f8[::1])")
def total(numbers):
    whole = 0.0
    for number in numbers:
        whole += number
    return whole

print(total(np.arange(5.0)))
"""


def printed(folder: Path, **environment: str) -> str:
    """What a module says that uses machine code, in an interpreter of its own."""
    path = folder / "sums.py"
    if not path.exists():
        path.write_text(MODULE, encoding="utf-8")
    command = [sys.executable, str(path)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def kept_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("__pycache__/*.nb?"))


def test_machine_code_is_kept_beside_the_source(tmp_path: Path) -> None:
    assert printed(tmp_path) == "10.0"
    kept = {path: path.stat().st_mtime_ns for path in kept_in(tmp_path)}
    assert len(kept) == 2
    assert printed(tmp_path) == "10.0"
    assert {path: path.stat().st_mtime_ns for path in kept_in(tmp_path)} == kept


@pytest.mark.parametrize("damage", [b"", b"\x80\x04 no index", b"0" * 4096])
def test_what_was_kept_and_is_damaged_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    printed(tmp_path)
    for path in kept_in(tmp_path):
        path.write_bytes(damage)
    assert printed(tmp_path) == "10.0"


def test_it_works_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("no folder")
    nowhere = str(tmp_path / "__pycache__" / "below")
    assert printed(tmp_path, HOME=nowhere, XDG_CACHE_HOME=nowhere, LOCALAPPDATA=nowhere) == "10.0"


def test_at_the_very_first_start_another_process_makes_nearly_all_of_it(tmp_path: Path) -> None:
    code = "import engine.stage, engine.compiled as c; c.make_all(); print([made.is_new for made in c._ALL])"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path)}
    for new in (1, 0):
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        made = run.stdout.splitlines()[-1]
        assert made.count("True") == new and made.count("False") > 5


def test_arguments_of_another_type_are_refused() -> None:
    @compiled("f4(f4[::1])")
    def first(numbers):
        return numbers[0]

    assert first(np.ones(2, dtype=np.float32)) == 1.0
    with pytest.raises(TypeError):
        first(np.ones(2))
