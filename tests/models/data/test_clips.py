"""Files of clips: what is written comes back, what is malformed is refused, and the split is reproducible."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import safe_files as bounded_files
from models.data.clips import (
    PALETTE_LABELS,
    Clips,
    ClipsError,
    join_clips,
    read_clips,
    split_clips,
    write_clips,
)
from models.motion.skeleton import JOINTS, PARENTS

SHARED = Path(__file__).resolve().parents[4] / "shared"
TRAINING_DATA = SHARED / "data" / "bandai17_train.npz"


def some_clips(
    count: int = 3, styles: tuple[str, ...] = ("happy", "sad"), datasets: tuple[str, ...] = ("1",)
) -> Clips:
    """Clips of 2, 3, 4 … frames within a metre of the pelvis."""
    starts = np.cumsum([0, *range(2, count + 2)])
    positions = np.random.default_rng(7).uniform(-1, 1, (starts[-1], 17, 3)).astype(np.float32)
    numbers = range(count)
    return Clips(
        positions,
        starts,
        tuple(f"take_{i:03}" for i in numbers),
        tuple(datasets[i % len(datasets)] for i in numbers),
        tuple("walk" for _ in numbers),
        tuple(styles[i % len(styles)] for i in numbers),
    )


@pytest.fixture
def arrays(tmp_path) -> dict[str, np.ndarray]:
    """The arrays of a good file, for a test to spoil."""
    write_clips(tmp_path / "good.npz", some_clips())
    with np.load(tmp_path / "good.npz") as archive:
        return dict(archive)


def test_what_is_written_is_read_back_to_a_tenth_of_a_millimetre(tmp_path):
    clips = some_clips(datasets=("1", "2"))
    write_clips(tmp_path / "clips.npz", clips)
    back = read_clips(tmp_path / "clips.npz")
    np.testing.assert_allclose(back.positions, clips.positions, rtol=0, atol=5.1e-5)
    np.testing.assert_array_equal(back.starts, clips.starts)
    assert back.positions.dtype == np.float32
    assert (back.names, back.datasets, back.contents, back.styles) == (
        clips.names,
        clips.datasets,
        clips.contents,
        clips.styles,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["clips.npz"]


def test_the_file_has_the_arrays_of_the_format(arrays):
    assert arrays["pelvis"].dtype == np.float32
    assert arrays["offsets"].dtype == np.int16
    assert arrays["starts"].tolist() == [0, 2, 5, 9]
    assert arrays["dataset"].tolist() == [1, 1, 1]
    assert tuple(arrays["joints"]) == JOINTS
    assert tuple(arrays["parents"]) == PARENTS
    assert arrays["fps"] == 30


@pytest.mark.parametrize("datasets", [("lafan1",), ("1", "cmu"), ("007",), ("",)])
def test_a_data_set_may_have_any_name(tmp_path, datasets):
    clips = some_clips(datasets=datasets)
    write_clips(tmp_path / "clips.npz", clips)
    assert read_clips(tmp_path / "clips.npz").labels == clips.labels


def test_a_clip_is_its_own_frames_and_its_label_names_data_set_and_style():
    clips = some_clips()
    assert len(clips) == 3
    np.testing.assert_array_equal(clips.clip(1), clips.positions[2:5])
    assert clips.labels == ("1/happy", "1/sad", "1/happy")
    with pytest.raises(IndexError):
        clips.clip(3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pelvis", np.zeros((9, 2), np.float32)),
        ("pelvis", np.zeros((9, 3), np.int32)),
        ("pelvis", np.full((9, 3), np.nan, np.float32)),
        ("pelvis", np.full((9, 3), 1e300)),
        ("pelvis", np.zeros((8, 3), np.float32)),
        ("pelvis", np.empty((9, 3), object)),
        ("offsets", np.zeros((9, 17, 3), np.int16)),
        ("offsets", np.zeros((9, 16, 3), np.int32)),
        ("offsets", np.zeros((9, 16, 3), np.float32)),
        ("starts", np.array([0, 2, 5, 8])),
        ("starts", np.array([1, 2, 5, 9])),
        ("starts", np.array([0, 5, 2, 9])),
        ("starts", np.array([0, 2, 2, 9])),
        ("starts", np.array([0.0, 2.0, 5.0, 9.0])),
        ("starts", np.array([0, 9])),
        ("clip", np.array([1, 2, 3])),
        ("clip", np.array(["a", "b"])),
        ("style", np.array([b"a", b"b", b"c"])),
        ("content", np.array(["a", "b", "c"], dtype=object)),
        ("style", np.full(3, 0x110000, np.uint32).view("U1")),
        ("joints", np.array(JOINTS[::-1])),
        ("joints", np.array(JOINTS[:5])),
        ("parents", np.zeros(17, np.int64)),
        ("fps", np.float32(60)),
        ("fps", np.float32(np.nan)),
        ("fps", np.array([30.0])),
    ],
)
def test_a_wrong_array_is_refused_by_name_in_one_line(tmp_path, arrays, name, value):
    path = tmp_path / "bad.npz"
    np.savez(path, **{**arrays, name: value})
    with pytest.raises(ClipsError) as caught:
        read_clips(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: expected")
    assert "\n" not in message
    assert name in message or "starts" in message or "clip" in message or "offsets" in message


@pytest.mark.parametrize(
    "name", ["pelvis", "offsets", "starts", "clip", "dataset", "content", "style", "joints", "fps"]
)
def test_a_missing_array_is_named(tmp_path, arrays, name):
    del arrays[name]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ClipsError, match=f"expected an array '{name}'"):
        read_clips(tmp_path / "bad.npz")


def npy_claiming(shape: tuple[int, ...], dtype: str) -> bytes:
    """An array file that claims a size and holds nothing of it."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("shape", ["(03, )", "(3, (", "3", "'a'", "(-1,)", "(" * 500])
def test_an_array_whose_header_makes_no_sense_is_refused(tmp_path, arrays, shape):
    del arrays["style"]
    np.savez(tmp_path / "bad.npz", **arrays)
    header = f"{{'descr': '<U1', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    with zipfile.ZipFile(tmp_path / "bad.npz", "a") as archive:
        magic = np.lib.format.magic(1, 0) + len(header).to_bytes(2, "little")
        archive.writestr("style.npy", magic + header)
    with pytest.raises(ClipsError, match="expected"):
        read_clips(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("pelvis", (10**12, 3), "<f4"),
        ("pelvis", (-1, 3), "<f4"),
        ("offsets", (10**9, 16, 3), "<i2"),
        ("starts", (10**10,), "<i8"),
        ("clip", (3,), "<U400000000"),
        ("joints", (17,), "<U100000000"),
        ("style", (10**9,), "<U1"),
    ],
)
def test_an_array_that_claims_to_be_huge_is_refused_before_it_is_read(tmp_path, arrays, name, shape, dtype):
    path = tmp_path / "huge.npz"
    del arrays[name]
    np.savez(path, **arrays)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{name}.npy", npy_claiming(shape, dtype))
    with pytest.raises(ClipsError, match="expected"):
        read_clips(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, arrays, monkeypatch):
    monkeypatch.setattr(bounded_files, "MAX_NPZ", 2**20)
    np.savez_compressed(tmp_path / "bomb.npz", **arrays, padding=np.zeros(2**20, np.int8))
    with pytest.raises(ClipsError, match="at most 1 MiB in all"):
        read_clips(tmp_path / "bomb.npz")


def test_what_is_not_an_archive_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "single.npy", np.zeros(3))
    for path in (tmp_path / "absent.npz", tmp_path, tmp_path / "text.npz", tmp_path / "single.npy"):
        with pytest.raises(ClipsError, match="expected a readable clips file"):
            read_clips(path)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    write_clips(path, some_clips())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        clips = read_clips(path)
    except ClipsError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(clips.positions).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"positions": np.full((9, 17, 3), np.nan, np.float32)},
        {"positions": np.zeros((9, 16, 3), np.float32)},
        {"positions": np.zeros((8, 17, 3), np.float32)},
        {"positions": np.arange(9 * 17 * 3, dtype=np.float32).reshape(9, 17, 3)},
        {"starts": np.array([0, 9])},
        {"styles": ("happy",)},
        {"names": (), "datasets": (), "contents": (), "styles": (), "starts": np.array([0])},
    ],
)
def test_clips_that_the_format_cannot_hold_are_not_written(tmp_path, changes):
    with pytest.raises(ClipsError, match="expected"):
        write_clips(tmp_path / "clips.npz", replace(some_clips(), **changes))
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    for path in (tmp_path / "absent" / "clips.npz", tmp_path / "folder.npz"):
        with pytest.raises(ClipsError, match="a place to write to"):
            write_clips(path, some_clips())
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npz"]


