import time

import pytest

from engine.osc.pattern import is_pattern, matches


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("/emotion/happy", "/emotion/happy"),
        ("/emotion/*", "/emotion/happy"),
        ("/*/happy", "/emotion/happy"),
        ("/emotion/ha??y", "/emotion/happy"),
        ("/emotion/[a-h]appy", "/emotion/happy"),
        ("/emotion/[!a-g]appy", "/emotion/happy"),
        ("/emotion/[h-]appy", "/emotion/happy"),
        ("/{energy,emotion}/h*y", "/emotion/happy"),
        ("/emotion/happy*", "/emotion/happy"),
        ("/emotion/*a*p*", "/emotion/happy"),
        ("/{emo,emotion}/happy", "/emotion/happy"),
    ],
)
def test_patterns_that_mean_it(pattern: str, address: str) -> None:
    assert matches(pattern, address)


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("/*", "/emotion/happy"),
        ("/emotion?happy", "/emotion/happy"),
        ("/emotion[/]happy", "/emotion/happy"),
        ("/emotion/[!a-h]appy", "/emotion/happy"),
        ("/emotion/happ", "/emotion/happy"),
        ("/emotion/happyy", "/emotion/happy"),
        ("/emotion/{sad,angry}", "/emotion/happy"),
        ("", "/emotion"),
        ("/emotion/[]appy", "/emotion/happy"),
    ],
)
def test_patterns_that_mean_something_else(pattern: str, address: str) -> None:
    assert not matches(pattern, address)


@pytest.mark.parametrize("pattern", ["/[a", "/{a,b", "/a]", "/a}", "/" + "a" * 200])
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        matches(pattern, "/emotion")


def test_no_pattern_takes_long() -> None:
    began = time.perf_counter()
    for pattern in ("/" + "*a" * 60 + "b", "/" + "?*" * 60, "/" + "{a,aa}" * 20 + "b"):
        matches(pattern, "/" + "a" * 60)
    assert time.perf_counter() - began < 0.5


def test_what_is_a_pattern() -> None:
    assert is_pattern("/a*") and is_pattern("/{a}") and not is_pattern("/emotion/happy")
