"""A service that listens to OSC on one UDP port: who may send, how much, bundles that are to be obeyed
later."""

import heapq
import logging
import socket
import time
from abc import abstractmethod
from collections.abc import Sequence

from engine.osc.packet import MAX_DATAGRAM, BadPacket, seconds_of, timed_messages
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
MAX_POSTPONED = 256
MAX_AHEAD_S = 60.0
"""Messages for later that are kept, and how many seconds ahead they may be."""

Sender = tuple[str, int]


class UdpServer(Service):
    """Calls `handle` with every message from an allowed sender, at the time of its bundle.

    What is not understood is counted under `osc_in.ignored` and logged now and then.
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
        self._complaint = RateLimitedLog(logging.getLogger(f"engine.{self.name}"))
        self._postponed: list[tuple[float, int, str, list[object], Sender]] = []
        self._count = 0

    @abstractmethod
    def handle(self, address: str, arguments: list[object]) -> None:
        """Take in one message. Raises ValueError if it means nothing."""

    def packet_done(self) -> None:
        """All messages of one packet that are for now have been heard."""

    def open(self) -> None:
        """Bind the port. Raises TemporaryFault if it is taken."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((self.host, self.port))
        except (OSError, OverflowError) as error:
            raise TemporaryFault(
                f"cannot listen on {self.host}:{self.port} ({error}); is another program using the port?"
            ) from None

    def step(self) -> None:
        """Hear what has come, or nothing for a moment."""
        assert self._socket is not None
        self._obey_postponed()
        wait = self._postponed[0][0] - time.perf_counter() if self._postponed else WAIT_S
        self._socket.settimeout(min(max(wait, 0.0005), WAIT_S))
        ends_at = (
            time.perf_counter() + WAIT_S + PAUSE_S
        )  # large packets take long to read, others wait meanwhile
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
        """Let go of the port, and of what was to be done later."""
        self._postponed.clear()
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
        try:
            for time_tag, address, arguments in timed_messages(packet):
                ahead = seconds_of(time_tag) - time.time()
                if ahead > 0:
                    self._postpone(ahead, address, arguments, sender)
                else:
                    self._hear(address, arguments, sender)
        except BadPacket as error:
            self.senders.malformed(sender[0])
            self._ignore(error, sender)
        self.packet_done()
        return True

    def _hear(self, address: str, arguments: list[object], sender: Sender) -> None:
        """Hear one message; one that means nothing does not silence its neighbours."""
        try:
            self.handle(address, arguments)
        except ValueError as error:
            self._ignore(error, sender)
            return
        self.metrics.count("osc_in.messages")
        self.senders.seen(sender)

    def _postpone(self, ahead: float, address: str, arguments: list[object], sender: Sender) -> None:
        """Keep a message for `ahead` seconds, counted by a monotonic clock."""
        if ahead > MAX_AHEAD_S:
            self._ignore(f"a bundle for more than {MAX_AHEAD_S:g} s ahead", sender)
        elif len(self._postponed) >= MAX_POSTPONED:
            self._ignore(f"more than {MAX_POSTPONED} messages for later", sender)
        else:
            self._count += 1
            due = time.perf_counter() + ahead
            heapq.heappush(self._postponed, (due, self._count, address, arguments, sender))

    def _obey_postponed(self) -> None:
        heard = False
        while self._postponed and self._postponed[0][0] <= time.perf_counter():
            _, _, address, arguments, sender = heapq.heappop(self._postponed)
            self._hear(address, arguments, sender)
            heard = True
        if heard:
            self.packet_done()

    def _ignore(self, error: object, sender: Sender) -> None:
        self.metrics.count("osc_in.ignored")
        self._complaint.warning("ignored from %s: %s", sender[0], error)
