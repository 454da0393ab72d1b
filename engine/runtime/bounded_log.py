"""The log: on the terminal, and in a file that never takes more room than its share."""

import contextlib
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.runtime.faults import StartError

MAX_FILE = 2**20
FILES_KEPT = 5
"""Older files beside the newest one: the log takes at most 6 MiB."""
TERMINAL = "%(asctime)s %(name)s: %(message)s"
FILE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def begin_log(path: Path | None) -> None:
    """Log to the terminal, and to a file if one is given. Raises StartError if that cannot be written.

    A line that cannot be written later, because the disk is full, is left out; the installation goes on.
    """
    logging.raiseExceptions = False
    logging.basicConfig(level=logging.INFO, format=TERMINAL, datefmt="%H:%M:%S")
    if path is None:
        return
    try:
        handler = RotatingFileHandler(path, maxBytes=MAX_FILE, backupCount=FILES_KEPT, encoding="utf-8")
    except OSError as error:
        raise StartError(
            f"--log: cannot write {path}: {error.strerror}; give a file in a folder that is there"
        ) from None
    handler.setFormatter(logging.Formatter(FILE))
    logging.getLogger().addHandler(handler)


def tell_file(text: str, path: Path | None) -> None:
    """Write a line to the log's file alone, where nobody sees the terminal; `path`: what to open if none is."""
    root = logging.getLogger()
    if not any(isinstance(handler, RotatingFileHandler) for handler in root.handlers) and path is not None:
        with contextlib.suppress(StartError):
            begin_log(path)
    record = logging.LogRecord("app", logging.ERROR, "", 0, text, None, None)
    for handler in root.handlers:
        if isinstance(handler, RotatingFileHandler):
            handler.handle(record)


def watchdogs_log(path: Path | None) -> Path | None:
    """The watchdog's own file beside that of the installation: two processes cannot rotate one."""
    if path is None or not path.name:  # what has no name is refused where it is opened
        return path
    return path.with_name(f"{path.stem}.watchdog{path.suffix}")
