"""Log lines whose number somebody else decides, such as bad packets: so many a minute and no more."""

import logging
import time


class RateLimitedLog:
    """Passes on at most one warning in `seconds`, and says how many it held back."""

    def __init__(self, log: logging.Logger, seconds: float = 10.0) -> None:
        self._log, self._seconds = log, seconds
        self._next = 0.0
        self._held_back = 0

    def warning(self, message: str, *arguments: object) -> None:
        """Log it if its time has come, else count it."""
        now = time.perf_counter()
        if now < self._next:
            self._held_back += 1
            return
        self._next = now + self._seconds
        more = f" ({self._held_back} more like it)" if self._held_back else ""
        self._held_back = 0
        self._log.warning(message + more, *arguments)
