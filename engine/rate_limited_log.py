"""Log lines whose number somebody else decides, such as bad packets: fewer and fewer while they go on."""

import logging
import math
import time

LONGEST = 600.0
"""Seconds between two lines of what never ends."""


class RateLimitedLog:
    """Passes on one warning in `seconds`, while more come one in twice as long each time, at least one in
    `LONGEST`, and says how many it held back."""

    def __init__(self, log: logging.Logger, seconds: float = 10.0) -> None:
        self._log, self._seconds = log, seconds
        self._pause = seconds
        self._next = -math.inf
        self._held_back = 0

    def warning(self, message: str, *arguments: object) -> None:
        """Log it if its time has come, else count it."""
        now = time.perf_counter()
        if now < self._next:
            self._held_back += 1
            return
        goes_on = now < self._next + self._pause
        self._pause = min(2 * self._pause, LONGEST) if goes_on else self._seconds
        self._next = now + self._pause
        more = f" ({self._held_back} more since the last line)" if self._held_back else ""
        self._held_back = 0
        self._log.warning(message + more, *arguments)
