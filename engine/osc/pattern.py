"""The wildcards of OSC 1.0 address patterns: ? * [a-z] [!a-z] {this,that}, none of which goes past a slash.

All places that a pattern can have got to are followed at once, so that no pattern, however nasty, takes longer
than its length times that of the address.
"""

from dataclasses import dataclass
from functools import lru_cache

WILDCARDS = frozenset("?*[]{}")
MAX_PATTERN = 128


@dataclass(frozen=True)
class _Any:
    """`*`: any number of characters."""


@dataclass(frozen=True)
class _One:
    """`?` or `[…]`: one character, of a set or not of it."""

    letters: frozenset[str]
    negated: bool


@dataclass(frozen=True)
class _Choice:
    """Text, or one of several texts."""

    texts: tuple[str, ...]


def is_pattern(address: str) -> bool:
    """Whether an address has wildcards."""
    return not WILDCARDS.isdisjoint(address)


def matches(pattern: str, address: str) -> bool:
    """Whether a pattern means an address. Raises ValueError for a pattern that is malformed or too long."""
    places = {0}
    for token in _tokens(pattern):
        places = {after for place in places for after in _after(token, address, place)}
        if not places:
            return False
    return len(address) in places


def _after(token: _Any | _One | _Choice, address: str, place: int) -> set[int]:
    if isinstance(token, _Any):
        slash = address.find("/", place)
        return set(range(place, (len(address) if slash < 0 else slash) + 1))
    if isinstance(token, _Choice):
        return {place + len(text) for text in token.texts if address.startswith(text, place)}
    if place == len(address) or address[place] == "/":
        return set()
    return {place + 1} if (address[place] in token.letters) != token.negated else set()


@lru_cache(maxsize=256)
def _tokens(pattern: str) -> tuple[_Any | _One | _Choice, ...]:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"an address pattern of more than {MAX_PATTERN} characters")
    tokens: list[_Any | _One | _Choice] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "*":
            if not tokens or tokens[-1] != _Any():
                tokens.append(_Any())
        elif letter == "?":
            tokens.append(_One(frozenset(), True))
        elif letter in "[{":
            end = pattern.find("]" if letter == "[" else "}", at)
            if end < 0:
                raise ValueError(f"an address pattern whose {letter} is not closed")
            inside = pattern[at + 1 : end]
            tokens.append(_set(inside) if letter == "[" else _Choice(tuple(inside.split(","))))
            at = end
        elif letter in "]}":
            raise ValueError(f"an address pattern with a stray {letter}")
        else:
            tokens.append(_Choice((letter,)))
        at += 1
    return tuple(tokens)


def _set(inside: str) -> _One:
    negated = inside.startswith("!")
    letters = inside[negated:]
    chosen: set[str] = set()
    at = 0
    while at < len(letters):
        if at + 2 < len(letters) and letters[at + 1] == "-":
            first, last = sorted((letters[at], letters[at + 2]))
            if ord(last) < 256:
                chosen.update(map(chr, range(ord(first), ord(last) + 1)))
            at += 3
            continue
        chosen.add(letters[at])
        at += 1
    return _One(frozenset(chosen), negated)
