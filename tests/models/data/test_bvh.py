"""BVH files: what a good one says, and how a bad one is refused."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import bvh
from models.data.bvh import Bvh, BvhError, read_bvh
from models.data.bvh_kinematics import resample
from models.data.rigs import skeleton_positions

SHARED = Path(__file__).resolve().parents[4] / "shared"

CHAIN = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT knee
  {
    OFFSET 1 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT foot
    {
      OFFSET 1 0 0
      CHANNELS 0
      End Site
      {
        OFFSET 0 1 0
      }
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
0 0 0 0 0 0 0 0 0
1 2 3 90 0 0 90 0 0
"""


@pytest.fixture
def read(tmp_path):
    """Reads a BVH file with this text or these bytes in it."""

    def read(content: str | bytes) -> Bvh:
        path = tmp_path / "take.bvh"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_bvh(path)

    return read


def one_bone(channels: str, values: str, offset: str = "0 1 0", root_offset: str = "0 0 0") -> str:
    """A root with these channels, and a child at this offset that has none."""
    return (
        f"HIERARCHY ROOT a {{ OFFSET {root_offset} CHANNELS {channels}\n"
        f"JOINT b {{ OFFSET {offset} CHANNELS 0 }} }}\nMOTION\nFrames: 1\nFrame Time: 0.1\n{values}\n"
    )


def test_a_file_gives_its_joints_channels_and_frames(read):
    take = read(CHAIN)
    assert take.joints == ("hip", "knee", "foot", "foot End Site")
    assert take.parents == (-1, 0, 1, 2)
    assert take.channels[1] == ("Zrotation", "Xrotation", "Yrotation")
    assert take.frames.shape == (2, 9)
    assert take.frame_time == pytest.approx(1 / 30, rel=1e-5)


