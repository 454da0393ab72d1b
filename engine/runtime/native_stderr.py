"""What native libraries write to the standard error, kept off the terminal for a while."""

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MAX_KEPT = 2**16
"""Bytes that are passed on to the log."""
_ONE_AT_A_TIME = threading.Lock()


def keep_own_stderr() -> None:
    """Let Python write to a standard error of its own, which stays where it is while `kept_off_terminal` turns
    the one of native code away. Call it before anything keeps `sys.stderr`."""
    if sys.stderr is not None:  # pythonw on Windows has none
        sys.stderr.flush()
        sys.stderr = os.fdopen(
            os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace"
        )


@contextmanager
def kept_off_terminal(log: logging.Logger) -> Iterator[None]:
    """What native code writes to the standard error in this block goes to `log` as debug lines; other threads'
    too. Where somebody else does the same already, nothing is turned away."""
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        yield
        return
    try:
        with tempfile.TemporaryFile() as kept:
            before = os.dup(2)
            os.dup2(kept.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(before, 2)
                os.close(before)
                kept.seek(0)
                for line in kept.read(MAX_KEPT).decode("utf-8", "replace").splitlines():
                    log.debug("%s", line)
    finally:
        _ONE_AT_A_TIME.release()
