"""Loops over cells and pixels as machine code, made by Numba of the Python that they are written in.

What numpy and OpenCV have no function for would be many small steps, each of which costs more than its work.
The machine code is kept beside the source, as Python keeps its own, and made anew when the source changes.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

FREEDOMS = {"reassoc", "contract", "arcp", "nsz"}
"""What may be worked out in another order. What is not finite stays so, for it must not become an index."""

_MAKING = threading.Lock()
_ALL: list["Compiled[Any, Any]"] = []


class Compiled(Generic[P, R]):
    """A function as machine code, for arguments of the types of its signature; made when it is first called."""

    def __init__(self, signature: str, function: Callable[P, R]) -> None:
        self.__doc__ = function.__doc__
        self._signature, self._function = signature, function
        self._machine_code: Callable[P, R] | None = None
        _ALL.append(self)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        return (self._machine_code or self.make())(*arguments, **named)

    def make(self) -> Callable[P, R]:
        """The machine code: made now, or read where it is kept."""
        with _MAKING:
            if self._machine_code is None:
                try:
                    self._machine_code = self._made(kept=True)
                except Exception as error:  # it can be kept nowhere, or what was kept is damaged
                    log.debug("the machine code of %s is not kept: %s", self._function.__name__, error)
                    self._machine_code = self._made(kept=False)
            return self._machine_code

    def _made(self, *, kept: bool) -> Callable[P, R]:
        import numba  # takes longer than the first picture may

        make = numba.njit(self._signature, cache=kept, fastmath=FREEDOMS, error_model="numpy")
        code: Callable[P, R] = make(self._function)
        return code


def compiled(signature: str) -> Callable[[Callable[P, R]], Compiled[P, R]]:
    """Compile a function of numbers and arrays for a signature in Numba's words: "void(f4[:, ::1], i8)"."""
    return lambda function: Compiled(signature, function)


def make_all() -> None:
    """Make all of it that has been imported: seconds at the very first start, and later on a moment."""
    for function in _ALL:
        function.make()
