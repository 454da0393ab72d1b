"""How much each system of the study gets: size, steps, seeds and dances.

"tiny" shows that it runs, "small" is meant for two cores and half an hour, "full" trains this project's recipe
as it is.
"""

from dataclasses import dataclass

from models.evaluation.emotion_classifier import ClassifierConfig
from models.training.config import TrainConfig


@dataclass(frozen=True)
class Budget:
    """What every system gets. `recipe` is the default system's; the others have its steps, batches and size."""

    train_config: TrainConfig
    seeds: int
    dances: int
    """of each emotion, half of them after a prompt in another one"""
    seconds: float
    """of each dance"""
    emotion_classifier: ClassifierConfig


BUDGETS = {
    "tiny": Budget(
        TrainConfig(
            steps=24,
            batch=4,
            length=32,
            horizon=4,
            target_count=24,
            width=48,
            layers=2,
            heads=2,
            context_length=16,
            components=4,
            dagger_from=12,
            dagger_every=8,
            warm_up=4,
            ema_decay=0.9,
        ),
        seeds=1,
        dances=2,
        seconds=3.0,
        emotion_classifier=ClassifierConfig(steps=60, batch=16, width=16, learning_rate=5e-3),
    ),
    "small": Budget(
        TrainConfig(
            steps=500,
            batch=16,
            length=64,
            horizon=8,
            target_count=64,
            width=64,
            layers=3,
            heads=2,
            context_length=32,
            components=8,
            dagger_from=150,
            dagger_every=14,
            learning_rate=2e-3,
            warm_up=50,
            ema_decay=0.99,
        ),
        seeds=1,
        dances=2,
        seconds=20.0,
        emotion_classifier=ClassifierConfig(steps=500),
    ),
    "full": Budget(TrainConfig(), seeds=3, dances=8, seconds=120.0, emotion_classifier=ClassifierConfig()),
}
