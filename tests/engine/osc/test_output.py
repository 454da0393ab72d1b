import socket
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle

from engine.osc import output as module
from engine.osc.formats import channels as channels_of
from engine.osc.formats import on_stage, seen_visitor, streamed
from engine.osc.message import MAX_DATAGRAM
from engine.osc.output import OscOut, ResampledOutput
from engine.osc.target import Target
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame, Pose, VisitorEmotion
from models.emotion.palette import DEFAULT_PALETTE
from models.motion.skeleton import JOINTS
from tests.engine.osc_reader import read_bundle
from tests.synthetic import swinging_figure

POSITIONS = swinging_figure(1)[0]
VISITOR = Pose(True, 1.0, POSITIONS + np.float32(0.5), np.ones(17, dtype=np.float32))
FRAME = DancerFrame(41, 2.0, POSITIONS, DEFAULT_PALETTE.one_hot(3), VISITOR, 1.5)


def dancer_bundle(frame: DancerFrame) -> bytes:
    return channels_of(streamed(frame), on_stage)[0]


def visitor_bundle(pose: Pose) -> bytes:
    assert seen_visitor(pose) is pose
    return channels_of(streamed(replace(FRAME, visitor=pose)), on_stage)[1]


def test_the_dancers_bundle_holds_what_the_contract_says() -> None:
    time_tag, messages = read_bundle(dancer_bundle(FRAME))
    assert time_tag == 1  # immediately
    assert messages["/dancer/0/frame"] == ("i", [41])
    assert messages["/dancer/0/emotion"] == ("f" * 8, [0, 0, 0, 1, 0, 0, 0, 0])
    assert messages["/visitor/0/present"] == ("i", [1])
    for joint, position in zip(JOINTS, POSITIONS, strict=True):
        assert messages[f"/dancer/0/{joint}"] == ("fff", position.tolist())
    assert len(messages) == 3 + 17


def test_the_visitors_bundle_holds_the_visitors_joints() -> None:
    assert VISITOR.positions is not None
    _, messages = read_bundle(visitor_bundle(VISITOR))
    assert messages["/visitor/0/left_wrist"] == ("fff", VISITOR.positions[5].tolist())
    assert len(messages) == 17


@pytest.mark.parametrize("palette_size", [1, 8, 64])
def test_every_datagram_fits_into_an_ethernet_frame(palette_size: int) -> None:
    weights = np.full(palette_size, 1 / palette_size, dtype=np.float32)
    assert len(dancer_bundle(replace(FRAME, emotion_weights=weights))) < MAX_DATAGRAM
    assert len(visitor_bundle(VISITOR)) < MAX_DATAGRAM


def test_another_reader_understands_it() -> None:
    bundle = OscBundle(dancer_bundle(FRAME))
    addresses = [bundle.content(i).address for i in range(bundle.num_contents)]
    assert addresses[0] == "/dancer/0/frame" and "/dancer/0/right_toe" in addresses


@pytest.mark.parametrize("visitor", [None, replace(VISITOR, present=False), Pose(True, 1.0)])
def test_nobody_there_is_said(visitor: Pose | None) -> None:
    _, messages = read_bundle(dancer_bundle(replace(FRAME, visitor=visitor)))
    assert messages["/visitor/0/present"] == ("i", [0])


def test_the_frame_number_wraps_before_it_leaves_int32() -> None:
    _, messages = read_bundle(dancer_bundle(replace(FRAME, index=2**31 + 5)))
    assert messages["/dancer/0/frame"] == ("i", [5])


@pytest.fixture
def receiver():  # type: ignore[no-untyped-def]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(2.0)
        yield listener


def sent_when_found(out: OscOut) -> None:
    end = time.perf_counter() + 5
    while len(out._found) < len(out.targets):
        assert time.perf_counter() < end
        time.sleep(0.005)


def test_a_frame_arrives_and_is_measured_once(receiver: socket.socket) -> None:
    metrics = Metrics()
    out = OscOut([Target(*receiver.getsockname())], metrics)
    sent_when_found(out)
    for index in range(3):
        out.send(replace(FRAME, index=index))
    got = [read_bundle(receiver.recv(4096))[1] for _ in range(6)]
    assert [m["/dancer/0/frame"][1] for m in got[::2]] == [[0], [1], [2]]
    assert metrics.counted("osc.bundles") == 3 and metrics.counted("osc.send_errors") == 0
    assert len(metrics._durations["latency.visitor_to_osc"]) == 1
    assert len(metrics._durations["latency.emotion_to_osc"]) == 1
    out.close()


def test_a_frame_that_is_not_finite_never_leaves(receiver: socket.socket) -> None:
    metrics = Metrics()
    out = OscOut([Target(*receiver.getsockname())], metrics)
    sent_when_found(out)
    out.send(replace(FRAME, positions=np.full((17, 3), np.nan, dtype=np.float32)))
    receiver.settimeout(0.05)
    with pytest.raises(TimeoutError):
        receiver.recv(4096)
    assert metrics.counted("osc.send_errors") == 1
    out.close()


