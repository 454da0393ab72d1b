"""A visitor from outside, in every format, whole or in pieces."""

import time

import numpy as np
import pytest
from pythonosc.osc_message_builder import OscMessageBuilder

from engine.osc.addresses import KEYPOINTS, SOURCE
from engine.osc.formats import FORMATS, FRAMES, KEYPOINT_JOINTS, OutputFrame, on_stage
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import Pose
from engine.visitor.osc_source import DEFAULT_PORT, OscSource, osc_port
from engine.visitor.sender_units import UNITS, UP_AXES
from models.emotion.palette import DEFAULT_PALETTE
from models.motion.skeleton import INDEX, JOINTS, FloatArray, bone_directions, mirror_positions
from tests.synthetic import swinging_figure

FIGURE = swinging_figure(40, rate=0.5)
OTHER = FIGURE[::-1] + np.float32(0.3)


def packet(address: str, *arguments: object) -> bytes:
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build().dgram


class Outside:
    """A source without a network, fed with packets."""

    def __init__(self, mirror: bool = False) -> None:
        self.poses: Mailbox[Pose] = Mailbox()
        self.service = OscSource("127.0.0.1", 0, self.poses, Metrics(), mirror=mirror)

    def feed(self, *packets: bytes) -> Pose | None:
        for data in packets:
            self.service._take(data, ("127.0.0.1", 4000))
        return self.poses.latest()

    @property
    def ignored(self) -> int:
        return self.service.metrics.counted("osc_in.ignored")


def loose(positions: FloatArray, person: str = "visitor") -> list[bytes]:
    """Every joint in a packet of its own."""
    return [
        packet(f"/{person}/0/{name}", *map(float, place)) for name, place in zip(JOINTS, positions, strict=True)
    ]


def now(positions: FloatArray, visitor: FloatArray | None = None) -> OutputFrame:
    return OutputFrame(0, positions, DEFAULT_PALETTE.one_hot(0), visitor)


@pytest.mark.parametrize("name", ["channels", "array", "aitoolbox"])
def test_the_stream_of_another_dancer_is_the_visitor_to_the_millimetre(name: str) -> None:
    outside = Outside()
    for positions in FIGURE[:5]:
        pose = outside.feed(*FORMATS[name](now(positions), on_stage))
        assert pose is not None and pose.present and pose.positions is not None
        np.testing.assert_allclose(pose.positions, positions, atol=1e-3)
    assert outside.poses.version == 5 and outside.ignored == 0


def test_a_flat_stream_is_the_visitor_from_its_second_frame_on() -> None:
    outside = Outside()
    for positions in FIGURE[:5]:
        pose = outside.feed(*FORMATS["flat"](now(positions), on_stage))
    assert pose is not None and pose.positions is not None
    np.testing.assert_allclose(pose.positions, FIGURE[4], atol=1e-3)
    assert outside.poses.version == 5


def test_chained_the_dancer_is_the_visitor_and_the_dancers_own_visitor_is_not() -> None:
    outside = Outside()
    for dancer, visitor in zip(FIGURE[:5], OTHER[:5], strict=True):
        pose = outside.feed(*FORMATS["channels"](now(dancer, visitor), on_stage))
    assert pose is not None and pose.positions is not None
    np.testing.assert_allclose(pose.positions, FIGURE[4], atol=1e-3)
    assert outside.poses.version == 5


@pytest.mark.parametrize("beats", [False, True])
def test_chained_over_keypoints_the_first_body_of_a_dancers_stream_is_followed(beats: bool) -> None:
    dancer, visitor = FIGURE[0] + np.float32((1.2, 0, 0)), FIGURE[0]
    outside = Outside()
    heartbeat = [packet("/heartbeat", 7)] if beats else []
    for _ in range(3):
        outside.feed(*heartbeat, *FORMATS["poseosc"](now(dancer, visitor), FRAMES["screen"]))
    (person,) = (p for p in outside.service._visitors._people if p.number == outside.service._visitors.visitor)
    assert (person.detection.x > 0.1) is beats and outside.ignored == 0


def test_joints_that_come_one_by_one_make_whole_poses() -> None:
    outside = Outside()
    for positions in FIGURE[:4]:
        outside.feed(*loose(positions))
    pose = outside.poses.latest()
    assert pose is not None and pose.positions is not None and pose.confidence is not None
    np.testing.assert_allclose(pose.positions, FIGURE[3], atol=1e-3)
    assert (pose.confidence == 1).all()


