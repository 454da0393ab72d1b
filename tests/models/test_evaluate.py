import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from models.data.clips import Clips, split_clips, write_clips
from models.emotion.palette import DEFAULT_PALETTE
from models.evaluate import main
from models.evaluation.comparison import classified, evaluate_rollouts, responses
from models.evaluation.criteria import Criterion
from models.evaluation.emotion_classifier import (
    ClassifierConfig,
    EmotionClassifier,
    save_classifier,
    train_classifier,
    windows_of,
)
from models.evaluation.reference import Reference, build_reference
from models.evaluation.report import LongDance, Report
from models.evaluation.rollouts import Rollouts, RolloutsError
from models.motion.skeleton import FRAME_RATE, FloatArray
from tests.synthetic import swinging_figure, synthetic_clips

EMOTIONS = DEFAULT_PALETTE.names
TINY_CLASSIFIER = ClassifierConfig(steps=30, batch=16, width=8, learning_rate=1e-2, seed=3)


@pytest.fixture(scope="module")
def clips() -> Clips:
    return synthetic_clips(per_label=5, frames=150, contents=("wave", "walk"))


@pytest.fixture(scope="module")
def emotion_classifier(clips: Clips) -> EmotionClassifier:
    return train_classifier(clips, range(len(clips)), EMOTIONS, TINY_CLASSIFIER)


@pytest.fixture(scope="module")
def reference(clips: Clips, emotion_classifier: EmotionClassifier) -> Reference:
    return build_reference(clips, EMOTIONS, emotion_classifier)


def rollouts_of(clips: Clips) -> Rollouts:
    """Real clips as if they had been generated."""
    chosen = [
        (clips.clip(i), EMOTIONS.index(style))
        for i, style in enumerate(clips.styles)
        if style in ("happy", "sad", "angry", "proud")
    ]
    weights = np.eye(8, dtype=np.float32)[[emotion for _, emotion in chosen]]
    return Rollouts(
        np.stack([clip for clip, _ in chosen]),
        np.repeat(weights[:, None], len(chosen[0][0]), axis=1),
        EMOTIONS,
        np.zeros(len(chosen), dtype=bool),
    )


@pytest.fixture(scope="module")
def report(clips: Clips, reference: Reference) -> Report:
    return evaluate_rollouts(rollouts_of(clips), reference)


def bar(report: Report, name: str) -> Criterion:
    return next(bar for bar in report.bars if bar.name == name)


