"""Memory that is free, back to the system: a network that is closed leaves tens of megabytes behind.

glibc gives each thread an arena of its own and keeps what was freed in all of them, in pieces; other systems
see to it themselves. With two arenas, and what is free given back, 90 detectors opened and closed one after the
other leave the process where it was; with as many arenas as threads it goes up and down by 50 MB.
"""

import ctypes
import sys

MOST_ARENAS = 2
M_ARENA_MAX = -8
"""The number of that setting in glibc's malloc.h."""


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


_GLIBC = _glibc()


def keep_together() -> None:
    """Let all threads share a few arenas; what they have got already they keep."""
    if _GLIBC is not None:
        _GLIBC.mallopt(M_ARENA_MAX, MOST_ARENAS)


def give_back() -> None:
    """Give the system what is free. Takes some milliseconds, in which other threads may run."""
    if _GLIBC is not None:
        _GLIBC.malloc_trim(0)
