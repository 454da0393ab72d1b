"""The wildcards of OSC 1.0 address patterns: ? * [a-z] [!a-z] {this,that}, none of which matches a slash."""

import re
from fnmatch import fnmatchcase
from itertools import product

WILDCARDS = frozenset("?*[]{}")
MAX_PATTERN = 128
MAX_ALTERNATIVES = 64
"""Texts that the braces between two slashes may stand for: a longer list would take time that nobody has."""

_WELL_FORMED = re.compile(r"(?:[^\[\]{}]|\[[^\]]*\]|\{[^{}\[\]]*\})*")


def is_pattern(address: str) -> bool:
    """Whether an address has wildcards."""
    return not WILDCARDS.isdisjoint(address)


def matches(pattern: str, address: str) -> bool:
    """Whether a pattern means an address. Raises ValueError for a pattern that is malformed or too long."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"an address pattern of more than {MAX_PATTERN} characters")
    if not _WELL_FORMED.fullmatch(pattern):
        raise ValueError(
            "an address pattern with a bracket or brace that is not closed, or closed but not opened"
        )
    parts, names = [_alternatives(part) for part in pattern.split("/")], address.split("/")
    return len(parts) == len(names) and all(
        any(fnmatchcase(name, text) for text in texts) for texts, name in zip(parts, names, strict=True)
    )


def _alternatives(part: str) -> list[str]:
    """The texts that a part of a pattern stands for, its braces written out. Raises ValueError for too many."""
    choices = [piece.split(",") if i % 2 else [piece] for i, piece in enumerate(re.split(r"\{([^}]*)\}", part))]
    count = 1
    for some in choices:
        count *= len(some)
    if count > MAX_ALTERNATIVES:
        raise ValueError(f"an address pattern with more than {MAX_ALTERNATIVES} alternatives")
    return ["".join(chosen) for chosen in product(*choices)]
