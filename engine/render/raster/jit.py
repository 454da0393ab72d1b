"""Loops over cells and pixels that Numba compiles to machine code.

For what numpy and OpenCV have no function: many small numpy calls cost more than the work itself.

Numba caches the machine code in `__pycache__` beside the source, or in the user's cache folder where that
cannot be written. An entry is valid for one state of the file that the function is in: a constant of another
file must be passed as an argument. Numba does not check the machine code itself, and a damaged entry can end
the process: see `engine.runtime.watchdog`.

In such a loop Python's numbers are double precision; constants are np.float32 where pixels and cells are.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
"""LLVM flags. Infinities and NaN keep their meaning, because they must not become an index. Numba does not see
that these have changed: clear its cache after an edit."""

_LOCK = threading.RLock()
_FUNCTIONS: list["JitFunction[Any, Any]"] = []


class JitFunction(Generic[P, R]):
    """A function that is compiled for the types of its signature, at its first call at the latest.

    Raises TypeError for arguments of other types, and what Numba raises where it cannot compile.
    """

    def __init__(self, signature: str, function: Callable[P, R]) -> None:
        self.__doc__ = function.__doc__
        self._signature, self._function = signature, function
        self._dispatcher: Callable[P, R] | None = None
        _FUNCTIONS.append(self)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        dispatcher = self._dispatcher or self.compile()
        try:
            return dispatcher(*arguments, **named)
        except TypeError as error:
            raise TypeError(f"{self._function.__name__} takes {self._signature}: {error}") from None

    def compile(self) -> Callable[P, R]:
        """Compile it, or load it from the cache; without a cache where that fails."""
        with _LOCK:
            if self._dispatcher is None:
                import numba  # takes longer than the first frame may

                options: dict[str, Any] = {"fastmath": FASTMATH, "error_model": "numpy"}
                try:
                    self._dispatcher = numba.njit(self._signature, cache=True, **options)(self._function)
                except Exception as error:  # no folder can be written, or an entry cannot be read
                    log.info("compiled without a cache: %s", error)
                    self.clear_cache()
                    self._dispatcher = numba.njit(self._signature, **options)(self._function)
            return self._dispatcher

    def clear_cache(self) -> None:
        """Remove what Numba has cached of the functions in the file of this one."""
        import numba

        module = Path(self._function.__code__.co_filename).stem
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no folder for it
            folder = Path(str(numba.njit(cache=True)(self._function).stats.cache_path))
            for path in folder.glob(f"{module}.*.nb[ci]"):
                path.unlink(missing_ok=True)


def compiled(signature: str) -> Callable[[Callable[P, R]], JitFunction[P, R]]:
    """Compile a function of numbers and arrays for a signature in Numba's words: "void(f4[:, ::1], i8)"."""
    return lambda function: JitFunction(signature, function)


def compile_all(*, clear_cache: bool = False) -> None:
    """Compile every function that has been imported: half a second from the cache, some seconds without."""
    if clear_cache:
        for function in _FUNCTIONS:
            function.clear_cache()
    for function in _FUNCTIONS:
        function.compile()
