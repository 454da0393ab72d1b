"""OSC in: the operator's controls, and the status back to whoever works them."""

import time
from collections.abc import Sequence

from engine.control.operator import Operator
from engine.osc.controls import OscControls
from engine.osc.server import LOOPBACK_ONLY, UdpServer
from engine.osc.status import StatusReader, status_datagrams
from engine.runtime.metrics import Metrics

STATUS_INTERVAL_S = 0.2
"""Seconds between two reports of the status, so that a button lights up while the finger is still on it."""


class OscIn(UdpServer):
    """Listens on one UDP port, works the operator's controls and reports the status.

    The status goes to the port that a message came from, or to `status_port` on that machine if it is given.
    """

    name = "osc_in"

    def __init__(
        self,
        host: str,
        port: int,
        operator: Operator,
        metrics: Metrics,
        *,
        allowed: Sequence[str] = LOOPBACK_ONLY,
        status: StatusReader | None = None,
        status_port: int | None = None,
    ) -> None:
        super().__init__(host, port, metrics, allowed)
        self.operator, self._status, self._status_port = operator, status, status_port
        self._controls = OscControls(operator)
        self._status_due = 0.0

    def handle(self, address: str, arguments: list[object]) -> None:
        """Do what a message asks for. Raises ValueError."""
        self._controls.dispatch(address, arguments)

    def step(self) -> None:
        """Hear what has come, and report."""
        super().step()
        now = time.perf_counter()
        if self._status is not None and now >= self._status_due:
            self._status_due = now + STATUS_INTERVAL_S
            self._report_to_recent(self._status)

    def _report_to_recent(self, reader: StatusReader) -> None:
        listeners = self.senders.recent()
        status = reader.read()
        if not listeners or status is None or self._socket is None:
            return
        for host, port in {(host, self._status_port or port) for host, port in listeners}:
            for datagram in status_datagrams(status):
                try:
                    self._socket.sendto(datagram, (host, port))
                except OSError:
                    self.metrics.count("osc.send_errors")
