"""The repertoire as people write and read it, in settings, shows and on the screen."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field

from models.data.kinds import DEFAULT_REPERTOIRE, KINDS, repertoire_of
from models.motion.skeleton import FloatArray


def table_weights(table: Mapping[str, float]) -> FloatArray:
    """Weights (3,) over `KINDS` that sum to 1, of a table of weights by name. Raises ValueError."""
    weights = sum((table[name] * repertoire_of(name) for name in table), np.zeros(len(KINDS)))
    return repertoire_of(weights.tolist())


def _as_table(given: object) -> object:
    """The table of a single name; whatever else is given stays."""
    return {KINDS[int(np.argmax(repertoire_of(given)))]: 1.0} if isinstance(given, str) else given


def _checked(table: dict[str, float]) -> dict[str, float]:
    named = {name.strip().casefold(): weight for name, weight in table.items()}
    table_weights(named)
    return named


RepertoireTable = Annotated[
    dict[str, Annotated[float, Field(ge=0, le=1)]], BeforeValidator(_as_table), AfterValidator(_checked)
]
"""A repertoire in a TOML file: a kind's name, or a table of weights from 0 to 1 that are scaled to sum to 1."""

DEFAULT_TABLE = {name: weight for name, weight in zip(KINDS, DEFAULT_REPERTOIRE, strict=True) if weight > 0}
"""`DEFAULT_REPERTOIRE` as such a table."""


def describe(repertoire: FloatArray) -> str:
    """The weights (3,) in words, largest first: "dance 80 %, gesture 20 %", of a single kind its name."""
    order = [i for i in np.argsort(-repertoire, kind="stable") if repertoire[i] >= 0.005]
    if len(order) == 1:
        return KINDS[order[0]]
    return ", ".join(f"{KINDS[i]} {100 * repertoire[i]:.0f} %" for i in order)
