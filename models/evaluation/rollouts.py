"""The dances that an evaluation looks at, made by a checkpoint or read from a file of `models.generate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.data.clips import Clips, emotion_of
from models.data.dance_file import DanceFileError, Dances, read_dances, write_dances
from models.data.kinds import DEFAULT_REPERTOIRE
from models.emotion.glide import DEFAULT_GLIDE_S, EmotionGlide
from models.generation.generator import DanceState, Generator
from models.motion.features import positions_to_features
from models.motion.skeleton import FRAME_RATE, JOINT_COUNT, FloatArray

PROMPT_FRAMES = 2 * FRAME_RATE
SEEDS = 8
SWITCH_INTERVAL_S = 5.0
"""Seconds."""
SETTLED = 0.999
"""Weight from which on an emotion has all of it."""


class RolloutsError(ValueError):
    """Rollouts that cannot be evaluated; one line for a person."""


@dataclass(frozen=True, eq=False)
class Rollouts:
    """N dances of T frames at 30 fps: positions (N, T, 17, 3) in metres, emotion_weights (N, T, P) over the
    palette, and for each whether its prompt was another emotion's movement."""

    positions: FloatArray
    emotion_weights: FloatArray
    palette: tuple[str, ...]
    mismatched: NDArray[np.bool_]

    @property
    def emotions(self) -> NDArray[np.int64]:
        """(N, T) the emotion asked for: the one with the most weight."""
        return self.emotion_weights.argmax(axis=-1)

    @property
    def steady(self) -> NDArray[np.bool_]:
        """(N,) whether a dance keeps one emotion, with all the weight, from beginning to end."""
        kept = (self.emotions == self.emotions[:, :1]).all(axis=1)
        return kept & (self.emotion_weights.max(axis=-1).min(axis=1) > SETTLED)

    def of(self, emotion: int) -> list[FloatArray]:
        """The steady dances of an emotion."""
        chosen = np.flatnonzero(self.steady & (self.emotions[:, 0] == emotion))
        return [self.positions[i] for i in chosen]


def switches_of(weights: FloatArray) -> list[tuple[int, int, int]]:
    """The switches in weights (T, P): last frame of the old emotion, the new one, last frame that it is wanted.

    A glide belongs to the emotion it leads to, because the time to it runs from the moment it is asked for.
    """
    settled = np.flatnonzero(weights.max(axis=1) > SETTLED)
    emotions = weights.argmax(axis=1)[settled]
    changes = np.flatnonzero(emotions[1:] != emotions[:-1]).tolist()
    begins = [*settled[changes].tolist(), len(weights) - 1]
    return [(begins[i], int(emotions[at + 1]), begins[i + 1]) for i, at in enumerate(changes)]


def prompts_for(clips: Clips, indices: Sequence[int], palette: Sequence[str]) -> list[list[FloatArray]]:
    """For each emotion the middle two seconds, as features (60, 52), of the clips at `indices` that show it."""
    prompts: list[list[FloatArray]] = [[] for _ in palette]
    for i in indices:
        emotion = emotion_of(clips.labels[i], palette)
        if emotion is not None and len(clips.clip(i)) >= PROMPT_FRAMES:
            middle = (len(clips.clip(i)) - PROMPT_FRAMES) // 2
            prompts[emotion].append(positions_to_features(clips.clip(i)[middle : middle + PROMPT_FRAMES]))
    if missing := [name for name, some in zip(palette, prompts, strict=True) if not some]:
        raise RolloutsError(f"no clip of two seconds shows {missing[0]} to prompt with")
    return prompts


def danced(
    generator: Generator,
    state: DanceState,
    weights: FloatArray,
    what: str,
    repertoire: Sequence[float] = DEFAULT_REPERTOIRE,
) -> FloatArray:
    """Positions (N, T, 17, 3) under weights (N, T, P), of a repertoire (3,)."""
    count, frames = weights.shape[:2]
    positions = np.empty((count, frames, JOINT_COUNT, 3), dtype=np.float32)
    for frame in tqdm(range(frames), unit="frame", desc=what, disable=None):
        state = generator.step(state, weights[:, frame], repertoire=repertoire)
        positions[:, frame] = state.positions
    return positions