def test_a_chain_lies_straight_at_rest_and_folds_where_both_joints_turn(read):
    positions = read(CHAIN).positions()
    np.testing.assert_allclose(positions[0, :3], [[0, 0, 0], [1, 0, 0], [2, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(positions[1, :3], [[1, 2, 3], [1, 3, 3], [0, 3, 3]], atol=1e-12)
    np.testing.assert_allclose(positions[0, 3], [2, 1, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("channels", "values", "tip"),
    [
        ("2 Zrotation Xrotation", "90 90", (0, 0, 1)),  # about x first: up becomes +z, which z leaves alone
        ("2 Xrotation Zrotation", "90 90", (-1, 0, 0)),  # about z first: up becomes -x, which x leaves alone
        ("3 Yrotation Xrotation Zrotation", "90 90 0", (1, 0, 0)),
        ("3 zROTATION yrotation XRotation", "0 0 -90", (0, 0, -1)),
        ("3 Zrotation Xrotation Zrotation", "90 90 90", (0, -1, 0)),
        ("1 Zrotation", "180", (0, -1, 0)),
    ],
)
def test_rotations_apply_in_the_order_of_the_channels(read, channels, values, tip):
    np.testing.assert_allclose(read(one_bone(channels, values)).positions()[0, 1], tip, atol=1e-12)


def test_position_channels_replace_the_offset_coordinate_by_coordinate(read):
    take = read(one_bone("2 Zposition Xposition", "30 10", root_offset="1 2 3"))
    np.testing.assert_allclose(take.positions()[0, 0], [10, 2, 30])


def test_a_joint_that_is_not_the_root_may_have_position_channels(read):
    text = CHAIN.replace("CHANNELS 0", "CHANNELS 1 Xposition").replace("0 0\n1 2", "0 0 5\n1 2")
    positions = read(text.replace("90 0 0\n", "90 0 0 7\n")).positions()
    np.testing.assert_allclose(positions[:, 2], [[6, 0, 0], [-6, 3, 3]], atol=1e-12)


def test_layout_and_line_ends_do_not_matter(read):
    expected = read(CHAIN).positions()
    assert np.array_equal(read(CHAIN.replace("\n", "\r\n")).positions(), expected)
    assert np.array_equal(read("\ufeff" + CHAIN + "\n\n").positions(), expected)
    head, motion = CHAIN.split("MOTION")
    assert np.array_equal(read(head.replace("\n", " ") + "MOTION" + motion).positions(), expected)


def test_joint_names_may_hold_blanks(read):
    assert read(CHAIN.replace("JOINT knee", "JOINT Bip01 L Thigh")).joints[1] == "Bip01 L Thigh"


@settings(max_examples=50, deadline=None)
@given(angles=st.lists(st.floats(-720, 720), min_size=6, max_size=6))
def test_no_rotation_changes_the_length_of_a_bone(angles):
    take = Bvh(
        ("a", "b", "c"),
        (-1, 0, 1),
        np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 2.0], [0.0, 3.0, 4.0]]),
        (("Xrotation", "Yrotation", "Zrotation"), ("Zrotation", "Yrotation", "Xrotation"), ()),
        np.array([angles]),
        1 / 30,
    )
    bones = np.linalg.norm(np.diff(take.positions()[0], axis=0), axis=-1)
    np.testing.assert_allclose(bones, [3.0, 5.0])


def test_frames_at_30_fps_stay_as_they_are():
    positions = np.random.default_rng(0).normal(size=(5, 2, 3))
    assert resample(positions, 0.0333333) is positions


@pytest.mark.parametrize("rate", [24, 25, 60, 100, 120])
def test_other_rates_become_30_fps_along_straight_lines(rate):
    seconds = np.arange(2 * rate + 1) / rate
    resampled = resample(np.stack([seconds, -3 * seconds], axis=-1)[:, None], 1 / rate)
    assert len(resampled) == 61
    np.testing.assert_allclose(resampled[:, 0, 0], np.arange(61) / 30, atol=1e-9)
    np.testing.assert_allclose(resampled[:, 0, 1], -np.arange(61) / 10, atol=1e-9)


def test_a_single_frame_can_be_resampled():
    assert resample(np.zeros((1, 17, 3)), 0.01).shape == (1, 17, 3)


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ("HIERARCHY", "Hierarchical", 1, "expected HIERARCHY"),
        ("ROOT hip", "hip", 2, "expected ROOT"),
        ("JOINT knee\n  {", "JOINT knee\n", 8, "expected '{'"),
        ("    OFFSET 1 0 0\n    CH", "    OFFSET 1 0\n    CH", 9, "expected three numbers"),
        ("OFFSET 0 1 0", "OFFSET 0 one 0", 16, "expected three numbers"),
        ("OFFSET 0 1 0", "OFFSET 0 nan 0", 16, "finite"),
        ("OFFSET 0 1 0", "OFFSET 0 1_0 0", 16, "expected three numbers"),
        ("    OFFSET 1 0 0\n    CH", "    CH", 18, "expected OFFSET in joint 'knee'"),
        ("CHANNELS 3 Z", "CHANNELS 4 Z", 10, "expected 4 channel names"),
        ("CHANNELS 3 Z", "CHANNELS 2 Z", 9, "found 'Yrotation'"),
        ("CHANNELS 3 Z", "CHANNELS 9 Z", 9, "expected a number of channels"),
        ("Zposition", "Xposition", 5, "expected 6 channel names"),
        ("End Site", "End Sight", 14, "expected 'Site'"),
        ("}\nMOTION", "MOTION", 20, "found 'MOTION'"),
        ("}\nMOTION", "}\n}\nMOTION", 21, "expected ROOT or MOTION"),
        ("MOTION", "", 22, "expected ROOT or MOTION"),
        ("Frames: 2", "Frames: 0", 22, "at least 1"),
        ("Frames: 2", "Frames: -2", 22, "at least 1"),
        ("Frames: 2", "Frames: many", 22, "at least 1"),
        ("Frames: 2", "Frames: 99999999999", 22, "expected at most"),
        ("Frames: 2\n", "", 22, "expected 'Frames:'"),
        ("0.0333333", "0", 23, "above 0"),
        ("0.0333333", "-0.1", 23, "above 0"),
        ("0.0333333", "inf", 23, "finite"),
        ("0.0333333", "900000", 23, "above 0"),
        ("1 2 3 90", "1 2 3 4 90", 25, "found '10 values'"),
        ("1 2 3 90", "1 2 x 90", 25, "found 'x'"),
        ("1 2 3 90", "1 2 nan 90", 25, "found 'nan'"),
        ("1 2 3 90", "1 2 -inf 90", 25, "found '-inf'"),
        ("1 2 3 90", "1 2 1e300 90", 25, "at most 1e+06"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line_and_what_was_expected(read, old, new, line, expected):
    assert CHAIN.count(old) >= 1
    with pytest.raises(BvhError) as caught:
        read(CHAIN.replace(old, new, 1))
    message = str(caught.value)
    assert f"take.bvh, line {line}: expected" in message
    assert expected in message
    assert "\n" not in message


def test_a_header_that_is_off_and_a_recording_that_was_cut_off_load_with_a_line(read):
    assert read(CHAIN.replace("Frames: 2", "Frames: 1")).frames.shape == (2, 9)
    assert read(CHAIN.replace("Frames: 2", "Frames: 59")).mended == ("2 frames where the header says 59",)
    cut = read(CHAIN.rstrip()[:-4])
    assert cut.frames.shape == (1, 9) and cut.mended[0] == "the last line is cut short"
    assert read(CHAIN).mended == ()


def test_a_frame_time_that_is_a_frame_rate_is_taken_as_one(read):
    take = read(CHAIN.replace("0.0333333", "30"))
    assert take.frame_time == pytest.approx(1 / 30) and len(take.mended) == 1


@pytest.mark.parametrize("length", range(0, len(CHAIN) - 20, 23))
def test_a_truncated_file_is_refused_wherever_it_ends(read, length):
    with pytest.raises(BvhError, match="expected"):
        read(CHAIN[:length])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 4096,
        bytes(range(256)) * 64,
        CHAIN.encode("utf-16"),
        CHAIN.encode().replace(b"knee", b"kn\xe9e"),
    ],
)
def test_what_is_not_utf8_text_is_refused(read, content):
    with pytest.raises(BvhError, match="expected"):
        read(content)


