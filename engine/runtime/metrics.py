"""What the installation measures about itself: counters, durations and faults, in constant memory."""

import math
import threading
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.runtime.faults import Fault

SAMPLES_KEPT = 36_000
"""Durations kept per name: ten minutes at 60 Hz. Older ones leave, so that weeks cost no memory."""

FAULTS_KEPT = 1_000


class _Newest:
    """The newest `size` numbers, all of their memory taken at the start: weeks later there is no more of it."""

    def __init__(self, size: int) -> None:
        self._numbers = np.full(size, np.nan)
        self._count = 0

    def add(self, number: float) -> None:
        self._numbers[self._count % len(self._numbers)] = number
        self._count += 1

    def __len__(self) -> int:
        return min(self._count, len(self._numbers))

    def newest(self, most: int) -> NDArray[np.float64]:
        """At most so many, in no order that means anything."""
        count = min(most, len(self))
        return self._numbers[np.arange(self._count - count, self._count) % len(self._numbers)]


class Metrics:
    """Counters, durations in milliseconds and faults by name, written by every service and read at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._counted_at: dict[str, float] = {}
        self._durations: dict[str, _Newest] = {}
        self._faults: deque[Fault] = deque(maxlen=FAULTS_KEPT)

    def count(self, name: str, by: int = 1) -> None:
        """Add to the counter `name`."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + by
            self._counted_at[name] = time.perf_counter()

    def counted(self, name: str) -> int:
        """The counter `name`, 0 if nothing was counted."""
        with self._lock:
            return self._counts.get(name, 0)

    def since(self, name: str) -> float:
        """Seconds since something was counted under `name`, infinite if nothing was."""
        with self._lock:
            return time.perf_counter() - self._counted_at.get(name, -math.inf)

    def duration(self, name: str, seconds: float) -> None:
        """Record one duration under `name`."""
        with self._lock:
            if name not in self._durations:
                self._durations[name] = _Newest(SAMPLES_KEPT)
            self._durations[name].add(seconds * 1000.0)

    def percentiles(self, name: str, newest: int = SAMPLES_KEPT) -> dict[str, float] | None:
        """{p50, p95, p99} in milliseconds of the newest durations kept under `name`, None if there are none."""
        with self._lock:
            samples = self._durations[name].newest(newest) if name in self._durations else None
        if samples is None:
            return None
        p50, p95, p99 = np.percentile(samples, (50, 95, 99))
        return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "p99": round(float(p99), 3)}

    def clear(self) -> None:
        """Forget counters and durations; faults stay."""
        with self._lock:
            self._counts.clear()
            self._counted_at.clear()
            self._durations.clear()

    def fault(self, fault: Fault) -> None:
        """Record a fault; its `recovered_after_s` may be filled in later by the service that had it."""
        with self._lock:
            self._faults.append(fault)

    def faults(self) -> list[dict[str, Any]]:
        """The newest faults as plain values."""
        with self._lock:
            return [fault.as_dict() for fault in self._faults]