def test_a_lost_packet_costs_a_joint_and_not_the_visitor() -> None:
    outside = Outside()
    outside.feed(*loose(FIGURE[0]), *loose(FIGURE[1]))
    damaged = loose(FIGURE[2])
    del damaged[INDEX["left_wrist"]]
    pose = outside.feed(*damaged, *loose(FIGURE[3]))
    assert pose is not None and pose.positions is not None
    np.testing.assert_allclose(pose.positions[:3], FIGURE[3][:3], atol=1e-3)


def test_joints_that_never_come_are_held_by_the_body() -> None:
    outside = Outside()
    sent = [name for name in JOINTS if "toe" not in name and name not in ("pelvis", "neck")]
    for positions in FIGURE[:20]:
        pose = outside.feed(*(packet(f"/visitor/0/{n}", *map(float, positions[INDEX[n]])) for n in sent))
    assert pose is not None and pose.positions is not None and pose.confidence is not None
    assert np.isfinite(pose.positions).all() and pose.confidence[INDEX["left_toe"]] == 0
    between = (FIGURE[19][INDEX["left_hip"]] + FIGURE[19][INDEX["right_hip"]]) / 2
    np.testing.assert_allclose(pose.positions[0], between, atol=1e-3)


@pytest.mark.parametrize("unit", [1.0, 100.0, 1000.0])
def test_metres_centimetres_and_millimetres_are_told_apart(unit: float) -> None:
    pose = Outside().feed(packet("/mocap/0/joint/pos_world", *(FIGURE[0] * unit).ravel().tolist()))
    assert pose is not None and pose.positions is not None
    np.testing.assert_allclose(pose.positions, FIGURE[0], atol=2e-3)


def test_a_body_whose_floor_is_elsewhere_is_stood_on_ours() -> None:
    pose = Outside().feed(
        *loose(FIGURE[0] - np.float32([0, 1.5, 0])), *loose(FIGURE[1] - np.float32([0, 1.5, 0]))
    )
    assert pose is not None and pose.positions is not None
    assert pose.positions[:, 1].min() == pytest.approx(0, abs=1e-4)


def keypoints(positions: FloatArray) -> FloatArray:
    """x, y in pixels and score."""
    pixels = FRAMES["screen"](positions)[KEYPOINT_JOINTS, :2] * (1280, 720)
    return np.concatenate([pixels, np.ones((17, 1))], axis=1)


def blazepose(positions: FloatArray) -> list[bytes]:
    packets = [packet("/videoWidth", 1280), packet("/videoHeight", 720), packet("/nPoses", 1)]
    packets.append(packet("/poses/0/score", 0.9))
    for part, (x, y, score) in zip(KEYPOINTS, keypoints(positions).tolist(), strict=True):
        path = f"/poses/0/keypoints/{part}"
        packets += [packet(f"{path}/x", x), packet(f"{path}/y", y), packet(f"{path}/score", score)]
    return packets


def poseosc_page(positions: FloatArray) -> list[bytes]:
    packets = [packet("/nPoses", 1), packet("/videoWidth", 1280), packet("/videoHeight", 720)]
    for part, (x, y, _) in zip(KEYPOINTS, keypoints(positions).tolist(), strict=True):
        packets.append(packet(f"/poses/0/{part}/position", x, y))
    return packets


def poseosc_array(positions: FloatArray) -> list[bytes]:
    values = [0.9, *keypoints(positions).ravel().tolist()]
    return [packet("/poses/arr", 1280, 720, 1, *values)]


def poseosc_stream(positions: FloatArray) -> list[bytes]:
    return FORMATS["poseosc"](now(positions), FRAMES["screen"])


