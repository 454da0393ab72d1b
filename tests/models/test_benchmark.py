import json
from pathlib import Path

import pytest

from models import benchmark
from models.generation.generator import DanceState, Generator
from models.motion.skeleton import FloatArray
from models.network.checkpoint import Checkpoint, write_checkpoint


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


def test_without_a_cache_the_network_goes_over_the_past_at_every_frame(
    dancer: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow way must be a fair comparison: as many frames as the cache would hold, and no more."""
    generator, lengths = Generator(dancer), []
    prompt = generator.prompt

    def counted(state: DanceState, features: FloatArray, *, seamless: bool) -> DanceState:
        lengths.append(features.shape[1])
        return prompt(state, features, seamless=seamless)

    monkeypatch.setattr(generator, "prompt", counted)
    assert (benchmark.step_times(generator, 2, 5, cached=False) > 0).all()
    assert len(lengths) == benchmark.WARM_UP + 5 - 2
    assert max(lengths) == dancer.network.config.context_length + 1


def test_a_wrong_argument_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--checkpoint", str(tmp_path / "absent.safetensors")]) == 2
    assert benchmark.main(["--steps", "0"]) == 2
    assert all("models.benchmark: " in line for line in capsys.readouterr().err.splitlines())
