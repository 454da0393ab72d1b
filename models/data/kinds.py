"""Kinds of movement: what is danced, apart from how. A repertoire is a weight vector over them."""

from collections.abc import Sequence

import numpy as np

from models.motion.skeleton import FloatArray

KINDS = ("dance", "gesture", "walk")
DEFAULT_REPERTOIRE = (1.0, 0.0, 0.0)
"""Weights over `KINDS` of a dancer that nobody asked for anything else."""
TRAINING_REPERTOIRE = (0.5, 0.25, 0.25)
"""Shares of the kinds in what is learnt, where there are clips of all."""

_LOCOMOTION = ("walk", "run", "dash", "stop-and-go-walk")
_DANCES = ("dance", "salsa", "modern-dance", "whirl", "contemporary", "jumping-dance", "dab", "hop-and-wave")
_LEFT_OUT = ("breakdance", "laugh")
"""Floor work, which the feet's contact with the floor and the prior over poses know nothing of, and laughing,
which is an emotion and no content."""


def kind_of(content: str) -> str | None:
    """The kind of a clip's content, None for what is not learnt."""
    if content in _LEFT_OUT:
        return None
    if content in _DANCES or content.startswith("dance"):
        return "dance"
    if content in _LOCOMOTION or content.startswith(("walk-", "run-")):
        return "walk"
    return "gesture"


def repertoire_of(value: str | Sequence[float]) -> FloatArray:
    """Weights (3,) that sum to 1, of a kind's name or of weights that are scaled. Raises ValueError."""
    if isinstance(value, str):
        if value.strip().casefold() not in KINDS:
            raise ValueError(f"no repertoire is called {value[:40]!r}; there are {', '.join(KINDS)}")
        return np.eye(len(KINDS), dtype=np.float32)[KINDS.index(value.strip().casefold())]
    weights = np.asarray(value, dtype=np.float32)
    if (
        weights.shape != (len(KINDS),)
        or not np.isfinite(weights).all()
        or weights.min() < 0
        or weights.sum() <= 0
    ):
        raise ValueError(f"a repertoire is {len(KINDS)} weights from 0 on, not all 0: {', '.join(KINDS)}")
    return weights / weights.sum()