class Listener:
    """A classifier that says the second emotion if the left forearm points up on the whole, else the first."""

    emotions = EMOTIONS

    def look(self, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        said = np.eye(8)[(windows[:, :, 4 * 3 + 1].mean(axis=1) > 0).astype(int)]
        return said, np.zeros((len(windows), 64))


def arm_raised_at(frame: int, frames: int) -> FloatArray:
    positions = np.repeat(swinging_figure(1), frames, axis=0)
    for joint, parent in ((4, 3), (5, 4)):
        bone = positions[:, joint] - positions[:, parent]
        bone[frame:, 1] = np.abs(bone[frame:, 1])
        positions[:, joint] = positions[:, parent] + bone
    return positions


def switched_at(frame: int, frames: int) -> FloatArray:
    weights = np.repeat(np.eye(8, dtype=np.float32)[:1], frames, axis=0)
    weights[frame:] = np.eye(8)[1]
    return weights


def one_dance(positions: FloatArray, weights: FloatArray) -> Rollouts:
    return Rollouts(positions[None], weights[None], EMOTIONS, np.zeros(1, dtype=bool))


def test_real_clips_beside_themselves_are_at_one(report: Report) -> None:
    for emotion in map(EMOTIONS.index, ("happy", "sad", "angry", "proud")):
        for measure in ("speed_m_s", "jerk_m_s3", "toe_slide_m_s", "frozen_share", "penetration_m"):
            assert report.everything.generated[measure][emotion] == pytest.approx(report.real[measure][emotion])


def test_an_emotion_that_nobody_danced_is_unknown(report: Report) -> None:
    assert np.isnan(report.everything.generated["speed_m_s"][EMOTIONS.index("timid")])


def test_dances_that_all_change_their_emotion_are_refused(clips: Clips, reference: Reference) -> None:
    real = rollouts_of(clips)
    weights = real.emotion_weights.copy()
    weights[:, ::2] = np.roll(weights[:, ::2], 1, axis=2)
    with pytest.raises(RolloutsError, match="keeps one emotion"):
        evaluate_rollouts(replace(real, emotion_weights=weights), reference)


def test_frozen_dancers_fall_short_of_the_bars(clips: Clips, reference: Reference) -> None:
    real = rollouts_of(clips)
    frozen = replace(real, positions=np.repeat(real.positions[:, :1], real.positions.shape[1], axis=1))
    report = evaluate_rollouts(frozen, reference)
    assert np.nanmin(report.everything.generated["frozen_share"]) == 1.0
    for name in ("speed ratio", "longest frozen stretch", "frozen share", "jerk ratio"):
        assert not bar(report, name).met


def test_trembling_dancers_fall_short_of_the_bars(clips: Clips, reference: Reference) -> None:
    real = rollouts_of(clips)
    noise = np.random.default_rng(0).normal(0, 0.01, real.positions.shape)
    trembling = replace(real, positions=(real.positions + noise).astype(np.float32))
    report = evaluate_rollouts(trembling, reference)
    assert not bar(report, "jerk ratio").met and not bar(report, "bone lengths").met
    assert report.everything.generated["quick_share"][1] > 2 * report.real["quick_share"][1]


def test_the_response_is_the_time_until_the_last_second_sounds_new() -> None:
    switch, raised = 60, 75
    rollouts = one_dance(arm_raised_at(raised, 240), switched_at(switch, 240))
    # Half of the second before has to be new: 15 frames after the arm has gone up.
    (time,) = responses(rollouts, cast(EmotionClassifier, Listener()))
    assert time == pytest.approx((raised + 15 - switch) / FRAME_RATE, abs=0.15)


def test_an_answer_that_never_comes_counts_as_the_whole_time() -> None:
    rollouts = one_dance(arm_raised_at(240, 240), switched_at(60, 240))
    assert responses(rollouts, cast(EmotionClassifier, Listener())).tolist() == [6.0]


def test_dances_with_another_emotions_prompt_are_measured_apart(clips: Clips, reference: Reference) -> None:
    real = rollouts_of(clips)
    still = real.positions.copy()
    still[::2] = still[::2, :1]
    mismatched = np.arange(len(still)) % 2 == 0
    report = evaluate_rollouts(replace(real, positions=still, mismatched=mismatched), reference)
    happy = EMOTIONS.index("happy")
    frozen = {name: part.generated["frozen_share"][happy] for name, part in report.parts.items()}
    assert frozen == {"another": 1.0, "its own": 0.0}
    assert 0 < report.everything.generated["frozen_share"][happy] < 1


def test_a_looped_clip_is_shown_as_repetition(report: Report) -> None:
    assert report.looped > 0.99


@pytest.mark.parametrize(
    ("finite", "pelvis", "kept", "met"),
    [
        (True, (0.7, 1.0), (0.9, 1.1), True),
        (False, (0.7, 1.0), (0.9, 1.1), False),
        (True, (0.1, 1.0), (0.9, 1.1), False),
        (True, (0.7, 1.0), (0.3, 1.1), False),
    ],
)
def test_a_long_dance_that_leaves_what_bodies_do_diverges(
    report: Report, finite: bool, pelvis: tuple[float, float], kept: tuple[float, float], met: bool
) -> None:
    long = replace(report, long=LongDance(10, finite, pelvis, kept))
    assert bar(long, "10 minutes of each emotion").met is met


def test_who_keeps_an_emotion_has_nothing_to_answer() -> None:
    rollouts = one_dance(arm_raised_at(10, 90), switched_at(90, 90))
    assert len(responses(rollouts, cast(EmotionClassifier, Listener()))) == 0


def test_what_the_classifier_says_is_counted_by_windows() -> None:
    raised, hanging = arm_raised_at(0, 150), arm_raised_at(150, 150)
    np.testing.assert_array_equal(
        classified(cast(EmotionClassifier, Listener()), [raised, hanging])[:, :2], [[0, 1], [1, 0]]
    )


def test_held_out_clips_alone_tell_the_classifiers_skill(
    clips: Clips, emotion_classifier: EmotionClassifier, reference: Reference
) -> None:
    held_out = [i for i in split_clips(clips)[1].tolist() if clips.styles[i] == "happy"]
    windows = np.concatenate([windows_of(clips.clip(i), 60, 15) for i in held_out])
    said = emotion_classifier.look(windows)[0].argmax(axis=1)
    np.testing.assert_allclose(
        reference.classified[60][1], np.bincount(said, minlength=8) / len(said), rtol=1e-6
    )


@pytest.fixture
def run(checkpoint_file: Path, clips: Clips, emotion_classifier: EmotionClassifier, tmp_path: Path):  # type: ignore[no-untyped-def]
    data, trained = tmp_path / "clips.npz", tmp_path / "classifier.safetensors"
    write_clips(data, clips)
    save_classifier(trained, emotion_classifier, TINY_CLASSIFIER)

    def call(*arguments: str) -> tuple[int, Path]:
        out = tmp_path / "report"
        always = ["--checkpoint", str(checkpoint_file), "--data", str(data), "--classifier", str(trained)]
        return main([*always, "--out", str(out), *arguments]), out

    return call


def test_one_command_measures_a_dancer(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    status, out = run("--seconds", "10", "--seeds", "2")
    assert status == 0
    table = capsys.readouterr().out
    assert all(name in table for name in EMOTIONS) and "speed ratio" in table
    values = json.loads((out / "report.json").read_text())
    assert set(values["measures"]["speed_m_s"]) == set(EMOTIONS) and len(values["response_s"]) == 8
    with (out / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["emotion"] for row in rows} == {*EMOTIONS, "all"}
    for picture in ("speed", "histograms", "confusion", "skeletons"):
        assert (out / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    # The rollouts that were kept measure the same.
    assert run("--rollouts", str(out / "gestures.npz"))[0] == 0
    assert json.loads((out / "report.json").read_text()) == values


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--checkpoint", "nowhere.safetensors"), "nowhere"),
        (("--rollouts", "nowhere.npz"), "nowhere.npz"),
        (("--data", "nowhere.npz"), "nowhere.npz"),
        (("--seconds", "1"), "--seconds"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_two(
    run: Any, arguments: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _ = run(*arguments)
    error = capsys.readouterr().err.strip()
    assert status == 2 and said in error.splitlines()[-1] and "Traceback" not in error
