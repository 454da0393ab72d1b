from dataclasses import replace
from typing import Any

import pytest

from models.train import main
from models.training.config import TrainConfig


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"dagger_every": 0}, "dagger_every"),
        ({"heads": 5}, "width"),
        ({"context_length": 2000}, "context_length"),
        ({"length": 600}, "length"),
        ({"horizon": 1, "target_count": 53}, "target_count"),
        ({"dagger_share": 1.5}, "dagger_share"),
    ],
)
def test_numbers_that_no_run_could_use_are_refused_before_it_begins(
    changed: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        replace(TrainConfig(), **changed)


def test_the_command_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "x.npz", "--out", "y.safetensors", "--steps", "0"]) == 2
    said = capsys.readouterr().err
    assert "steps" in said and said.count("\n") == 1
