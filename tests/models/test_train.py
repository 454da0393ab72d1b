from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from models.data.clips import write_clips
from models.network.checkpoint import read_checkpoint
from models.train import main
from models.training import trainer
from models.training.state import TrainingState
from models.training.trainer import learning_rate
from models.training.training_data import with_only_clips
from tests.synthetic import TINY, clips_of, swinging_figure, synthetic_clips


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "clips.npz"
    write_clips(path, synthetic_clips(per_label=6))
    return path


def arguments(data: Path, out: Path, *more: str, **changes: object) -> list[str]:
    train_config = asdict(TINY) | changes
    options = [
        text for name, value in train_config.items() for text in (f"--{name.replace('_', '-')}", str(value))
    ]
    return ["--data", str(data), "--out", str(out), "--device", "cpu", "--save-every", "2", *options, *more]


def weights(path: Path) -> torch.Tensor:
    return torch.cat([p.flatten() for p in read_checkpoint(path).network.parameters()])


def test_training_writes_a_checkpoint_whose_card_tells_its_story(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "dancer.safetensors"
    assert main(arguments(data, out)) == 0
    card = read_checkpoint(out).card
    assert card["train_config"]["steps"] == 3 and card["licence"] == "CC BY-NC 4.0"
    assert card["command"].startswith(
        "python -m models.train --data clips.npz --out dancer.safetensors --steps 3"
    )
    assert [entry["step"] for entry in card["metrics"]["nats_per_dimension"]] == [2, 3]
    assert str(tmp_path) not in out.with_suffix(".json").read_text()


def test_dances_of_a_second_file_are_learnt_in_every_emotion(tmp_path: Path) -> None:
    """Nobody acted in the second file, and nobody danced in the first."""
    acts, dances, out = (tmp_path / name for name in ("acts.npz", "dances.npz", "dancer.safetensors"))
    write_clips(acts, synthetic_clips(per_label=6, contents=("wave",)))
    salsa = [("3", "salsa", "normal", swinging_figure(90, rate=rate)) for rate in (0.5, 0.7, 0.9, 1.1)]
    write_clips(dances, clips_of(salsa))
    assert main(arguments(acts, out, "--data", str(acts), str(dances))) == 0
    dancer = read_checkpoint(out)
    assert dancer.card["data"] == ["acts.npz", "dances.npz"]
    assert "--data acts.npz dances.npz --out" in dancer.card["command"]
    assert sum(dancer.card["clips"].values()) == 6 * 12 + 4
    descriptor_space = dancer.exemplars[..., 1:]
    assert descriptor_space[:, :2].any(axis=(2, 3)).all(), "each emotion has dances and gestures"
    assert not descriptor_space[:, 2].any(), "nobody walked"
    assert abs(dancer.restyling.tempo[1] - 1.0) > 0.05, "happy was acted at another rate than neutral"


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(data: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for path, seed in zip(paths, (7, 7, 8), strict=True):
        assert main(arguments(data, path, seed=seed)) == 0
    torch.testing.assert_close(weights(paths[0]), weights(paths[1]), rtol=0, atol=0)
    assert not torch.equal(weights(paths[0]), weights(paths[2]))


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, resumed = tmp_path / "whole.safetensors", tmp_path / "resumed.safetensors"
    still = {"dropout": 0.0, "learning_rate": 1e-3}
    assert main(arguments(data, whole, **still, steps=4)) == 0
    step = trainer.train_step

    def stopped(training_state: TrainingState, *more: object) -> float:
        if training_state.step == 3:
            raise KeyboardInterrupt
        return step(training_state, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer, "train_step", stopped)
        main(arguments(data, resumed, **still, steps=4))
    with safe_open(resumed.with_suffix(".progress"), "pt") as file:
        assert file.metadata()["step"] == "2"
    assert main(arguments(data, resumed, "--resume", **still, steps=4)) == 0
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)


def test_a_run_is_not_resumed_with_another_recipe(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "dancer.safetensors"
    assert main(arguments(data, out)) == 0
    assert main(arguments(data, out, "--resume", width=16)) == 2
    assert "other width" in capsys.readouterr().err


def test_absent_data_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path / "nothing.npz", tmp_path / "out.safetensors")) == 2
    error = capsys.readouterr().err
    assert "nothing.npz" in error and error.count("\n") == 1


def test_the_learning_rate_warms_up_and_falls() -> None:
    rates = [learning_rate(TINY, step) for step in range(TINY.steps)]
    assert rates[0] == TINY.learning_rate
    assert rates[-1] < rates[1] <= TINY.learning_rate


def test_a_few_steps_make_the_loss_fall(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "dancer.safetensors"
    assert main(arguments(data, out, "--save-every", "5", steps=60, batch=8, learning_rate=3e-3)) == 0
    history = read_checkpoint(out).card["metrics"]["nats_per_dimension"]
    assert history[-1]["held_out"] < history[0]["held_out"] - 0.1


def test_a_run_that_begins_with_a_checkpoint_keeps_its_units_and_tells_its_story(
    data: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert main(arguments(data, first)) == 0
    assert main(arguments(data, second, "--start", str(first), steps=1, learning_rate=0.0)) == 0
    torch.testing.assert_close(weights(second), weights(first))
    began, went_on = read_checkpoint(first), read_checkpoint(second)
    torch.testing.assert_close(went_on.space.basis, began.space.basis)
    assert went_on.card["started_from"]["command"] == began.card["command"]
    assert "--start first.safetensors" in went_on.card["command"]


def test_what_begins_with_a_noncommercial_checkpoint_is_not_commercial(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert main(arguments(data, first)) == 0
    assert main(arguments(data, second, "--start", str(first), "--licence", "MIT")) == 2
    assert "first.safetensors may not be used commercially" in capsys.readouterr().err
    assert main(arguments(data, second, "--licence", "MIT", steps=1)) == 0
    assert read_checkpoint(second).card["licence"] == "MIT"
    assert "--licence MIT" in read_checkpoint(second).card["command"]


def test_a_checkpoint_of_other_sizes_is_no_beginning(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first.safetensors"
    assert main(arguments(data, first)) == 0
    assert main(arguments(data, tmp_path / "second.safetensors", "--start", str(first), width=16)) == 2
    assert "other sizes" in capsys.readouterr().err


def test_a_run_rehearses_from_the_step_that_the_recipe_names(data: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in "ab"]
    for path, begins in zip(paths, (0, 1000), strict=True):
        assert main(arguments(data, path, dagger_from=begins, dagger_every=1, steps=4)) == 0
    assert not torch.equal(weights(paths[0]), weights(paths[1]))


def test_the_only_clip_of_a_content_in_an_emotion_is_never_held_out() -> None:
    figure = swinging_figure(20)
    clips = clips_of([("1", content, "sad", figure) for content in ("bow", "bow", "bye", "guide")])
    training, held_out = with_only_clips(clips, np.array([0, 3]), np.array([1, 2]))
    assert training.tolist() == [0, 2, 3] and held_out.tolist() == [1]
    nothing_else = np.array([0, 1, 3]), np.array([2])
    assert [half.tolist() for half in with_only_clips(clips, *nothing_else)] == [[0, 1, 3], [2]]
