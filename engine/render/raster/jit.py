"""Loops over cells and pixels as machine code, made by Numba of the Python that they are written in.

What numpy and OpenCV have no function for would be many small steps, each of which costs more than its work.
Numba keeps the machine code beside the source, as Python keeps its bytecode, and runs it unseen: a damaged byte
can end the process. So digests lie beside it, and one of the sources, whose constants it contains.

In such a loop numbers of Python's are double precision; constants are np.float32 where pixels and cells are.
"""

import functools
import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
"""What may be worked out in another order. What is not finite stays so, for it must not become an index."""

SOURCES = Path(__file__).parents[2]
DIGESTS = "machine_code.json"
"""The file of digests: that of the sources, and by name those of the files that Numba keeps in its folder."""

MAX_BESIDE = 20.0
"""Seconds that another process may take to make all of it."""

_MAKING = threading.RLock()
_ALL: list["JitFunction[Any, Any]"] = []
_CHECKED: set[Path] = set()
_COMPLAINTS: list[str] = []
_BESIDE: list[subprocess.Popen[bytes]] = []
"""The other process, while it makes it."""


class JitFunction(Generic[P, R]):
    """A function as machine code, for arguments of the types of its signature; made when it is first called.

    Raises TypeError for other arguments, and whatever Numba may where it cannot be made.
    """

    def __init__(self, signature: str, function: Callable[P, R]) -> None:
        self.__doc__ = function.__doc__
        self._signature, self._function = signature, function
        self._machine_code: Callable[P, R] | None = None
        _ALL.append(self)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        code = self._machine_code or self.make()
        try:
            return code(*arguments, **named)
        except TypeError as error:
            raise TypeError(f"{self._function.__name__} takes {self._signature}: {error}") from None

    def make(self) -> Callable[P, R]:
        """The machine code: made now, or read where it is kept."""
        with _MAKING:
            if self._machine_code is None:
                try:
                    code = self._begun(kept=True)
                    folder = _checked(code)
                    code.compile(self._signature)
                    if not code.stats.cache_hits:
                        _note(folder)
                except Exception as error:  # most likely it can be kept nowhere; what else there is comes again
                    if not _COMPLAINTS:
                        log.info("machine code is made anew at each start: %s", error)
                    _COMPLAINTS.append(str(error))
                    code = self._begun(kept=False)
                    code.compile(self._signature)
                code.disable_compile()
                self._machine_code = code
            return self._machine_code

    def is_missing(self) -> bool:
        """Whether no machine code is kept where that of this function could be."""
        with _MAKING:
            try:
                return not _files(_checked(self._begun(kept=True)))
            except (OSError, RuntimeError):
                return False

    def _begun(self, *, kept: bool) -> Any:
        """Numba's function, before it is compiled. Raises RuntimeError where it could be kept nowhere."""
        import numba  # takes longer than the first frame may

        return numba.njit(cache=kept, fastmath=FASTMATH, error_model="numpy")(self._function)


def compiled(signature: str) -> Callable[[Callable[P, R]], JitFunction[P, R]]:
    """Compile a function of numbers and arrays for a signature in Numba's words: "void(f4[:, ::1], i8)"."""
    return lambda function: JitFunction(signature, function)


def compile_all() -> None:
    """Make all of it that has been imported: a moment, but seconds at the very first start.

    Then it is made in another process first, on another core than that of what is loaded meanwhile.
    """
    begin_beside()
    if not _BESIDE and any(function.is_missing() for function in _ALL[:1]):
        _begin_beside()
    while _BESIDE:
        _await(_BESIDE.pop())
    for function in _ALL:
        function.make()


def begin_beside() -> None:
    """Begin to make it in another process where nothing is kept, as is seen without importing Numba:
    `compile_all` waits for it. Called as early as may be."""
    usual = "NUMBA_CACHE_DIR" not in os.environ and os.access(SOURCES, os.W_OK)
    if usual and not _BESIDE and not (SOURCES / "__pycache__" / DIGESTS).exists():
        _begin_beside()


def _begin_beside() -> None:
    """Let another process make it, which ends with this one."""
    code = (
        "import engine.render.stage; from engine.render.raster.jit import make_for_another; make_for_another()"
    )
    try:
        beside = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=SOURCES.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows has one
        )
    except (OSError, TypeError) as error:  # an interpreter that is part of something else has no executable
        log.debug("machine code is not made beside: %s", error)
        return
    _BESIDE.append(beside)


def _await(beside: subprocess.Popen[bytes]) -> None:
    with beside:
        import numba  # noqa: F401 - it is needed afterwards

        try:
            beside.wait(MAX_BESIDE)
        except subprocess.TimeoutExpired:
            beside.kill()
    _CHECKED.clear()


def make_for_another() -> None:
    """Make all of it that has been imported, for a process that holds this one's standard input."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
    for function in _ALL:
        function.make()


def _checked(code: Any) -> Path:
    """The folder of a function's machine code, without what is not as it was kept there."""
    folder = Path(code.stats.cache_path)
    if folder not in _CHECKED:
        digests = _digests(folder)
        stale = digests.get("") != _sources()
        for path in _files(folder):
            if stale or digests.get(path.name) != _digest([path]):
                path.unlink()
        _CHECKED.add(folder)
    return folder


def _note(folder: Path) -> None:
    """Write down what is kept in a folder."""
    digests = {path.name: _digest([path]) for path in _files(folder)}
    digests[""] = _sources()
    new = folder / f"{DIGESTS}.{os.getpid()}"
    new.write_text(json.dumps(digests), encoding="utf-8")
    new.replace(folder / DIGESTS)


@functools.cache
def _sources() -> str:
    """The digest of the sources, as they were before anything was made: one may be edited meanwhile."""
    return _digest(sorted(SOURCES.rglob("*.py")))


def _digests(folder: Path) -> dict[str, str]:
    try:
        digests = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return digests if isinstance(digests, dict) else {}


def _files(folder: Path) -> list[Path]:
    """What Numba keeps in a folder: an index and machine code of each function."""
    return sorted(folder.glob("*.nb[ci]"))


def _digest(paths: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.read_bytes())
    return whole.hexdigest()
