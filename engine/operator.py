"""What the operator has set, by keys or over OSC: one value that every room can read."""

import logging
import math
import threading
import time
from dataclasses import dataclass, replace

import numpy as np

from engine.mailbox import Mailbox
from models.glide import DEFAULT_GLIDE
from models.palette import Palette, Weights

MODES = ("follow", "solo")
"""follow: the dancer answers the visitor; solo: it dances by itself."""
LONGEST_GLIDE = 60.0
MOST_ENERGY = 2.0


@dataclass(frozen=True, eq=False)
class Controls:
    """The state of all controls. `emotion_target` (P,) sums to 1; `resets` counts the new starts asked for.

    `emotion_changed_at` is the monotonic time of the newest change of emotion; `caption` is what to tell the
    people about it, if anything.
    """

    emotion_target: Weights
    glide_s: float = DEFAULT_GLIDE
    influence: float = 0.3
    energy: float = 1.0
    mode: str = "follow"
    resets: int = 0
    emotion_changed_at: float | None = None
    caption: str | None = None
    scene: str = "figure"
    mirror: bool = True
    quitting: bool = False


class Operator:
    """Changes the controls, from any thread. What cannot be meant raises ValueError with one sentence."""

    def __init__(
        self,
        palette: Palette,
        mailbox: Mailbox[Controls],
        scenes: tuple[str, ...] = ("figure",),
        quit_word: str | None = None,
    ) -> None:
        self.palette, self.mailbox, self.scenes = palette, mailbox, scenes
        self._quit_word = quit_word
        self._lock = threading.Lock()
        self._log = logging.getLogger("engine.operator")
        self._controls = Controls(palette.one_hot(0), scene=scenes[0])
        mailbox.put(self._controls)

    def set_emotion(self, emotion: str | int) -> None:
        """A palette entry by index from 0, or an emotion by name (see `Palette.resolve`)."""
        if isinstance(emotion, int):
            try:
                weights, note = self.palette.one_hot(emotion), None
            except IndexError as error:
                raise ValueError(str(error)) from None
        else:
            resolved = self.palette.resolve(emotion)
            weights, note = resolved.weights, resolved.note
        self._set_target(weights, note)

    def set_weight(self, name: str, weight: float) -> None:
        """Give one entry a weight of 0 to 1; the others share the rest in the proportion they had."""
        weight = _within("a weight", weight, 0.0, 1.0)
        index = int(np.argmax(self.palette.resolve(name).weights))
        if self.palette.names[index].casefold() != name.strip().casefold():
            raise ValueError(f"{name[:40]!r} is not in the palette: {', '.join(self.palette.names)}")
        with self._lock:
            others = self._controls.emotion_target.astype(np.float64)
            others[index] = 0.0
            if others.sum() == 0.0:
                others = np.ones(len(others))
                others[index] = 0.0
            weights = others * ((1.0 - weight) / max(others.sum(), 1.0e-9))
            weights[index] = weight if len(others) > 1 else 1.0
            self._aim(weights.astype(np.float32), None)

    def set_valence_arousal(self, valence: float, arousal: float) -> None:
        """A point in the plane, each coordinate -1 to 1."""
        point = (_within("valence", valence, -1.0, 1.0), _within("arousal", arousal, -1.0, 1.0))
        self._set_target(self.palette.weights_at(*point), None)

    def set_glide(self, seconds: float) -> None:
        """How long a change of emotion takes, 0 to 60 s."""
        self._change(glide_s=_within("the glide", seconds, 0.0, LONGEST_GLIDE))

    def set_influence(self, influence: float) -> None:
        """How much the visitor draws the dancer, 0 to 1."""
        self._change(influence=_within("influence", influence, 0.0, 1.0))

    def set_energy(self, energy: float) -> None:
        """How much the dancer moves, 0 to 2; 1 is as the actors did."""
        self._change(energy=_within("energy", energy, 0.0, MOST_ENERGY))

    def set_mode(self, mode: str) -> None:
        """One of `MODES`."""
        wanted = mode.strip().casefold()
        if wanted not in MODES:
            raise ValueError(f"no mode is called {mode[:40]!r}; there are {', '.join(MODES)}")
        self._change(mode=wanted)

    def set_scene(self, scene: str | None) -> None:
        """A scene by its name, or the next one."""
        with self._lock:
            if scene is None:
                place = (self.scenes.index(self._controls.scene) + 1) % len(self.scenes)
            else:
                wanted = scene.strip().casefold()
                if wanted not in self.scenes:
                    raise ValueError(f"no scene is called {scene[:40]!r}; there are {', '.join(self.scenes)}")
                place = self.scenes.index(wanted)
            self._put(replace(self._controls, scene=self.scenes[place]))

    def toggle_mirror(self) -> None:
        """Let the visitor's mirror figure be seen, or not."""
        with self._lock:
            self._put(replace(self._controls, mirror=not self._controls.mirror))

    def quit(self, word: str) -> None:
        """End the piece, if the word is the one of the settings."""
        if self._quit_word is None or word != self._quit_word:
            raise ValueError("not the word that ends the piece")
        self._change(quitting=True)

    def reset(self) -> None:
        """Begin a new dance."""
        with self._lock:
            self._put(replace(self._controls, resets=self._controls.resets + 1))

    def _set_target(self, weights: Weights, note: str | None) -> None:
        if note:
            self._log.info("%s", note)
        with self._lock:
            self._aim(weights, note)

    def _aim(self, weights: Weights, note: str | None) -> None:
        """Change the target; the lock is held."""
        now = time.perf_counter()
        self._put(replace(self._controls, emotion_target=weights, emotion_changed_at=now, caption=note))

    def _change(self, **changes: object) -> None:
        with self._lock:
            self._put(replace(self._controls, **changes))  # type: ignore[arg-type]

    def _put(self, controls: Controls) -> None:
        self._controls = controls
        self.mailbox.put(controls)


def _within(what: str, value: float, low: float, high: float) -> float:
    """The value, clamped to its range. Raises ValueError if it is not a finite number."""
    if not math.isfinite(value):
        raise ValueError(f"{what} should be a number from {low:g} to {high:g}")
    return min(max(float(value), low), high)
