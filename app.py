"""The installation: `python app.py --help`."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the installation listens: no traceback while it loads

import engine.runtime.startup  # noqa: F401 - before all that takes time
from engine.runtime.bounded_log import begin_log, tell_file, watchdogs_log
from engine.runtime.faults import StartError
from engine.runtime.heartbeat import watched
from engine.runtime.native_stderr import keep_own_stderr
from engine.runtime.watchdog import Watchdog
from engine.settings import Settings, parse_settings


def main(arguments: list[str] | None = None) -> int:
    """Run until somebody quits; returns the exit status, 2 if something given at the start will not do."""
    # A thread that waits for the interpreter asks for it after this long. The generator takes it and gives it
    # back some hundred times a step; at Python's own 5 ms the renderer would slow it down fourfold.
    sys.setswitchinterval(0.0005)
    given = sys.argv[1:] if arguments is None else arguments
    try:
        settings = parse_settings(given)
        if settings.watchdog is not None and not watched():
            begin_log(watchdogs_log(settings.log))
            return Watchdog([sys.executable, str(Path(__file__).resolve()), *given], settings.watchdog).run()
        begin_log(settings.log)
        return perform(settings)
    except StartError as error:
        print(f"app.py: {error}", file=sys.stderr)
        tell_file(str(error), named_log(given))
        return 2
    except KeyboardInterrupt:  # before the installation listens for it
        return 130


def named_log(arguments: Sequence[str]) -> Path | None:
    """The log's file on a command line that may be wrong otherwise."""
    for option, value in pairwise([*arguments, ""]):
        name, _, joined = option.partition("=")
        if name == "--log" and (joined or value):
            return Path(joined or value)
    return None


def perform(settings: Settings) -> int:
    """Run the installation itself; returns the exit status. Raises StartError."""
    from engine.installation import Installation  # a watchdog needs nothing of it

    write_no_cores()
    Installation(settings).run()
    return 0


def write_no_cores() -> None:
    """Keep the system from storing the memory of a process that crashes: it holds frames of the camera."""
    if sys.platform != "win32":
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def leave(status: int) -> NoReturn:
    """End the process now. Whatever hangs in a driver or a native library would keep Python from ending."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # pythonw on Windows has none
            with contextlib.suppress(OSError, ValueError):  # a full disk, or nobody who reads
                stream.flush()
    os._exit(status)


def command() -> NoReturn:
    """The command `emotion-dancer`."""
    keep_own_stderr()
    leave(main())


if __name__ == "__main__":
    command()
