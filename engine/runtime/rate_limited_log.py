"""Log lines whose number somebody else decides, such as bad packets: so many a minute and no more."""

import logging
import math
import time

MIN_INTERVAL_S, MAX_INTERVAL_S = 2.0, 60.0
"""Seconds between two lines about faults that come and go, at first and once they do not stop."""


class RateLimitedLog:
    """Passes on at most one warning in `seconds`, and says how many it held back.

    For warnings that are all of one cause `longest` may be more: while they go on the pause doubles up to it.
    """

    def __init__(self, log: logging.Logger, seconds: float = 10.0, longest: float = 10.0) -> None:
        self._log, self._seconds, self._longest = log, seconds, longest
        self._pause = seconds
        self._next = -math.inf
        self._held_back = 0

    def warning(self, message: str, *arguments: object, exc_info: bool = False) -> bool:
        """Log it if its time has come, else count it; whether it was logged."""
        now = time.perf_counter()
        if now < self._next:
            self._held_back += 1
            return False
        goes_on = now < self._next + self._pause
        self._pause = min(2 * self._pause, self._longest) if goes_on else self._seconds
        self._next = now + self._pause
        more = f" ({self._held_back} more since the last line)" if self._held_back else ""
        self._held_back = 0
        self._log.warning(message + more, *arguments, exc_info=exc_info)
        return True
