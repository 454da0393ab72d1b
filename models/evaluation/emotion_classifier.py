"""A classifier of emotion: a small convolutional network over time, trained on real clips and on nothing else.

It is of another kind than the dancer, so that what fools the one need not fool the other. It hears windows
of one to two seconds of `models.motion.features` and their changes, pools over time, and says which emotion of
the palette it saw. The 64 numbers before that are the features for the Fréchet distance.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from models.data.clips import Clips, emotion_of
from models.data.safe_files import check_tensors, read_text
from models.emotion.palette import MAX_ENTRIES, MAX_NAME
from models.motion.features import FEATURE_SIZE, POSE_SIZE, mirror_features, positions_to_features
from models.motion.skeleton import FRAME_RATE, FloatArray
from models.network.card import MAX_CARD

LONG_FRAMES, SHORT_FRAMES = 2 * FRAME_RATE, FRAME_RATE
"""Frames of the longest and the shortest window."""
FEATURES = 64
MAX_CLASSIFIER_BYTES = 64 * 2**20
"""Bytes of the tensors; a classifier of MAX_WIDTH takes 50 MB."""
MAX_WIDTH = 1024
INPUTS = FEATURE_SIZE + POSE_SIZE


class ClassifierError(ValueError):
    """A classifier that cannot be trained or read; one line for a person."""


@dataclass(frozen=True)
class ClassifierConfig:
    """How the classifier is trained; fixed, so that figures can be compared."""

    steps: int = 1000
    batch: int = 96
    width: int = 96
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.4
    noise: float = 0.3
    """deviation of the noise on the inputs, in their own units"""
    seed: int = 0


class EmotionClassifier(nn.Module):
    """TrainingBatch (B, T, 101) in, logits (B, P) and features (B, 64) out; any T from 20 frames on."""

    mean: Tensor
    scale: Tensor

    def __init__(self, emotions: Sequence[str], width: int, dropout: float) -> None:
        super().__init__()
        self.emotions = tuple(emotions)
        self.register_buffer("mean", torch.zeros(INPUTS))
        self.register_buffer("scale", torch.ones(INPUTS))
        self.layers = nn.ModuleList(
            [
                nn.Conv1d(INPUTS, width, 5, padding=2),
                nn.Conv1d(width, width, 5, padding=2, stride=2),
                nn.Conv1d(width, width, 3, padding=2, dilation=2),
                nn.Conv1d(width, width, 3, padding=4, dilation=4),
            ]
        )
        self.dropout = nn.Dropout(dropout)
        self.to_features = nn.Linear(2 * width, FEATURES)
        self.to_logits = nn.Linear(FEATURES, len(self.emotions))

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        x = ((windows - self.mean) / self.scale).transpose(1, 2)  # (B, 101, T)
        for layer in self.layers:
            x = self.dropout(functional.gelu(layer(x)))
        pooled = torch.cat([x.mean(dim=2), x.std(dim=2)], dim=1)
        features = functional.gelu(self.to_features(pooled))
        return self.to_logits(self.dropout(features)), features

    @torch.inference_mode()
    def look(self, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Probabilities (B, P) and features (B, 64) of windows (B, T, 101)."""
        parts = [self(part) for part in torch.from_numpy(windows).split(1024)]
        logits, features = (torch.cat(list(column)) for column in zip(*parts, strict=True))
        return logits.softmax(dim=1).numpy(), features.numpy()


def classifier_inputs(features: FloatArray) -> FloatArray:
    """Frames (T, 101) as the classifier hears them, of features (T, 52): with the change of the pose behind
    them."""
    change = np.diff(features[:, :POSE_SIZE], axis=0, prepend=features[:1, :POSE_SIZE])
    return np.concatenate([features, change], axis=1).astype(np.float32)


def windows_of(positions: FloatArray, length: int, hop: int) -> FloatArray:
    """TrainingBatch (N, length, 101) of positions (T, 17, 3), every `hop` frames."""
    inputs = classifier_inputs(positions_to_features(positions))
    starts = range(0, len(inputs) - length + 1, hop)
    return np.stack([inputs[i : i + length] for i in starts]) if starts else np.empty((0, length, INPUTS))


class _Draw:
    """Draws training windows: emotions alike, within one the labels by the root of their length."""

    def __init__(self, clips: Clips, indices: Sequence[int], emotions: Sequence[str]) -> None:
        movements: list[list[FloatArray]] = [[] for _ in emotions]
        weights: list[list[float]] = [[] for _ in emotions]
        length_of: dict[str, int] = {}
        for i in indices:
            length_of[clips.labels[i]] = length_of.get(clips.labels[i], 0) + len(clips.clip(i))
        for i in indices:
            emotion = emotion_of(clips.labels[i], emotions)
            if emotion is None or len(clips.clip(i)) < SHORT_FRAMES:
                continue
            features = positions_to_features(clips.clip(i))
            for version in (features, mirror_features(features)):
                movements[emotion].append(classifier_inputs(version))
                weights[emotion].append(len(features) / length_of[clips.labels[i]] ** 0.5)
        if missing := [name for name, some in zip(emotions, movements, strict=True) if not some]:
            raise ClassifierError(
                f"no training clip shows {missing[0]}; the classifier needs some of each emotion"
            )
        self.movements = movements
        self.weights = [np.array(some) / np.sum(some) for some in weights]

    def frames(self) -> FloatArray:
        """Every frame once (N, 101)."""
        return np.concatenate([movement for some in self.movements for movement in some])

    def __call__(self, rng: np.random.Generator, count: int) -> tuple[FloatArray, NDArray[np.int64]]:
        """TrainingBatch (count, length, 101) of one length, drawn anew for each call, and their emotions
        (count,)."""
        length = int(rng.integers(SHORT_FRAMES, LONG_FRAMES + 1))
        emotions = rng.integers(len(self.movements), size=count)
        windows = np.empty((count, length, INPUTS), dtype=np.float32)
        for row, emotion in enumerate(emotions):
            some = self.movements[emotion]
            movement = some[int(rng.choice(len(some), p=self.weights[emotion]))]
            first = int(rng.integers(max(len(movement) - length, 0) + 1))
            # A clip that is too short waits at its end.
            windows[row] = movement[np.minimum(np.arange(first, first + length), len(movement) - 1)]
        return windows, emotions