def dance_all(
    generator: Generator,
    prompts: list[list[FloatArray]],
    seconds: float,
    seeds: int = SEEDS,
    repertoire: Sequence[float] = DEFAULT_REPERTOIRE,
) -> Rollouts:
    """`steady_dances`, and one a emotion that switches every `SWITCH_INTERVAL_S` seconds."""
    rng = np.random.default_rng(0)
    steady = steady_dances(generator, prompts, seconds, seeds, rng, repertoire=repertoire)
    frames, size = steady.emotion_weights.shape[1:]
    switching = switching_weights(size, frames, rng)
    start = generator.warm_up(generator.initial_state(size, seed=2), switching[:, 0], repertoire=repertoire)
    switched = danced(generator, start, switching, "switching dances", repertoire)
    return Rollouts(
        np.concatenate([steady.positions, switched]),
        np.concatenate([steady.emotion_weights, switching]),
        steady.palette,
        np.concatenate([steady.mismatched, np.zeros(size, dtype=bool)]),
    )


def steady_dances(
    generator: Generator,
    prompts: list[list[FloatArray]],
    seconds: float,
    seeds: int,
    rng: np.random.Generator,
    dance_seed: int = 1,
    repertoire: Sequence[float] = DEFAULT_REPERTOIRE,
) -> Rollouts:
    """`seeds` dances of each emotion, half of them prompted with another emotion's movement.

    `rng` chooses the prompts, `dance_seed` is what the dancers' own chance begins with.
    """
    palette = generator.checkpoint.palette.names
    frames, size = round(seconds * FRAME_RATE), len(palette)
    emotions = np.repeat(np.arange(size), seeds)
    mismatched = np.tile(np.arange(seeds) % 2 == 1, size)
    shown = np.where(mismatched, (emotions + rng.integers(1, size, len(emotions))) % size, emotions)
    movement = [prompts[emotion][int(rng.integers(len(prompts[emotion])))] for emotion in shown]
    start = generator.prompt(
        generator.initial_state(len(emotions), seed=dance_seed), np.stack(movement), seamless=False
    )
    weights = np.repeat(np.eye(size, dtype=np.float32)[emotions][:, None], frames, axis=1)
    return Rollouts(
        danced(generator, start, weights, "dances", repertoire), weights, tuple(palette), mismatched
    )


def switching_weights(size: int, frames: int, rng: np.random.Generator) -> FloatArray:
    """Weights (size, frames, P) that glide to another emotion every `SWITCH_INTERVAL_S` seconds."""
    weights = np.empty((size, frames, size), dtype=np.float32)
    each = round(SWITCH_INTERVAL_S * FRAME_RATE)
    for dancer in range(size):
        emotion = dancer
        glide = EmotionGlide.at(np.eye(size, dtype=np.float32)[emotion])
        for frame in range(frames):
            if frame and frame % each == 0:
                emotion = int((emotion + rng.integers(1, size)) % size)
                target = np.eye(size, dtype=np.float32)[emotion]
                glide = glide.toward(target, frame / FRAME_RATE, DEFAULT_GLIDE_S)
            weights[dancer, frame] = glide.weights_at(frame / FRAME_RATE)
    return weights


def save_rollouts(path: Path, rollouts: Rollouts) -> None:
    """Write them as `models.generate` does, and which were mismatched. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = np.array(rollouts.palette)[rollouts.emotions]
    emotions = tuple(",".join(dict.fromkeys(row)) for row in names)
    dances = Dances(
        rollouts.positions,
        emotions,
        rollouts.emotion_weights,
        rollouts.palette,
        mismatched=rollouts.mismatched,
    )
    write_dances(path, dances)


def read_rollouts(path: Path) -> Rollouts:
    """Read such a file. Raises DanceFileError."""
    dances = read_dances(path)
    if dances.rate != FRAME_RATE:
        raise DanceFileError(f"{path}: {dances.rate:g} fps; expected {FRAME_RATE}")
    mismatched = np.zeros(len(dances.positions), dtype=bool) if dances.mismatched is None else dances.mismatched
    return Rollouts(dances.positions, dances.emotion_weights, dances.palette, mismatched)