def test_a_hierarchy_without_channels_is_refused(read):
    with pytest.raises(BvhError, match="at least one channel"):
        read(one_bone("0", ""))


def test_nesting_and_joints_are_bounded(read):
    joint = "JOINT j { OFFSET 0 0 0 "
    with pytest.raises(BvhError, match="inside one another"):
        read("HIERARCHY ROOT r {\n" + f"{joint}\n" * 100_000)
    with pytest.raises(BvhError, match="512 joints"):
        read("HIERARCHY ROOT r {\n" + f"{joint} }}\n" * 100_000)


def test_lines_names_and_files_are_bounded(read, monkeypatch):
    with pytest.raises(BvhError, match="characters"):
        read("HIERARCHY " + "x" * 1_000_000)
    with pytest.raises(BvhError, match="joint name of at most"):
        read("HIERARCHY ROOT " + "x" * 10_000 + " {")
    monkeypatch.setattr(bvh, "MAX_LINES", 10)
    with pytest.raises(BvhError, match="at most 10 lines"):
        read("\n" * 100)
    monkeypatch.setattr(bvh, "MAX_FILE_BYTES", 10)
    with pytest.raises(BvhError, match="BVH file of at most"):
        read(CHAIN)


def test_what_is_not_a_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.bvh")
    for path in (tmp_path / "absent.bvh", tmp_path, tmp_path / "pipe.bvh"):
        with pytest.raises(BvhError, match="expected"):
            read_bvh(path)


def read_or_refuse(path: Path, content: bytes) -> None:
    """Nothing but a take of finite positions or a BvhError of one line may come of any content."""
    path.write_bytes(content)
    began = time.perf_counter()
    try:
        take = read_bvh(path)
    except BvhError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
    else:
        positions = take.positions()
        assert positions.shape == (len(take.frames), len(take.joints), 3)
        assert np.isfinite(positions).all()
    assert time.perf_counter() - began < 5


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    read_or_refuse(tmp_path_factory.getbasetemp() / "fuzz.bvh", content)


WORDS = [*CHAIN.split(), "\n", "-1", "7", "1e9", "nan", "é", "{", "}", "\x00"]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_file_with_any_words_replaced_is_read_or_refused(tmp_path_factory, data):
    words = CHAIN.replace("\n", " \n ").split(" ")
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(words) - 1))
        words[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.lists(st.sampled_from(WORDS), max_size=2)
        )
    read_or_refuse(tmp_path_factory.getbasetemp() / "fuzz.bvh", " ".join(words).encode())


@pytest.mark.skipif(
    not (SHARED / "data" / "bvh").is_dir(), reason="needs the Bandai-Namco files of ../shared/data"
)
def test_imported_takes_agree_to_a_millimetre_with_the_independent_conversion():
    with np.load(SHARED / "data" / "bandai17_train.npz", allow_pickle=False) as archive:
        pelvis, offsets, starts = archive["pelvis"], archive["offsets"], archive["starts"]
        number = {name: i for i, name in enumerate(archive["clip"])}
    compared = 0
    for path in sorted((SHARED / "data" / "bvh").glob("*.bvh")):
        if path.stem not in number:
            continue
        frames = slice(*starts[number[path.stem] :][:2])
        expected = np.concatenate([pelvis[frames, None], pelvis[frames, None] + offsets[frames] * 1e-4], axis=1)
        np.testing.assert_allclose(skeleton_positions(read_bvh(path))[0], expected, rtol=0, atol=1e-3)
        compared += 1
    assert compared >= 20
