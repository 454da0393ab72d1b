import csv
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.clips import write_clips
from models.evaluation.emotion_classifier import ClassifierConfig
from models.study import __main__ as module
from models.study.__main__ import main
from models.study.budgets import BUDGETS, Budget
from models.study.results import Row, cell, differences, markdown, read_json, write_json
from models.study.runner import Study
from models.study.sampling_rules import RULES
from models.study.systems import OWN, PLAIN, SYSTEMS, System, parameter_count
from models.training.trainer import Diverged, train_step
from tests.synthetic import synthetic_clips

BARELY = replace(
    BUDGETS["tiny"],
    train_config=replace(BUDGETS["tiny"].train_config, steps=3, dagger_from=1, dagger_every=2),
    seconds=2.2,
    emotion_classifier=ClassifierConfig(steps=5, batch=8, width=8),
)
SOME = ("mse", "mdn", "default")


@pytest.fixture(scope="module")
def barely() -> Study:
    return Study(synthetic_clips(per_label=2, frames=70), BARELY, Path("nowhere"), torch.device("cpu"))


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_every_system_trains_and_dances(barely: Study, system: System) -> None:
    checkpoint = barely.train(system, barely.train_config(system, 1))
    for rule in system.rules:
        generator = system.generator(checkpoint, rule)
        state = generator.step(generator.initial_state(2), np.eye(8, dtype=np.float32)[1])
        assert np.isfinite(state.positions).all()
        assert np.isnan(state.request.conditioning).all() != system.conditioned


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS)
def test_all_systems_have_as_many_parameters_and_steps(budget: Budget) -> None:
    counts = []
    for system in SYSTEMS:
        train_config = system.train_config(budget.train_config, label_count=20)
        counts.append(parameter_count(system.kind, train_config, 20))
        same = ("steps", "batch", "length", "learning_rate", "dropout")
        assert all(getattr(train_config, name) == getattr(budget.train_config, name) for name in same)
    assert max(counts) < 1.1 * counts[-1] and min(counts) > 0.9 * counts[-1]


def test_the_last_system_is_the_recipe_of_the_budget() -> None:
    assert SYSTEMS[-1].train_config(BUDGETS["full"].train_config, 20) == BUDGETS["full"].train_config
    assert SYSTEMS[-1].rules == (OWN, PLAIN) and SYSTEMS[-1].dagger


def test_systems_have_names_of_their_own_that_can_be_files() -> None:
    names = [system.name for system in SYSTEMS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z0-9.-]+", name) for name in names)
    labels = [system.label(rule) for system in SYSTEMS for rule in system.rules]
    assert len(set(labels)) == len(labels)


