"""What asks a process to leave: Ctrl+C, SIGTERM, a terminal that is closed, logging off."""

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

WINDOWS_GRACE_S = 4.5
"""Seconds that Windows waits for the handler of a console that is closed before it ends the process."""
CONSOLE_EVENTS = {2: "the console was closed", 5: "somebody logs off", 6: "the system shuts down"}
"""CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT of SetConsoleCtrlHandler."""
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


@contextmanager
def leaving_by_signal(leave: Callable[[str], None]) -> Iterator[None]:
    """Calls `leave` with the reason, in the main thread or at any time, until the block is over."""
    left = threading.Event()
    known = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda n, _: leave(signal.Signals(n).name)) for number in known}
    undo = _on_console_event(leave, left) if sys.platform == "win32" else None
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        left.set()
        if undo is not None:
            undo()


def _on_console_event(leave: Callable[[str], None], left: threading.Event) -> Callable[[], Any]:
    """Windows ends the process when the handler returns, so it waits for the end. Returns what removes it."""
    kernel: Any = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]

    def handle(event: int) -> bool:
        if event not in CONSOLE_EVENTS:
            return False
        leave(CONSOLE_EVENTS[event])
        end = time.perf_counter() + WINDOWS_GRACE_S
        left.wait(end - time.perf_counter())
        return True

    handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(handle)  # type: ignore[attr-defined,unused-ignore]
    kernel.SetConsoleCtrlHandler(handler, True)
    return lambda: kernel.SetConsoleCtrlHandler(handler, False)
