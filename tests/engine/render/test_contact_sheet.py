"""Contact sheets and films of rollouts: what is written, and what is refused."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from engine.render.contact_sheet import main
from engine.render.scenes import SCENES
from models.emotion.palette import DEFAULT_PALETTE
from models.motion.skeleton import JOINTS
from tests.synthetic import swinging_figure

CELL = (120, 160)


@pytest.fixture
def dances(tmp_path: Path) -> Path:
    """Two dances of two seconds, one happy and one sad, as models.generate writes them."""
    return written(tmp_path / "dances.npz")


def written(path: Path, **changed: object) -> Path:
    dance = swinging_figure(60)
    weights = np.zeros((2, 60, len(DEFAULT_PALETTE)), dtype=np.float32)
    weights[0, :, 1] = weights[1, :, 2] = 1.0
    parts = {
        "positions": np.stack([dance, dance + [0.3, 0.0, 0.0]]).astype(np.float32),
        "emotion": np.array(["happy", "sad"]),
        "emotion_weights": weights,
        "palette": np.array(DEFAULT_PALETTE.names),
        "fps": np.array(30.0),
        "joints": np.array(JOINTS),
    }
    np.savez(path, **{**parts, **changed})
    return path


def drawn(dances: Path, *options: str) -> np.ndarray:
    out = dances.with_suffix(".png")
    assert main([str(dances), "--out", str(out), "--cell", *map(str, CELL), *options]) == 0
    return cv2.imread(str(out)).astype(float)


def cells(sheet: np.ndarray) -> np.ndarray:
    """Pictures (rows, columns, height, width, 3)."""
    rows, columns = sheet.shape[0] // CELL[1], sheet.shape[1] // CELL[0]
    return sheet.reshape(rows, CELL[1], columns, CELL[0], 3).transpose(0, 2, 1, 3, 4)


def test_a_row_for_each_dance_a_column_for_each_moment(dances: Path) -> None:
    pictures = cells(drawn(dances, "--columns", "3"))
    assert pictures.shape[:2] == (2, 3)
    middle = pictures[:, :, 40:140, 40:80]
    assert (middle.mean(axis=(2, 3, 4)) > 1.5 * pictures[:, :, 40:140, :12].mean(axis=(2, 3, 4))).all()
    assert np.abs(pictures[0, 0] - pictures[0, 2])[30:].mean() > 1.0, "the dancer does not move"
    colour = middle.mean(axis=(1, 2, 3))
    assert np.abs(colour[0] / colour[0].sum() - colour[1] / colour[1].sum()).max() > 0.02


def test_a_strip_is_the_first_dance_alone(dances: Path) -> None:
    assert cells(drawn(dances, "--columns", "4", "--strip")).shape[:2] == (1, 4)


@pytest.mark.parametrize("scene", SCENES)
def test_a_film_of_every_scene_has_every_picture_and_moves(dances: Path, scene: str) -> None:
    out = dances.with_suffix(".mp4")
    arguments = [str(dances), "--out", str(out), "--cell", "160", "120", "--scene", scene, "--seconds", "1"]
    assert main([*arguments, "--strip"]) == 0
    with av.open(str(out)) as film:
        pictures = [frame.to_ndarray(format="rgb24").astype(float) for frame in film.decode(video=0)]
    assert len(pictures) == 30 and pictures[0].shape == (120, 160, 3)
    assert np.abs(pictures[15] - pictures[29]).mean() > 0.3


def test_a_film_shows_the_dances_side_by_side_and_the_visitor_beside_each(dances: Path) -> None:
    def last(path: Path) -> np.ndarray:
        out = path.with_suffix(".mp4")
        assert main([str(path), "--out", str(out), "--cell", "160", "120", "--seconds", "2"]) == 0
        with av.open(str(out)) as film:
            return [frame.to_ndarray(format="rgb24").astype(float) for frame in film.decode(video=0)][-1]

    alone = last(dances)
    before = last(written(dances.with_name("answers.npz"), visitor=swinging_figure(60).astype(np.float32)))
    assert alone.shape == before.shape == (120, 320, 3)
    for cell in (slice(0, 160), slice(160, 320)):
        assert (before - alone)[:, cell].max() > 10.0, "the visitor is not seen"


def test_a_film_too_wide_to_be_encoded_is_refused_in_one_line(
    dances: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = dances.with_suffix(".mp4")
    assert main([str(dances), "--out", str(out), "--cell", "5000", "64"]) == 2
    assert "--strip" in caplog.text and not out.exists()


def test_a_film_is_no_longer_than_the_dance(dances: Path) -> None:
    out = dances.with_suffix(".mp4")
    assert main([str(dances), "--out", str(out), "--cell", "64", "64", "--seconds", "60"]) == 0
    with av.open(str(out)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 60


@pytest.mark.parametrize(
    "changed",
    [
        {"positions": np.zeros((2, 60, 5, 3))},
        {"positions": np.zeros((2, 0, 17, 3))},
        {"joints": np.array(JOINTS[::-1])},
        {"emotion_weights": np.zeros((2, 30, 8))},
        {"emotion_weights": np.zeros((2, 60, 3))},
        {"emotion": np.array(["happy"])},
        {"fps": np.array(0.0)},
        {"fps": np.array(np.nan)},
        {"positions": np.full((2, 60, 17, 3), np.nan)},
        {"palette": np.array([{}], dtype=object)},
        {"visitor": np.zeros((30, 17, 3))},
        {"visitor": np.full((60, 17, 3), np.inf)},
    ],
)
def test_what_is_no_rollout_is_refused_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changed: dict[str, object]
) -> None:
    dances = written(tmp_path / "wrong.npz", **changed)
    assert main([str(dances), "--out", str(tmp_path / "sheet.png")]) == 2
    assert len(caplog.messages) == 1 and "wrong.npz" in caplog.text and "\n" not in caplog.messages[0]
    assert not (tmp_path / "sheet.png").exists()


def test_a_file_that_is_not_there_and_one_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("dances")
    for name in ("none.npz", "text.npz"):
        assert main([str(tmp_path / name), "--out", str(tmp_path / "sheet.png")]) == 2


def test_a_picture_that_cannot_be_written_is_one_line(dances: Path, tmp_path: Path) -> None:
    for name in ("sheet.png", "film.mp4"):
        assert main([str(dances), "--out", str(tmp_path / "no" / "folder" / name), "--seconds", "1"]) == 2


@pytest.mark.parametrize("options", [("--columns", "0"), ("--cell", "8", "8"), ("--seconds", "0")])
def test_sizes_that_show_nothing_are_refused(dances: Path, options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(dances), "--out", "sheet.png", *options])
    assert ended.value.code == 2
