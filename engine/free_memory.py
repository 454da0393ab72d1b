"""Memory that is free, back to the system: a network that is closed leaves tens of megabytes behind."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any


def _trim() -> Callable[[int], Any] | None:
    """glibc keeps what was freed, in pieces, for each thread; other systems see to it themselves."""
    if sys.platform != "linux":
        return None
    try:
        trim: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # a Linux with another C library
        return None
    return trim


_TRIM = _trim()


def give_back() -> None:
    """Give the system what is free. Takes some milliseconds, in which other threads may run."""
    if _TRIM is not None:
        _TRIM(0)
