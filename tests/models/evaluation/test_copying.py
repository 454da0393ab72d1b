import math

import numpy as np
import pytest

from models.evaluation.copying import POSE_HOP_FRAMES, WINDOW_HOP_FRAMES, CopyDetector
from models.evaluation.measures import REPEAT_WINDOW
from models.motion.features import turn
from models.motion.skeleton import FloatArray, mirror_positions
from tests.synthetic import swinging_figure


@pytest.fixture(scope="module")
def training() -> list[FloatArray]:
    return [swinging_figure(130, rate=rate) for rate in (0.5, 0.9)] + [swinging_figure(REPEAT_WINDOW - 1)]


@pytest.fixture(scope="module")
def copies(training: list[FloatArray]) -> CopyDetector:
    return CopyDetector.of(training)


def test_it_holds_every_window_of_every_clip_that_has_one(copies: CopyDetector) -> None:
    assert copies.windows.shape == (2 * (130 - REPEAT_WINDOW + 1), REPEAT_WINDOW // POSE_HOP_FRAMES * 51)


@pytest.mark.parametrize("first", [0, 7])
def test_a_clip_itself_is_copied_wherever_it_stands_and_mirrored(
    copies: CopyDetector, training: list[FloatArray], first: int
) -> None:
    clip = training[1][first:]
    moved = turn(clip, np.array(2.0)) + np.array([5.0, 0.0, 3.0])
    assert [copies.copied_share(dance) for dance in (clip, moved, mirror_positions(moved))] == [1.0] * 3


def test_movement_at_another_pace_is_no_copy_and_a_little_noise_is_no_disguise(copies: CopyDetector) -> None:
    rng = np.random.default_rng(0)
    own = swinging_figure(130, rate=0.7)
    disguised = swinging_figure(130, rate=0.5) + rng.normal(0, 0.002, (1, 17, 3))
    assert copies.copied_share(own) == 0.0
    assert copies.copied_share(disguised) == 1.0


def test_the_share_is_that_of_the_windows(copies: CopyDetector, training: list[FloatArray]) -> None:
    dance = np.concatenate([swinging_figure(90, rate=0.7), training[0][: REPEAT_WINDOW + WINDOW_HOP_FRAMES]])
    share = copies.copied_share(dance)
    count = (len(dance) - REPEAT_WINDOW) // WINDOW_HOP_FRAMES + 1
    assert share == pytest.approx(2 / count)


def test_without_windows_nothing_is_known(copies: CopyDetector, training: list[FloatArray]) -> None:
    assert math.isnan(copies.copied_share(training[0][: REPEAT_WINDOW - 1]))
    assert math.isnan(CopyDetector.of(training[2:]).copied_share(training[0]))
