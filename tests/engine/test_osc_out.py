import socket
import time
from dataclasses import replace

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle

from engine import osc_out as module
from engine.osc_addresses import OUT, channel_names
from engine.osc_out import LARGEST_DATAGRAM, OscOut, dancer_bundle, visitor_bundle
from engine.statistics import Statistics
from engine.values import DancerFrame, Pose
from models.palette import DEFAULT_PALETTE
from models.skeleton import JOINTS
from tests.engine.osc_reader import read_bundle
from tests.synthetic import swinging_figure

POSITIONS = swinging_figure(1)[0]
VISITOR = Pose(True, 1.0, POSITIONS + np.float32(0.5), np.ones(17, dtype=np.float32))
FRAME = DancerFrame(41, 2.0, POSITIONS, DEFAULT_PALETTE.one_hot(3), VISITOR, 1.5)


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
    assert len(dancer_bundle(replace(FRAME, emotion_weights=weights))) < LARGEST_DATAGRAM
    assert len(visitor_bundle(VISITOR)) < LARGEST_DATAGRAM


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


def test_channels_are_called_as_touchdesigner_calls_them() -> None:
    assert channel_names("/dancer/0/left_wrist", 3) == [f"dancer/0/left_wrist{i}" for i in (1, 2, 3)]
    assert channel_names("/dancer/0/frame", 1) == ["dancer/0/frame"]


def test_every_address_that_is_sent_stands_in_the_table() -> None:
    table = {entry.address for entry in OUT}
    for data in (dancer_bundle(FRAME), visitor_bundle(VISITOR)):
        for address in read_bundle(data)[1]:
            joint = address.rsplit("/", 1)[1]
            assert address.replace(joint, "<joint>") in table if joint in JOINTS else address in table


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
    statistics = Statistics()
    out = OscOut([receiver.getsockname()], statistics)
    sent_when_found(out)
    for index in range(3):
        out.send(replace(FRAME, index=index))
    got = [read_bundle(receiver.recv(4096))[1] for _ in range(6)]
    assert [m["/dancer/0/frame"][1] for m in got[::2]] == [[0], [1], [2]]
    assert statistics.counted("osc.bundles") == 3 and statistics.counted("osc.send_errors") == 0
    assert len(statistics._durations["latency.visitor_to_osc"]) == 1
    assert len(statistics._durations["latency.emotion_to_osc"]) == 1
    out.close()


def test_a_frame_that_is_not_finite_never_leaves(receiver: socket.socket) -> None:
    statistics = Statistics()
    out = OscOut([receiver.getsockname()], statistics)
    sent_when_found(out)
    out.send(replace(FRAME, positions=np.full((17, 3), np.nan, dtype=np.float32)))
    receiver.settimeout(0.05)
    with pytest.raises(TimeoutError):
        receiver.recv(4096)
    assert statistics.counted("osc.send_errors") == 1
    out.close()


def test_a_target_that_cannot_be_found_harms_nothing_and_is_looked_for_again(
    receiver: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESOLVE_AGAIN", 0.01)
    real, found = socket.getaddrinfo, []

    def look_up(host: str, *rest: object) -> object:
        if host == "gallery" and not found:
            raise socket.gaierror("unknown")
        return real("127.0.0.1", *rest)

    monkeypatch.setattr(module.socket, "getaddrinfo", look_up)
    port = receiver.getsockname()[1]
    statistics = Statistics()
    out = OscOut([("gallery", port)], statistics)
    out.send(FRAME)
    assert statistics.counted("osc.send_errors") == 1
    found.append(True)
    sent_when_found(out)
    out.send(FRAME)
    assert read_bundle(receiver.recv(4096))
    out.close()


def test_sending_to_nobody_is_no_fault() -> None:
    statistics = Statistics()
    out = OscOut([("127.0.0.1", 9)], statistics)
    sent_when_found(out)
    for _ in range(5):
        out.send(FRAME)
    assert statistics.counted("osc.bundles") == 5
    out.close()
    out.send(FRAME)  # after closing: counted, not raised
    assert statistics.counted("osc.send_errors") >= 1
