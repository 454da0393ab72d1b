"""When this process began: imported before anything that takes time."""

import time

BEGAN = time.perf_counter()


def since() -> float:
    """Seconds since then."""
    return time.perf_counter() - BEGAN