def test_a_target_that_cannot_be_found_harms_nothing_and_is_looked_for_again(
    receiver: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESOLVE_RETRY_S", 0.01)
    real, found = socket.getaddrinfo, []

    def look_up(host: str, *rest: object) -> object:
        if host == "gallery" and not found:
            raise socket.gaierror("unknown")
        return real("127.0.0.1", *rest)

    monkeypatch.setattr(module.socket, "getaddrinfo", look_up)
    port = receiver.getsockname()[1]
    metrics = Metrics()
    out = OscOut([Target("gallery", port)], metrics)
    out.send(FRAME)
    assert metrics.counted("osc.send_errors") == 1
    found.append(True)
    sent_when_found(out)
    out.send(FRAME)
    assert read_bundle(receiver.recv(4096))
    out.close()


def test_sending_to_nobody_is_no_fault() -> None:
    metrics = Metrics()
    out = OscOut([Target("127.0.0.1", 9)], metrics)
    sent_when_found(out)
    for _ in range(5):
        out.send(FRAME)
    assert metrics.counted("osc.bundles") == 5
    out.close()
    out.send(FRAME)  # after closing: counted, not raised
    assert metrics.counted("osc.send_errors") >= 1


def test_what_the_visitor_shows_goes_out_with_the_visitor(receiver: socket.socket) -> None:
    shown: Mailbox[VisitorEmotion | None] = Mailbox()
    shown.put(VisitorEmotion(DEFAULT_PALETTE.one_hot(2), 0.0))
    out = OscOut([Target(*receiver.getsockname())], Metrics(), shown)
    sent_when_found(out)
    out.send(FRAME)
    receiver.recv(4096)
    assert read_bundle(receiver.recv(4096))[1]["/visitor/0/emotion"][1] == [0, 0, 1, 0, 0, 0, 0, 0]
    out.close()


def test_each_target_gets_its_own_format(receiver: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(2.0)
        out = OscOut([Target(*receiver.getsockname()), Target(*other.getsockname(), format="array")], Metrics())
        sent_when_found(out)
        out.send(FRAME)
        assert "/dancer/0/frame" in read_bundle(receiver.recv(4096))[1]
        assert "/dancer/0/array" in read_bundle(other.recv(4096))[1]
        out.close()


def test_another_rate_is_interpolated_and_counted_at_its_own_rate(
    receiver: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=100.0, perf_counter=lambda: clock.now, time=time.time)
    metrics = Metrics()
    out = OscOut([Target(*receiver.getsockname(), rate=120.0)], metrics)
    sent_when_found(out)
    service = ResampledOutput(out, metrics)
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(
        ResampledOutput, "sleep", lambda _, seconds: setattr(clock, "now", clock.now + max(seconds, 1e-5))
    )
    service.open()
    began = clock.now
    for index in range(6):
        moved = (POSITIONS + np.float32(0.01 * index)).astype(np.float32)
        out.send(replace(FRAME, index=index, generated_at=began + index / 30, positions=moved))
        while clock.now < began + (index + 1) / 30:
            service.step()
    out.close()
    receiver.settimeout(0.1)
    heads = []
    while True:
        try:
            messages = read_bundle(receiver.recv(4096))[1]
        except TimeoutError:
            break
        if "/dancer/0/frame" in messages:
            heads.append((messages["/dancer/0/frame"][1][0], messages["/dancer/0/head"][1][0]))
    assert len(heads) == metrics.counted("osc.bundles") >= 15
    assert [number for number, _ in heads] == list(range(len(heads)))
    steps = np.diff([x for _, x in heads])
    assert (steps > -1e-6).all() and steps.max() < 0.004  # of 0.01 a generated frame, in four


def test_a_multicast_group_hears_it() -> None:
    group = "239.255.42.99"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("", 0))
        listener.settimeout(1.0)
        out = OscOut([Target(group, listener.getsockname()[1])], Metrics())
        try:
            listener.setsockopt(
                socket.IPPROTO_IP,
                socket.IP_ADD_MEMBERSHIP,
                socket.inet_aton(group) + socket.inet_aton("127.0.0.1"),
            )
            out._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        except OSError:
            pytest.skip("this machine knows no multicast")
        sent_when_found(out)
        out.send(replace(FRAME, visitor=None))
        assert "/dancer/0/frame" in read_bundle(listener.recv(4096))[1]
        out.close()


def test_everybody_in_the_network_may_be_sent_to() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("", 0))
        listener.settimeout(1.0)
        out = OscOut([Target("127.255.255.255", listener.getsockname()[1])], Metrics())
        sent_when_found(out)
        out.send(FRAME)
        assert out.metrics.counted("osc.send_errors") == 0
        assert read_bundle(listener.recv(4096))
        out.close()


def test_interpolated_frames_are_of_even_times_however_late_each_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=100.0, perf_counter=lambda: clock.now)
    late = np.random.default_rng(0)
    out = OscOut([Target("127.0.0.1", 9, rate=60.0)], Metrics())
    service = ResampledOutput(out, Metrics())
    monkeypatch.setattr(module, "time", clock)
    oversleep = lambda _, seconds: setattr(clock, "now", clock.now + max(seconds, 0.0) + late.uniform(0, 0.008))  # noqa: E731
    monkeypatch.setattr(ResampledOutput, "sleep", oversleep)
    service.open()
    asked: list[float] = []
    monkeypatch.setattr(service._interpolator, "at", asked.append)
    while len(asked) < 50:
        service.step()
    out.close()
    np.testing.assert_allclose(np.diff(asked), 1 / 60, atol=1e-9)
