"""The systems that the study compares, each a configuration of the same training code.

Those of the prototype predict the next frame from the frames so far and the emotion, and nothing else. Those
further down add, one after the other, what this project adds. All have about as many parameters as the last.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace

import torch

from models.generation.generator import Generator
from models.generation.sampling import Sampling
from models.network.checkpoint import Checkpoint
from models.network.transformer import MotionNetwork, MotionTransformer
from models.study.lstm import LstmNetwork
from models.study.sampling_rules import DRAWN, LEFT_ALONE, MEAN, NEWEST, RULES, Rule, ruled_generator
from models.training import losses
from models.training.config import TrainConfig
from models.training.objectives import (
    Objective,
    WithEmotionHead,
    absolute_regression,
    likelihood,
    regression,
    regression_then_likelihood,
    with_movement_penalty,
    with_weight_penalty,
)
from models.training.trainer import config_of

NEXT_FRAME_COUNT = 36
"""Principal components of the step to the next frame that are kept, one for each thing a body can do in it: two
turns of each of 16 bones, rise, travel in two directions, and turn."""
OWN = Rule("own", "as live: the emotion emphasised, and more noise where few exemplars are known")
PLAIN = Rule("plain", "as live, but the emotion is heard as in training, and as much noise in all emotions")


@dataclass(frozen=True)
class System:
    """One way to train a dancer, and the ways to make it dance."""

    name: str
    idea: str
    objective: Objective
    kind: type[MotionNetwork] = MotionTransformer
    mixture: bool = False
    """several components, or one"""
    ahead: bool = False
    """plans many frames ahead, from poses that have strayed, or one frame from real ones"""
    conditioned: bool = False
    """gets the target speed and the motion descriptor"""
    dagger: bool = False
    rest: bool = False
    """learns from clips with the rest at their ends, which is cut for all others"""
    emotion_head: float = 0.0
    """weight of an auxiliary loss: the emotion is to be told from the predicted movement"""
    rules: tuple[Rule, ...] = (MEAN,)

    def train_config(self, default: TrainConfig, label_count: int) -> TrainConfig:
        """The recipe of this system at the budget of the default one, as wide as takes as many parameters."""
        train_config = default if self.mixture else replace(default, components=1)
        if not self.ahead:
            kept = min(NEXT_FRAME_COUNT, default.target_count)
            train_config = replace(
                train_config, horizon=1, target_count=kept, input_noise=0.0, weight_decay=0.0
            )
        wanted = parameter_count(MotionTransformer, default, label_count)

        def size(width: int) -> int:
            return parameter_count(self.kind, replace(train_config, width=width), label_count)

        widths = list(range(2 * default.heads, 4 * default.width, 2 * default.heads))
        above = bisect_left(widths, wanted, lo=1, key=size)
        return replace(
            train_config, width=min(widths[above - 1 : above + 1], key=lambda w: abs(size(w) - wanted))
        )

    def objective_for(self, train_config: TrainConfig, label_count: int) -> Objective:
        """The objective, with an emotion head if there is one."""
        if not self.emotion_head:
            return self.objective
        return WithEmotionHead(self.objective, self.emotion_head, train_config.target_count, label_count)

    def generator(self, checkpoint: Checkpoint, rule: Rule) -> Generator:
        """The dancer, following a rule of this system."""
        if rule is OWN:
            return Generator(checkpoint, compiled=False)
        if rule is PLAIN:
            return Generator(checkpoint, Sampling(emotion_guidance=0.0, sparsity_boost=0.0), compiled=False)
        return ruled_generator(checkpoint, rule)

    def label(self, rule: Rule) -> str:
        """What its row is called."""
        return self.name if rule is self.rules[0] else f"{self.name}: {rule.name}"


def parameter_count(kind: type[MotionNetwork], train_config: TrainConfig, label_count: int) -> int:
    """Numbers that training changes."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in kind(config_of(train_config, label_count)).parameters())


def _weights_l1(strength: float) -> System:
    idea = f"squared error + {strength:g} x sum of absolute weights"
    return System(f"mse-l1-{strength:g}", idea, with_weight_penalty(losses.weight_l1, strength))


def _weights_l2(strength: float) -> System:
    idea = f"squared error + {strength:g} x sum of squared weights"
    return System(f"mse-l2-{strength:g}", idea, with_weight_penalty(losses.weight_l2, strength))


def _small_movement(strength: float) -> System:
    idea = f"squared error + {strength:g} x inverse of the cumulative delta of each sequence, in 1/m"
    return System(f"mse-move-{strength:g}", idea, with_movement_penalty(losses.small_movement, strength))


def _small_movement_of_batch(strength: float) -> System:
    idea = f"squared error + {strength:g} x inverse of the batch's mean cumulative delta, in 1/m"
    return System(
        f"mse-move-batch-{strength:g}", idea, with_movement_penalty(losses.small_movement_of_batch, strength)
    )


def _masked(strength: float, threshold: float) -> System:
    idea = f"squared error + {strength:g} x penalty on deltas under {1000 * threshold:g} mm a frame"
    return System(
        f"mse-mask-{strength:g}",
        idea,
        with_movement_penalty(lambda deltas: losses.masked_small_movement(deltas, threshold), strength),
    )


_DRAWN = (DRAWN,)

SYSTEMS = (
    System("mse", "transformer, squared error of the next frame", regression, rules=(MEAN, LEFT_ALONE)),
    System("mse-rest", "mse, from clips that begin and end at rest", regression, rest=True),
    System("mae", "transformer, absolute error of the next frame", absolute_regression),
    *(_weights_l1(strength) for strength in (1e-6, 1e-5, 1e-4)),
    *(_weights_l2(strength) for strength in (1e-5, 1e-4, 1e-3)),
    *(_small_movement(strength) for strength in (0.001, 0.01, 0.1, 1.0)),
    *(_small_movement_of_batch(strength) for strength in (0.001, 0.01, 0.1, 1.0)),
    *(_masked(strength, 0.005) for strength in (1.0, 10.0)),
    System("mse-emotion", "squared error + 0.5 x emotion head on the prediction", regression, emotion_head=0.5),
    System(
        "mse-mdn",
        "squared error of the mean + mixture likelihood, its weight 0.1, then rising to 1",
        regression_then_likelihood,
        mixture=True,
        rules=_DRAWN,
    ),
    System("mdn", "mixture likelihood of the next frame", likelihood, mixture=True, rules=RULES),
    System(
        "mdn-rest",
        "mdn, from clips that begin and end at rest",
        likelihood,
        mixture=True,
        rest=True,
        rules=_DRAWN,
    ),
    System("lstm-mse", "LSTM, squared error of the next frame", regression, LstmNetwork),
    System(
        "lstm-mdn",
        "LSTM, mixture likelihood of the next frame",
        likelihood,
        LstmNetwork,
        mixture=True,
        rules=_DRAWN,
    ),
    System(
        "ahead",
        "mdn that plans many frames ahead, from poses that have strayed",
        likelihood,
        mixture=True,
        ahead=True,
        rules=(DRAWN, NEWEST),
    ),
    System(
        "conditioned",
        "ahead, and it gets the speed and the descriptor of the movement to come",
        likelihood,
        mixture=True,
        ahead=True,
        conditioned=True,
        rules=(OWN, PLAIN),
    ),
    System(
        "default",
        "conditioned, and it learns from its own dances: this project's recipe",
        likelihood,
        mixture=True,
        ahead=True,
        conditioned=True,
        dagger=True,
        rules=(OWN, PLAIN),
    ),
)
