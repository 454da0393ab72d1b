import random
import socket
import struct
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from engine.control.controls import Controls
from engine.control.operator import Operator
from engine.osc import server as osc_server
from engine.osc.addresses import IN, STATUS
from engine.osc.input import OscIn
from engine.osc.packet import MAX_PACKET, BadPacket, messages, read_packet
from engine.osc.sender_limits import BURST_S, MAX_PACKETS, MAX_SENDERS
from engine.osc.status import StatusReader
from engine.runtime.faults import TemporaryFault
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from models.data.kinds import KINDS
from models.emotion.palette import DEFAULT_PALETTE


def packet(address: str, *arguments: object) -> bytes:
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build().dgram


@pytest.fixture
def service() -> OscIn:
    operator = Operator(DEFAULT_PALETTE, Mailbox(), scenes=("figure", "ribbons", "chorus"), quit_word="curtain")
    return OscIn("127.0.0.1", 0, operator, Metrics())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that senders are counted by, to be set."""
    now = [100.0]
    monkeypatch.setattr("engine.osc.sender_limits.time.perf_counter", lambda: now[0])
    return now


def heard(service: OscIn, data: bytes) -> Controls:
    service._take(data, ("127.0.0.1", 5000))
    controls = service.operator.mailbox.latest()
    assert controls is not None
    return controls


@pytest.mark.parametrize("argument", ["sad", "SAD", 2, 2.0, "2"])
def test_an_emotion_by_name_or_index(service: OscIn, argument: object) -> None:
    np.testing.assert_array_equal(
        heard(service, packet("/emotion", argument)).emotion_target, DEFAULT_PALETTE.one_hot(2)
    )


@pytest.mark.parametrize(
    ("data", "attribute", "value"),
    [
        (packet("/influence", 0.5), "influence", 0.5),
        (packet("/influence", 1), "influence", 1.0),
        (packet("/energy", "1.5"), "energy", 1.5),
        (packet("/emotion/glide", 2), "glide_s", 2.0),
        (packet("/mode", "Solo"), "mode", "solo"),
        (packet("/reset"), "resets", 1),
        (packet("/reset", 1.0), "resets", 1),
        (packet("/reset", 0), "resets", 0),
        (packet("/automatic", 1), "automatic", True),
        (packet("/automatic", "0"), "automatic", False),
        (packet("/automatic", True), "automatic", True),
        (packet("/emotion/intensity", 0.25), "intensity", 0.25),
        (packet("/scene", "Chorus"), "scene", "chorus"),
        (packet("/scene"), "scene", "ribbons"),
        (packet("/scene", 2.0), "scene", "chorus"),
        (packet("/scene", "1"), "scene", "ribbons"),
        (packet("/scene/next", 1), "scene", "ribbons"),
        (packet("/scene/next", 0.0), "scene", "figure"),
        (packet("/quit", "curtain"), "quitting", True),
        (packet("/infl*", 0.5), "influence", 0.5),
        (packet("/{energy,power}", 0.5), "energy", 0.5),
        (packet("/[a-f]nergy", 0.5), "energy", 0.5),
    ],
)
def test_controls_are_set(service: OscIn, data: bytes, attribute: str, value: object) -> None:
    assert getattr(heard(service, data), attribute) == value
    assert service.metrics.counted("osc_in.messages") == 1


def test_one_weight_and_a_point_in_the_plane(service: OscIn) -> None:
    assert heard(service, packet("/emotion/happy", 0.5)).emotion_target[1] == pytest.approx(0.5)
    happy = DEFAULT_PALETTE.points[1]
    target = heard(service, packet("/emotion/va", *happy)).emotion_target
    np.testing.assert_allclose(target, DEFAULT_PALETTE.one_hot(1), atol=1e-3)


@pytest.mark.parametrize("argument", ["walk", "WALK", 2, 2.0, "2"])
def test_a_repertoire_by_name_or_index(service: OscIn, argument: object) -> None:
    np.testing.assert_array_equal(heard(service, packet("/repertoire", argument)).repertoire, [0, 0, 1])


def test_one_weight_of_the_repertoire(service: OscIn) -> None:
    heard(service, packet("/repertoire", "dance"))
    np.testing.assert_allclose(heard(service, packet("/repertoire/walk", 0.25)).repertoire, [0.75, 0, 0.25])
    np.testing.assert_allclose(heard(service, packet("/Repertoire/1", 0.5)).repertoire, [0.375, 0.5, 0.125])
    np.testing.assert_allclose(heard(service, packet("/repertoire/{d,g}*", 0.0)).repertoire, [0, 0, 1])
    assert service.metrics.counted("osc_in.messages") == 4


def test_a_row_of_faders_is_one_message(service: OscIn) -> None:
    faders = [0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]
    for _ in range(2):  # the same again changes nothing
        np.testing.assert_allclose(heard(service, packet("/emotion/weights", *faders)).emotion_target, faders)
    target = heard(service, packet("/emotion/weights", *[0.2] * 8)).emotion_target
    np.testing.assert_allclose(target, np.full(8, 1 / 8))
    target = heard(service, packet("/emotion/weights", *[0] * 8)).emotion_target
    np.testing.assert_allclose(target, DEFAULT_PALETTE.resolve("neutral").weights)


@pytest.mark.parametrize("weights", [(), (0.5,) * 7, (0.5,) * 9, (1.5,) + (0.0,) * 7, ("a",) * 8])
def test_weights_that_are_no_row_of_faders_are_ignored(service: OscIn, weights: tuple[object, ...]) -> None:
    before = heard(service, packet("/emotion", "sad")).emotion_target
    after = heard(service, packet("/emotion/weights", *weights)).emotion_target
    clamped = weights[:1] == (1.5,)
    np.testing.assert_allclose(after, DEFAULT_PALETTE.one_hot(0) if clamped else before)


def test_every_address_of_the_table_is_understood(service: OscIn) -> None:
    names = {"/emotion/<name>": "sad", "/repertoire/<name>": "walk"}
    arguments = {
        "/emotion": ("sad",),
        "/repertoire": ("gesture",),
        "/emotion/<name>": (0.5,),
        "/emotion/weights": (0.1,) * 8,
        "/emotion/va": (0.1, 0.1),
        "/mode": ("solo",),
        "/automatic": (1,),
        "/reset": (),
        "/scene": ("ribbons",),
        "/quit": ("curtain",),
    }
    for entry in IN:
        address = entry.address.replace("<name>", names.get(entry.address, ""))
        heard(service, packet(address, *arguments.get(entry.address, (0.5,))))
    assert service.metrics.counted("osc_in.messages") == len(IN)


def test_without_a_word_in_the_settings_nobody_ends_the_piece_over_osc() -> None:
    service = OscIn("127.0.0.1", 0, Operator(DEFAULT_PALETTE, Mailbox()), Metrics())
    for word in ("", "None", "curtain"):
        assert not heard(service, packet("/quit", word)).quitting
    assert service.metrics.counted("osc_in.ignored") == 3


def test_bundles_within_bundles_are_heard_in_order(service: OscIn) -> None:
    inner = OscBundleBuilder(IMMEDIATELY)
    inner.add_content(OscMessageBuilder("/energy").build())
    builder = OscBundleBuilder(IMMEDIATELY)
    for value in (0.1, 0.2):
        message = OscMessageBuilder("/influence")
        message.add_arg(value)
        builder.add_content(message.build())
    outer = OscBundleBuilder(IMMEDIATELY)
    outer.add_content(builder.build())
    assert heard(service, outer.build().dgram).influence == pytest.approx(0.2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"hello",
        b"/influence",
        b"#bundle\0",
        b"#bundle\0" + bytes(8) + struct.pack(">i", -4),
        b"#bundle\0" + bytes(8) + struct.pack(">i", 2**30) + b"/a\0\0",
        b"/emotion\0\0\0\0,s\0\0\xff\xfe\xfd\0",
        b"x" * (MAX_PACKET + 1),
        packet("/nothing", 1),
        packet("/emotion"),
        packet("/emotion", 99),
        packet("/emotion", 1.5),
        packet("/emotion", "bored"),
        packet("/emotion", True),
        packet("/emotion", b"\1\2"),
        packet("/influence", float("nan")),
        packet("/influence", "much"),
        packet("/emotion/va", 0.1),
        packet("/nobody*", 0.1),
        packet("/influence[", 0.1),
        packet("/emotion/99", 0.1),
        packet("/[!a-z]nergy", 0.1),
        packet("/*", "much"),
        packet("/emotion/bored", 0.1),
        packet("/mode", 3),
        packet("/repertoire"),
        packet("/repertoire", "waltz"),
        packet("/repertoire", 3),
        packet("/repertoire", 0.5),
        packet("/repertoire/waltz", 0.5),
        packet("/repertoire/3", 0.5),
        packet("/repertoire/walk", float("nan")),
        packet("/repertoire/walk", "much"),
        packet("/repertoire/walk/1", 0.5),
        packet("/scene", "party"),
        packet("/scene", 3),
        packet("/scene", 0.5),
        packet("/reset", "again"),
        packet("/quit"),
        packet("/quit", "please"),
        packet("/quit", 1),
    ],
)
def test_anything_else_is_counted_and_changes_nothing(service: OscIn, data: bytes) -> None:
    before = service.operator.mailbox.latest()
    assert heard(service, data) is before
    assert service.metrics.counted("osc_in.ignored") == 1


def test_a_message_that_means_nothing_does_not_silence_its_neighbours(service: OscIn) -> None:
    builder = OscBundleBuilder(IMMEDIATELY)
    for address, value in (("/speed", 1.0), ("/influence", 0.25)):
        message = OscMessageBuilder(address)
        message.add_arg(value)
        builder.add_content(message.build())
    assert heard(service, builder.build().dgram).influence == pytest.approx(0.25)
    assert service.metrics.counted("osc_in.ignored") == 1


def test_a_bundle_of_ten_thousand_levels_is_no_danger(service: OscIn) -> None:
    data = packet("/influence", 0.7)
    while len(data) < MAX_PACKET - 20:
        data = b"#bundle\0" + bytes(8) + struct.pack(">i", len(data)) + data
    assert heard(service, data).influence == pytest.approx(0.7)


def test_a_packet_full_of_messages_is_cut_off(service: OscIn) -> None:
    one = b"/a\0\0,\0\0\0"
    data = b"#bundle\0" + bytes(8) + (struct.pack(">i", len(one)) + one) * 600
    with pytest.raises(BadPacket, match="more than 256"):
        messages(data)
    assert len(read_packet(data)[0]) == 256


@given(st.binary(max_size=200))
def test_random_bytes_never_get_through(data: bytes) -> None:
    try:
        messages(data)
    except BadPacket as error:
        assert "\n" not in str(error)


def test_damaged_packets_never_get_through(service: OscIn) -> None:
    rng = random.Random(0)
    good = [
        packet("/emotion", "sad"),
        packet("/influence", 0.5),
        packet("/emotion/va", 0.1, 0.2),
        packet("/reset"),
    ]
    for n in range(3000):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        service._take(bytes(data[: rng.randrange(len(data) + 1)]), (f"127.0.{n // 500}.1", 5000))
    controls = service.operator.mailbox.latest()
    assert controls is not None and controls.emotion_target.sum() == pytest.approx(1.0)
    assert np.isfinite([controls.influence, controls.energy, controls.glide_s]).all()


def test_complaints_are_few_however_many_packets_come(service: OscIn, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(1000):
        service._take(b"junk", ("127.0.0.1", 5000))
    assert len(caplog.records) <= 2
    assert service.metrics.counted("osc_in.ignored") == 1000


def test_the_room_hears_what_comes_over_the_network(service: OscIn) -> None:
    service.open()
    assert service._socket is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(packet("/energy", 1.25), service._socket.getsockname())
    end = time.perf_counter() + 5
    while service.metrics.counted("osc_in.messages") == 0 and time.perf_counter() < end:
        service.step()
    service.close()
    controls = service.operator.mailbox.latest()
    assert controls is not None and controls.energy == 1.25


def test_a_port_that_is_taken_is_a_temporary_fault_that_names_it(service: OscIn) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        service.port = other.getsockname()[1]
        with pytest.raises(TemporaryFault, match=str(service.port)):
            service.open()
        service.close()


def test_names_count_in_any_case_and_indices_in_any_language(service: OscIn) -> None:
    assert heard(service, packet("/Emotion/HAPPY", 1.0)).emotion_target[1] == 1
    assert heard(service, packet("/emotion/2", 1.0)).emotion_target[2] == 1
    assert heard(service, packet("/emotion/Anger", 1.0)).emotion_target[3] == 1


def test_a_pattern_works_all_that_it_means_and_counts_as_one_message(service: OscIn) -> None:
    controls = heard(service, packet("/{influence,energy}", 0.125))
    assert (controls.influence, controls.energy) == (0.125, 0.125)
    blend = heard(service, packet("/emotion/{happy,proud}", 0.5)).emotion_target
    assert blend[5] == pytest.approx(0.5) and blend[1] > 0.2
    assert service.metrics.counted("osc_in.messages") == 2


def bundle(data: bytes, at: float) -> bytes:
    tag = int((at + 2_208_988_800) * 2**32)
    return b"#bundle\0" + struct.pack(">Qi", tag, len(data)) + data


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 0.1, 6.0, 3600.0])
def test_the_clock_of_a_sender_does_not_matter(service: OscIn, ahead: float) -> None:
    """A fader of a desk whose clock is ahead ends where it was left."""
    for step in range(61):
        controls = heard(service, bundle(packet("/influence", step / 60), time.time() + ahead))
    assert controls.influence == 1.0
    inner = bundle(packet("/energy", 0.5), time.time() - ahead)
    assert heard(service, bundle(inner, time.time() + ahead)).energy == 0.5


def raw(address: bytes, tags: bytes, data: bytes = b"") -> bytes:
    """A message of any bytes."""
    return b"".join(part + b"\0" * (4 - len(part) % 4) for part in (address, tags) if part) + data


def of(*elements: bytes) -> bytes:
    """A bundle of any elements."""
    return b"#bundle\0" + bytes(7) + b"\1" + b"".join(struct.pack(">i", len(e)) + e for e in elements)


@pytest.mark.parametrize(
    "neighbour",
    [
        raw(b"/cue/go", b",Q"),
        raw(b"/cue", b",c", b"\0\0\0A"),
        raw(b"/title", b",s", "Für".encode("latin-1") + b"\0\0\0\0\0"),
        raw(b"/energy", b",f", struct.pack(">f", float("nan"))),
        raw(b"/energy", b",f"),
        raw(b"/energy", b",[f", struct.pack(">f", 1.0)),
        raw(b"/x", b",b", struct.pack(">i", 1 << 30)),
        b"junk",
        b"",
        of(b"junk"),
    ],
)
def test_what_cannot_be_read_does_not_silence_what_stands_beside_it(service: OscIn, neighbour: bytes) -> None:
    assert heard(service, of(neighbour, packet("/influence", 0.7))).influence == pytest.approx(0.7)
    assert heard(service, of(packet("/influence", 0.2), neighbour)).influence == pytest.approx(0.2)


def test_a_bundle_that_is_cut_short_counts_as_far_as_it_goes(service: OscIn) -> None:
    data = of(packet("/influence", 0.7), packet("/energy", 0.5))
    controls = heard(service, data[:-4])
    assert controls.influence == pytest.approx(0.7) and controls.energy == 1.0
    assert service.metrics.counted("osc_in.ignored") == 1


@pytest.mark.parametrize(
    ("data", "name", "value"),
    [
        (raw(b"/scene/next", b",I"), "scene", "ribbons"),
        (raw(b"/scene/next", b",N"), "scene", "ribbons"),
        (raw(b"/scene/next", b""), "scene", "ribbons"),
        (raw(b"/scene/next", b",F"), "scene", "figure"),
        (raw(b"/influence", b"", struct.pack(">f", 0.75)), "influence", 0.75),
        (raw(b"/influence", b",T"), "influence", 1.0),
        (raw(b"/influence", b",fi", struct.pack(">fi", 0.75, 1)), "influence", 0.75),
        (raw(b"/influence", b",d", struct.pack(">d", 0.75)), "influence", 0.75),
        (raw(b"/influence", b",[f]", struct.pack(">f", 0.75)), "influence", 0.75),
        (raw(b"/influence/", b",f", struct.pack(">f", 0.75)), "influence", 0.75),
        (raw(b"influence", b",f", struct.pack(">f", 0.75)), "influence", 0.75),
        (packet("/influence", 0.75) + b"\n", "influence", 0.75),
        (packet("/influence", "0,75"), "influence", 0.75),
        (packet("/automatic", "on"), "automatic", True),
        (packet("/automatic", "True"), "automatic", True),
        (raw(b"/automatic", b",T"), "automatic", True),
        (packet("/mode", 1.0), "mode", "solo"),
        (raw(b"/mode", b",S", b"solo\0\0\0\0"), "mode", "solo"),
    ],
)
def test_what_can_be_meant_is_taken(service: OscIn, data: bytes, name: str, value: object) -> None:
    assert getattr(heard(service, data), name) == value


def test_a_button_of_an_emotion_that_sends_nothing_wants_all_of_it(service: OscIn) -> None:
    for data in (raw(b"/emotion/sad", b","), raw(b"/emotion/sad", b",I"), raw(b"/emotion/sad", b",T")):
        heard(service, packet("/emotion", "neutral"))
        assert heard(service, data).emotion_target[2] == 1.0


def test_each_reason_is_told_with_its_address_whatever_else_is_wrong(
    service: OscIn, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        heard(service, packet("/volume", 0.5))
        heard(service, packet("/influence", "loud"))
    assert len(caplog.messages) == 2
    assert "'/volume'" in caplog.messages[0] and "'/influence'" in caplog.messages[1]
    for number in range(500):
        heard(service, packet(f"/unknown/{number}", 0.5))
    assert len(caplog.messages) <= osc_server.MAX_REASONS + 2


def test_only_those_who_may_are_heard() -> None:
    service = OscIn(
        "127.0.0.1",
        0,
        Operator(DEFAULT_PALETTE, Mailbox()),
        Metrics(),
        allowed=["10.0.0.7", "192.168.1.0/24"],
    )
    for sender in ("127.0.0.1", "10.0.0.8", "192.168.2.1"):
        service._take(packet("/energy", 0.5), (sender, 5000))
    assert service.metrics.counted("osc_in.ignored") == 3
    service._take(packet("/energy", 0.5), ("10.0.0.7", 5000))
    service._take(packet("/energy", 0.5), ("192.168.1.9", 5000))
    assert service.metrics.counted("osc_in.messages") == 2


def test_a_sender_who_floods_does_not_silence_another(service: OscIn, clock: list[float]) -> None:
    for _ in range(3000):
        service._take(packet("/energy", 0.5), ("127.0.0.1", 5000))
    assert service.metrics.counted("osc_in.messages") == BURST_S * MAX_PACKETS
    service._take(packet("/influence", 0.875), ("127.0.0.2", 5000))
    assert heard(service, b"").influence == 0.875


def test_what_is_read_of_a_flood_is_spread_over_the_second(service: OscIn, clock: list[float]) -> None:
    read = []
    for tick in range(100):
        clock[0] = 100 + tick / 100
        before = service.metrics.counted("osc_in.messages")
        for _ in range(50):
            service._take(packet("/energy", 0.5), ("127.0.0.1", 5000))
        read.append(service.metrics.counted("osc_in.messages") - before)
    assert set(read[10:]) <= {MAX_PACKETS // 100 - 1, MAX_PACKETS // 100, MAX_PACKETS // 100 + 1}


def test_what_cannot_be_read_is_looked_into_less(service: OscIn, clock: list[float]) -> None:
    for _ in range(20):
        service._take(b"/energy", ("127.0.0.1", 5000))
    service._take(packet("/energy", 0.5), ("127.0.0.1", 5000))
    assert service.metrics.counted("osc_in.messages") == 0
    clock[0] += 1.0
    service._take(packet("/energy", 0.5), ("127.0.0.1", 5000))
    assert service.metrics.counted("osc_in.messages") == 1


def test_many_senders_are_forgotten_when_they_have_been_silent(service: OscIn, clock: list[float]) -> None:
    for number in range(100):
        service._take(packet("/energy", 0.5), (f"127.0.0.{number + 1}", 5000))
    assert len(service.senders._left) <= MAX_SENDERS + 1
    clock[0] += 2.0
    service._take(packet("/energy", 0.5), ("127.0.1.1", 5000))
    assert len(service.senders._left) == 1


def test_whoever_works_a_control_gets_the_status_back_and_nobody_else() -> None:
    metrics, controls = Metrics(), Mailbox[Controls]()
    operator = Operator(DEFAULT_PALETTE, controls)
    operator.set_repertoire([0.75, 0, 0.25])
    status = StatusReader(DEFAULT_PALETTE.names, controls, Mailbox(), metrics)
    service = OscIn("127.0.0.1", 0, operator, metrics, status=status)
    service.open()
    assert service._socket is not None
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as surface,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        for one, data in ((surface, packet("/emotion/sad", 1.0)), (stranger, b"junk")):
            one.bind(("127.0.0.1", 0))
            one.sendto(data, service._socket.getsockname())
        end = time.perf_counter() + 5
        while metrics.counted("osc_in.messages") + metrics.counted("osc_in.ignored") < 2:
            assert time.perf_counter() < end
            service.step()
        service._status_due = 0.0
        service.step()
        surface.settimeout(1.0)
        answer = dict(messages(surface.recv(4096)))
        stranger.settimeout(0.05)
        with pytest.raises(TimeoutError):
            stranger.recv(4096)
    service.close()
    assert answer["/status/palette"] == list(DEFAULT_PALETTE.names)
    assert answer["/status/emotion"] == DEFAULT_PALETTE.one_hot(2).tolist()
    assert answer["/status/emotion/sad"] == [1.0] and answer["/status/automatic"] == [0]
    assert answer["/status/mode"] == ["follow"] and answer["/status/scene"] == ["figure"]
    assert answer["/status/repertoire"] == [0.75, 0, 0.25]
    shares = [answer[f"/status/repertoire/{kind}"] for kind in KINDS]
    assert shares == [[0.75], [0], [0.25]]
    assert {entry.address for entry in STATUS if "<" not in entry.address} <= set(answer)


def test_types_that_nobody_knows_do_not_fill_the_log(service: OscIn, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        service._take(b"/influence\0\0,xyzS\0\0\0" + bytes(16), ("127.0.0.1", 5000))
    assert service.metrics.counted("osc_in.ignored") == 50 and len(caplog.records) <= 2
