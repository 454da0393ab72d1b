"""Who may send, how much, and who has sent of late."""

import ipaddress
import time
from collections.abc import Sequence
from functools import lru_cache

MAX_PACKETS = 1_000
"""Packets a second that are read of one sender; a control surface sends a hundred."""
BURST_S = 0.1
"""Seconds' worth of packets that are read at once; then one after the other, so that a flood takes as little of
each frame's time as of every other's."""
GARBAGE = 8
"""As how many packets one counts that cannot be read: looking into it costs as much as some that can."""
MAX_SENDERS = 64
"""SenderLimits that are told apart; all others share one."""
LISTENER_TIMEOUT_S = 60.0
"""Seconds for which a sender counts as listening."""
MAX_LISTENERS = 16


def parse_network(text: str) -> ipaddress.IPv4Network:
    """An IPv4 address, or a network such as 192.168.0.0/24. Raises ValueError."""
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text[:60]!r}: expected an address or a network such as 192.168.0.0/24") from None


def any_beyond_loopback(allowed: Sequence[str]) -> bool:
    """Whether somebody may send who is not on this machine."""
    return not all(parse_network(text).is_loopback for text in allowed)


class SenderLimits:
    """Asked for every packet, so everything here is quick and bounded. Use from one thread."""

    def __init__(self, allowed: Sequence[str], max_packets: int = MAX_PACKETS) -> None:
        networks = [parse_network(text) for text in allowed]

        @lru_cache(maxsize=1024)
        def may(host: str) -> bool:
            return any(ipaddress.IPv4Address(host) in network for network in networks)

        self._may = may
        self._most_packets = max_packets
        self._left: dict[str, tuple[float, float]] = {}  # packets that each may send, and as of when
        self._recent: dict[tuple[str, int], float] = {}

    def allowed(self, host: str) -> bool:
        """Whether packets from there are read at all."""
        return self._may(host)

    def over_limit(self, host: str) -> bool:
        """Count a packet; whether its sender has had its share for now."""
        key, left = self._share(host)
        self._left[key] = (left - 1 if left >= 1 else left, time.perf_counter())
        return left < 1

    def malformed(self, host: str) -> None:
        """The packet that was counted last, of this sender, could not be read."""
        key, left = self._share(host)
        self._left[key] = (left - (GARBAGE - 1), time.perf_counter())

    def _share(self, host: str) -> tuple[str, float]:
        """What a sender is counted under, and how many packets it may send now."""
        now = time.perf_counter()
        if host not in self._left and len(self._left) >= MAX_SENDERS:
            # Who has been silent for long enough has a whole share again, as if it had never been heard of.
            self._left = {known: left for known, left in self._left.items() if now - left[1] < 1.0}
        key = host if host in self._left or len(self._left) < MAX_SENDERS else ""
        most = BURST_S * self._most_packets
        left, at = self._left.get(key, (most, now))
        return key, min(left + (now - at) * self._most_packets, most)

    def seen(self, sender: tuple[str, int]) -> None:
        """Somebody said something that was understood."""
        if sender not in self._recent and len(self._recent) >= MAX_LISTENERS:
            self._recent.pop(min(self._recent, key=lambda known: self._recent[known]))
        self._recent[sender] = time.perf_counter()

    def recent(self) -> list[tuple[str, int]]:
        """Who has been understood in the last minute."""
        now = time.perf_counter()
        self._recent = {sender: at for sender, at in self._recent.items() if now - at < LISTENER_TIMEOUT_S}
        return list(self._recent)
