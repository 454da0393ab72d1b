"""The dancer that ships, live: whoever steps in is answered at once, and an emotion that changes all the time,
as with `automatic`, leaves the answer steady."""

import time

import numpy as np
import pytest

from engine.control.controls import Controls
from engine.control.operator import Operator
from engine.dancer.inference_service import InferenceService
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame, Pose
from models.emotion.palette import DEFAULT_PALETTE
from models.motion.skeleton import INDEX, FloatArray, forward_kinematics, unit_vectors
from models.motion.skeleton import STANDING_POSE as STANDING
from models.network.card import default_checkpoint

WRISTS = [INDEX["left_wrist"], INDEX["right_wrist"]]
SHOULDERS = [INDEX["left_shoulder"], INDEX["right_shoulder"]]


class Dance:
    """A dance that is stepped by hand before a visitor who is stepped with it."""

    def __init__(self) -> None:
        controls: Mailbox[Controls] = Mailbox()
        self.operator = Operator(DEFAULT_PALETTE, controls)
        self.poses: Mailbox[Pose] = Mailbox()
        self.sent: list[DancerFrame] = []
        self.service = InferenceService(
            default_checkpoint(), controls, self.poses, Mailbox(), self.sent.append, Metrics(), seed=3
        )
        self.service.open()

    def before(self, visitor: FloatArray | None, frames: int, first: int = 0) -> FloatArray:
        """The dancer's positions (frames, 17, 3) before a visitor's positions (frames, 17, 3), or nobody."""
        for i in range(frames):
            if visitor is not None:
                self.poses.put(Pose(True, (first + i) / 30, visitor[i], np.ones(17, dtype=np.float32)))
            self.service._due = time.perf_counter()
            self.service.step()
        return np.stack([frame.positions for frame in self.sent[-frames:]])


def raised_arms(frames: int) -> FloatArray:
    """A visitor (frames, 17, 3) whose arms are raised, swaying a little."""
    pose = unit_vectors(STANDING).copy()
    for side, outwards in (("left", 1.0), ("right", -1.0)):
        for joint in ("elbow", "wrist"):
            pose[INDEX[f"{side}_{joint}"] - 1] = (0.3 * outwards, 0.95, 0.0)
    body = forward_kinematics(np.array([0.0, 0.9, 0.0]), unit_vectors(pose))
    swaying = np.repeat(body[None], frames, axis=0).astype(np.float32)
    swaying[:, WRISTS, 0] += 0.08 * np.sin(np.arange(frames) / 4)[:, None]
    return swaying


def test_whoever_steps_in_is_answered_within_a_second() -> None:
    dance = Dance()
    dance.operator.set_influence(0.6)
    alone = dance.before(None, 45)
    answered = dance.before(raised_arms(30), 30)
    height = (answered[:, WRISTS, 1] - answered[:, SHOULDERS, 1]).mean(axis=1)
    usual = (alone[:, WRISTS, 1] - alone[:, SHOULDERS, 1]).mean(axis=1)
    assert height[-1] > 0.1 > usual.mean()
    steps = np.linalg.norm(np.diff(np.concatenate([alone[-1:], answered]), axis=0), axis=-1)
    assert steps.max() < 0.35


@pytest.mark.parametrize(("influence", "furthest"), [(0.6, 0.35), (1.0, 0.5)])
def test_an_emotion_that_changes_all_the_time_leaves_the_answer_steady(
    influence: float, furthest: float
) -> None:
    dance = Dance()
    dance.operator.set_influence(influence)
    dance.operator.set_automatic(True)
    visitor, rng = raised_arms(300), np.random.default_rng(1)
    visitor += rng.normal(0.0, 0.006, visitor.shape).astype(np.float32)
    parts = []
    for first in range(0, 300, 15):
        weights = rng.dirichlet(np.full(len(DEFAULT_PALETTE), 0.3)).astype(np.float32)
        dance.operator.suggest_emotion(weights)
        parts.append(dance.before(visitor[first : first + 15], 15, first))
    danced = np.concatenate(parts)
    assert np.isfinite(danced).all()
    assert np.linalg.norm(np.diff(danced, axis=0), axis=-1).max() < furthest  # raising the arms at first
    height = (danced[60:, WRISTS, 1] - danced[60:, SHOULDERS, 1]).mean(axis=1)
    assert height.mean() > 0.0 and height.std() < 0.35
