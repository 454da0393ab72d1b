"""Machine code does what its Python says, wherever it can be kept."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.render.raster import jit as module
from engine.render.raster.jit import DIGESTS, JitFunction, compiled

ROOT = Path(__file__).parents[4]

MODULE = """
import numpy as np
from engine.render.raster.jit import compiled

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
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": "", **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def kept_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("__pycache__/*.nb?"))


def test_machine_code_is_kept_beside_the_source(tmp_path: Path) -> None:
    assert printed(tmp_path) == "10.0"
    kept = {path: path.stat().st_mtime_ns for path in kept_in(tmp_path)}
    assert len(kept) == 2
    assert printed(tmp_path) == "10.0"
    assert {path: path.stat().st_mtime_ns for path in kept_in(tmp_path)} == kept


def holed(content: bytes) -> bytes:
    """Zeros where the machine code itself begins: LLVM would end the process."""
    place = content.find(b"\x7fELF")
    return content if place < 0 else content[:place] + bytes(3000) + content[place + 3000 :]


@pytest.mark.parametrize("damage", [lambda _: b"", lambda _: b"\x80\x04 no index", lambda c: c[:-9], holed])
def test_what_was_kept_and_is_damaged_is_made_anew(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    printed(tmp_path)
    whole = [len(path.read_bytes()) for path in kept_in(tmp_path)]
    for path in kept_in(tmp_path):
        path.write_bytes(damage(path.read_bytes()))
    assert printed(tmp_path) == "10.0"
    assert [len(path.read_bytes()) for path in kept_in(tmp_path)] == pytest.approx(whole, abs=200)


@pytest.mark.parametrize("words", ["{}", "[]", "no JSON", '{"": "of other sources"}'])
def test_what_is_of_other_sources_is_made_anew(tmp_path: Path, words: str) -> None:
    printed(tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in kept_in(tmp_path)}
    digests = tmp_path / "__pycache__" / DIGESTS
    if words.startswith('{"'):
        words = json.dumps(json.loads(digests.read_text()) | json.loads(words))
    digests.write_text(words)
    assert printed(tmp_path) == "10.0"
    assert all(path.stat().st_mtime_ns > kept[path] for path in kept_in(tmp_path))


def test_what_is_not_finite_stays_so() -> None:
    @compiled("i8(f4)")
    def bounded(number):
        return int(min(max(np.float32(-5.0), number), np.float32(5.0)))

    assert [bounded(number) for number in (np.nan, np.inf, -np.inf, 3.7)] == [-5, 5, -5, 3]


def test_it_works_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("no folder")
    nowhere = str(tmp_path / "__pycache__" / "below")
    assert printed(tmp_path, HOME=nowhere, XDG_CACHE_HOME=nowhere, LOCALAPPDATA=nowhere) == "10.0"


def test_at_the_very_first_start_another_process_makes_it(tmp_path: Path) -> None:
    code = """if True:
        import engine.render.stage
        from engine.render.raster import jit
        jit.compile_all()
        print([bool(made._machine_code.stats.cache_hits) for made in jit._ALL])
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = run.stdout.splitlines()[-1]
    assert found.count("True") > 5 and "False" not in found


def test_where_another_process_cannot_be_had_it_is_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    @compiled("f4(f4)")
    def twice(number):
        return number + number

    monkeypatch.setattr(module, "_ALL", [twice])
    monkeypatch.setattr(JitFunction, "is_missing", lambda _: True)
    for executable in (None, "/nowhere/python"):
        monkeypatch.setattr(sys, "executable", executable)
        module.compile_all()
    assert twice._machine_code is not None and twice(2.0) == 4.0


def test_the_other_process_is_begun_once_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        begun.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5)"], stdin=-1))
        module._BESIDE.append(begun[-1])

    monkeypatch.setattr(module, "SOURCES", tmp_path)
    monkeypatch.setattr(module, "_ALL", [])
    monkeypatch.setattr(module, "_begin_beside", begin)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    module.begin_beside()
    module.compile_all()
    assert len(begun) == 1 and begun[0].returncode == 0 and not module._BESIDE
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / DIGESTS).write_text("{}")
    module.compile_all()
    assert len(begun) == 1, "something is kept"


def test_where_nothing_can_be_kept_no_other_process_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @compiled("f4(f4)")
    def thrice(number):
        return number + number + number

    def begun(function: JitFunction, *, kept: bool, begin: Callable = JitFunction._begun) -> object:
        if kept:
            raise RuntimeError("no locator")
        return begin(function, kept=False)

    beside: list[bool] = []
    monkeypatch.setattr(JitFunction, "_begun", begun)
    monkeypatch.setattr(module, "_begin_beside", lambda: beside.append(True))
    monkeypatch.setattr(module, "_ALL", [thrice])
    monkeypatch.setattr(module, "SOURCES", Path("/proc/nowhere"))
    module.compile_all()
    assert thrice(2.0) == 6.0 and not beside


def test_the_other_process_ends_with_this_one() -> None:
    slow = """if True:
        import time
        from types import SimpleNamespace
        from engine.render.raster import jit
        jit._ALL = [SimpleNamespace(make=lambda: time.sleep(60.0))]
        jit.make_for_another()
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    beside = subprocess.Popen([sys.executable, "-c", slow], env=environment, stdin=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        beside.wait(2.0)
    assert beside.stdin is not None
    beside.stdin.close()
    assert beside.wait(20.0) == 1


def test_arguments_of_another_type_are_refused() -> None:
    @compiled("f4(f4[::1])")
    def first(numbers):
        return numbers[0]

    assert first(np.ones(2, dtype=np.float32)) == 1.0
    with pytest.raises(TypeError, match=r"first takes f4\(f4\[::1\]\): .*float64"):
        first(np.ones(2))
