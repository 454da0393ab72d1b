"""OSC out: each generated frame to every target, built by pure functions and sent without ever blocking.

Targets at the native rate are sent to at once, in the thread that made the frame. Those at another rate are
served by a service of their own, `ResampledOutput`, from interpolated frames.
"""

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Sequence

import numpy as np

from engine.osc.addresses import HEARTBEAT
from engine.osc.formats import OutputFrame, seen_visitor, streamed
from engine.osc.message import ints
from engine.osc.target import Target
from engine.runtime.fault_tracker import FaultTracker
from engine.runtime.metrics import Metrics
from engine.runtime.rate_limited_log import RateLimitedLog
from engine.runtime.service import Service
from engine.streams.interpolation import FrameInterpolator
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame, Pose, VisitorEmotion

RESOLVE_RETRY_S = 5.0
"""Seconds between attempts to look up a host name that could not be found, or that nothing can be sent to."""
ADDRESS_LIFETIME_S = 60.0
"""Seconds after which a name is looked up again although it is known: its address may be another one."""
MAX_LATE_S = 0.2
"""Seconds behind which a rate is not caught up but begins anew: no receiver wants a burst of the past."""


class OscOut:
    """Sends frames to any number of targets. Nothing that fails here reaches the caller."""

    def __init__(
        self,
        targets: Sequence[Target],
        metrics: Metrics,
        visitor_emotion: Mailbox[VisitorEmotion | None] | None = None,
    ) -> None:
        self.metrics = metrics
        self.targets = tuple(targets)
        self.frames: Mailbox[DancerFrame] = Mailbox()
        """the newest frame, for `ResampledOutput`"""
        self.visitor_emotion: Mailbox[VisitorEmotion | None] = visitor_emotion or Mailbox()
        log = logging.getLogger("engine.osc.output")
        self._complaint = RateLimitedLog(log)
        self._complaints = {target: RateLimitedLog(log, longest=600.0) for target in self.targets}
        self._found = {target: found for target in self.targets if (found := _numeric(target)) is not None}
        self._wanted = {target for target in self.targets if target not in self._found}
        """targets whose address is to be looked up, again where nothing could be sent to it"""
        self._troubles = {target: FaultTracker("osc", metrics) for target in self.targets}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        # Multicast stays in the local network, and is heard on this machine too.
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        self._closing = threading.Event()
        self._last_visitor_at = self._last_emotion_at = -np.inf
        threading.Thread(target=self._look_up, name="osc_out names", daemon=True).start()

    def send(self, frame: DancerFrame) -> None:
        """Send a frame to every native target. A frame that is not made of finite numbers is not sent."""
        if not (np.isfinite(frame.positions).all() and np.isfinite(frame.emotion_weights).all()):
            self.metrics.count("osc.send_errors")
            self._complaint.warning("frame %d is not made of finite numbers and is not sent", frame.index)
            return
        self.frames.put(frame)
        now = streamed(frame, self.emotion_of_visitor())
        if any([self.send_to(target, now) for target in self.targets if target.native]):
            self.metrics.count("osc.bundles")
            self.measure(frame.visitor, frame.emotion_changed_at)

    def emotion_of_visitor(self) -> np.ndarray | None:
        """What the visitor's movement shows, if that is known."""
        known = self.visitor_emotion.latest()
        return None if known is None else known.weights

    def send_to(self, target: Target, now: OutputFrame) -> bool:
        """Whether a frame was sent to a target; a complaint where not."""
        return self._sent(target, target.datagrams(now))

    def send_heartbeat(self, count: int) -> None:
        """Send the heartbeat, a number of seconds, to every target; from any thread."""
        for target in self.targets:
            self._sent(target, [ints(HEARTBEAT, count)])

    def _sent(self, target: Target, datagrams: Sequence[bytes]) -> bool:
        trouble = self._troubles[target]
        try:
            if (found := self._found.get(target)) is None:
                raise OSError(f"the host {target.host!r} is not found")
            for datagram in datagrams:
                self._socket.sendto(datagram, found)
        except BlockingIOError:  # more than the system takes at once
            self.metrics.count("osc.send_errors")
            return False
        except OSError as error:
            self.metrics.count("osc.send_errors")
            self._complaints[target].warning("cannot send to %s:%d: %s", target.host, target.port, error)
            # one that has not been looked up yet, at the start, is in no trouble
            if not self._closing.is_set() and (found is not None or target not in self._wanted):
                trouble.raised(f"cannot send to {target.host}:{target.port}: {error}")
            self._wanted.add(target)
            return False
        trouble.cleared()
        return True

    def close(self) -> None:
        """Close the socket."""
        self._closing.set()
        self._socket.close()

    def measure(self, visitor: Pose | None, changed: float | None) -> None:
        """How long ago was what a frame just sent answers, a visitor or an emotion asked for at `changed`?

        Counted for the first frame that does.
        """
        now = time.perf_counter()
        visitor = seen_visitor(visitor)
        if visitor is not None and visitor.captured_at > self._last_visitor_at:
            self._last_visitor_at = visitor.captured_at
            self.metrics.duration("latency.visitor_to_osc", now - visitor.captured_at)
        if changed is not None and changed > self._last_emotion_at:
            self._last_emotion_at = changed
            self.metrics.duration("latency.emotion_to_osc", now - changed)

    def _look_up(self) -> None:
        """Find the targets' addresses, aside from the dance, because a name server may take its time."""
        named = [target for target in self.targets if target not in self._found]
        again_at = time.perf_counter() + ADDRESS_LIFETIME_S
        while named and not self._closing.is_set():
            if time.perf_counter() > again_at:
                again_at = time.perf_counter() + ADDRESS_LIFETIME_S
                self._wanted.update(named)
            for target in list(self._wanted.intersection(named)):
                self._wanted.discard(target)
                try:
                    info = socket.getaddrinfo(target.host, target.port, socket.AF_INET, socket.SOCK_DGRAM)
                except (OSError, ValueError):  # a host with a NUL or a label that is too long is a ValueError
                    continue  # whoever wants to send to it asks again
                self._found[target] = info[0][4][0], target.port  # type: ignore[assignment]
            self._closing.wait(RESOLVE_RETRY_S)


