"""Phrases that are drawn anew so that the dance is as lively as real movement."""

from pathlib import Path

import numpy as np
import pytest

from models import calibrate
from models.calibrate import MOST, calibrated, danced_speeds, main, real_speeds
from models.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from models.clips import write_clips
from models.skeleton import joint_speed
from tests.synthetic import synthetic_clips, synthetic_sampler


def test_real_speeds_are_those_of_the_clips_of_each_emotion() -> None:
    clips = synthetic_clips()
    speeds = real_speeds(clips, range(len(clips)), ("happy", "nobody"))
    own = [i for i, label in enumerate(clips.labels) if label == "1/happy"]
    expected = np.concatenate([joint_speed(clips.clip(i)) for i in own]).mean()
    assert speeds[0] == pytest.approx(expected) and np.isnan(speeds[1])


def test_every_emotion_is_danced_for_a_while(dancer: Checkpoint) -> None:
    speeds = danced_speeds(dancer, seconds=1)
    assert speeds.shape == (8,) and np.isfinite(speeds).all() and (speeds > 0).all()
    np.testing.assert_array_equal(speeds, danced_speeds(dancer, seconds=1))


def test_what_is_missing_is_asked_for_on_top(dancer: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, _ = synthetic_sampler()
    usual = sampler.phrases(np.random.default_rng([5, 3]), 8)[..., 0].mean(axis=1)
    slower = np.array([1.0, 0.8, 1.25, 1.0, 0.1, 0.95, 1.05, 1.0])  # than its phrases this dancer dances

    def danced(checkpoint: Checkpoint, seed: int) -> np.ndarray:
        return slower * checkpoint.phrases[..., 0].mean(axis=1)

    monkeypatch.setattr(calibrate, "danced_speeds", danced)
    real = np.where(np.arange(8) == 3, np.nan, usual)
    tuned = calibrated(dancer, sampler, real, seed=5)
    asked = tuned.phrases[..., 0].mean(axis=1) / usual
    assert tuned.network is dancer.network
    np.testing.assert_array_equal(asked[[0, 3, 5, 6, 7]], 1.0)  # near enough, or nobody knows
    assert 1.04 < asked[1] < 1.3 and 0.75 < asked[2] < 0.96
    assert 1.04 < asked[4] < 1.05 * MOST  # no phrase of these clips is that lively


def test_a_checkpoint_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "none.safetensors")
    assert main(["--data", str(tmp_path / "none.npz"), "--checkpoint", missing]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_leaves_the_weights_and_notes_what_was_done(
    dancer: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calibrate, "danced_speeds", lambda checkpoint, seed: danced_speeds(checkpoint, seed, 1))
    data, path = tmp_path / "clips.npz", tmp_path / "dancer.safetensors"
    write_clips(data, synthetic_clips())
    write_checkpoint(path, dancer)
    assert main(["--data", str(data), "--checkpoint", str(path), "--seed", "3"]) == 0
    tuned = read_checkpoint(path)
    assert tuned.card["calibrated"] == "python -m models.calibrate --data clips.npz --seed 3"
    for name, tensor in tuned.network.state_dict().items():
        assert (tensor == dancer.network.state_dict()[name]).all()
    assert capsys.readouterr().out.count("danced") == len(dancer.palette)
