"""The one way that values pass between threads: the latest value wins, nothing queues, nothing blocks."""

import math
import threading
import time
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Mailbox(Generic[Value]):
    """Holds the newest value that was put. Values must be immutable: every reader gets the same object.

    `version` counts the values put so far, the last one at `put_at` (`time.perf_counter`); `dropped` counts
    those that nobody took before the next one came.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: Value | None = None
        self._taken = True
        self.version = 0
        self.put_at = -math.inf
        self.dropped = 0

    def put(self, value: Value) -> None:
        """Replace the value and wake whoever waits for it."""
        with self._changed:
            if not self._taken:
                self.dropped += 1
            self._value = value
            self._taken = False
            self.version += 1
            self.put_at = time.perf_counter()
            self._changed.notify_all()

    def latest(self) -> Value | None:
        """The newest value, or None before the first one."""
        with self._changed:
            self._taken = True
            return self._value

    def forget_dropped(self) -> None:
        """Count `dropped` from 0 again."""
        with self._changed:
            self.dropped = 0

    def newer_than(self, version: int, timeout: float) -> tuple[int, Value | None]:
        """Wait at most `timeout` seconds for a value newer than `version`.

        Returns (its version, the value), or (`version`, None) when none came in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.version > version, timeout):
                return version, None
            self._taken = True
            return self.version, self._value
