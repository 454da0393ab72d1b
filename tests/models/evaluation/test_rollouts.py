from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from models.data.dance_file import DanceFileError, Dances, write_dances
from models.emotion.palette import DEFAULT_PALETTE
from models.evaluation.rollouts import (
    PROMPT_FRAMES,
    SWITCH_INTERVAL_S,
    Rollouts,
    RolloutsError,
    dance_all,
    prompts_for,
    read_rollouts,
    save_rollouts,
    switching_weights,
)
from models.generation.generator import Generator
from models.motion.skeleton import FRAME_RATE, JOINTS
from models.network.checkpoint import Checkpoint
from tests.synthetic import swinging_figure, synthetic_clips

NAMES = DEFAULT_PALETTE.names


@pytest.fixture(scope="module")
def rollouts(dancer: Checkpoint) -> Rollouts:
    clips = synthetic_clips()
    prompts = prompts_for(clips, range(len(clips)), NAMES)
    return dance_all(Generator(dancer), prompts, seconds=6, seeds=2)


def test_every_emotion_is_danced_and_half_begin_from_another_ones_movement(rollouts: Rollouts) -> None:
    assert rollouts.positions.shape == (2 * 8 + 8, 6 * FRAME_RATE, 17, 3)
    assert np.isfinite(rollouts.positions).all()
    steady = rollouts.emotions[rollouts.steady, 0]
    assert np.bincount(steady).tolist() == [2] * 8
    assert np.bincount(steady[rollouts.mismatched[rollouts.steady]]).tolist() == [1] * 8


def test_dances_are_found_by_their_emotion(rollouts: Rollouts) -> None:
    assert len(rollouts.of(3)) == 2
    np.testing.assert_array_equal(rollouts.of(3)[0], rollouts.positions[6])


def test_the_same_checkpoint_dances_the_same(dancer: Checkpoint) -> None:
    clips = synthetic_clips()
    prompts = prompts_for(clips, range(len(clips)), NAMES)
    one, again = (dance_all(Generator(dancer), prompts, seconds=0.5, seeds=2) for _ in range(2))
    np.testing.assert_array_equal(one.positions, again.positions)


def test_emotions_switch_every_five_seconds_to_another_in_a_glide() -> None:
    weights = switching_weights(8, 20 * FRAME_RATE, np.random.default_rng(0))
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-6)
    each = round(SWITCH_INTERVAL_S * FRAME_RATE)
    for row in weights:
        held = [row[(turn + 1) * each - 1].argmax() for turn in range(4)]
        assert all(a != b for a, b in pairwise(held))
        for turn in range(1, 4):
            assert row[turn * each].max() == 1.0  # the glide begins here
            assert 0 < row[turn * each + 7, held[turn]] < 1
            assert row[turn * each + 16, held[turn]] == 1.0


def test_prompts_are_two_seconds_of_the_clips_that_are_given() -> None:
    clips = synthetic_clips()
    chosen = [i for i, name in enumerate(clips.names) if name.endswith("-1")]
    prompts = prompts_for(clips, chosen, NAMES)
    assert [len(some) for some in prompts] == [2, 1, 1, 1, 1, 1, 2, 2]
    assert all(prompt.shape == (PROMPT_FRAMES, 52) for some in prompts for prompt in some)


def test_an_emotion_without_movement_to_prompt_with_is_named() -> None:
    clips = synthetic_clips()
    few = [i for i, label in enumerate(clips.labels) if label != "1/proud"]
    with pytest.raises(RolloutsError, match="proud"):
        prompts_for(clips, few, NAMES)


def test_rollouts_come_back_from_their_file(rollouts: Rollouts, tmp_path: Path) -> None:
    path = tmp_path / "rollouts.npz"
    save_rollouts(path, rollouts)
    back = read_rollouts(path)
    np.testing.assert_array_equal(back.positions, rollouts.positions)
    np.testing.assert_array_equal(back.emotion_weights, rollouts.emotion_weights)
    np.testing.assert_array_equal(back.mismatched, rollouts.mismatched)
    assert back.palette == rollouts.palette
    with np.load(path) as file:
        assert tuple(file["joints"]) == JOINTS and file["fps"] == FRAME_RATE


def test_a_file_of_generate_is_read_as_without_prompts(tmp_path: Path) -> None:
    path = tmp_path / "dances.npz"
    positions = np.stack([swinging_figure(20)] * 2)
    weights = np.repeat(np.eye(8, dtype=np.float32)[[1, 4]][:, None], 20, axis=1)
    write_dances(path, Dances(positions, (NAMES[1], NAMES[4]), weights, NAMES))
    read = read_rollouts(path)
    assert read.steady.all() and read.emotions[:, 0].tolist() == [1, 4] and not read.mismatched.any()


@pytest.mark.parametrize("fault", ["missing", "text", "fps", "joints", "weights", "nan"])
def test_a_file_that_is_no_rollouts_says_so_in_one_line(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "dances.npz"
    positions = swinging_figure(20)[None]
    weights = np.full((1, 20, 8), 0.125, dtype=np.float32)
    fps = 25.0 if fault == "fps" else 30.0
    if fault == "joints":
        positions = positions[:, :, :16]
    if fault == "weights":
        weights = weights[:, :10]
    if fault == "nan":
        positions[0, 3, 2, 1] = np.nan
    if fault == "text":
        path.write_text("no dances")
    elif fault != "missing":
        write_dances(path, Dances(positions, (NAMES[1],), weights, NAMES, fps))
    with pytest.raises(DanceFileError, match=r"dances\.npz") as caught:
        read_rollouts(path)
    assert "\n" not in str(caught.value)
