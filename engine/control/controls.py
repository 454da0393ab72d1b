"""What the operator has set, as one immutable value."""

import math
from dataclasses import dataclass, field

import numpy as np

from models.data.kinds import DEFAULT_REPERTOIRE, KINDS, repertoire_of
from models.emotion.glide import DEFAULT_GLIDE_S
from models.emotion.palette import Weights
from models.motion.skeleton import FloatArray

MODES = ("follow", "solo")
"""follow: the dancer answers the visitor; solo: it dances by itself."""
MAX_ENERGY = 2.0


@dataclass(frozen=True, eq=False)
class Controls:
    """The state of all controls. `emotion_target` (P,) sums to 1; `resets` counts the new starts asked for.

    `emotion_target` is the chosen blend as far as `intensity` (0 to 1) takes it away from neutral. `repertoire`
    (3,) are weights over `models.data.kinds.KINDS` that sum to 1.
    `emotion_changed_at` is the monotonic time of the newest change of emotion; `caption` is what to tell the
    people, if anything, since `captioned_at`.
    """

    emotion_target: Weights
    repertoire: FloatArray = field(default_factory=lambda: repertoire_of(DEFAULT_REPERTOIRE))
    glide_s: float = DEFAULT_GLIDE_S
    influence: float = 0.6
    energy: float = 1.0
    mode: str = "follow"
    intensity: float = 1.0
    automatic: bool = False
    resets: int = 0
    emotion_changed_at: float | None = None
    caption: str | None = None
    captioned_at: float | None = None
    scene: str = "figure"
    mirror: bool = True
    quitting: bool = False


def single_kind(index: int) -> FloatArray:
    """The repertoire (3,) that is one kind alone, by its index from 0. Raises ValueError."""
    if not 0 <= index < len(KINDS):
        raise ValueError(f"there is no repertoire {index}; there are 0 to {len(KINDS) - 1}")
    return repertoire_of(KINDS[index])


def with_weight(blend: Weights, entry: Weights, weight: float) -> Weights:
    """The blend in which an entry, or a blend of entries, has a weight and the others share the rest in the
    proportion they had."""
    others = np.where(entry > 0, 0.0, blend.astype(np.float64))
    if others.sum() == 0.0:
        others = (entry == 0).astype(np.float64)
    total = others.sum()
    changed = weight * entry + (1.0 - weight) * others / total if total else entry
    return (changed / changed.sum()).astype(np.float32)


def within(what: str, value: float, low: float, high: float) -> float:
    """The value, clamped to its range. Raises ValueError if it is not a finite number."""
    if not math.isfinite(value):
        raise ValueError(f"{what} should be a number from {low:g} to {high:g}")
    return min(max(float(value), low), high)
