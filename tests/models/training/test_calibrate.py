"""Exemplars that are drawn anew so that the dance is as lively as real movement."""

from pathlib import Path

import numpy as np
import pytest

from models.data.clips import write_clips
from models.motion.skeleton import joint_speed
from models.network.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from models.training import calibrate
from models.training.calibrate import MAX_FACTOR, calibrated, danced_speeds, learnt_speeds, main
from models.training.dataset import WindowSampler
from models.training.motion_database import build_database
from tests.synthetic import clips_of, swinging_figure, synthetic_clips, synthetic_sampler


def test_learnt_speeds_are_those_of_the_clips_of_each_emotion_and_kind() -> None:
    sampler, _ = synthetic_sampler()
    clips, speeds = synthetic_clips(), learnt_speeds(sampler, 8)
    for kind, content in enumerate(("dance", "wave")):
        (own,) = (i for i, name in enumerate(clips.names) if name == f"1-happy-{kind}")
        assert clips.contents[own] == content
        assert speeds[1, kind] == pytest.approx(joint_speed(clips.clip(own)).mean(), rel=0.02)
    assert np.isnan(speeds[:, 2]).all(), "no clip is a walk"


def test_a_rare_content_counts_for_its_share_of_what_is_learnt() -> None:
    """One clip beside four of another content: by the root of their lengths it counts a third."""
    slow = [("1", "dance", "normal", swinging_figure(90, rate=0.4)) for _ in range(4)]
    quick = ("1", "salsa", "normal", swinging_figure(90, rate=1.6))
    bank = build_database(clips_of([*slow, quick]), range(5), ("neutral",))
    sampler = WindowSampler(bank, 1, length=24, horizon=4)
    one, other = (joint_speed(clip).mean() for clip in (slow[0][3], quick[3]))
    assert learnt_speeds(sampler, 1)[0, 0] == pytest.approx((2 * one + other) / 3, rel=0.05)


def test_every_emotion_is_danced_for_a_while_in_every_kind(
    dancer: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "DANCERS", 1)
    speeds = danced_speeds(dancer, seconds=1)
    assert speeds.shape == (8, 3) and np.isfinite(speeds).all() and (speeds > 0).all()
    np.testing.assert_array_equal(speeds, danced_speeds(dancer, seconds=1))


def test_what_is_missing_is_asked_for_on_top(dancer: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, _ = synthetic_sampler(per_label=4, contents=("dance", "wave"))
    usual = sampler.exemplars(np.random.default_rng([5, 3]), 8)[..., 0].mean(axis=2)
    slower = np.ones((8, 3))  # than its exemplars this dancer dances
    slower[:, 0] = [1.0, 0.8, 1.25, 1.0, 0.1, 0.95, 1.05, 1.0]

    def danced(checkpoint: Checkpoint, seed: int) -> np.ndarray:
        return slower * checkpoint.exemplars[..., 0].mean(axis=2)

    monkeypatch.setattr(calibrate, "danced_speeds", danced)
    wanted = usual.copy()
    wanted[3], wanted[:, 2] = np.nan, np.nan
    tuned = calibrated(dancer, sampler, wanted, seed=5)
    assert tuned.network is dancer.network
    np.testing.assert_array_equal(tuned.exemplars[..., 0].mean(axis=2)[:, 1:], usual[:, 1:])  # of other kinds
    asked = (tuned.exemplars[..., 0].mean(axis=2) / usual)[:, 0]
    np.testing.assert_array_equal(asked[[0, 3, 5, 6, 7]], 1.0)  # near enough, or nobody knows
    assert 1.04 < asked[1] < 1.3 and 0.75 < asked[2] < 0.96
    assert 1.04 < asked[4] < 1.05 * MAX_FACTOR  # no exemplar of these clips is that lively


def test_a_checkpoint_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "none.safetensors")
    assert main(["--data", str(tmp_path / "none.npz"), "--checkpoint", missing]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_leaves_the_weights_and_notes_what_was_done(
    dancer: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calibrate, "DANCERS", 1)
    monkeypatch.setattr(calibrate, "danced_speeds", lambda checkpoint, seed: danced_speeds(checkpoint, seed, 1))
    data, path = tmp_path / "clips.npz", tmp_path / "dancer.safetensors"
    write_clips(data, synthetic_clips())
    write_checkpoint(path, dancer)
    assert main(["--data", str(data), "--checkpoint", str(path), "--seed", "3"]) == 0
    tuned = read_checkpoint(path)
    assert tuned.card["calibrated"] == "python -m models.training.calibrate --data clips.npz --seed 3"
    for name, tensor in tuned.network.state_dict().items():
        assert (tensor == dancer.network.state_dict()[name]).all()
    told = capsys.readouterr().out
    assert "happy, dance: learnt" in told and "happy, walk" not in told
    assert told.count("learnt") == told.count("danced") > len(dancer.palette)
