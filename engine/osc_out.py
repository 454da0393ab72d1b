"""OSC out: each generated frame as a bundle, built by a pure function and sent without ever blocking.

The dancer and the visitor do not fit into one unfragmented datagram, so a frame with a visitor is two bundles:
first the dancer's, which says whether there is a visitor, then the visitor's joints. Both carry the time tag
"immediately": a receiver's clock need not agree with ours, and TouchDesigner takes the newest value anyway.
Everything is int32 or float32, because TouchDesigner's OSC In CHOP takes nothing else.
"""

import logging
import socket
import struct
import threading
import time
from collections.abc import Sequence

import numpy as np

from engine.osc_addresses import DANCER_EMOTION, DANCER_FRAME, DANCER_JOINTS, VISITOR_JOINTS, VISITOR_PRESENT
from engine.rate_limited_log import RateLimitedLog
from engine.statistics import Statistics
from engine.values import DancerFrame, Pose

BUNDLE_HEAD = b"#bundle\0" + struct.pack(">Q", 1)
"""A bundle whose time tag is 1, "immediately" (OSC 1.0)."""
LARGEST_DATAGRAM = 1_472
"""Bytes of UDP that fit into an Ethernet frame of 1,500 with IPv4."""
RESOLVE_AGAIN = 5.0
"""Seconds between attempts to look up a host name that could not be found."""


def message_head(address: str, tags: str) -> bytes:
    """Address and type tags of an OSC message, each ended with a zero and padded to four bytes."""
    return b"".join(
        text + b"\0" * (4 - len(text) % 4) for text in (address.encode("ascii"), f",{tags}".encode("ascii"))
    )


def message(head: bytes, values: bytes) -> bytes:
    """One element of a bundle: size, head, big-endian values."""
    return struct.pack(">i", len(head) + len(values)) + head + values


_FRAME_HEAD = message_head(DANCER_FRAME, "i")
_PRESENT_HEAD = message_head(VISITOR_PRESENT, "i")
_DANCER_HEADS = [message_head(address, "fff") for address in DANCER_JOINTS]
_VISITOR_HEADS = [message_head(address, "fff") for address in VISITOR_JOINTS]


def dancer_bundle(frame: DancerFrame) -> bytes:
    """The dancer's bundle of a frame: number, 17 joints, emotion, and whether there is a visitor."""
    weights = np.asarray(frame.emotion_weights, dtype=">f4")
    return b"".join(
        (
            BUNDLE_HEAD,
            message(_FRAME_HEAD, struct.pack(">i", frame.index & 0x7FFFFFFF)),
            *_joints(_DANCER_HEADS, frame.positions),
            message(message_head(DANCER_EMOTION, "f" * len(weights)), weights.tobytes()),
            message(_PRESENT_HEAD, struct.pack(">i", int(seen_visitor(frame) is not None))),
        )
    )


def visitor_bundle(pose: Pose) -> bytes:
    """The visitor's bundle of a frame: 17 joints."""
    return b"".join((BUNDLE_HEAD, *_joints(_VISITOR_HEADS, pose.positions)))


def seen_visitor(frame: DancerFrame) -> Pose | None:
    """The visitor of a frame, if one is present and fit to be sent."""
    pose = frame.visitor
    if pose is None or not pose.present or pose.positions is None or not np.isfinite(pose.positions).all():
        return None
    return pose


def _joints(heads: list[bytes], positions: object) -> list[bytes]:
    values = np.asarray(positions, dtype=">f4").tobytes()
    return [message(head, values[12 * i : 12 * i + 12]) for i, head in enumerate(heads)]


class OscOut:
    """Sends frames to any number of targets (host, port). Nothing that fails here reaches the caller."""

    def __init__(self, targets: Sequence[tuple[str, int]], statistics: Statistics) -> None:
        self.statistics = statistics
        self.targets = tuple(targets)
        self._log = logging.getLogger("engine.osc_out")
        self._complaint = RateLimitedLog(self._log)
        self._found: dict[tuple[str, int], tuple[str, int]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._closing = threading.Event()
        self._last_visitor_at = self._last_emotion_at = -np.inf
        threading.Thread(target=self._look_up, name="osc_out names", daemon=True).start()

    def send(self, frame: DancerFrame) -> None:
        """Send a frame to every target. A frame that is not made of finite numbers is not sent."""
        if not (np.isfinite(frame.positions).all() and np.isfinite(frame.emotion_weights).all()):
            self.statistics.count("osc.send_errors")
            self._complaint.warning("frame %d is not made of finite numbers and is not sent", frame.index)
            return
        datagrams = [dancer_bundle(frame)]
        visitor = seen_visitor(frame)
        if visitor is not None:
            datagrams.append(visitor_bundle(visitor))
        sent = [self._send_to(target, datagrams) for target in self.targets]
        if any(sent):
            self.statistics.count("osc.bundles")
            self._measure(frame, visitor)

    def close(self) -> None:
        """Close the socket."""
        self._closing.set()
        self._socket.close()

    def _send_to(self, target: tuple[str, int], datagrams: list[bytes]) -> bool:
        """Whether it was sent; a complaint where not."""
        found = self._found.get(target)
        try:
            if found is None:
                raise OSError(f"the host {target[0]!r} is not found")
            for datagram in datagrams:
                self._socket.sendto(datagram, found)
        except OSError as error:
            self.statistics.count("osc.send_errors")
            self._complaint.warning("cannot send to %s:%d: %s", *target, error)
            return False
        return True

    def _measure(self, frame: DancerFrame, visitor: Pose | None) -> None:
        now = time.perf_counter()
        if visitor is not None and visitor.captured_at > self._last_visitor_at:
            self._last_visitor_at = visitor.captured_at
            self.statistics.duration("latency.visitor_to_osc", now - visitor.captured_at)
        changed = frame.emotion_changed_at
        if changed is not None and changed > self._last_emotion_at:
            self._last_emotion_at = changed
            self.statistics.duration("latency.emotion_to_osc", now - changed)

    def _look_up(self) -> None:
        """Find the targets' addresses, aside from the dance, because a name server may take its time."""
        missing = list(self.targets)
        while missing and not self._closing.is_set():
            for host, port in list(missing):
                try:
                    info = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)
                except (OSError, UnicodeError):
                    continue
                self._found[host, port] = info[0][4][0], port  # type: ignore[assignment]
                missing.remove((host, port))
            if missing:
                self._closing.wait(RESOLVE_AGAIN)
