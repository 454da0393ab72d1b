import json
from pathlib import Path

import numpy as np
import pytest

from models import benchmark
from models.checkpoint import Checkpoint, write_checkpoint
from models.generator import Generator


def test_the_report_has_every_case(
    dancer: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "WARM_UP", 3)
    monkeypatch.setattr(benchmark, "DANCERS", (1, 3))
    write_checkpoint(tmp_path / "tiny.safetensors", dancer)
    out = tmp_path / "figures.json"
    arguments = ["--checkpoint", str(tmp_path / "tiny.safetensors"), "--steps", "3", "--minutes", "0"]
    assert benchmark.main([*arguments, "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    cases = {(row["case"], row["threads"], row["dancers"]) for row in report["rows"]}
    assert {("cached", 1, 1), ("cached", 2, 3), ("not cached", 1, 1), ("cached, 30 a second", 1, 1)} <= cases
    assert all(row["p99_ms"] >= row["p50_ms"] > 0 for row in report["rows"])
    assert "frames/s" in capsys.readouterr().out


def test_without_a_cache_the_dance_sees_the_same_past(dancer: Checkpoint) -> None:
    """The slow way must be a fair comparison: it prompts with just what the cache would hold."""
    times = benchmark.step_times(Generator(dancer), 2, 5, cached=False)
    assert times.shape == (5,) and np.isfinite(times).all()


def test_a_wrong_argument_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--checkpoint", str(tmp_path / "absent.safetensors")]) == 2
    assert benchmark.main(["--steps", "0"]) == 2
    assert all("models.benchmark: " in line for line in capsys.readouterr().err.splitlines())
