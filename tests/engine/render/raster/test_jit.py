"""Machine code does what its Python says, with and without a cache."""

import ast
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import engine.render.stage  # noqa: F401 - all that is compiled
from engine.render.raster import jit as module
from engine.render.raster.jit import JitFunction, compile_all, compiled

ROOT = Path(__file__).parents[4]

MODULE = """
import sys
import numpy as np
from engine.render.raster.jit import compile_all, compiled

@compiled("f8(f8[::1])")
def total(numbers):
    whole = 0.0
    for number in numbers:
        whole += number
    return whole

compile_all(clear_cache="--clear-cache" in sys.argv)
print(total(np.arange(5.0)))
"""


def printed(folder: Path, *arguments: str, **environment: str) -> str:
    """What a module prints that uses machine code, in an interpreter of its own."""
    path = folder / "sums.py"
    if not path.exists():
        path.write_text(MODULE, encoding="utf-8")
    command = [sys.executable, str(path), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": "", **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def cached_in(folder: Path) -> dict[Path, int]:
    """The files of Numba's cache beside a module, and when they were written."""
    return {path: path.stat().st_mtime_ns for path in sorted(folder.glob("__pycache__/*.nb?"))}


def test_machine_code_is_cached_beside_the_source(tmp_path: Path) -> None:
    assert printed(tmp_path) == "10.0"
    cached = cached_in(tmp_path)
    assert len(cached) == 2
    assert printed(tmp_path) == "10.0"
    assert cached_in(tmp_path) == cached


@pytest.mark.parametrize("damage", [lambda _: b"", lambda _: b"\x80\x04 no index", lambda c: c[:-9]])
def test_a_cache_that_cannot_be_read_is_replaced(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    printed(tmp_path)
    whole = [len(path.read_bytes()) for path in cached_in(tmp_path)]
    for path in cached_in(tmp_path):
        path.write_bytes(damage(path.read_bytes()))
    assert printed(tmp_path) == "10.0"
    assert printed(tmp_path) == "10.0"
    assert [len(path.read_bytes()) for path in cached_in(tmp_path)] == pytest.approx(whole, abs=200)


def test_what_is_of_another_source_is_compiled_anew(tmp_path: Path) -> None:
    printed(tmp_path)
    path = tmp_path / "sums.py"
    path.write_text(MODULE.replace("whole = 0.0", "whole = 1.0"), encoding="utf-8")
    assert printed(tmp_path) == "11.0"


def test_a_cleared_cache_is_written_anew_and_other_files_stay(tmp_path: Path) -> None:
    printed(tmp_path)
    cached = cached_in(tmp_path)
    others = [
        tmp_path / "sums.nbc",
        *(tmp_path / "__pycache__" / name for name in ("other.total-1.py311.1.nbc", "sums.py", "sums.json")),
    ]
    for path in others:
        path.write_text("not of this module's cache")
    stale = tmp_path / "__pycache__" / "sums.total-1.py311.nbi"
    stale.write_text("of a revision before")
    assert printed(tmp_path, "--clear-cache") == "10.0"
    assert all(path.exists() for path in others) and not stale.exists()
    assert all(path.stat().st_mtime_ns > written for path, written in cached.items())


def test_no_constant_of_another_file_is_compiled_in() -> None:
    """Numba's cache would not see that it has changed."""
    own = [one for one in module._FUNCTIONS if one._function.__module__.startswith("engine.")]
    assert len(own) > 5
    for function in own:
        source = Path(inspect.getfile(function._function)).read_text(encoding="utf-8")
        imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
        imported = {alias.asname or alias.name for node in imports for alias in node.names}
        assert not imported & set(function._function.__code__.co_names), function._function.__name__


def test_what_is_not_finite_stays_so() -> None:
    @compiled("i8(f4)")
    def bounded(number):
        return int(min(max(np.float32(-5.0), number), np.float32(5.0)))

    assert [bounded(number) for number in (np.nan, np.inf, -np.inf, 3.7)] == [-5, 5, -5, 3]


def test_it_works_where_nothing_can_be_cached(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("no folder")
    nowhere = str(tmp_path / "__pycache__" / "below")
    environment = {"HOME": nowhere, "XDG_CACHE_HOME": nowhere, "LOCALAPPDATA": nowhere}
    assert printed(tmp_path, "--clear-cache", **environment) == "10.0"


def test_all_of_it_is_compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    @compiled("f4(f4)")
    def twice(number):
        return number + number

    monkeypatch.setattr(module, "_FUNCTIONS", [twice])
    compile_all()
    monkeypatch.setattr(JitFunction, "compile", lambda _: pytest.fail("it was not compiled"))
    assert twice(2.0) == 4.0


def test_arguments_of_another_type_are_refused() -> None:
    @compiled("f4(f4[::1])")
    def first(numbers):
        return numbers[0]

    assert first(np.ones(2, dtype=np.float32)) == 1.0
    with pytest.raises(TypeError, match=r"first takes f4\(f4\[::1\]\): .*float64"):
        first(np.ones(2))
