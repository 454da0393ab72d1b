import pytest

from models.command_line import with_exit_status


@with_exit_status("models.example", ValueError)
def example(error: Exception | None = None) -> None:
    if error:
        raise error


def test_a_command_that_ends_well_returns_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert example() == 0 and capsys.readouterr().err == ""


def test_an_error_for_a_person_is_one_line_that_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert example(ValueError("a\nb.npz: no  such file")) == 2
    assert capsys.readouterr().err == "models.example: a b.npz: no such file\n"


def test_any_other_error_is_a_fault_of_the_program() -> None:
    with pytest.raises(KeyError):
        example(KeyError("x"))
