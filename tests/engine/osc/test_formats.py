"""What every format sends, read by a strict reader of OSC 1.0, and whether it is what the table says."""

import re
from dataclasses import replace

import numpy as np
import pytest

from engine.osc.addresses import KEYPOINTS, OUT
from engine.osc.formats import FORMATS, FRAMES, OutputFrame, from_pelvis, on_screen, on_stage
from engine.osc.message import MAX_DATAGRAM
from engine.osc.target import Target, parse_target
from models.emotion.palette import DEFAULT_PALETTE
from models.motion.skeleton import INDEX, JOINTS, T_POSE
from tests.engine.osc_reader import read_bundle
from tests.synthetic import swinging_figure

DANCER = swinging_figure(1)[0]
ALONE = OutputFrame(41, DANCER, DEFAULT_PALETTE.one_hot(3))
BOTH = replace(
    ALONE,
    visitor=DANCER + np.float32(0.5),
    visitor_emotion=DEFAULT_PALETTE.one_hot(1),
    confidence=np.full(17, 0.5, dtype=np.float32),
)


def sent(name: str, now: OutputFrame, frame: str = "stage") -> dict[str, tuple[str, list[float]]]:
    messages: dict[str, tuple[str, list[float]]] = {}
    for datagram in FORMATS[name](now, FRAMES[frame]):
        assert len(datagram) < MAX_DATAGRAM
        time_tag, some = read_bundle(datagram)
        assert time_tag == 1 and not set(some) & set(messages)
        messages |= some
    return messages


def tags_of(arguments: str) -> str:
    """The type tags that the words of the table mean, for a palette of eight."""
    tags = ""
    for count, kind in re.findall(r"([\dP +]*)(int32|float32)", arguments):
        number = (
            sum(8 if part.strip() == "P" else int(part) for part in count.split("+")) if count.strip() else 1
        )
        tags += ("i" if kind == "int32" else "f") * number
    return tags


def pattern_of(address: str) -> re.Pattern[str]:
    joints, parts = "|".join(JOINTS), "|".join(KEYPOINTS)
    text = (
        address.replace("<axis>", "t[xyz]")
        .replace("<index>", "[0-7]")
        .replace("<joint>", f"({joints})")
        .replace("<part>", f"({parts})")
        .replace("<n>", "[01]")
    )
    return re.compile(text)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "vmc"])
@pytest.mark.parametrize("frame", FRAMES)
def test_every_message_stands_in_the_table_with_its_types(name: str, frame: str) -> None:
    seen = set()
    for address, (tags, values) in sent(name, BOTH, frame).items():
        entries = [entry for entry in OUT[name] if pattern_of(entry.address).fullmatch(address)]
        assert len(entries) == 1, address
        assert tags == tags_of(entries[0].arguments), address
        assert np.isfinite(values).all()
        seen.add(entries[0])
    assert seen == set(OUT[name]), "the table has an address that is not sent"


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "vmc"])
def test_nobody_there_means_no_message_of_a_visitor(name: str) -> None:
    alone, both = set(sent(name, ALONE)), set(sent(name, BOTH))
    assert alone < both and all(not a.startswith(("/visitor/0/l", "/poses/1", "/mocap/1")) for a in alone)


def test_an_array_is_the_channels_in_one() -> None:
    values = sent("array", BOTH)["/dancer/0/array"][1]
    assert values[:2] == [41, 1]
    np.testing.assert_array_equal(np.reshape(values[2:53], (17, 3)), DANCER)
    assert values[53:] == DEFAULT_PALETTE.one_hot(3).tolist()


def test_poseosc_has_pixels_that_go_down() -> None:
    messages = sent("poseosc", BOTH)
    assert messages["/nPoses"][1] == [2] and messages["/videoWidth"][1] == [1280]

    def y(part: str) -> float:
        return messages[f"/poses/0/keypoints/{part}/y"][1][0]

    assert 0 <= y("nose") < y("leftShoulder") < y("leftHip") < y("leftKnee") < y("leftAnkle") <= 720
    assert messages["/poses/1/keypoints/leftWrist/score"][1] == [0.5]


