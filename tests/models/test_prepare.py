"""`python -m models.prepare bvh`: a folder of BVH files becomes one file of clips."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.data.clips import read_clips
from models.motion.skeleton import INDEX
from models.prepare import main

SHARED = Path(__file__).resolve().parents[3] / "shared"
REPOSITORY = Path(__file__).resolve().parents[2]


def side(sign: int, name: str) -> tuple[str, str]:
    """Arm and leg of one side of a body in centimetres, with the names of the Xsens exporter."""
    arm = (
        f"JOINT {name}Shoulder {{ OFFSET {18 * sign} 50 0 JOINT {name}Elbow {{ OFFSET {28 * sign} 0 0 "
        f"JOINT {name}Wrist {{ OFFSET {25 * sign} 0 0 }} }} }}"
    )
    leg = (
        f"JOINT {name}Hip {{ OFFSET {9 * sign} 0 0 JOINT {name}Knee {{ OFFSET 0 -40 0 "
        f"JOINT {name}Ankle {{ OFFSET 0 -40 0 JOINT {name}Toe {{ OFFSET 0 -8 14 }} }} }} }}"
    )
    return arm, leg


BODY = (
    "HIERARCHY\nROOT Hips { OFFSET 0 0 0 CHANNELS 3 Xposition Yposition Zposition "
    f"JOINT Head {{ OFFSET 0 60 0 }} {' '.join((*side(1, 'Left'), *side(-1, 'Right')))} }}\n"
    "MOTION\nFrames: 5\nFrame Time: 0.0166667\n0 90 0\n1 90 0\n2 90 0\n3 90 0\n4 90 0\n"
)
LABELS = r"(?P<dataset>\w+)/(?P<content>[a-z]+)_(?P<style>[a-z]+)"


@pytest.fixture
def folder(tmp_path) -> Path:
    takes = tmp_path / "takes"
    for name in ("studio/walk_happy_1.bvh", "studio/walk_sad_2.BVH"):
        (takes / name).parent.mkdir(parents=True, exist_ok=True)
        (takes / name).write_text(BODY)
    return takes


def prepare(folder: Path, *more: str, label: str = LABELS, out: str = "clips.npz") -> int:
    return main(["bvh", str(folder), "--label-from", label, "--out", str(folder.parent / out), *more])


def refusal(capsys) -> str:
    """What stands on stderr, which must be one line."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_folder_becomes_clips_in_metres_at_30_fps_with_labels_from_the_paths(folder):
    assert prepare(folder) == 0
    clips = read_clips(folder.parent / "clips.npz")
    assert clips.names == ("walk_happy_1", "walk_sad_2")
    assert clips.labels == ("studio/happy", "studio/sad")
    assert clips.contents == ("walk", "walk")
    assert clips.starts.tolist() == [0, 3, 6]
    np.testing.assert_allclose(clips.clip(0)[:, 0], [[0, 0.9, 0], [0.02, 0.9, 0], [0.04, 0.9, 0]], atol=2e-4)
    np.testing.assert_allclose(clips.clip(0)[0, INDEX["left_toe"]], [0.09, 0.02, 0.14], atol=2e-4)
    np.testing.assert_allclose(clips.clip(0)[0, INDEX["right_wrist"]], [-0.71, 1.4, 0], atol=2e-4)


def test_groups_that_the_pattern_lacks_come_from_folder_and_file_names(folder):
    assert prepare(folder, label=r"_(?P<style>[a-z]+)_") == 0
    clips = read_clips(folder.parent / "clips.npz")
    assert clips.labels == ("takes/happy", "takes/sad")
    assert clips.contents == ("", "")


def test_a_group_named_clip_names_the_clip(folder):
    assert prepare(folder, label=r"_(?P<style>[a-z]+)_(?P<clip>\d)") == 0
    assert read_clips(folder.parent / "clips.npz").names == ("1", "2")