def train_classifier(
    clips: Clips, indices: Sequence[int], emotions: Sequence[str], config: ClassifierConfig | None = None
) -> EmotionClassifier:
    """A classifier trained on the clips at `indices`; the same each time on one machine. Raises
    ClassifierError."""
    return fit_classifier(_Draw(clips, indices, emotions), emotions, config or ClassifierConfig(), "classifier")


class Draw(Protocol):
    """Where training windows come from."""

    def frames(self) -> FloatArray:
        """Frames (N, 101) to measure the units on."""

    def __call__(self, rng: np.random.Generator, count: int) -> tuple[FloatArray, NDArray[np.int64]]:
        """TrainingBatch (count, T, 101) and the answers (count,)."""


def fit_classifier(
    draw: Draw, answers: Sequence[str], config: ClassifierConfig, what: str
) -> EmotionClassifier:
    """A network trained on drawn windows to give one of the answers; the same each time on one machine."""
    rng = np.random.default_rng(config.seed)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        emotion_classifier = EmotionClassifier(answers, config.width, config.dropout)
        frames = draw.frames()
        emotion_classifier.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
        emotion_classifier.scale.copy_(torch.from_numpy(np.maximum(frames.std(axis=0), 1e-3)))
        optimizer = torch.optim.AdamW(
            emotion_classifier.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, config.steps)
        for _ in tqdm(range(config.steps), unit="step", desc=what, disable=None):
            windows, wanted = draw(rng, config.batch)
            heard = torch.from_numpy(windows)
            heard = heard + config.noise * emotion_classifier.scale * torch.randn_like(heard)
            loss = functional.cross_entropy(
                emotion_classifier(heard)[0], torch.from_numpy(wanted), label_smoothing=0.05
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    return emotion_classifier.eval()


def save_classifier(path: Path, emotion_classifier: EmotionClassifier, config: ClassifierConfig) -> None:
    """Write NAME.safetensors and NAME.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(emotion_classifier.state_dict(), path)
    card = {"emotions": emotion_classifier.emotions, "config": asdict(config)}
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def load_classifier(path: Path, emotions: Sequence[str]) -> EmotionClassifier:
    """Read what `save_judge` wrote. Raises ClassifierError."""
    try:
        card = json.loads(read_text(path.with_suffix(".json"), MAX_CARD))
        emotion_classifier = _untrained(card["emotions"], ClassifierConfig(**card["config"]))
        check_tensors(path, MAX_CLASSIFIER_BYTES)
        emotion_classifier.load_state_dict(load_file(path))
        if not all(torch.isfinite(value).all() for value in emotion_classifier.state_dict().values()):
            raise ValueError("its tensors are not made of finite numbers")
        if emotion_classifier.scale.min() <= 0:
            raise ValueError("its scale is not above zero")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ClassifierError(
            f"{path}: not a classifier ({reason}); delete it and it is trained again"
        ) from None
    if emotion_classifier.emotions != tuple(emotions):
        raise ClassifierError(
            f"{path}: tells {', '.join(emotion_classifier.emotions)} apart, not this palette; "
            "use another --classifier"
        )
    return emotion_classifier.eval()


def _untrained(emotions: Any, config: ClassifierConfig) -> EmotionClassifier:
    """The classifier that a card speaks of, bounded in size. Raises ValueError."""
    if not isinstance(emotions, list) or not 1 <= len(emotions) <= MAX_ENTRIES:
        raise ValueError(f"emotions should be a list of 1 to {MAX_ENTRIES} names")
    for name in emotions:
        if not isinstance(name, str) or not name.isprintable() or len(name) > MAX_NAME:
            raise ValueError(f"an emotion should be a name of at most {MAX_NAME} characters")
    if type(config.width) is not int or not 1 <= config.width <= MAX_WIDTH:
        raise ValueError(f"width should be a whole number from 1 to {MAX_WIDTH}")
    return EmotionClassifier(emotions, config.width, config.dropout)


def frechet(one: FloatArray, other: FloatArray) -> float:
    """Fréchet distance of two sets of features (N, D) taken as Gaussians (Dowson & Landau 1982,
    doi:10.1016/0047-259X(82)90077-X)."""
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ b @ root)
    trace = np.trace(a) + np.trace(b) - 2 * np.sqrt(np.maximum(cross, 0)).sum()
    return float(np.square(one.mean(axis=0) - other.mean(axis=0)).sum() + trace)
