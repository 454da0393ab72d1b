"""The inference loop: thirty times a second one step of the generator, out over OSC and on to the renderer."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.control.controls import Controls
from engine.dancer.visitor_context import VisitorContext
from engine.runtime.faults import PermanentFault, TemporaryFault
from engine.runtime.metrics import Metrics
from engine.runtime.phase_lock import phase_correction
from engine.runtime.rate_limited_log import RateLimitedLog
from engine.runtime.service import Service
from engine.runtime.torch_import import TORCH_IMPORT
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame, Pose
from models.emotion.glide import EmotionGlide
from models.emotion.palette import Weights
from models.generation.answer import (
    VisitorMovement,
    answering_context,
    answering_energy,
    answering_pose,
    answering_tempo,
    draw_share,
)
from models.motion.skeleton import FRAME_RATE, FloatArray
from models.network.card import CheckpointError

if TYPE_CHECKING:
    from models.generation.generator import DanceState, Generator

TICK = 1.0 / FRAME_RATE
EARLY_S = TICK / 3
"""Seconds before its time that a tick may begin, where a new pose is there already: it is answered sooner."""
NOTICEABLE = 0.05
"""Change of the energy, or of a weight of the repertoire, that is worth thinking of a frame anew; steps of a
show's glide are not."""
MAX_CATCHING_UP = 5
"""Ticks that are made good after a delay; more are skipped, so that time is kept."""
MAX_WARM_UP_S = 0.6
"""Seconds, about, that a new dancer may take to be moving before it is shown."""
MAX_COMPILED = 4
"""Times that a checkpoint is compiled. Torch never gives back what it has compiled, 30 MB each time; whoever
has to read it more often steps without, a third slower."""
SANE_HEIGHT = (0.1, 2.0)
"""Metres of the pelvis outside which a body is no body."""
MAX_STEP_M = 0.5
"""Metres that a pelvis cannot go in one tick."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """A frame that has been thought of: of which state, for which controls and weights, and what came of it."""

    before: DanceState
    controls: Controls
    weights: Weights
    after: DanceState

    def is_of_other(self, controls: Controls) -> bool:
        """Whether somebody has asked for something else since."""
        then = self.controls
        if then.emotion_changed_at != controls.emotion_changed_at:
            return True
        if np.abs(then.repertoire - controls.repertoire).max() > NOTICEABLE:
            return True
        return abs(then.energy - controls.energy) > NOTICEABLE


class InferenceService(Service):
    """Steps one dancer at 30 Hz. `send` is called with each frame in this thread and must not block.

    The checkpoint is read when the service opens, behind the first frame. One that cannot be used is a
    PermanentFault, and `refused` says why.
    """

    name = "inference"
    afterwards = "the installation ends"
    max_back_off = 0.1  # the dancer never stops

    def __init__(
        self,
        checkpoint: Path,
        controls: Mailbox[Controls],
        poses: Mailbox[Pose],
        frames: Mailbox[DancerFrame],
        send: Callable[[DancerFrame], None],
        metrics: Metrics,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__(metrics)
        self.refused: str | None = None
        self._checkpoint, self._seed = checkpoint, seed
        self._controls, self._poses, self._frames, self._send = controls, poses, frames, send
        self._generator: Generator | None = None
        self._state: DanceState
        self._index = 0
        self._loads = 0
        self._thinking = 0.0
        """seconds that the network took for the newest frame"""
        self._poses_seen = 0
        self._pose_came_at = self._between_poses = math.nan
        """when the newest pose came, and how many seconds after the one before"""
        self._visitor_context = VisitorContext()
        self._complaint = RateLimitedLog(logging.getLogger("engine.inference"))

    def open(self) -> None:
        """Read the checkpoint and begin to dance; after a fault go on. Raises PermanentFault without either."""
        controls = self._controls.latest()
        if controls is None:
            raise PermanentFault("the dance was started before the controls were set")
        if self._generator is None:
            self._generator = self._load()
        self._due = time.perf_counter()
        if self._index:  # opened again after a fault: go on from where the dancer stands
            self._state = self._generator.blend(self._state, self._new_state(self._seed + self._index))
            return
        self._resets = controls.resets
        self._emotion_at_start = controls.emotion_changed_at
        self._glide = EmotionGlide.at(controls.emotion_target)
        self._state = self._new_state(self._seed)

    def step(self) -> None:
        """Think of the next frame, wait for its tick, and dance it."""
        began = time.perf_counter()
        thought = self._think(self._due)
        self._thinking = time.perf_counter() - began
        self._wait_for_tick()
        started = time.perf_counter()
        controls = self._controls.latest()
        assert controls is not None and self._generator is not None
        if controls.resets != self._resets:
            self._resets = controls.resets
            self._state = self._generator.blend(self._state, self._new_state(self._seed + controls.resets))
        pose = self._newest_pose()
        visitor = self._use_visitor(pose, controls, started)
        if thought.before is not self._state or thought.is_of_other(controls):
            thought = self._think(started)
        state = self._answer(thought, visitor, controls.influence)
        positions = state.positions[0]
        way = float(np.linalg.norm(state.root.position - self._state.root.position))
        if not (is_plausible(positions) and is_finite(state) and way < MAX_STEP_M):
            self._recover("the network left the range of bodies")
            positions = self._state.positions[0]
        else:
            self._state = state
        self._publish(positions, thought.weights, pose, controls)
        self.metrics.duration("inference.step", self._thinking + time.perf_counter() - started)

    def _think(self, at: float) -> Prediction:
        """The network's part of the next frame, for the emotion at a time, computed before its tick."""
        controls = self._controls.latest()
        assert controls is not None and self._generator is not None
        # From the moment it was asked for, so that the first frame after it is on its way already.
        asked_at = controls.emotion_changed_at or time.perf_counter()
        self._glide = self._glide.toward(controls.emotion_target, asked_at, controls.glide_s)
        weights = self._glide.weights_at(at)
        after = self._generator.predict(self._state, weights, self._energy(controls), controls.repertoire)
        return Prediction(self._state, controls, weights, after)

    def _answer(self, thought: Prediction, visitor: VisitorMovement | None, influence: float) -> DanceState:
        """The frame that was thought of, drawn to the visitor's pose as the dancer's emotion has it."""
        assert self._generator is not None
        if visitor is None:
            return self._generator.apply(thought.after)
        toward = answering_pose(visitor, thought.weights, self._generator.checkpoint.restyling)
        tempo = answering_tempo(visitor, influence)
        return self._generator.apply(thought.after, toward, draw_share(visitor, influence), tempo)

    def _energy(self, controls: Controls) -> float:
        """How much the dancer moves: as is set, and the more the visitor moves."""
        if controls.mode != "follow" or (visitor := self._visitor_context.movement()) is None:
            return controls.energy
        return controls.energy * answering_energy(visitor, controls.influence)

    def _load(self) -> Generator:
        """Read the checkpoint. torch is imported here, because it takes longer than the first frame may."""
        try:
            with TORCH_IMPORT:
                import torch

                from models.generation.generator import Generator
                from models.network.checkpoint import read_checkpoint

            torch.set_num_threads(1)  # one dancer is too small a load to share, and sharing would stall others
            self._loads += 1
            return Generator(read_checkpoint(self._checkpoint), compiled=self._loads <= MAX_COMPILED)
        except (CheckpointError, ImportError, OSError) as error:
            if self._index:  # it could be read once: what is wrong with it may pass
                raise TemporaryFault(f"the checkpoint cannot be read again: {error}") from None
            self.refused = " ".join(str(error).split())
            raise PermanentFault(self.refused) from None

    def _begin(self, seed: int, longest: float = MAX_WARM_UP_S) -> DanceState:
        """A dancer in the middle of the stage, already moving."""
        controls = self._controls.latest()
        assert controls is not None and self._generator is not None
        # a network that is slow just now must not keep the stage still while a dancer gets going unseen
        frames = min(FRAME_RATE, int(longest / max(self._thinking, 1e-3)))
        return self._generator.warm_up(
            self._generator.initial_state(1, seed % 2**63),
            self._glide.weights_at(time.perf_counter()),
            max(frames, 1),
            longest,
            controls.repertoire,
        )

    def _new_state(self, seed: int) -> DanceState:
        """As `_begin`, but surely a body.

        Raises TemporaryFault where the network gives none even at a second try: the checkpoint is read again.
        """
        for attempt in range(2):  # that take less than a second together
            fresh = self._begin(seed + attempt, MAX_WARM_UP_S / (1 + attempt))
            if is_plausible(fresh.positions[0]) and is_finite(fresh):
                return fresh
        self._generator = None
        raise TemporaryFault("the network gives no bodies any more; reading the checkpoint again")

    def _wait_for_tick(self) -> None:
        """Sleep until the next tick is due, or a new pose is there shortly before. Time that was lost is
        skipped, not danced in a hurry."""
        now = time.perf_counter()
        if now > self._due + MAX_CATCHING_UP * TICK:
            skipped = int((now - self._due) / TICK)
            self.metrics.count("inference.late_ticks", skipped)
            self._due += skipped * TICK
        self.sleep(self._due - EARLY_S - now)
        if (left := self._due - time.perf_counter()) > 0 and not self.stopping:
            # A pose that came right after the last tick is no reason to begin before the next one has come: it
            # would be too late by as little, and so would all that follow. Where poses are rare none will come.
            came_at = self._poses.put_at
            rare = came_at + self._between_poses > self._due + TICK / 2
            fresh = rare or came_at > self._due - 2 * EARLY_S
            self._poses.newer_than(self._poses_seen if fresh else self._poses.version, min(left, EARLY_S))
        self._due += TICK

    def _newest_pose(self) -> Pose | None:
        """What is known of the visitor; a new pose draws the ticks to the time at which poses come in."""
        version, came_at = self._poses.version, self._poses.put_at
        if version != self._poses_seen:
            self._poses_seen = version
            self._between_poses, self._pose_came_at = came_at - self._pose_came_at, came_at
            self._due += phase_correction(came_at, self._due, TICK)
        return self._poses.latest()

    def _use_visitor(self, pose: Pose | None, controls: Controls, now: float) -> VisitorMovement | None:
        """Take the visitor in: as new context when they call for it, otherwise as movement to answer."""
        assert self._generator is not None
        self._visitor_context.add(pose)
        if controls.mode != "follow" or controls.influence == 0:
            return None
        visitor, context = self._visitor_context.movement(), self._visitor_context.new_prompt(now)
        if visitor is not None and context is not None:
            weights = self._glide.weights_at(now)
            context = answering_context(context, visitor, weights, self._generator.checkpoint.restyling)
            prompted = self._generator.prompt(self._state, context)
            if is_plausible(prompted.positions[0]) and is_finite(prompted):
                self._state = prompted
        return visitor

    def _recover(self, what: str) -> None:
        """Begin anew from where the dancer stands, after a state that cannot be danced on."""
        assert self._generator is not None
        self._faults.raised(what)
        self._complaint.warning("%s; beginning anew", what)
        fresh = self._new_state(self._seed + self._index)
        if is_finite(self._state):
            self._state = self._generator.blend(self._state, fresh)
        else:  # a blend from positions that are not finite would stay not finite
            position = self._state.root.position
            kept = replace(fresh.root, position=position)
            self._state = replace(fresh, root=kept) if np.isfinite(position).all() else fresh
        self._faults.cleared()

    def _publish(
        self, positions: FloatArray, weights: FloatArray, pose: Pose | None, controls: Controls
    ) -> None:
        changed_at = controls.emotion_changed_at
        frame = DancerFrame(
            index=self._index,
            generated_at=time.perf_counter(),
            positions=positions.astype(np.float32),
            emotion_weights=weights,
            visitor=pose,
            emotion_changed_at=changed_at if changed_at != self._emotion_at_start else None,
        )
        self._index += 1
        self._send(frame)
        self._frames.put(frame)
        self.metrics.count("inference.ticks")
        if time.perf_counter() > self._due:  # the next tick is due already
            self.metrics.count("inference.late_ticks")


def is_finite(state: DanceState) -> bool:
    """Whether everything that a blend takes from a state is finite."""
    root, feet = state.root, state.feet
    moving = (state.pose, state.delta, state.blend.offset, feet.root_correction, feet.offsets)
    parts = (*moving, root.position, root.yaw, root.facing)
    return all(np.isfinite(part).all() for part in parts)


def is_plausible(positions: FloatArray) -> bool:
    """Whether positions (17, 3) are finite and the pelvis is where a pelvis can be."""
    low, high = SANE_HEIGHT
    return bool(np.isfinite(positions).all() and low < positions[0, 1] < high)
