"""How much each system of the study gets: size, steps, seeds and dances.

"tiny" shows that it runs, "small" is meant for two cores and half an hour, "full" trains this project's recipe
as it is.
"""

from dataclasses import dataclass

from models.judge import JudgeRecipe
from models.recipe import Recipe


@dataclass(frozen=True)
class Budget:
    """What every system gets. `recipe` is the default system's; the others have its steps, batches and size."""

    recipe: Recipe
    seeds: int
    dances: int
    """of each emotion, half of them after a prompt in another one"""
    seconds: float
    """of each dance"""
    judge: JudgeRecipe


BUDGETS = {
    "tiny": Budget(
        Recipe(
            steps=24,
            batch=4,
            length=32,
            horizon=4,
            target_count=24,
            width=48,
            layers=2,
            heads=2,
            span=16,
            components=4,
            rehearsal_from=12,
            rehearsal_every=8,
            warm_up=4,
            average=0.9,
        ),
        seeds=1,
        dances=2,
        seconds=3.0,
        judge=JudgeRecipe(steps=60, batch=16, width=16, learning_rate=5e-3),
    ),
    "small": Budget(
        Recipe(
            steps=500,
            batch=16,
            length=64,
            horizon=8,
            target_count=64,
            width=64,
            layers=3,
            heads=2,
            span=32,
            components=8,
            rehearsal_from=150,
            rehearsal_every=14,
            learning_rate=2e-3,
            warm_up=50,
            average=0.99,
        ),
        seeds=1,
        dances=2,
        seconds=20.0,
        judge=JudgeRecipe(steps=500),
    ),
    "full": Budget(Recipe(), seeds=3, dances=8, seconds=120.0, judge=JudgeRecipe()),
}
