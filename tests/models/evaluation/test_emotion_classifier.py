import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.data.clips import Clips, emotion_of
from models.emotion.palette import DEFAULT_PALETTE
from models.evaluation.emotion_classifier import (
    INPUTS,
    LONG_FRAMES,
    MAX_CLASSIFIER_BYTES,
    SHORT_FRAMES,
    ClassifierConfig,
    ClassifierError,
    EmotionClassifier,
    classifier_inputs,
    frechet,
    load_classifier,
    save_classifier,
    train_classifier,
    windows_of,
)
from models.evaluation.movement_classifier import read_movement_classifier
from models.motion.features import positions_to_features, turn
from models.motion.skeleton import FRAME_RATE
from models.network.card import MAX_CARD
from tests.synthetic import swinging_figure, synthetic_clips

EMOTIONS = DEFAULT_PALETTE.names
TINY_CLASSIFIER = ClassifierConfig(
    steps=120, batch=16, width=16, learning_rate=1e-2, dropout=0.0, noise=0.05, seed=3
)


@pytest.fixture(scope="module")
def clips() -> Clips:
    return synthetic_clips(per_label=2, frames=90)


@pytest.fixture(scope="module")
def emotion_classifier(clips: Clips) -> EmotionClassifier:
    return train_classifier(clips, range(len(clips)), EMOTIONS, TINY_CLASSIFIER)


def test_windows_follow_each_other_at_the_hop() -> None:
    dance = swinging_figure(100)
    windows = windows_of(dance, LONG_FRAMES, 10)
    assert windows.shape == (5, LONG_FRAMES, INPUTS)
    np.testing.assert_array_equal(windows[1, :-10], windows[0, 10:])
    assert windows_of(dance[: LONG_FRAMES - 1], LONG_FRAMES, 10).shape == (0, LONG_FRAMES, INPUTS)


def test_the_classifier_does_not_hear_where_a_body_is_or_which_way_it_faces() -> None:
    dance = swinging_figure(40, turn=0.4)
    moved = turn(dance, np.array(1.0)) + np.array([3.0, 0.0, -2.0])
    one, other = (classifier_inputs(positions_to_features(positions)) for positions in (dance, moved))
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_labels_become_emotions_and_other_styles_none() -> None:
    assert emotion_of("2/exhausted", EMOTIONS) == EMOTIONS.index("tired")
    assert emotion_of("1/giant", EMOTIONS) is None
    assert emotion_of("2/happy", EMOTIONS) is None


@pytest.mark.parametrize("length", [SHORT_FRAMES, 45, LONG_FRAMES])
def test_probabilities_sum_to_one_for_windows_of_any_length(
    emotion_classifier: EmotionClassifier, length: int
) -> None:
    chances, features = emotion_classifier.look(windows_of(swinging_figure(90), length, 30))
    assert features.shape == (len(chances), 64)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=1e-5)


def test_the_classifier_learns_what_it_is_shown(emotion_classifier: EmotionClassifier, clips: Clips) -> None:
    right = []
    for i, label in enumerate(clips.labels):
        if (emotion := emotion_of(label, EMOTIONS)) is not None:
            said = emotion_classifier.look(windows_of(clips.clip(i), LONG_FRAMES, 15))[0].argmax(axis=1)
            right.append((said == emotion).mean())
    assert np.mean(right) > 0.6  # chance is 0.125


def test_only_the_clips_that_it_is_given_teach_it(clips: Clips, emotion_classifier: EmotionClassifier) -> None:
    half = [i for i in range(len(clips)) if i % 2 == 0]
    other_takes = clips.positions.copy()
    for i in set(range(len(clips))) - set(half):
        other_takes[clips.starts[i] : clips.starts[i + 1]] *= 3.0
    changed = Clips(other_takes, clips.starts, clips.names, clips.datasets, clips.contents, clips.styles)
    config = ClassifierConfig(steps=2, batch=4, width=8)
    one, same = (train_classifier(some, half, EMOTIONS, config) for some in (clips, changed))
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, same.state_dict()[name], rtol=0, atol=0)


def test_the_same_seed_gives_the_same_classifier_and_leaves_chance_alone(clips: Clips) -> None:
    config = ClassifierConfig(steps=2, batch=4, width=8)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one = train_classifier(clips, range(len(clips)), EMOTIONS, config)
    assert torch.equal(torch.rand(1), expected)
    again = train_classifier(clips, range(len(clips)), EMOTIONS, config)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))


def test_an_emotion_without_clips_is_named(clips: Clips) -> None:
    few = [i for i, label in enumerate(clips.labels) if label != "1/sad"]
    with pytest.raises(ClassifierError, match="sad"):
        train_classifier(clips, few, EMOTIONS, TINY_CLASSIFIER)


