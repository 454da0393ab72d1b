"""The dancer rehearses while it learns: it dances with the newest weights, and is told what to do better.

A network that has only seen real movement, even with noise on it, meets its own errors for the first time when
it dances, and over minutes they lead it where no clip is; and as real movement always belongs to its emotion,
it learns to go on with what it sees and not to listen to what is asked for. So a company of dancers dances on
while the network is trained, and at each of their frames an expert says how real movement in the emotion and
at the speed that were asked for would go on from there. That is imitation learning on the states that the
learner itself visits (DAgger, Ross et al. 2011, arXiv:1011.0686) with motion matching (`models.expert`) to
imitate.

That says what to do where the network goes, and the network goes where it does in the emotion that it was asked
for: it may still take the movement it sees for the emotion that is meant, and a dancer that slips into another
manner, once in a minute, then stays there. So each piece of a dance is also learnt from as if another emotion
had been asked for all along, with what the expert says to that: the movement must not be a hint.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.expert import Expert
from models.generator import DanceState, Generator, Sampling
from models.kinds import KINDS, TRAINING_REPERTOIRE
from models.skeleton import FRAME_RATE, FloatArray
from models.windows import Windows, joined

DANCERS = 48
ACT = 2 * FRAME_RATE
"""Frames danced at a time."""
KEPT = 16 * FRAME_RATE
"""Frames of each dancer that are kept to draw windows from."""
DANCE_LENGTH = 120 * FRAME_RATE
"""Frames after which the company begins anew, from other prompts."""
PROMPT = 2 * FRAME_RATE
"""Frames of movement that a dance begins with."""
SWITCH_CHANCE = 0.4
"""Chance that a restless dancer is asked for another emotion when an act begins."""
RESTLESS = 0.5
"""Share of the dancers who are; the others keep one emotion as long as they dance, as most do live."""
OTHERWISE_CHANCE = 0.25
"""Chance that the emotion that a dancer might have been asked for changes when an act begins."""


@dataclass
class Rehearsal:
    """A company of dancers that dances with weights that change.

    `prompts` are movements (T, 52) to begin with; frames are kept as arrays (dancers, frames, …).
    """

    checkpoint: Checkpoint
    expert: Expert
    prompts: Sequence[FloatArray]
    rng: np.random.Generator
    length: int
    """frames of the windows to draw"""
    sampling: Sampling = field(default_factory=lambda: Sampling(emphasis=0.0))
    _state: DanceState | None = None
    _shown: NDArray[np.bool_] = field(init=False)
    """(P, kinds) what the expert can answer in"""
    _asked: NDArray[np.int64] = field(init=False)
    """(dancers, 2) emotion and kind asked for"""
    _other: NDArray[np.int64] = field(init=False)
    """(dancers, 2) emotion and kind that might have been asked for"""
    _acts: list[Windows] = field(default_factory=list)
    _kept: Windows | None = None
    """the acts as one"""

    def __post_init__(self) -> None:
        self._shown = self.expert.shown(len(self.checkpoint.palette))
        if not self._shown.any():
            raise ValueError("no clip shows an emotion of the palette for long enough to rehearse it")
        self._generator = Generator(self.checkpoint, self.sampling, compiled=False)
        self._asked, self._other = self._anything(), self._anything()

    @property
    def begun(self) -> bool:
        """Whether enough was danced to draw windows from."""
        return self._kept is not None and self._kept.poses.shape[1] >= self.length

    def dance(self) -> None:
        """One act more, and what the expert says of each of its frames."""
        if self._state is None or self._state.tick >= DANCE_LENGTH:
            self._begin()
        assert self._state is not None
        restless = np.arange(DANCERS) < RESTLESS * DANCERS
        changed = restless & (self.rng.random(DANCERS) < SWITCH_CHANCE)
        self._asked = np.where(changed[:, None], self._anything(), self._asked)
        changed = self.rng.random(DANCERS) < OTHERWISE_CHANCE
        self._other = np.where(changed[:, None], self._anything(), self._other)
        palette = np.eye(len(self.checkpoint.palette), dtype=np.float32)
        asked, other = palette[self._asked[:, 0]], palette[self._other[:, 0]]
        repertoire = np.eye(len(KINDS))[self._asked[:, 1]]
        energy = float(np.exp(self.rng.uniform(-0.4, 0.4)))
        poses, steps, wishes, other_wishes = [], [], [], []
        for _ in range(ACT):
            poses.append(self._state.pose)
            steps.append(self._state.step)
            before, self._state = (
                self._state,
                self._generator.step(self._state, asked, energy, repertoire=repertoire),
            )
            wishes.append(self._state.wish)
            phrase = replace(before, kind=self._other[:, 1], rank=self._state.rank, whim=self._state.whim)
            other_wishes.append(self._generator.wish_of(phrase, other, energy))
        danced, moved, wished, other_wished = (
            np.stack(part, axis=1).astype(np.float32) for part in (poses, steps, wishes, other_wishes)
        )
        as_asked = self._answered(danced, moved, wished, self._asked)
        self._acts.append(joined(as_asked, self._answered(danced, moved, other_wished, self._other)))
        del self._acts[: -KEPT // ACT]
        if self.begun and len(self._acts) * ACT < self.length:
            return  # until there is enough of the new dance, windows are of the old one
        parts = {name: [vars(act)[name] for act in self._acts] for name in vars(self._acts[0])}
        self._kept = Windows(**{name: np.concatenate(part, axis=1) for name, part in parts.items()})

    def _answered(
        self, poses: FloatArray, steps: FloatArray, wishes: FloatArray, asked: NDArray[np.int64]
    ) -> Windows:
        """An act as danced with these wishes in these emotions and kinds (dancers, 2), with the expert's
        answers."""
        conditions = np.repeat(asked[:, :1], ACT, axis=1)
        plans = np.empty((*poses.shape[:2], self.expert.horizon, steps.shape[-1]), dtype=np.float32)
        for emotion, kind in np.unique(asked, axis=0).tolist():
            some = (asked == (emotion, kind)).all(axis=1)
            library = self.expert.library(emotion, kind)
            danced = (part[some].reshape(-1, part.shape[-1]) for part in (poses, steps, wishes))
            plans[some] = self.expert.answer(library, *danced).reshape(plans[some].shape)
        return Windows(poses, steps, conditions, wishes, plans)

    def draw(self, rng: np.random.Generator, count: int) -> Windows:
        """`count` windows of the last acts, half of them as if something else had been asked for."""
        assert self._kept is not None
        rows, frames = self._kept.poses.shape[:2]
        dancers = rng.integers(rows, size=count)[:, None]
        at = rng.integers(frames - self.length + 1, size=count)[:, None] + np.arange(self.length)
        return Windows(**{name: part[dancers, at] for name, part in vars(self._kept).items()})

    def _begin(self) -> None:
        """Prompt everyone with the last seconds of some movement; what was danced before is another dance."""
        chosen = [self.prompts[int(i)] for i in self.rng.integers(len(self.prompts), size=DANCERS)]
        fresh = self._generator.start(DANCERS, int(self.rng.integers(2**31)))
        self._state = self._generator.prompt(fresh, np.stack(chosen), seamless=False)
        self._acts.clear()
        self._asked = self._anything()

    def _anything(self) -> NDArray[np.int64]:
        """An emotion and a kind (dancers, 2) that the expert can answer in: emotions alike, kinds as they are
        learnt."""
        shares = self._shown * np.asarray(TRAINING_REPERTOIRE)
        shares = (shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)).ravel()
        drawn = self.rng.choice(shares.size, size=DANCERS, p=shares / shares.sum())
        return np.stack(np.divmod(drawn, len(KINDS)), axis=1)
