"""What the operator has set, by keys or over OSC: one value that every service can read.

Three may turn the same controls. A hand (keys, OSC) comes first: what it touches is its own for `hold` seconds.
Otherwise the emotion follows the visitor while `automatic` is on, else the show; repertoire, influence and
energy follow the show.
"""

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.control.controls import MAX_ENERGY, MODES, Controls, single_kind, with_weight, within
from engine.control.repertoire import describe
from engine.streams.mailbox import Mailbox
from models.data.kinds import DEFAULT_REPERTOIRE, KINDS, repertoire_of
from models.emotion.palette import Palette, Weights
from models.motion.skeleton import FloatArray

MAX_GLIDE = 60.0
DEFAULT_HOLD_S = 30.0
"""Seconds for which a control that a hand has touched is left alone by the show and by automatic."""
RETURN_RATE = 0.1
"""Most that a weight of the repertoire, influence and energy change in a second on their way from where a hand
left them to the show's."""
MAX_RETURN_S = 0.5
"""Seconds between two cues that count for that."""
ABSENT = 1e-3
"""A weight below this is not part of a blend."""


class Operator:
    """Changes the controls, from any thread. What cannot be meant raises ValueError with one sentence."""

    def __init__(
        self,
        palette: Palette,
        mailbox: Mailbox[Controls],
        *,
        hold: float = DEFAULT_HOLD_S,
        scenes: tuple[str, ...] = ("figure",),
        quit_word: str | None = None,
    ) -> None:
        self.palette, self.mailbox, self.hold, self.scenes = palette, mailbox, hold, scenes
        self._quit_word = quit_word
        self._lock = threading.Lock()
        self._log = logging.getLogger("engine.control.operator")
        self._neutral = palette.resolve("neutral").weights
        self._blend = palette.one_hot(0)
        self._touched_at: dict[str, float] = {}
        self._cued_at = -math.inf
        self._controls = Controls(self._blend, scene=scenes[0])
        mailbox.put(self._controls)

    def snapshot(self) -> tuple[Weights, Controls]:
        """The blend (P,) that was chosen, before intensity, and all controls."""
        with self._lock:
            return self._blend, self._controls

    def set_emotion(self, emotion: str | int) -> None:
        """A palette entry by index from 0, or an emotion by name (see `Palette.resolve`)."""
        if isinstance(emotion, int):
            self._choose(self._one_hot(emotion), None)
        else:
            resolved = self.palette.resolve(emotion)
            self._choose(resolved.weights, resolved.note)

    def toggle_emotion(self, index: int) -> None:
        """Add a palette entry to the blend with an equal share, or take it out of the blend."""
        entry = self._one_hot(index)
        with self._lock:
            others = self._blend * (1 - entry)
            if self._blend[index] < ABSENT:
                parts = np.count_nonzero(self._blend >= ABSENT) + 1
                blend = self._blend * ((parts - 1) / parts) + entry / parts
            elif others.sum() >= ABSENT:
                blend = others / others.sum()
            else:
                raise ValueError(f"{self.palette.names[index]} is the only emotion of the blend and stays")
            self._claim("emotion")
            self._set_target(blend.astype(np.float32), self.palette.describe(blend))

    def set_weight(self, emotion: str | int, weight: float) -> None:
        """Give one emotion a weight of 0 to 1; the others share the rest in the proportion they had.

        An emotion that is no entry but a blend of entries keeps the proportions within it.
        """
        weight = within("a weight", weight, 0.0, 1.0)
        if isinstance(emotion, int):
            entry, note = self._one_hot(emotion), None
        else:
            resolved = self.palette.resolve(emotion)
            entry, note = resolved.weights, resolved.note
        with self._lock:
            self._claim("emotion")
            self._set_target(with_weight(self._blend, entry, weight), note)

    def set_weights(self, weights: Sequence[float]) -> None:
        """All weights of the palette at once, 0 to 1 in its order, as they stand on a row of faders: they are
        scaled to sum to 1, and all at 0 is neutral."""
        if len(weights) != len(self.palette):
            raise ValueError(f"{len(weights)} weights where the palette has {len(self.palette)} entries")
        blend = np.array([within("a weight", weight, 0.0, 1.0) for weight in weights])
        total = float(blend.sum())
        self._choose((blend / total if total > 0.0 else self._neutral).astype(np.float32), None)

    def set_valence_arousal(self, valence: float, arousal: float) -> None:
        """A point in the plane, each coordinate -1 to 1."""
        point = (within("valence", valence, -1.0, 1.0), within("arousal", arousal, -1.0, 1.0))
        self._choose(self.palette.weights_at(*point), None)

    def set_intensity(self, intensity: float) -> None:
        """How far the emotion goes, from 0 (neutral) to 1 (all the way)."""
        intensity = within("the intensity", intensity, 0.0, 1.0)
        with self._lock:
            self._set_target(self._blend, f"intensity {100 * intensity:.0f} %", intensity=intensity)

    def change_intensity(self, delta: float) -> None:
        """Turn the intensity up or down."""
        within("the change", delta, -1.0, 1.0)
        self.set_intensity(self._controls.intensity + delta)

    def set_automatic(self, on: bool) -> None:
        """Whether the visitor's own movement sets the emotion; what a hand has set is let go at once."""
        with self._lock:
            self._touched_at.pop("emotion", None)
            caption = f"automatic {'on' if on else 'off'}"
            self._put(replace(self._controls, automatic=on, caption=caption, captioned_at=time.perf_counter()))

    def toggle_automatic(self) -> None:
        """Automatic on or off."""
        self.set_automatic(not self._controls.automatic)

    def set_repertoire(self, repertoire: str | int | Sequence[float]) -> None:
        """A kind of movement by name or by index from 0, or weights over `KINDS`, scaled to sum to 1."""
        weights = single_kind(repertoire) if isinstance(repertoire, int) else repertoire_of(repertoire)
        with self._lock:
            self._choose_repertoire(weights)

    def set_repertoire_weight(self, kind: str | int, weight: float) -> None:
        """Give one kind a weight of 0 to 1; the others share the rest in the proportion they had."""
        weight = within("a weight", weight, 0.0, 1.0)
        entry = single_kind(kind) if isinstance(kind, int) else repertoire_of(kind)
        with self._lock:
            self._choose_repertoire(with_weight(self._controls.repertoire, entry, weight))

    def next_repertoire(self) -> None:
        """Each kind alone in turn, then the default if that is none of them; after other weights the first."""
        stops = [repertoire_of(kind) for kind in KINDS]
        default = repertoire_of(DEFAULT_REPERTOIRE)
        if not any(np.array_equal(default, stop) for stop in stops):
            stops.append(default)
        with self._lock:
            here = [i for i, stop in enumerate(stops) if np.array_equal(stop, self._controls.repertoire)]
            self._choose_repertoire(stops[(here[0] + 1) % len(stops) if here else 0])

    def set_glide(self, seconds: float) -> None:
        """How long a change of emotion takes, 0 to 60 s."""
        self._change(glide_s=within("the glide", seconds, 0.0, MAX_GLIDE))

    def set_influence(self, influence: float) -> None:
        """How much the visitor draws the dancer, 0 to 1."""
        self._change("influence", influence=within("influence", influence, 0.0, 1.0))

    def set_energy(self, energy: float) -> None:
        """How much the dancer moves, 0 to 2; 1 is as the actors did."""
        self._change("energy", energy=within("energy", energy, 0.0, MAX_ENERGY))

    def set_mode(self, mode: str) -> None:
        """One of `MODES`."""
        wanted = mode.strip().casefold()
        if wanted not in MODES:
            raise ValueError(f"no mode is called {mode[:40]!r}; there are {', '.join(MODES)}")
        self._change(mode=wanted)

    def set_scene(self, scene: str | int | None) -> None:
        """A scene by its name or its index from 0, or the next one."""
        with self._lock:
            if scene is None:
                place = (self.scenes.index(self._controls.scene) + 1) % len(self.scenes)
            elif isinstance(scene, int):
                if not 0 <= scene < len(self.scenes):
                    raise ValueError(f"there is no scene {scene}; there are 0 to {len(self.scenes) - 1}")
                place = scene
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
        """End the installation, if the word is the one of the settings."""
        if self._quit_word is None or word != self._quit_word:
            raise ValueError("not the word that ends the installation")
        self._change(quitting=True)

    def reset(self) -> None:
        """Begin a new dance."""
        with self._lock:
            self._put(replace(self._controls, resets=self._controls.resets + 1))

    def release_all(self) -> None:
        """Let go of every control, as if no hand had touched it."""
        with self._lock:
            self._touched_at.clear()

    def show_cue(
        self,
        weights: Weights | None,
        influence: float | None = None,
        energy: float | None = None,
        repertoire: FloatArray | None = None,
    ) -> None:
        """What the show asks for now: done where no hand is, and the emotion only while not automatic."""
        with self._lock:
            asked = {"repertoire": repertoire, "influence": influence, "energy": energy}
            wanted = {
                name: self._ramp_back(name, value)
                for name, value in asked.items()
                if value is not None and not self._held(name)
            }
            self._cued_at = time.perf_counter()
            changes = {
                name: value
                for name, value in wanted.items()
                if not np.array_equal(value, getattr(self._controls, name))
            }
            if changes:
                self._put(replace(self._controls, **changes))
            if weights is not None and not self._controls.automatic:
                self._suggest(weights)

    def suggest_emotion(self, weights: Weights) -> None:
        """What the visitor's movement asks for: done while automatic is on and no hand is on the emotion."""
        with self._lock:
            if self._controls.automatic:
                self._suggest(weights)

    def _ramp_back(self, control: str, value: Any) -> Any:
        """A number or weights asked for; where a hand was, as far as the control has come back to it by now."""
        present = getattr(self._controls, control)
        farthest = RETURN_RATE * min(time.perf_counter() - self._cued_at, MAX_RETURN_S)
        distance = float(np.abs(value - present).max())
        if control not in self._touched_at or distance <= farthest:
            self._touched_at.pop(control, None)
            return value
        return present + farthest / distance * (value - present)

    def _suggest(self, weights: Weights) -> None:
        if not self._held("emotion") and not np.array_equal(weights, self._blend):
            self._set_target(weights, self._controls.caption, self._controls.captioned_at)

    def _claim(self, control: str) -> None:
        self._touched_at[control] = time.perf_counter()

    def _held(self, control: str) -> bool:
        return time.perf_counter() - self._touched_at.get(control, -math.inf) < self.hold

    def _one_hot(self, index: int) -> Weights:
        try:
            return self.palette.one_hot(index)
        except IndexError as error:
            raise ValueError(str(error)) from None

    def _choose_repertoire(self, repertoire: FloatArray) -> None:
        """A hand's repertoire; the lock is held. As in `_set_target`, the same again asks for nothing new."""
        self._claim("repertoire")
        if not np.array_equal(repertoire, self._controls.repertoire):
            caption, now = f"repertoire: {describe(repertoire)}", time.perf_counter()
            self._put(replace(self._controls, repertoire=repertoire, caption=caption, captioned_at=now))

    def _choose(self, weights: Weights, note: str | None) -> None:
        with self._lock:
            self._claim("emotion")
            changed = self._set_target(weights, note)
        if note and changed:
            self._log.info("%s", note)

    def _set_target(
        self,
        blend: Weights,
        caption: str | None = None,
        captioned_at: float | None = None,
        intensity: float | None = None,
    ) -> bool:
        """Change blend or intensity and so the target, and say whether that is a change; the lock is held.

        What sends its state again and again asks for nothing new: not for a caption, nor for another thought.
        """
        now = time.perf_counter()
        intensity = self._controls.intensity if intensity is None else intensity
        if np.array_equal(blend, self._blend) and intensity == self._controls.intensity:
            return False
        self._blend = blend
        share = np.float32(intensity)
        target = blend if share == 1 else share * blend + (1 - share) * self._neutral
        if captioned_at is None and caption is not None:
            captioned_at = now
        self._put(
            replace(
                self._controls,
                emotion_target=target.astype(np.float32),
                intensity=intensity,
                emotion_changed_at=now,
                caption=caption,
                captioned_at=captioned_at,
            )
        )
        return True

    def _change(self, touched: str | None = None, **changes: object) -> None:
        with self._lock:
            if touched is not None:
                self._claim(touched)
            self._put(replace(self._controls, **changes))  # type: ignore[arg-type]

    def _put(self, controls: Controls) -> None:
        self._controls = controls
        self.mailbox.put(controls)
