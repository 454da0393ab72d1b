"""Memory that is free, back to the system: a network that is closed leaves tens of megabytes behind.

glibc gives each thread an arena of its own and keeps what was freed in all of them, in pieces; other systems
see to it themselves. With two arenas, and what is free given back, 90 detectors opened and closed one after the
other leave the process where it was; with as many arenas as threads it goes up and down by 50 MB.
"""

import ctypes
import sys

MAX_ARENAS = 2
LARGE = 1 << 20
"""Bytes from which something is a mapping of its own, and given back when it is freed. Left to itself glibc
raises this to the largest one freed so far, and then keeps cameras' frames among all that is small."""
SPARE = 4 << 20
"""Free bytes at the end of an arena that it keeps; fewer, and frames would be paid for in page faults."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""The numbers of these settings in glibc's malloc.h."""


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


_GLIBC = _glibc()


def keep_together() -> None:
    """Let all threads share a few arenas, which keep little that is free; those there are already stay."""
    if _GLIBC is not None:
        _GLIBC.mallopt(M_ARENA_MAX, MAX_ARENAS)
        _GLIBC.mallopt(M_MMAP_THRESHOLD, LARGE)
        _GLIBC.mallopt(M_TRIM_THRESHOLD, SPARE)


def give_back() -> None:
    """Give the system what is free. Takes some milliseconds, in which other threads may run."""
    if _GLIBC is not None:
        _GLIBC.malloc_trim(0)
