"""Loops over cells and pixels as machine code, made by Numba of the Python that they are written in.

What numpy and OpenCV have no function for would be many small steps, each of which costs more than its work.
The machine code is kept beside the source, as Python keeps its own, and made anew when the source changes.
"""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

FREEDOMS = {"reassoc", "contract", "arcp", "nsz"}
"""What may be worked out in another order. What is not finite stays so, for it must not become an index."""

LONGEST_ELSEWHERE = 20.0
"""Seconds that another process may take to make it."""

_MAKING = threading.Lock()
_ALL: list["Compiled[Any, Any]"] = []


class Compiled(Generic[P, R]):
    """A function as machine code, for arguments of the types of its signature; made when it is first called."""

    def __init__(self, signature: str, function: Callable[P, R]) -> None:
        self.__doc__ = function.__doc__
        self._signature, self._function = signature, function
        self._machine_code: Callable[P, R] | None = None
        self.is_new = False
        """Whether the machine code was made in this process, and is kept from now on."""
        _ALL.append(self)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        return (self._machine_code or self.make())(*arguments, **named)

    def make(self) -> Callable[P, R]:
        """The machine code: made now, or read where it is kept."""
        with _MAKING:
            if self._machine_code is None:
                try:
                    code = self._made(kept=True)
                    self.is_new = not code.stats.cache_hits
                except Exception as error:  # it can be kept nowhere, or what was kept is damaged
                    log.debug("the machine code of %s is not kept: %s", self._function.__name__, error)
                    code = self._made(kept=False)
                self._machine_code = code
            return self._machine_code

    def _made(self, *, kept: bool) -> Any:
        import numba  # takes longer than the first picture may

        return numba.njit(self._signature, cache=kept, fastmath=FREEDOMS, error_model="numpy")(self._function)


def compiled(signature: str) -> Callable[[Callable[P, R]], Compiled[P, R]]:
    """Compile a function of numbers and arrays for a signature in Numba's words: "void(f4[:, ::1], i8)"."""
    return lambda function: Compiled(signature, function)


def make_all() -> None:
    """Make all of it that has been imported. At the very first start another process makes it and keeps it, on
    another core than that of what is loaded meanwhile."""
    for number, function in enumerate(_ALL):
        function.make()
        if number == 0 and function.is_new:
            _make_elsewhere()


def _make_elsewhere() -> None:
    code = "import engine.stage; from engine.compiled import make_each; make_each()"
    try:
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST_ELSEWHERE,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows has one
        )
    except (OSError, subprocess.SubprocessError) as error:  # then it is made here
        log.debug("machine code is not made elsewhere: %s", error)


def make_each() -> None:
    """Make all of it that has been imported, in this process."""
    for function in _ALL:
        function.make()
