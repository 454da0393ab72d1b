from dataclasses import replace
from typing import Any

import pytest

from models.recipe import Recipe
from models.train import main


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"rehearsal_every": 0}, "rehearsal_every"),
        ({"heads": 5}, "width"),
        ({"span": 2000}, "span"),
        ({"length": 600}, "length"),
        ({"horizon": 1, "target_count": 53}, "target_count"),
        ({"rehearsal_share": 1.5}, "rehearsal_share"),
    ],
)
def test_numbers_that_no_run_could_use_are_refused_before_it_begins(
    changed: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        replace(Recipe(), **changed)


def test_the_command_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "x.npz", "--out", "y.safetensors", "--steps", "0"]) == 2
    said = capsys.readouterr().err
    assert "steps" in said and said.count("\n") == 1