def test_the_emotion_head_learns_with_the_dancer(barely: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    system = next(system for system in SYSTEMS if system.emotion_head)
    seen = []

    def watched(training_state, wrapped, space, windows, train_config, objective):  # type: ignore[no-untyped-def]
        seen.append(objective.to_logits.weight.detach().clone())
        return train_step(training_state, wrapped, space, windows, train_config, objective)

    monkeypatch.setattr("models.training.trainer.train_step", watched)
    barely.train(system, barely.train_config(system, 1))
    assert not torch.equal(seen[0], seen[-1])


def run(out: Path, *more: str) -> int:
    systems = () if "--systems" in more else ("--systems", *SOME)
    data = () if "--data" in more else ("--synthetic",)
    return main([*data, "--budget", "tiny", "--out", str(out), "--device", "cpu", *systems, *more])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BUDGETS, "tiny", BARELY)
        assert run(out) == 0
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished study to change, without pictures, which take the longest."""
    monkeypatch.setitem(BUDGETS, "tiny", BARELY)
    monkeypatch.setattr("models.study.runner.draw_study", lambda *_: None)
    return Path(shutil.copytree(finished, tmp_path / "copied"))


def test_one_command_writes_table_and_plots(finished: Path) -> None:
    with (finished / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["system"]: row for row in csv.DictReader(file)}
    rules = [f"mdn: {rule.name}" for rule in RULES[1:]]
    own = ["default", "default: plain"]
    assert list(rows) == ["real", "mse", "mse: left alone", "mdn", *rules, *own]
    for label, row in rows.items():
        measures = (
            ["recognised_share_coupled_mean", "recognised_share_uncoupled_mean"] if label != "real" else []
        )
        for measure in ("speed_ratio_mean", "frozen_share_mean", "frechet_ratio_mean", *measures):
            assert np.isfinite(float(row[measure])), (label, measure)
    table = (finished / "table.md").read_text(encoding="utf-8")
    assert table.startswith("Budget tiny: 3 steps") and "1 seed(s)" in table
    for picture in ("dynamics", "coupling", "speed"):
        assert (finished / f"{picture}.png").read_bytes().startswith(b"\x89PNG")


def forget(study: Path, *names: str) -> None:
    """As if these had not been finished; what was found of them is put aside."""
    (study / "aside").mkdir(exist_ok=True)
    for name in names:
        (study / "results" / f"{name}-1.json").rename(study / "aside" / f"{name}-1.json")


@pytest.fixture
def redone(copied: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of systems as they are finished, which here takes no training."""
    names: list[str] = []

    def finish(self: Study, system: System, seed: int) -> None:
        names.append(system.name)
        path = self.file(system, seed)
        (copied / "aside" / path.name).rename(path)

    monkeypatch.setattr(Study, "finish", finish)
    return names


def test_what_is_finished_is_not_redone(copied: Path, redone: list[str]) -> None:
    before = (copied / "table.csv").read_bytes()
    (copied / "table.csv").unlink()
    forget(copied, "mdn")
    assert run(copied) == 0 and redone == ["mdn"]
    assert (copied / "table.csv").read_bytes() == before


