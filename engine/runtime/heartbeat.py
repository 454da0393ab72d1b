"""The heartbeat of the installation: once a second, while frames are drawn and the dancer dances, to all who
watch.

A show controller hears it over OSC, `engine.runtime.watchdog` through a pipe, systemd through its socket.
"""

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence

from engine.runtime.stall_timer import StallTimer
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame

WATCHED = "EMOTION_DANCER_WATCHED"
"""Set in the environment of a piece that a watchdog has started."""
CLEAR_CACHE = "EMOTION_DANCER_CLEAR_CACHE"
"""Set there too where the machine code is to be compiled anew, see `engine.runtime.watchdog`."""
BEAT = b"heartbeat"
"""How a line to the watchdog begins."""
HEARTBEAT_INTERVAL_S = 1.0
"""Seconds between two beats."""
MAX_STILL_S = 10.0
"""Seconds without a new frame of the dance after which no more beats are sent, once it has danced."""
MAX_LOADING_S = 300.0
"""Seconds that the first frame may take."""


class Heartbeat:
    """Calls each of `tell` with the number of whole seconds since the first `beat`, once a second at most.

    `beat` is called by whoever draws the frames; while no new frames come, nobody is told. Those of
    `tell_of_dance` hear nothing before the first frame either, while the installation loads.
    """

    def __init__(
        self,
        frames: Mailbox[DancerFrame],
        tell: Sequence[Callable[[int], None]],
        tell_of_dance: Sequence[Callable[[int], None]] = (),
    ) -> None:
        self._frames, self._tell, self._tell_of_dance = frames, tuple(tell), tuple(tell_of_dance)
        self._stillness = StallTimer()
        self._began: float | None = None
        self._count = -1

    def beat(self, now: float) -> None:
        """A frame has been drawn at a monotonic time in seconds."""
        self._began = now if self._began is None else self._began
        count = int((now - self._began) / HEARTBEAT_INTERVAL_S)
        if count <= self._count:
            return
        self._count = count
        version = self._frames.version
        if self._stillness.since(version, now) <= (MAX_STILL_S if version else MAX_LOADING_S):
            for tell in (*self._tell, *(self._tell_of_dance if version else ())):
                tell(count)


def watched() -> bool:
    """Whether a watchdog has started this process."""
    return WATCHED in os.environ


def tell_watchdog(count: int) -> None:
    """A line on standard output, which the watchdog reads; one that is gone is no fault."""
    with contextlib.suppress(OSError):
        os.write(1, b"%s %d\n" % (BEAT, count))


def when_the_watchdog_leaves(leave: Callable[[], None]) -> None:
    """Call `leave` when standard input ends: the watchdog wants to leave, or is gone itself."""

    def wait() -> None:
        # not sys.stdin: its lock, held by this thread, would be missed when the interpreter ends
        with contextlib.suppress(OSError):  # one that is closed has ended as well
            while os.read(0, 64):
                pass
        leave()

    threading.Thread(target=wait, name="watchdog", daemon=True).start()


def tell_systemd(count: int) -> None:
    """Notify systemd's own watchdog, where there is one (sd_notify(3)); what fails is no fault."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if sys.platform != "linux" or address[:1] not in ("/", "@"):
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
    ):
        notify.setblocking(False)
        notify.sendto(b"READY=1\nWATCHDOG=1", address.replace("@", "\0", 1))
