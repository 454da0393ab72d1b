import numpy as np
import pytest

from models.data.kinds import DEFAULT_REPERTOIRE, KINDS, TRAINING_REPERTOIRE, kind_of, repertoire_of


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("dance", "dance"),
        ("dance-long", "dance"),
        ("salsa", "dance"),
        ("dab", "dance"),
        ("walk", "walk"),
        ("walk-left", "walk"),
        ("run", "walk"),
        ("run-back", "walk"),
        ("bow", "gesture"),
        ("something-new", "gesture"),
        ("walking-stick", "gesture"),
        ("breakdance", None),
        ("laugh", None),
    ],
)
def test_a_content_is_of_one_kind_or_is_not_learnt(content: str, kind: str | None) -> None:
    assert kind_of(content) == kind


def test_a_name_in_any_case_is_that_kind_alone() -> None:
    for index, name in enumerate(KINDS):
        for written in (name, f" {name.upper()} "):
            np.testing.assert_array_equal(repertoire_of(written), np.eye(len(KINDS))[index])


def test_weights_are_scaled_to_sum_to_one() -> None:
    np.testing.assert_allclose(repertoire_of([2.0, 1.0, 1.0]), [0.5, 0.25, 0.25])
    np.testing.assert_allclose(repertoire_of((0.0, 0.0, 3.0)), [0.0, 0.0, 1.0])


@pytest.mark.parametrize("usual", [DEFAULT_REPERTOIRE, TRAINING_REPERTOIRE])
def test_what_is_usual_is_a_repertoire(usual: tuple[float, ...]) -> None:
    np.testing.assert_allclose(repertoire_of(usual), usual, rtol=1e-6)


@pytest.mark.parametrize("name", ["waltz", "", "dance walk", "x" * 10_000])
def test_a_name_of_no_kind_is_refused_in_one_line_with_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="dance, gesture, walk") as caught:
        repertoire_of(name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "weights",
    [[], [1.0], [1.0, 1.0], [1.0] * 4, [0.0] * 3, [1.0, -0.1, 0.0], [1.0, np.nan, 0.0], [np.inf, 0.0, 0.0]],
)
def test_weights_of_another_number_or_without_a_meaning_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="3 weights"):
        repertoire_of(weights)