def _numeric(target: Target) -> tuple[str, int] | None:
    """Where a target is that is given by its number and needs no name server."""
    try:
        return str(ipaddress.IPv4Address(target.host)), target.port
    except ValueError:
        return None


class ResampledOutput(Service):
    """Sends interpolated frames to the targets that want another rate than the native one."""

    name = "osc_rates"
    max_back_off = 1.0

    def __init__(self, out: OscOut, metrics: Metrics) -> None:
        super().__init__(metrics)
        self._out = out
        self._targets = [target for target in out.targets if not target.native]
        self._alone = len(self._targets) == len(out.targets)
        self._sent = [0] * len(self._targets)
        self._version = 0

    def open(self) -> None:
        self._interpolator = FrameInterpolator()
        self._due = [time.perf_counter()] * len(self._targets)

    def step(self) -> None:
        """Wait for the target that is due first and send it one frame."""
        which = int(np.argmin(self._due))
        self.sleep(min(self._due[which] - time.perf_counter(), 0.2))
        now = time.perf_counter()
        if now < self._due[which] or self.stopping:
            return
        due = self._due[which] if now - self._due[which] <= MAX_LATE_S else now
        self._due[which] = due + 1.0 / self._targets[which].rate
        self._version, frame = self._out.frames.newer_than(self._version, 0.0)
        if frame is not None:
            self._interpolator.put(frame)
        moment = self._interpolator.at(due)
        if moment is None:
            return
        at = DancerFrame(self._sent[which], now, moment.positions, moment.emotion_weights, moment.visitor)
        if self._out.send_to(self._targets[which], streamed(at, self._out.emotion_of_visitor())):
            self._sent[which] += 1
            if self._alone:  # else those who are sent each frame as it comes are what is measured
                self.metrics.count("osc.bundles")
                self._out.measure(moment.led_by, moment.emotion_changed_at)
