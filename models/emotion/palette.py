"""The palette of emotions: names, each with a point in the plane of valence and arousal.

A palette belongs to a checkpoint, which was trained on these emotions and no others. An emotion is always a
weight vector over it that sums to 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]

MAX_ENTRIES = 64
MAX_NAME = 40

NORMS: dict[str, tuple[float, float]] = {
    "neutral": (5.50, 3.45),
    "happy": (8.47, 6.05),
    "sad": (2.10, 3.49),
    "angry": (2.53, 6.20),
    "timid": (3.37, 3.15),
    "proud": (7.00, 5.55),
    "tired": (4.29, 3.67),
    "energetic": (7.57, 6.10),
    "anger": (2.50, 5.93),
    "disgust": (3.32, 5.00),
    "fear": (2.93, 6.14),
    "happiness": (8.48, 6.50),
    "sadness": (2.40, 2.81),
    "surprise": (7.44, 6.57),
}
"""Mean valence and arousal that people gave the words, on scales of 1 to 9: Warriner, Kuperman & Brysbaert
2013, "Norms of valence, arousal, and dominance for 13,915 English lemmas", doi:10.3758/s13428-012-0314-x."""


def norm_point(word: str) -> tuple[float, float]:
    """(valence, arousal) of a word of `NORMS`, its scale of 1 to 9 laid onto -1 to 1. Raises KeyError."""
    valence, arousal = NORMS[word]
    return round((valence - 5.0) / 4.0, 4), round((arousal - 5.0) / 4.0, 4)


DATASET_EMOTIONS: dict[str, tuple[str, ...]] = {
    "anger": ("angry",),
    "disgust": ("disgusted",),
    "fear": ("afraid", "fearful", "scared"),
    "happiness": ("happy", "joy"),
    "neutral": ("normal",),
    "sadness": ("sad",),
    "surprise": ("surprised",),
}
"""The seven names of the affective-computing datasets and other words for each."""


class UnknownEmotion(ValueError):
    """A word that is neither in the palette nor one of the seven dataset names."""


@dataclass(frozen=True)
class Resolved:
    """What a word means in a palette. `note` says how, where the word is not in the palette itself."""

    weights: Weights
    note: str | None = None


@dataclass(frozen=True)
class Palette:
    """Names in order and, for each, (valence, arousal), both in -1 .. 1."""

    names: tuple[str, ...]
    points: tuple[tuple[float, float], ...]

    def __len__(self) -> int:
        return len(self.names)

    def one_hot(self, index: int) -> Weights:
        """All the weight on one entry. Raises IndexError."""
        if not 0 <= index < len(self):
            raise IndexError(f"the palette has entries 0 to {len(self) - 1}, not {index}")
        weights = np.zeros(len(self), dtype=np.float32)
        weights[index] = 1.0
        return weights

    def weights_at(self, valence: float, arousal: float, nearest: int | None = None) -> Weights:
        """Weights (P,) for a point in the plane: inverse squared distance (Shepard 1968,
        doi:10.1145/800186.810616).

        Exact at a palette point and continuous. With `nearest`, only so many of the nearest entries count.
        Raises ValueError for a point that is not finite.
        """
        if not (math.isfinite(valence) and math.isfinite(arousal)):
            raise ValueError("valence and arousal should be finite numbers from -1 to 1")
        wanted = np.clip(np.array([valence, arousal]), -1.0, 1.0)
        distances = np.linalg.norm(np.array(self.points) - wanted, axis=1)
        # Relative to the nearest, so that no distance is too small to be squared.
        smallest = distances.min()
        shares = np.square(smallest / np.maximum(distances, 1e-12)) if smallest > 0 else distances == 0
        shares = shares.astype(np.float64)
        if nearest is not None:
            shares[np.argsort(distances, kind="stable")[nearest:]] = 0.0
        return (shares / shares.sum()).astype(np.float32)

    def resolve(self, word: str) -> Resolved:
        """The weights that a word means: a name in any case, or one of the seven dataset names.

        Raises UnknownEmotion.
        """
        wanted = " ".join(word.split()).casefold()
        if (index := self._find(wanted)) is not None:
            return Resolved(self.one_hot(index))
        for name, synonyms in DATASET_EMOTIONS.items():
            if wanted != name and wanted not in synonyms:
                continue
            for other in (name, *synonyms):
                if (index := self._find(other)) is not None:
                    return Resolved(self.one_hot(index), f"{wanted} is {self.names[index]} here")
            weights = self.weights_at(*norm_point(name), nearest=3)
            return Resolved(weights, f"{wanted} is not in the palette: {self.describe(weights)}")
        known = ", ".join(dict.fromkeys((*self.names, *DATASET_EMOTIONS)))
        raise UnknownEmotion(f"no emotion is called {word[:40]!r}; there are {known}")

    def describe(self, weights: Sequence[float] | NDArray[np.floating]) -> str:
        """The weights in words, largest first: "timid 62 %, angry 38 %"."""
        order = np.argsort(-np.asarray(weights), kind="stable")
        parts = [f"{self.names[i]} {100 * weights[i]:.0f} %" for i in order if weights[i] >= 0.005]
        return ", ".join(parts)

    def _find(self, wanted: str) -> int | None:
        folded = [name.casefold() for name in self.names]
        return folded.index(wanted) if wanted in folded else None

    def to_card(self) -> list[dict[str, Any]]:
        """As JSON values."""
        pairs = zip(self.names, self.points, strict=True)
        return [{"name": name, "valence": point[0], "arousal": point[1]} for name, point in pairs]

    @classmethod
    def from_card(cls, value: Any) -> "Palette":
        """From JSON values, which may be anything. Raises ValueError with one line."""
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_ENTRIES:
            raise ValueError(f"the palette should be a list of 1 to {MAX_ENTRIES} entries")
        names, points = [], []
        for entry in value:
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
                raise ValueError(f"a palette entry should have a name of 1 to {MAX_NAME} letters")
            point = (entry.get("valence"), entry.get("arousal"))
            if not all(_is_coordinate(number) for number in point):
                raise ValueError(f"palette entry {name!r} should have valence and arousal from -1 to 1")
            names.append(name)
            points.append((float(point[0]), float(point[1])))
        if len({name.casefold() for name in names}) < len(names):
            raise ValueError("the palette's names should differ")
        return cls(tuple(names), tuple(points))


def _is_coordinate(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and -1 <= number <= 1


_DEFAULT_NAMES = ("neutral", "happy", "sad", "angry", "timid", "proud", "tired", "energetic")
DEFAULT_PALETTE = Palette(_DEFAULT_NAMES, tuple(norm_point(name) for name in _DEFAULT_NAMES))
"""The palette of keys 1 to 8, each at the point of its word in `NORMS`."""