def test_a_scale_that_is_given_is_used(folder):
    assert prepare(folder, "--scale", "0.02") == 0
    np.testing.assert_allclose(read_clips(folder.parent / "clips.npz").positions[0, 0], [0, 1.8, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("studio/jump_angry_3.bvh", "HIERARCHY\nROOT", "line 2"),
        ("studio/jump_angry_3.bvh", BODY.replace("LeftToe", "Flipper"), "known rig"),
        ("studio/jump_angry_3.bvh", BODY.replace("Frames: 5", "Frames: 1")[:-28], "two frames"),
        ("studio/jump_angry_3.bvh", BODY.replace("OFFSET 0 60 0", "OFFSET 0 600 0"), "--scale"),
        ("studio/jump_angry_3.bvh", BODY.replace("-40", "-200"), "--scale"),
        ("studio/nothing.bvh", BODY, "--label-from"),
    ],
)
def test_a_file_that_does_not_load_costs_one_line_and_the_others_still_load(
    folder, capsys, name, content, expected
):
    (folder / name).write_text(content)
    assert prepare(folder) == 0
    message = refusal(capsys)
    assert Path(name).name in message
    assert expected in message
    assert len(read_clips(folder.parent / "clips.npz")) == 2


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("(?P<style>[a-z", "regular expression"),
        (r"_([a-z]+)_", "group named style"),
        (r"(?P<content>.)", "group named style"),
    ],
)
def test_a_wrong_pattern_is_refused(folder, capsys, label, expected):
    assert prepare(folder, label=label) == 2
    message = refusal(capsys)
    assert "--label-from" in message
    assert expected in message


def test_an_absent_or_empty_folder_is_refused(tmp_path, capsys):
    assert prepare(tmp_path / "absent") == 2
    assert "absent" in refusal(capsys)
    (tmp_path / "empty").mkdir()
    assert prepare(tmp_path / "empty") == 2
    assert "*.bvh" in refusal(capsys)


def test_a_folder_in_which_nothing_loads_is_refused(tmp_path, capsys):
    (tmp_path / "takes").mkdir()
    (tmp_path / "takes" / "a_sad_1.bvh").write_bytes(b"\x00\xff junk")
    assert prepare(tmp_path / "takes", label="_(?P<style>[a-z]+)_") == 2
    first, last = capsys.readouterr().err.splitlines()
    assert "a_sad_1.bvh, line 1" in first
    assert "at least one file that loads" in last
    assert not (tmp_path / "clips.npz").exists()


@pytest.mark.parametrize("out", ["absent/clips.npz", "takes"])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(folder, capsys, out):
    assert prepare(folder, out=out) == 2
    assert "--out" in refusal(capsys)


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf"])
def test_a_scale_that_is_no_size_is_refused(folder, capsys, scale):
    assert prepare(folder, "--scale", scale) == 2
    assert "--scale" in refusal(capsys)


def test_the_module_runs_as_a_command_and_explains_itself():
    command = [sys.executable, "-m", "models.prepare", "bvh", "--help"]
    shown = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for part in ("FOLDER", "--label-from", "--out", "--scale", "style (required)", "LAFAN1"):
        assert part in " ".join(shown.split())


@pytest.mark.skipif(
    not (SHARED / "data" / "bvh").is_dir(), reason="needs the Bandai-Namco files of ../shared/data"
)
def test_the_original_files_become_the_clips_of_the_training_data(tmp_path):
    label = r"dataset-(?P<dataset>\d)_(?P<content>.+)_(?P<style>[a-z-]+)_\d+"
    out = tmp_path / "clips.npz"
    assert main(["bvh", str(SHARED / "data" / "bvh"), "--label-from", label, "--out", str(out)]) == 0
    ours, theirs = read_clips(out), read_clips(SHARED / "data" / "bandai17_train.npz")
    assert len(ours) == 26
    for i, name in enumerate(ours.names):
        j = theirs.names.index(name)
        assert (ours.labels[i], ours.contents[i]) == (theirs.labels[j], theirs.contents[j])
        np.testing.assert_allclose(ours.clip(i), theirs.clip(j), rtol=0, atol=1e-3)