def test_processes_share_what_is_to_be_done(
    copied: Path, redone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("init_process_group", "barrier", "destroy_process_group"):
        monkeypatch.setattr(module.distributed, name, lambda *_, **__: None)
    forget(copied, "mse", "default")
    (copied / "table.csv").unlink()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert run(copied) == 0 and redone == ["default"]
    assert not (copied / "table.csv").exists(), "the first process writes it"
    monkeypatch.setenv("RANK", "0")
    assert run(copied) == 0 and redone == ["default", "mse"]
    assert (copied / "table.csv").exists()


def test_the_result_of_another_system_is_not_taken_for_it(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(copied / "results" / "mdn-1.json", copied / "results" / "mse-1.json")
    assert run(copied) == 2
    assert "another idea" in capsys.readouterr().err


def test_a_finished_study_is_told_again_without_training(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (copied / "table.csv").read_bytes()
    (copied / "table.csv").unlink()
    monkeypatch.delattr(Study, "finish")
    assert run(copied) == 0
    assert (copied / "table.csv").read_bytes() == before


@pytest.mark.parametrize("changed", ["steps", "learning_rate"])
def test_results_of_other_settings_are_refused(
    copied: Path, changed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train_config = replace(BARELY.train_config, **{changed: 2})
    monkeypatch.setitem(BUDGETS, "tiny", replace(BARELY, train_config=train_config))
    assert run(copied) == 2
    error = capsys.readouterr().err
    assert f"train_config.{changed}" in error and error.count("\n") == 1


def test_results_of_other_data_are_refused(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clips(tmp_path / "clips.npz", synthetic_clips(per_label=2, frames=70))
    assert run(copied, "--data", str(tmp_path / "clips.npz")) == 2
    assert "another data" in capsys.readouterr().err


def test_results_of_another_number_of_steps_are_refused(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(copied, "--steps", "25") == 2
    assert "another" in capsys.readouterr().err


def test_a_broken_result_is_one_line(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "results" / "mse-1.json").write_text("{")
    assert run(copied) == 2
    error = capsys.readouterr().err
    assert "mse-1.json" in error and "delete it" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--systems", "dream"), "dream"),
        (("--seeds", "0"), "--seeds"),
        (("--steps", "0"), "--steps"),
        (("--threads", "-1"), "--threads"),
        (("--device", "abacus"), "abacus"),
        (("--data", "nowhere.npz"), "nowhere.npz"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_two(
    arguments: tuple[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, *arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize("data", [(), ("--synthetic", "--data", "clips.npz")])
def test_either_clips_or_synthetic_ones_are_studied(data: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(data))
    assert ended.value.code == 2


def test_a_training_that_diverges_is_a_row_without_figures(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverged(*_: object) -> None:
        raise Diverged("the loss is nan")

    (copied / "results" / "mse-1.json").unlink()
    monkeypatch.setattr(Study, "train", diverged)
    assert run(copied) == 0
    assert (
        "| mse | - | - |" in (copied / "table.md").read_text()
        and "1, 1 diverged" in (copied / "table.md").read_text()
    )


def test_the_table_tells_mean_and_spread_over_seeds() -> None:
    row = Row("mse", "", {"speed_ratio": [0.1, 0.3], "frozen_share": [0.5, 0.7]}, [[0.1], [0.2]], 2, 280_000)
    assert cell(row, "speed_ratio") == "0.20 ± 0.14" and cell(row, "frozen_share") == "60% ± 14"
    assert cell(row, "jerk_ratio") == "-"
    assert "| 280 k | 2 |" in markdown([row], "")


def test_numbers_that_are_not_finite_are_kept_as_none(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"made_with": {"a": (1, 2)}, "x": float("nan")})
    assert read_json(tmp_path / "a.json", made_with={"a": [1, 2]})["x"] is None
    assert differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 2}, "d": 3}) == ["a.b", "c", "d"]


def test_the_published_tables_have_a_row_for_every_system_and_rule() -> None:
    page = (Path(module.__file__).parents[1] / "STUDY.md").read_text(encoding="utf-8")
    published = {line.split("|")[1].strip() for line in page.splitlines() if line.count("|") > 10}
    assert {system.label(rule) for system in SYSTEMS for rule in system.rules} <= published


def test_every_figure_that_the_page_tells_of_a_row_stands_in_a_table() -> None:
    """Of `row`: 12% ± 3 in the text the 12% ± 3 must be in a row of that name."""
    page = (Path(module.__file__).parents[1] / "STUDY.md").read_text(encoding="utf-8")
    lines = page.splitlines()
    rows: dict[str, list[str]] = {}
    for line in lines:
        if line.count("|") > 10:
            rows.setdefault(line.split("|")[1].strip(), []).append(line)
    prose = " ".join(line for line in lines if not line.startswith("|"))
    told = re.findall(
        r"`([a-z0-9./: -]+)`: (?:[a-z]+ )?(\d[\d.]*%?)(?: ± (\d[\d.]*))?(?![\d.%]| to | and )", prose
    )
    assert len(told) > 10
    for row, mean, spread in told:
        found = [cell for line in rows[row] for cell in line.split("|")]
        values = [re.match(r" ([\d.]+)(%?)(?: ± ([\d.]+))? ", cell) for cell in found]
        assert any(match and stands(mean, spread, *match.groups()) for match in values), (row, mean, spread)


def stands(mean: str, spread: str, found: str, percent: str, found_spread: str | None) -> bool:
    """Whether a figure of the text is one of a table, rounded as the text rounds."""
    if mean.endswith("%") != bool(percent):
        return False
    digits = len(mean.rstrip("%").partition(".")[2])
    near = 0.5 * 10**-digits + 1e-9
    if abs(float(mean.rstrip("%")) - float(found)) > near:
        return False
    return not spread or (found_spread is not None and abs(float(spread) - float(found_spread)) <= near)
