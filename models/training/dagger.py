"""On-policy rollouts with the current weights, labelled by motion matching (DAgger, Ross et al. 2011,
arXiv:1011.0686).

A network that has only seen real movement meets its own errors for the first time when it dances, and over
minutes they lead it away from the data. And since real movement always fits its emotion, it learns to continue
what it sees and not what is asked for. So dancers move with the running mean of the weights while it is
trained, and `models.training.motion_matching` gives for each of their frames how real movement in the emotion,
kind and speed that were asked for continues from there.

Each rollout is also labelled a second time, as if another emotion and kind had been asked for: the movement so
far must not be a hint at the emotion. Without that, a dancer that drifts into another emotion stays there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.data.kinds import KINDS, TRAINING_REPERTOIRE
from models.generation.generator import DanceState, Generator
from models.generation.sampling import Sampling
from models.motion.skeleton import FRAME_RATE, FloatArray
from models.network.checkpoint import Checkpoint
from models.training.dataset import TrainingBatch, concatenated
from models.training.motion_matching import MotionMatcher

DANCERS = 48
ROLLOUT_FRAMES = 2 * FRAME_RATE
"""Frames danced at a time."""
BUFFER_FRAMES = 16 * FRAME_RATE
"""Frames of each dancer that are kept to draw windows from."""
MAX_DANCE_FRAMES = 120 * FRAME_RATE
"""Frames after which all dancers begin again, from other prompts."""
PROMPT_FRAMES = 2 * FRAME_RATE
"""Frames of movement that a dance begins with."""
SWITCH_CHANCE = 0.4
"""Chance that a switching dancer is asked for another emotion when an act begins."""
SWITCHING_SHARE = 0.5
"""Share of the dancers who are; the others keep one emotion as long as they dance, as most do live."""
RELABEL_CHANCE = 0.25
"""Chance that the emotion that a dancer might have been asked for changes when an act begins."""


@dataclass
class DaggerBuffer:
    """Rollouts of `DANCERS` dancers with the current weights, and their labels.

    `prompts` are movements (T, 52) to begin with; frames are kept as arrays (dancers, frames, …).
    """

    checkpoint: Checkpoint
    matcher: MotionMatcher
    prompts: Sequence[FloatArray]
    rng: np.random.Generator
    length: int
    """frames of the windows to draw"""
    sampling: Sampling = field(default_factory=lambda: Sampling(emotion_guidance=0.0))
    _state: DanceState | None = None
    _shown: NDArray[np.bool_] = field(init=False)
    """(P, kinds) what the matcher can answer in"""
    _asked: NDArray[np.int64] = field(init=False)
    """(dancers, 2) emotion and kind asked for"""
    _other: NDArray[np.int64] = field(init=False)
    """(dancers, 2) emotion and kind that might have been asked for"""
    _rollouts: list[TrainingBatch] = field(default_factory=list)
    _kept: TrainingBatch | None = None
    """the rollouts as one"""

    def __post_init__(self) -> None:
        self._shown = self.matcher.shown(len(self.checkpoint.palette))
        if not self._shown.any():
            raise ValueError("no clip shows an emotion of the palette for long enough to match it")
        self._generator = Generator(self.checkpoint, self.sampling, compiled=False)
        self._asked, self._other = self._anything(), self._anything()

    @property
    def ready(self) -> bool:
        """Whether enough was danced to draw windows from."""
        return self._kept is not None and self._kept.poses.shape[1] >= self.length

    def roll_out(self) -> None:
        """One act more, and what the matcher says of each of its frames."""
        if self._state is None or self._state.tick >= MAX_DANCE_FRAMES:
            self._begin()
        assert self._state is not None
        switching = np.arange(DANCERS) < SWITCHING_SHARE * DANCERS
        changed = switching & (self.rng.random(DANCERS) < SWITCH_CHANCE)
        self._asked = np.where(changed[:, None], self._anything(), self._asked)
        changed = self.rng.random(DANCERS) < RELABEL_CHANCE
        self._other = np.where(changed[:, None], self._anything(), self._other)
        palette = np.eye(len(self.checkpoint.palette), dtype=np.float32)
        asked, other = palette[self._asked[:, 0]], palette[self._other[:, 0]]
        repertoire = np.eye(len(KINDS))[self._asked[:, 1]]
        energy = float(np.exp(self.rng.uniform(-0.4, 0.4)))
        poses, steps, conditioning, other_conditionings = [], [], [], []
        for _ in range(ROLLOUT_FRAMES):
            poses.append(self._state.pose)
            steps.append(self._state.delta)
            self._state = self._generator.step(self._state, asked, energy, repertoire=repertoire)
            request = self._state.request
            conditioning.append(request.conditioning)
            other_request = replace(request, kind=self._other[:, 1])
            other_conditionings.append(self._generator.conditioning_for(other_request, other, energy))
        danced, moved, conditioned, other_conditioned = (
            np.stack(part, axis=1).astype(np.float32)
            for part in (poses, steps, conditioning, other_conditionings)
        )
        as_asked = self._relabelled(danced, moved, conditioned, self._asked)
        self._rollouts.append(
            concatenated(as_asked, self._relabelled(danced, moved, other_conditioned, self._other))
        )
        del self._rollouts[: -BUFFER_FRAMES // ROLLOUT_FRAMES]
        if self.ready and len(self._rollouts) * ROLLOUT_FRAMES < self.length:
            return  # until there is enough of the new dance, windows are of the old one
        parts = {name: [vars(act)[name] for act in self._rollouts] for name in vars(self._rollouts[0])}
        self._kept = TrainingBatch(**{name: np.concatenate(part, axis=1) for name, part in parts.items()})

    def _relabelled(
        self, poses: FloatArray, steps: FloatArray, conditioning: FloatArray, asked: NDArray[np.int64]
    ) -> TrainingBatch:
        """An act as danced with these conditioning in these emotions and kinds (dancers, 2), with the matcher's
        answers."""
        conditions = np.repeat(asked[:, :1], ROLLOUT_FRAMES, axis=1)
        plans = np.empty((*poses.shape[:2], self.matcher.horizon, steps.shape[-1]), dtype=np.float32)
        for emotion, kind in np.unique(asked, axis=0).tolist():
            some = (asked == (emotion, kind)).all(axis=1)
            database = self.matcher.database(emotion, kind)
            danced = (part[some].reshape(-1, part.shape[-1]) for part in (poses, steps, conditioning))
            plans[some] = self.matcher.plan(database, *danced).reshape(plans[some].shape)
        return TrainingBatch(poses, steps, conditions, conditioning, plans)

    def draw(self, rng: np.random.Generator, count: int) -> TrainingBatch:
        """`count` windows of the last rollouts, half of them as if something else had been asked for."""
        assert self._kept is not None
        rows, frames = self._kept.poses.shape[:2]
        dancers = rng.integers(rows, size=count)[:, None]
        at = rng.integers(frames - self.length + 1, size=count)[:, None] + np.arange(self.length)
        return TrainingBatch(**{name: part[dancers, at] for name, part in vars(self._kept).items()})

    def _begin(self) -> None:
        """Prompt everyone with the last seconds of some movement; what was danced before is another dance."""
        chosen = [self.prompts[int(i)] for i in self.rng.integers(len(self.prompts), size=DANCERS)]
        fresh = self._generator.initial_state(DANCERS, int(self.rng.integers(2**31)))
        self._state = self._generator.prompt(fresh, np.stack(chosen), seamless=False)
        self._rollouts.clear()
        self._asked = self._anything()

    def _anything(self) -> NDArray[np.int64]:
        """An emotion and a kind (dancers, 2) that the matcher can answer in: emotions alike, kinds as they are
        learnt."""
        shares = self._shown * np.asarray(TRAINING_REPERTOIRE)
        shares = (shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)).ravel()
        drawn = self.rng.choice(shares.size, size=DANCERS, p=shares / shares.sum())
        return np.stack(np.divmod(drawn, len(KINDS)), axis=1)
