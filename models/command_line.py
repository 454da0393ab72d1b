"""What the commands `python -m models.…` have in common."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")

TORCH_ERRORS = (RuntimeError, AssertionError)
"""What torch raises for a device that is not there; an AssertionError where it was built without CUDA."""


def one_line(error: Exception) -> str:
    """The message without line breaks, which file names may hold."""
    return " ".join(str(error).split())


def with_exit_status(name: str, *errors: type[Exception]) -> Callable[[Callable[P, None]], Callable[P, int]]:
    """Make a function the command line `name`: it returns 0, or 2 after it raised one of `errors`, the message
    of which is then one line on the standard error."""

    def decorate(function: Callable[P, None]) -> Callable[P, int]:
        """The command that calls a function."""

        @functools.wraps(function)
        def command(*args: P.args, **kwargs: P.kwargs) -> int:
            try:
                function(*args, **kwargs)
            except errors as error:
                print(f"{name}: {one_line(error)}", file=sys.stderr)
                return 2
            return 0

        return command

    return decorate
