from pathlib import Path

import numpy as np
import pytest

from models.data.clips import write_clips
from models.data.kinds import DEFAULT_REPERTOIRE, KINDS
from models.emotion.palette import DEFAULT_PALETTE
from models.generate import main, schedule
from models.motion.skeleton import JOINTS
from tests.synthetic import swinging_figure, synthetic_clips


@pytest.fixture
def run(checkpoint_file: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    def call(*arguments: str) -> tuple[int, Path]:
        out = tmp_path / "dances.npz"
        return main(["--checkpoint", str(checkpoint_file), "--out", str(out), *arguments]), out

    return call


def test_the_file_holds_what_the_contract_says(run) -> None:  # type: ignore[no-untyped-def]
    status, out = run("--emotion", "happy,sad", "--seconds", "1", "--count", "2")
    assert status == 0
    with np.load(out, allow_pickle=False) as file:
        assert file["positions"].shape == (4, 30, 17, 3) and file["positions"].dtype == np.float32
        assert file["emotion"].tolist() == ["happy", "happy", "sad", "sad"]
        assert file["emotion_weights"].shape == (4, 30, 8) and file["emotion_weights"].dtype == np.float32
        assert tuple(file["joints"]) == JOINTS and tuple(file["palette"]) == DEFAULT_PALETTE.names
        assert file["fps"] == 30
        assert np.isfinite(file["positions"]).all()


def test_the_same_seed_gives_the_same_dance(run) -> None:  # type: ignore[no-untyped-def]
    def positions(seed: str) -> np.ndarray:
        _, out = run("--emotion", "angry", "--seconds", "0.5", "--seed", seed)
        with np.load(out) as file:
            return file["positions"]

    np.testing.assert_array_equal(positions("3"), positions("3"))
    assert not np.array_equal(positions("3"), positions("4"))


def test_a_repertoire_is_danced_and_the_default_where_none_is_named(run) -> None:  # type: ignore[no-untyped-def]
    def positions(*arguments: str) -> np.ndarray:
        status, out = run("--emotion", "happy", "--seconds", "0.5", *arguments)
        assert status == 0
        with np.load(out) as file:
            return file["positions"]

    usual = KINDS[int(np.argmax(DEFAULT_REPERTOIRE))]
    assert DEFAULT_REPERTOIRE[KINDS.index(usual)] == 1.0
    np.testing.assert_array_equal(positions(), positions("--repertoire", usual))
    others = [positions("--repertoire", kind) for kind in KINDS if kind != usual]
    assert not any(np.array_equal(positions(), other) for other in others)


def test_a_visitor_is_answered_and_kept_beside_the_answers(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    visitor = tmp_path / "visitor.npz"
    np.savez(visitor, positions=swinging_figure(20).astype(np.float32))

    def danced(influence: str) -> tuple[np.ndarray, np.ndarray]:
        status, out = run(
            *("--emotion", "happy,sad", "--seconds", "1", "--visitor", str(visitor), "--influence", influence)
        )
        assert status == 0
        with np.load(out) as file:
            return file["positions"], file["visitor"]

    apart, seen = danced("0")
    near, _ = danced("1")
    assert seen.shape == (30, 17, 3) and near.shape == (2, 30, 17, 3)
    np.testing.assert_allclose(seen[20:], seen[:10], atol=1e-6)  # again from its beginning
    assert np.abs(near - apart).max() > 0.02


@pytest.mark.parametrize("wrong", [("--influence", "1.5"), ("--switch-every", "2"), ("--visitor", "no.npz")])
def test_a_visitor_that_cannot_be_answered_is_one_line(  # type: ignore[no-untyped-def]
    run, tmp_path: Path, wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    visitor = tmp_path / "visitor.npz"
    np.savez(visitor, positions=swinging_figure(20).astype(np.float32))
    status, _ = run("--emotion", "happy,sad", "--seconds", "1", "--visitor", str(visitor), *wrong)
    assert status == 2 and capsys.readouterr().err.count("\n") == 1


def test_all_dances_every_emotion(run) -> None:  # type: ignore[no-untyped-def]
    _, out = run("--emotion", "all", "--seconds", "0.2")
    with np.load(out) as file:
        assert tuple(file["emotion"]) == DEFAULT_PALETTE.names
        np.testing.assert_array_equal(file["emotion_weights"][:, 0], np.eye(8))


def test_switching_goes_round_the_emotions_in_glides() -> None:
    names, weights = schedule(["happy", "sad"], DEFAULT_PALETTE, 90, 1.0)
    assert names == ["happy,sad", "sad,happy"]
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-6)
    assert weights[0, 29, 1] == 1 and weights[0, 55, 2] == 1 and weights[0, 89, 1] == 1
    assert weights[1, 29, 2] == 1 and weights[1, 55, 1] == 1
    assert 0 < weights[0, 37, 2] < 1


@pytest.mark.parametrize("kind", ["clips", "positions", "one"])
def test_a_prompt_is_gone_on_from(run, tmp_path: Path, kind: str) -> None:  # type: ignore[no-untyped-def]
    prompt = tmp_path / "prompt.npz"
    movement = swinging_figure(40, rate=1.2)
    if kind == "clips":
        write_clips(prompt, synthetic_clips())
    else:
        np.savez(prompt, positions=movement if kind == "one" else movement[None])
    status, out = run("--emotion", "happy,sad", "--seconds", "0.5", "--prompt", str(prompt))
    assert status == 0
    with np.load(out) as file:
        assert np.isfinite(file["positions"]).all()
        if kind != "clips":
            arm = file["positions"][0, 0, 5] - file["positions"][0, 0, 4]
            expected = movement[-1, 5] - movement[-1, 4]
            assert np.linalg.norm(arm - expected) < 0.2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--emotion", "bored", "--seconds", "1"], "bored"),
        (["--emotion", "happy", "--seconds", "0"], "--seconds"),
        (["--emotion", "happy", "--seconds", "nan"], "--seconds"),
        (["--emotion", "happy", "--seconds", "1e300"], "ask for less"),
        (["--emotion", "happy", "--seconds", "1", "--count", "0"], "--count"),
        (["--emotion", "happy", "--seconds", "1", "--switch-every", "0"], "--switch-every"),
        (["--emotion", "happy", "--seconds", "1", "--prompt", "absent.npz"], "absent.npz"),
        (["--emotion", "happy", "--seconds", "1", "--energy", "nan"], "--energy"),
        (["--emotion", "happy", "--seconds", "1", "--repertoire", "waltz"], "waltz"),
        (["--emotion", "happy", "--seconds", "1", "--out", "nowhere/dances.npz"], "nowhere"),
        (["--emotion", "happy", "--seconds", "1", "--device", "nonsense"], "nonsense"),
    ],
)
def test_what_cannot_be_danced_is_one_line(run, capsys, arguments, complaint) -> None:  # type: ignore[no-untyped-def]
    status, _ = run(*arguments)
    error = capsys.readouterr().err
    assert status == 2 and complaint in error and error.count("\n") == 1


def test_dataset_words_are_danced_and_explained(run, capsys) -> None:  # type: ignore[no-untyped-def]
    status, out = run("--emotion", "fear", "--seconds", "0.2")
    assert status == 0 and "fear is not in the palette" in capsys.readouterr().err
    with np.load(out) as file:
        assert np.count_nonzero(file["emotion_weights"][0, 0]) == 3
