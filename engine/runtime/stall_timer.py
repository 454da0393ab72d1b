"""How long something has been silent, counted only while somebody listened."""

MAX_STEP_S = 1.0
"""Seconds that one look counts for at most: a machine that slept for ten minutes has not been watched for ten
minutes, and what slept with it is not to blame."""


class StallTimer:
    """Counts the seconds since a heartbeat last changed, from look to look."""

    def __init__(self) -> None:
        self._beat: object = None
        self._looked_at: float | None = None
        self._seconds = 0.0

    def since(self, beat: object, now: float) -> float:
        """Seconds of silence up to `now`, a monotonic time; `beat` is anything that changes with each beat."""
        passed = 0.0 if self._looked_at is None else min(max(now - self._looked_at, 0.0), MAX_STEP_S)
        self._looked_at = now
        self._seconds = self._seconds + passed if beat == self._beat else 0.0
        self._beat = beat
        return self._seconds