def test_a_classifier_comes_back_from_its_file(emotion_classifier: EmotionClassifier, tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    save_classifier(path, emotion_classifier, TINY_CLASSIFIER)
    windows = windows_of(swinging_figure(90), LONG_FRAMES, 10)
    np.testing.assert_array_equal(
        load_classifier(path, EMOTIONS).look(windows)[0], emotion_classifier.look(windows)[0]
    )
    with pytest.raises(ClassifierError, match="palette"):
        load_classifier(path, EMOTIONS[:3])


def test_a_file_that_is_no_classifier_says_so_in_one_line(
    emotion_classifier: EmotionClassifier, tmp_path: Path
) -> None:
    path = tmp_path / "classifier.safetensors"
    save_classifier(path, emotion_classifier, TINY_CLASSIFIER)
    path.write_bytes(b"no tensors")
    with pytest.raises(ClassifierError, match="not a classifier") as caught:
        load_classifier(path, EMOTIONS)
    assert "\n" not in str(caught.value)


@pytest.fixture
def saved(emotion_classifier: EmotionClassifier, tmp_path: Path) -> Path:
    """A classifier's file that a test may spoil."""
    path = tmp_path / "classifier.safetensors"
    save_classifier(path, emotion_classifier, TINY_CLASSIFIER)
    return path


def refused(path: Path) -> str:
    """What both readers of classifiers say of a file."""
    said = []
    for read in (lambda: load_classifier(path, EMOTIONS), lambda: read_movement_classifier(path)):
        with pytest.raises(ClassifierError) as caught:
            read()
        said.append(str(caught.value))
    assert "\n" not in "".join(said) and all(str(path) in line for line in said)
    return said[0]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"config": {"width": 10**6}}, "width"),
        ({"config": {"width": 16.0}}, "width"),
        ({"config": {"width": 32}}, "size mismatch"),
        ({"config": {"dropout": "none"}}, "not a classifier"),
        ({"emotions": "happy"}, "emotions"),
        ({"emotions": ["a"] * 10**5}, "emotions"),
        ({"emotions": ["happy\nsad"]}, "an emotion"),
        ({"emotions": [1, 2]}, "an emotion"),
    ],
)
def test_a_card_that_asks_for_too_much_or_for_nonsense_is_refused(
    saved: Path, changes: dict[str, object], complaint: str
) -> None:
    card = json.loads(saved.with_suffix(".json").read_text())
    saved.with_suffix(".json").write_text(json.dumps(card | changes))
    assert complaint in refused(saved)


@pytest.mark.parametrize("text", [b" " * (MAX_CARD + 1), b"[" * 5000, b"", b"[]", b"\xff"])
def test_a_card_that_is_no_card_is_refused(saved: Path, text: bytes) -> None:
    saved.with_suffix(".json").write_bytes(text)
    refused(saved)


def test_tensors_that_are_too_large_are_refused_before_they_are_read(saved: Path) -> None:
    with saved.open("r+b") as file:
        file.truncate(MAX_CLASSIFIER_BYTES + 1)
    assert f"larger than {MAX_CLASSIFIER_BYTES} bytes" in refused(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_a_classifier_that_can_only_say_nonsense_is_refused(
    emotion_classifier: EmotionClassifier, saved: Path, value: float
) -> None:
    state = {name: tensor.clone() for name, tensor in emotion_classifier.state_dict().items()}
    state["scale"][3] = value
    save_file(state, saved)
    refused(saved)


def test_frechet_of_a_set_to_itself_is_nothing() -> None:
    one = np.random.default_rng(0).standard_normal((400, 8))
    assert frechet(one, one) == pytest.approx(0.0, abs=1e-6)


def test_frechet_of_shifted_and_stretched_gaussians_is_known() -> None:
    one = np.random.default_rng(0).standard_normal((500, 4))
    assert frechet(one, one + 3.0) == pytest.approx(4 * 9.0, rel=1e-6)
    # For zero means and commuting covariances: the squared difference of the deviations, summed.
    centred = one - one.mean(axis=0)
    assert frechet(centred, 2 * centred) == pytest.approx(np.trace(np.cov(one, rowvar=False)), rel=1e-6)


def test_frechet_of_two_halves_of_one_thing_is_small_beside_another_thing() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 500, 8))
    assert frechet(one, other) < 0.1 * frechet(one, rng.standard_normal((500, 8)) * 2 + 1)


def test_windows_are_one_to_two_seconds() -> None:
    assert (SHORT_FRAMES, LONG_FRAMES) == (FRAME_RATE, 2 * FRAME_RATE)