@pytest.mark.parametrize("send", [blazepose, poseosc_page, poseosc_array, poseosc_stream])
def test_keypoints_in_a_picture_become_a_body(send, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    outside = Outside()
    clock = [100.0]
    monkeypatch.setattr("engine.visitor.osc_source.time.perf_counter", lambda: clock[0])
    for positions in FIGURE[:30]:
        clock[0] += 1 / 30
        pose = outside.feed(*send(positions))
    assert pose is not None and pose.present and pose.positions is not None
    assert outside.poses.version == 30 and outside.ignored == 0
    flat = FIGURE[25:30].mean(axis=0) * (1, 1, 0)
    wanted, found = bone_directions(flat), bone_directions(pose.positions)
    arms = [INDEX[f"{side}_{part}"] - 1 for side in ("left", "right") for part in ("elbow", "knee", "shoulder")]
    assert (wanted[arms] * found[arms]).sum(axis=1).min() > 0.85


def test_nobody_announced_is_nobody() -> None:
    outside = Outside()
    outside.feed(*poseosc_array(FIGURE[0]), *poseosc_array(FIGURE[1]))
    assert outside.poses.latest().present  # type: ignore[union-attr]
    outside.service._visitors._people.clear()
    assert not outside.feed(packet("/nPoses", 0)).present  # type: ignore[union-attr]


def test_when_it_stops_the_visitor_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = Outside()
    outside.service.open()
    outside.feed(*loose(FIGURE[0]), *loose(FIGURE[1]))
    real = time.perf_counter
    monkeypatch.setattr("engine.visitor.osc_source.time.perf_counter", lambda: real() + 1.1)
    monkeypatch.setattr("engine.osc.server.WAIT_S", 0.01)
    outside.service.step()
    pose = outside.poses.latest()
    assert pose is not None and not pose.present and pose.positions is not None
    outside.service.close()


def test_a_visitor_who_is_said_to_be_gone_is_gone_at_once() -> None:
    outside = Outside()
    outside.feed(*loose(FIGURE[0]), *loose(FIGURE[1]))
    assert not outside.feed(packet("/visitor/0/present", 0)).present  # type: ignore[union-attr]


def test_a_mirror_swaps_the_sides() -> None:
    pose = Outside(mirror=True).feed(*loose(FIGURE[0]), *loose(FIGURE[1]))
    assert pose is not None and pose.positions is not None
    np.testing.assert_allclose(pose.positions, mirror_positions(FIGURE[1]), atol=1e-3)


@pytest.mark.parametrize(
    "data",
    [
        packet("/visitor/0/head", 0.1, float("nan"), 0.1),
        packet("/visitor/0/head", 0.1, 1e30, 0.1),
        packet("/visitor/0/head", 0.1),
        packet("/visitor/0/tail", 0.1, 0.1, 0.1),
        packet("/visitor/9/head", 0.1, 0.1, 0.1),
        packet("/mocap/0/joint/pos_world", *([0.1] * 50)),
        packet("/poses/arr", 640, 480, 1),
        packet("/poses/arr", 640, 480, -1),
        packet("/poses/arr", 640, 480, 10**6, 0.5),
        packet("/poses/0/tail/x", 1.0),
        packet("/poses/9/leftWrist/position", 1.0, 1.0),
        packet("/nPoses", "many"),
        packet("/videoWidth", 0),
        packet("/dancer/0/array", *([0.0] * 10)),
        b"junk",
    ],
)
def test_what_is_no_pose_is_counted_and_ignored(data: bytes) -> None:
    outside = Outside()
    outside.feed(*loose(FIGURE[0]))
    before = outside.poses.version
    outside.feed(data)
    assert outside.poses.version == before and outside.ignored == 1


@pytest.mark.parametrize("scale", [0.0, 1e-4, 1e4])
def test_a_body_of_impossible_size_is_none(scale: float) -> None:
    assert Outside().feed(*loose(FIGURE[0] * np.float32(scale)), *loose(FIGURE[1] * np.float32(scale))) is None


def test_every_address_of_the_table_is_understood() -> None:
    counts = {
        "x": 1,
        "<axis>": 1,
        "position": 2,
        "<joint>": 3,
        "array": 51,
        "pos_world": 51,
        "present": 1,
        "heartbeat": 1,
    }
    outside = Outside()
    for entry in SOURCE:
        last = entry.address.rsplit("/", 1)[1]
        address = (
            entry.address.replace("<axis>", "tx")
            .replace("<joint>", "head")
            .replace("<n>", "0")
            .replace("<part>", "leftWrist")
        )
        count = 61 if entry.address == "/dancer/0/array" else counts.get(last)
        arguments = [640, 480, 0] if count is None else [0.5] * count
        outside.feed(packet(address, *arguments))
    assert outside.service.metrics.counted("osc_in.messages") == len(SOURCE)


def test_the_port_of_a_source() -> None:
    assert osc_port("osc") == DEFAULT_PORT and osc_port("osc:7000") == 7000
    assert osc_port("osc:0") is None and osc_port("osc:70000") is None and osc_port("camera:1") is None


def turned(positions: FloatArray, rows: tuple[tuple[int, int, int], ...]) -> FloatArray:
    """Positions as a sender with other axes gives them."""
    return positions @ np.array(rows, dtype=np.float32)


@pytest.mark.parametrize("unit", list(UNITS))
@pytest.mark.parametrize("axes", list(UP_AXES))
def test_the_unit_and_the_upward_axis_of_a_sender_show_within_a_second(
    unit: str, axes: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    outside, clock = Outside(), [100.0]
    monkeypatch.setattr("engine.visitor.osc_source.time.perf_counter", lambda: clock[0])
    pose = None
    for positions in FIGURE[:30]:
        clock[0] += 1 / 30
        pose = outside.feed(*loose(turned(positions, UP_AXES[axes]) / UNITS[unit]))
        assert pose is None or (pose.positions is not None and pose.positions[INDEX["head"], 1] > 1.2)
    assert pose is not None and pose.positions is not None
    np.testing.assert_allclose(pose.positions - pose.positions[0], FIGURE[29] - FIGURE[29][0], atol=5e-3)
    assert any(f"{unit}, {axes}" in message for message in caplog.messages)


def test_a_visitor_who_lies_down_later_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    outside, clock = Outside(), [100.0]
    monkeypatch.setattr("engine.visitor.osc_source.time.perf_counter", lambda: clock[0])
    for positions in [*FIGURE[:30], *(turned(positions, UP_AXES["z up"]) for positions in FIGURE[:30])]:
        clock[0] += 1 / 30
        pose = outside.feed(*loose(positions))
    assert pose is not None and pose.positions is not None
    assert pose.positions[INDEX["head"], 1] < 0.5


@pytest.mark.parametrize("spelling", ["{}/t{}", "{}:t{}", "{}{}"])
def test_one_number_a_message_makes_a_body(spelling: str) -> None:
    outside = Outside()
    for positions in FIGURE[:4]:
        for name, place in zip(JOINTS, positions.tolist(), strict=True):
            for i, value in enumerate(place):
                part = i + 1 if spelling == "{}{}" else "xyz"[i]
                outside.feed(packet("/visitor/0/" + spelling.format(name, part), value))
    pose = outside.poses.latest()
    assert pose is not None and pose.positions is not None and outside.ignored == 0
    np.testing.assert_allclose(pose.positions, FIGURE[3], atol=1e-3)


@pytest.mark.parametrize("missing", [["leftEar", "rightAnkle"], ["leftHip"], ["nose", "leftEye", "rightEye"]])
@pytest.mark.parametrize("counted", [True, False])
def test_a_keypoint_that_is_not_sent_costs_that_limb_and_not_the_visitor(
    missing: list[str], counted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, clock = Outside(), [100.0]
    monkeypatch.setattr("engine.visitor.osc_source.time.perf_counter", lambda: clock[0])
    for positions in FIGURE[:30]:
        clock[0] += 1 / 30
        sent = [data for data in blazepose(positions) if not any(part.encode() in data for part in missing)]
        pose = outside.feed(*(data for data in sent if counted or b"/nPoses" not in data))
    assert pose is not None and pose.present and pose.positions is not None and pose.confidence is not None
    assert outside.poses.version >= 28 and np.isfinite(pose.positions).all()
    whole = Outside()
    for positions in FIGURE[:30]:
        full = whole.feed(*blazepose(positions))
    assert full is not None and full.positions is not None
    seen = [INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("elbow", "wrist")]
    np.testing.assert_allclose(pose.positions[seen], full.positions[seen], atol=0.15)


def test_keypoints_may_be_shares_of_the_frame() -> None:
    outside, pixels = Outside(), Outside()
    for positions in FIGURE[:5]:
        shared = [packet("/nPoses", 1)]
        for part, (x, y, _) in zip(KEYPOINTS, keypoints(positions).tolist(), strict=True):
            shared.append(packet(f"/poses/0/{part}/position", x / 1280, y / 720))
        pose = outside.feed(packet("/videoWidth", 1280), packet("/videoHeight", 720), *shared)
        other = pixels.feed(*poseosc_page(positions))
    assert pose is not None and other is not None and pose.positions is not None and other.positions is not None
    np.testing.assert_allclose(pose.positions, other.positions, atol=1e-3)


def test_what_is_no_body_is_counted_and_explained(caplog: pytest.LogCaptureFixture) -> None:
    outside = Outside()
    outside.feed(packet("/visitor/0/array", *[0.5] * 51), packet("/mediapipe/pose", 33, *[0.5] * 132))
    assert outside.ignored == 2 and outside.poses.latest() is None
    assert len(caplog.messages) == 2 and "'/mediapipe/pose'" in caplog.messages[1]
