"""The watchdog: a parent process that starts the installation, and starts it again when its heartbeat stops.

The heartbeat comes through the standard output of the installation; when its standard input ends, the
installation leaves. Both work on every system, and a watchdog that is killed takes the installation with it.

Numba runs the machine code that it has cached without a check, and a damaged file ends the process each time.
So a piece that has died twice soon after its start is started once with `CLEAR_CACHE`, and compiles anew.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import FrameType
from typing import IO

from engine.runtime.heartbeat import BEAT, CLEAR_CACHE, WATCHED
from engine.runtime.stall_timer import StallTimer

log = logging.getLogger(__name__)

FIRST_BACK_OFF = 1.0
MAX_BACK_OFF = 60.0
HEALTHY_AFTER = 120.0
"""An installation that has run this many seconds is started again with the shortest back-off."""
EARLY_DEATH_S = 30.0
EARLY_DEATHS = 2
"""As many deaths in a row within that time after the start clear the cache of machine code."""
MAX_RESTARTS = 30
"""Restarts within an hour; what is more waits until the hour is over."""
HOUR = 3600.0
MAX_START_S = 120.0
"""Seconds that the first heartbeat may take."""
LEAVING = 1.7
MAX_SHUT_DOWN_S = 25.0
"""Seconds that the installation has to leave before it is killed."""
LOOK_EVERY = 0.1
QUIT, WRONG_SETTING = 0, 2
"""Exit statuses of the installation: somebody quit; something given at the start will not do."""
MAX_KILL_S = 10.0
"""Seconds that the system may take to end what was killed; what hangs in a driver may stay for ever."""
MAX_LINE = 4096


class Watchdog:
    """Runs `command` until it ends well. `timeout`: seconds of silence after which it is started anew."""

    def __init__(self, command: Sequence[str], timeout: float) -> None:
        self._command, self._timeout = list(command), timeout
        self._leaving = threading.Event()
        self._beats = 0
        self.restarts: deque[float] = deque(maxlen=MAX_RESTARTS)
        """monotonic times of the newest restarts"""

    def run(self) -> int:
        """Watch until the installation ends well or somebody sends SIGINT or SIGTERM; the exit status of the
        installation."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._leave) for number in numbers}
        try:
            return self._run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def leave(self) -> None:
        """End the installation, then `run`."""
        self._leaving.set()

    def _leave(self, number: int, frame: FrameType | None) -> None:
        self.leave()

    def _run(self) -> int:
        back_off, has_worked, early_deaths = FIRST_BACK_OFF, False, 0
        while True:
            started = time.perf_counter()
            status = self._watch(clear_cache=early_deaths == EARLY_DEATHS)
            now = time.perf_counter()
            if now - started > HEALTHY_AFTER:
                back_off, has_worked = FIRST_BACK_OFF, True
            early_deaths = early_deaths + 1 if now - started < EARLY_DEATH_S else 0
            # a setting that was right once has been spoilt since, and may be mended while nobody is there
            if self._leaving.is_set() or status == QUIT or (status == WRONG_SETTING and not has_worked):
                return max(status, 0)
            wait = max(back_off, self._until_allowed(now))
            log.warning("the installation ended with status %d; starting it again in %.0f s", status, wait)
            if early_deaths == EARLY_DEATHS:
                log.warning(
                    "it ended %d times soon after its start; its machine code is compiled anew", EARLY_DEATHS
                )
            if self._leaving.wait(wait):
                return 0
            self.restarts.append(time.perf_counter())
            back_off = min(2 * back_off, MAX_BACK_OFF)

    def _until_allowed(self, now: float) -> float:
        """Seconds until one more restart is within `MAX_RESTARTS` an hour."""
        if len(self.restarts) < MAX_RESTARTS:
            return 0.0
        return max(self.restarts[0] + HOUR - now, 0.0)

    def _watch(self, *, clear_cache: bool = False) -> int:
        """Start the installation once and watch it; its exit status, negative or 1 where it was killed."""
        self._beats, silence = 0, StallTimer()
        try:
            child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # without one of our own, as under pythonw, the installation would get one that nobody reads
                stderr=subprocess.DEVNULL if sys.stderr is None else None,
                env={**os.environ, WATCHED: "1", **({CLEAR_CACHE: "1"} if clear_cache else {})},
            )
        except OSError as error:
            log.error("the installation cannot be started: %s", error)
            return 1
        assert child.stdin is not None and child.stdout is not None
        threading.Thread(target=self._listen, args=(child.stdout,), daemon=True).start()
        try:
            while (status := child.poll()) is None:
                timeout = self._timeout if self._beats else MAX_START_S
                if self._leaving.wait(LOOK_EVERY):
                    return self._end(child)
                if silence.since(self._beats, time.perf_counter()) > timeout:
                    log.warning("no heartbeat for %g s; killing the installation", timeout)
                    return _kill(child)
            return status
        finally:
            child.stdin.close()

    def _end(self, child: subprocess.Popen[bytes]) -> int:
        """Let the installation leave by itself, and kill it if it does not: while it beats, it writes a
        recording."""
        assert child.stdin is not None
        child.stdin.close()
        beats, leave_by = -1, time.perf_counter() + MAX_SHUT_DOWN_S
        while beats != self._beats and time.perf_counter() < leave_by:
            beats = self._beats
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(LEAVING)
        log.warning("the installation does not leave; killing it")
        return _kill(child)

    def _listen(self, output: IO[bytes]) -> None:
        """Count heartbeats; whatever else comes on standard output goes no further."""
        with output:
            while line := output.readline(MAX_LINE):
                if line.startswith(BEAT):
                    self._beats += 1


def _kill(child: subprocess.Popen[bytes]) -> int:
    """End it the hard way; 1."""
    child.kill()
    try:
        child.wait(MAX_KILL_S)
    except subprocess.TimeoutExpired:
        log.error(
            "the installation cannot be killed; it hangs in the system, and another one is started beside it"
        )
    return 1