def test_aitoolbox_has_flat_positions_and_unit_quaternions() -> None:
    messages = sent("aitoolbox", ALONE)
    np.testing.assert_array_equal(np.reshape(messages["/mocap/0/joint/pos_world"][1], (17, 3)), DANCER)
    quaternions = np.reshape(messages["/mocap/0/joint/rot_local"][1], (17, 4))
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1, rtol=1e-5)


def test_flat_has_one_number_an_address() -> None:
    messages = sent("flat", BOTH)
    assert all(len(values) == 1 for _, values in messages.values())
    for i, joint in enumerate(JOINTS):
        found = [messages[f"/dancer/0/{joint}/t{axis}"][1][0] for axis in "xyz"]
        np.testing.assert_array_equal(found, DANCER[i])
    assert messages["/dancer/0/emotion/3"][1] == [1.0] and messages["/visitor/0/emotion/1"][1] == [1.0]


def test_rotations_in_the_world_turn_the_t_pose_into_the_body() -> None:
    quaternions = np.reshape(sent("aitoolbox", ALONE)["/mocap/0/joint/rot_world"][1], (17, 4))
    for joint, child in (
        ("left_shoulder", "left_elbow"),
        ("right_knee", "right_ankle"),
        ("left_ankle", "left_toe"),
    ):
        w, *axis = quaternions[INDEX[joint]]
        bone = T_POSE[INDEX[child] - 1]
        turned = bone + 2 * np.cross(axis, np.cross(axis, bone) + w * bone)
        along = DANCER[INDEX[child]] - DANCER[INDEX[joint]]
        np.testing.assert_allclose(turned, along / np.linalg.norm(along), atol=1e-5)


def test_the_frames_of_coordinates() -> None:
    np.testing.assert_array_equal(on_stage(DANCER), DANCER)
    np.testing.assert_allclose(from_pelvis(DANCER)[0], 0)
    middle = np.zeros((17, 3))
    np.testing.assert_allclose(on_screen(middle), np.tile([0.5, 0.9, 0.5], (17, 1)))
    np.testing.assert_allclose(on_screen(middle + [2, 2.025, 0])[0], [1.0, 0.0, 0.5], atol=1e-9)
    assert on_screen(middle + 50).max() == 1 and on_screen(middle - 50).min() == 0
    assert on_screen(np.linspace(-50, 50, 51).reshape(17, 3)).max() == 1
    assert on_screen(DANCER)[INDEX["left_shoulder"], 0] > on_screen(DANCER)[INDEX["right_shoulder"], 0]


@pytest.mark.parametrize("far", [(2.5, 0.0, 0.0), (-9.0, 0.0, 3.0)])
def test_who_leaves_the_picture_stays_whole_at_its_edge(far: tuple[float, float, float]) -> None:
    inside, outside = on_screen(DANCER - DANCER[0] * [1, 0, 1]), on_screen(DANCER + far)
    np.testing.assert_allclose(np.diff(outside, axis=0), np.diff(inside, axis=0), atol=1e-6)
    edge = outside[:, 0].max() if far[0] > 0 else outside[:, 0].min()
    assert edge == pytest.approx(1.0 if far[0] > 0 else 0.0, abs=1e-6)


def test_a_target_is_told_in_a_few_words() -> None:
    assert parse_target("127.0.0.1:9001") == Target("127.0.0.1", 9001, "channels", 30, "stage")
    assert parse_target("wall:7000,60,aitoolbox,pelvis") == Target("wall", 7000, "aitoolbox", 60, "pelvis")
    assert parse_target("wall:7000, poseosc") == Target("wall", 7000, "poseosc", 30, "screen")
    assert parse_target("wall:7000").native and not parse_target("wall:7000,31").native


@pytest.mark.parametrize(
    "text",
    ["", "wall", ":9001", "wall:", "wall:70000", "wall:x", "a b:1", "wall:1,xml", "wall:1,121", "wall:1,0"]
    + ["wall:1,nan", "wall:1,30,60", "wall:1,array,channels", "wall:1,poseosc,stage", "::1:9001"],
)
def test_a_target_that_is_none_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_target(text)
    assert "\n" not in str(caught.value)
