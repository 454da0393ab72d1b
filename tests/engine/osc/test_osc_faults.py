"""Networks that are down, buffers that are full, and ports that are taken."""

import errno
import socket
import time

import pytest

from engine.control.controls import Controls
from engine.control.operator import Operator
from engine.osc.input import OscIn
from engine.osc.message import floats
from engine.osc.output import OscOut, ResampledOutput
from engine.osc.target import Target
from engine.runtime.faults import TemporaryFault
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame
from models.emotion.palette import DEFAULT_PALETTE
from tests.engine.fakes import SLEEP, Clock, wait_until
from tests.engine.osc_reader import read_message
from tests.synthetic import swinging_figure


def test_after_ten_minutes_of_sleep_no_rate_is_caught_up(clock: Clock) -> None:
    out = OscOut([Target("127.0.0.1", 9, rate=120.0)], Metrics())
    sent: list[float] = []
    out.send_to = lambda *_: sent.append(clock.now) or True  # type: ignore
    rates = ResampledOutput(out, Metrics())
    rates.open()
    figure = swinging_figure(1)[0]
    out.frames.put(DancerFrame(0, clock.now, figure, DEFAULT_PALETTE.one_hot(0)))
    for _ in range(20):
        rates.step()
    clock.now += SLEEP
    woke, before = clock.now, len(sent)
    for _ in range(20):
        rates.step()
    assert len(sent) > before and clock.now - woke >= (len(sent) - before - 2) / 120
    out.close()


class Network:
    """A socket that does what the network does."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.sent: list[tuple[bytes, object]] = []

    def sendto(self, data: bytes, address: object) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append((data, address))

    def close(self) -> None:
        pass


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN])
def test_a_network_that_is_down_is_a_fault_and_is_over_when_it_is_back(number: int) -> None:
    metrics = Metrics()
    out = OscOut([Target("127.0.0.1", 9)], metrics)
    wait_until(lambda: out._found)
    out._socket.close()
    out._socket = network = Network()  # type: ignore[assignment]
    network.error = OSError(number, "down")
    for _ in range(100):
        assert not out._sent(out.targets[0], [b"x"])
    [fault] = metrics.faults()
    assert fault["room"] == "osc" and "127.0.0.1:9" in fault["what"] and fault["recovered_after_s"] is None
    assert out.targets[0] in out._wanted  # whose address may have changed
    network.error = None
    assert out._sent(out.targets[0], [b"x"])
    assert metrics.faults()[0]["recovered_after_s"] is not None
    out.close()


def test_a_full_buffer_is_counted_and_is_no_fault() -> None:
    metrics = Metrics()
    out = OscOut([Target("127.0.0.1", 9)], metrics)
    wait_until(lambda: out._found)
    out._socket.close()
    out._socket = network = Network()  # type: ignore[assignment]
    network.error = BlockingIOError(errno.EAGAIN, "full")
    assert not out._sent(out.targets[0], [b"x"])
    assert metrics.counted("osc.send_errors") == 1 and metrics.faults() == []
    out.close()


def test_the_heartbeat_goes_to_every_target_in_every_format() -> None:
    out = OscOut([Target("127.0.0.1", 9), Target("127.0.0.1", 10, "aitoolbox", 60.0)], Metrics())
    wait_until(lambda: len(out._found) == 2)
    out._socket.close()
    out._socket = network = Network()  # type: ignore[assignment]
    out.send_heartbeat(7)
    assert [read_message(data) for data, _ in network.sent] == [("/heartbeat", "i", [7])] * 2
    assert [address for _, address in network.sent] == [("127.0.0.1", 9), ("127.0.0.1", 10)]
    out.close()


def test_a_port_that_is_taken_at_the_start_is_listened_on_once_it_is_free(quick: None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        controls: Mailbox[Controls] = Mailbox()
        operator = Operator(DEFAULT_PALETTE, controls)
        service = OscIn("127.0.0.1", other.getsockname()[1], operator, Metrics())
        service.start()
        wait_until(service.metrics.faults)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def heard() -> bool:
            sender.sendto(floats("/energy", [0.5]), ("127.0.0.1", service.port))
            latest = controls.latest()
            return latest is not None and latest.energy == 0.5

        wait_until(heard)
    wait_until(lambda: service.metrics.faults()[0]["recovered_after_s"] is not None)
    service.stop()


def test_an_address_of_another_machine_is_named_as_the_cause() -> None:
    service = OscIn("192.0.2.7", 0, Operator(DEFAULT_PALETTE, Mailbox()), Metrics())
    with pytest.raises(TemporaryFault, match="this machine has no such address"):
        service.open()
    service.close()


def test_controls_are_heard_over_a_multicast_group() -> None:
    service = OscIn("239.77.1.2", 0, operator := Operator(DEFAULT_PALETTE, Mailbox()), Metrics())
    try:
        service.open()
    except TemporaryFault as fault:
        pytest.skip(f"no multicast here: {fault}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sender.bind(("127.0.0.1", 0))
        assert service._socket is not None
        sender.sendto(floats("/energy", [0.5]), ("239.77.1.2", service._socket.getsockname()[1]))
        end = time.perf_counter() + 5
        while service.metrics.counted("osc_in.messages") == 0 and time.perf_counter() < end:
            service.step()
    service.close()
    latest = operator.mailbox.latest()
    assert latest is not None and latest.energy == 0.5