def test_clips_that_are_joined_stay_what_they_were():
    parts = [some_clips(3), some_clips(2, styles=("giant",)), some_clips(1)]
    joined = join_clips(parts)
    pairs = [(part, i) for part in parts for i in range(len(part))]
    assert len(joined) == len(pairs) == 6
    for place, (part, i) in enumerate(pairs):
        np.testing.assert_array_equal(joined.clip(place), part.clip(i))
        for name in ("names", "datasets", "contents", "styles", "labels"):
            assert getattr(joined, name)[place] == getattr(part, name)[i]


def test_joined_clips_can_be_written(tmp_path):
    joined = join_clips([some_clips(2), some_clips(2)])
    write_clips(tmp_path / "clips.npz", joined)
    np.testing.assert_array_equal(read_clips(tmp_path / "clips.npz").starts, joined.starts)


def test_no_clips_are_not_joined():
    with pytest.raises(ValueError, match="no clips"):
        join_clips([])


def test_every_clip_is_in_one_half_of_the_split():
    train, validation = split_clips(some_clips(200))
    assert sorted([*train, *validation]) == list(range(200))
    assert 8 <= len(validation) <= 35


def test_the_split_depends_on_names_and_not_on_order_or_company():
    clips = some_clips(200, styles=("happy",))
    _, validation = split_clips(clips)
    held_out = {clips.names[i] for i in validation}
    reverse = replace(clips, names=clips.names[::-1])
    assert {reverse.names[i] for i in split_clips(reverse)[1]} == held_out
    fewer = some_clips(100, styles=("happy",))
    assert {fewer.names[i] for i in split_clips(fewer)[1]} == held_out & set(fewer.names)


def test_the_split_is_the_same_on_every_machine():
    clips = some_clips(30, styles=("happy",))
    assert split_clips(clips)[1].tolist() == [0, 1, 5, 8, 23, 24]


def test_every_label_of_five_clips_or_more_is_validated():
    clips = some_clips(60, styles=tuple(f"style{i}" for i in range(12)))
    _, validation = split_clips(clips, validation_share=0.001)
    assert {clips.labels[i] for i in validation} == set(clips.labels)
    assert len(validation) == 12


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_that_leaves_a_half_empty_is_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_clips(some_clips(), share)


@pytest.mark.skipif(not TRAINING_DATA.is_file(), reason="needs ../shared/data/bandai17_train.npz")
def test_the_training_data_holds_every_label_of_the_palette():
    clips = read_clips(TRAINING_DATA)
    assert len(clips) == 2784
    assert clips.positions.shape == (377_776, 17, 3)
    assert {label for labels in PALETTE_LABELS.values() for label in labels} <= set(clips.labels)
    _, validation = split_clips(clips)
    assert {clips.labels[i] for i in validation} == set(clips.labels)
