"""A service that listens to OSC on one UDP port: who may send, how much, and what is said of the rest."""

import errno
import ipaddress
import socket
import sys
import time
from abc import abstractmethod
from collections.abc import Sequence

from engine.osc.packet import MAX_DATAGRAM, Message, read_packet
from engine.osc.sender_limits import MAX_PACKETS, SenderLimits
from engine.runtime.faults import TemporaryFault
from engine.runtime.metrics import Metrics
from engine.runtime.rate_limited_log import RateLimitedLog
from engine.runtime.service import Service

LOOPBACK_ONLY = ("127.0.0.0/8",)
WAIT_S = 0.2
BURST = 128
"""Packets that are read without a pause."""
CALM = 4
"""Packets at once that are no burst: a frame of a skeleton is one or two."""
PAUSE_S, LONG_PAUSE_S = 0.004, 0.02
"""Seconds of pause after a burst, and after one in which somebody sent more than is read: a flood must not take
the interpreter from the dance and the frame, and whoever wakes seldom takes it seldom."""
MAX_REASONS = 16
"""Reasons for ignoring something that are told apart in the log; all others share one line in ten seconds."""
LONGEST_SILENCE_S = 600.0
"""Seconds between two lines about one and the same reason, once it does not stop."""

BIND_HINTS = {
    errno.EADDRINUSE: "; is another program using the port?",
    errno.EADDRNOTAVAIL: "; this machine has no such address: give its own, or 0.0.0.0 for all of them",
    errno.EACCES: "; ports below 1024 belong to the system: take a higher one",
}

Sender = tuple[str, int]


class UdpServer(Service):
    """Calls `handle` with every message from an allowed sender.

    What is not understood is counted under `osc_in.ignored` and logged at a bounded rate, each reason by
    itself.
    """

    def __init__(
        self,
        host: str,
        port: int,
        metrics: Metrics,
        allowed: Sequence[str] = LOOPBACK_ONLY,
        max_packets: int = MAX_PACKETS,
    ) -> None:
        super().__init__(metrics)
        self.host, self.port = host, port
        self.senders = SenderLimits(allowed, max_packets)
        self._socket: socket.socket | None = None
        self.heard_from: Sender = ("", 0)
        """who sent the newest packet"""
        self._complaint = RateLimitedLog(self.log)
        self._complaints: dict[str, RateLimitedLog] = {}

    @abstractmethod
    def handle(self, address: str, arguments: list[object]) -> None:
        """Take in one message. Raises ValueError if it means nothing."""

    def packet_done(self) -> None:
        """All messages of one packet have been heard."""

    def open(self) -> None:
        """Bind the port, and join the group where the host is one. Raises TemporaryFault if that fails."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if is_multicast(self.host):
                join_group(self._socket, self.host, self.port)
            else:
                self._socket.bind((self.host, self.port))
        except (OSError, OverflowError) as error:
            hint = BIND_HINTS.get(getattr(error, "errno", None) or 0, "")
            raise TemporaryFault(f"cannot listen on {self.host}:{self.port} ({error}){hint}") from None

    def step(self) -> None:
        """Hear what has come, or nothing for a moment."""
        assert self._socket is not None
        self._socket.settimeout(WAIT_S)
        # large packets take long to read, others wait meanwhile
        ends_at = time.perf_counter() + WAIT_S + PAUSE_S
        crowded = False
        for count in range(BURST):
            try:
                packet, sender = self._socket.recvfrom(MAX_DATAGRAM)
            except (TimeoutError, BlockingIOError):
                if count < CALM:
                    return
                break
            except ConnectionError:
                continue  # Windows reports here that an earlier datagram of ours found nobody
            crowded |= not self._take(packet, sender)
            self._socket.settimeout(0.0)
            if time.perf_counter() > ends_at:
                break
        self.sleep(LONG_PAUSE_S if crowded else PAUSE_S)

    def close(self) -> None:
        """Let go of the port."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _take(self, packet: bytes, sender: Sender) -> bool:
        """Hear one packet; False if it was not read, for whoever sent it may not or sent too many."""
        if not self.senders.allowed(sender[0]):
            self._ignore("not among those who may send", sender)
            return False
        if self.senders.over_limit(sender[0]):
            self._ignore("more packets than are read of one sender", sender)
            return False
        self.heard_from = sender
        found, complaints = read_packet(packet)
        for message in found:
            self._hear(message, sender)
        for complaint in complaints:
            self._ignore(complaint, sender)
        if complaints and not found:
            self.senders.malformed(sender[0])
        self.packet_done()
        return True

    def _hear(self, message: Message, sender: Sender) -> None:
        """Hear one message; one that means nothing does not silence its neighbours."""
        try:
            self.handle(message.address, message.arguments)
        except ValueError as error:
            self._ignore(f"{message.address[:60]!r}: {error}", sender)
            return
        self.metrics.count("osc_in.messages")
        self.senders.seen(sender)

    def _ignore(self, error: object, sender: Sender) -> None:
        self.metrics.count("osc_in.ignored")
        reason = str(error)
        if reason not in self._complaints and len(self._complaints) < MAX_REASONS:
            self._complaints[reason] = RateLimitedLog(self.log, longest=LONGEST_SILENCE_S)
        self._complaints.get(reason, self._complaint).warning("ignored from %s: %s", sender[0], reason)


def is_multicast(host: str) -> bool:
    """Whether a host is the address of a multicast group, 224.0.0.0 to 239.255.255.255."""
    try:
        return ipaddress.IPv4Address(host).is_multicast
    except ValueError:
        return False


def join_group(opened: socket.socket, group: str, port: int) -> None:
    """Bind a port and join a multicast group on the default network and on this machine itself.

    Others of this machine may listen to the same. Raises OSError where neither can be joined.
    """
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(("" if sys.platform == "win32" else group, port))
    failed: list[OSError] = []
    for network in ("0.0.0.0", "127.0.0.1"):
        try:
            membership = socket.inet_aton(group) + socket.inet_aton(network)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        except OSError as error:  # no network, or the default one is this machine
            failed.append(error)
    if len(failed) == 2:
        raise failed[0]
