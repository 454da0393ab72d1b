"""What a network is trained for: losses of `models.training.losses` put together, as functions of its
answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from models.motion.skeleton import FRAME_RATE
from models.network.mixture import Mixture, negative_log_likelihood
from models.network.motion_space import MotionSpace
from models.network.transformer import MotionNetwork
from models.training import losses


@dataclass(frozen=True)
class Prediction:
    """All that an objective may look at: what the network says of the frames of a batch, and what came.

    T counts the frames that are output_frames: every other one of a window, see `train.train_step`.
    """

    network: MotionNetwork
    space: MotionSpace
    mixture: Mixture  # (B, T, K)
    target: Tensor  # (B, T, Z) the plans in whitened coordinates
    conditions: Tensor  # (B, T) index of the label, -1 where none is predicted
    progress: float
    """share of the training that is over"""

    @property
    def prediction(self) -> Tensor:
        """The mean (B, T, Z) of what it expects."""
        return losses.expectation(self.mixture)

    @property
    def deltas(self) -> Tensor:
        """Metres (B, T) that the predicted movement takes the joints in a frame."""
        return self.space.speed(self.space.decode(self.prediction)) / FRAME_RATE

    @property
    def matrices(self) -> list[Tensor]:
        """The weights that a penalty on weights is for."""
        return [parameter for parameter in self.network.parameters() if parameter.dim() > 1]


Objective = Callable[[Prediction], Tensor]


def likelihood(answer: Prediction) -> Tensor:
    """Mean negative log-likelihood in nats a dimension: the mixture-density network alone (Bishop 1994)."""
    return negative_log_likelihood(answer.mixture, answer.target).mean() / answer.target.shape[-1]


def regression(answer: Prediction) -> Tensor:
    """Mean squared error."""
    return losses.squared_error(answer.prediction, answer.target)


def absolute_regression(answer: Prediction) -> Tensor:
    """Mean absolute error."""
    return losses.absolute_error(answer.prediction, answer.target)


def regression_then_likelihood(answer: Prediction) -> Tensor:
    """Mean squared error, and the likelihood by and by."""
    return regression(answer) + losses.mixture_share(answer.progress) * likelihood(answer)


def with_weight_penalty(penalty: Callable[[Iterable[Tensor]], Tensor], strength: float) -> Objective:
    """Mean squared error and a penalty on the weights."""
    return lambda answer: regression(answer) + strength * penalty(answer.matrices)


def with_movement_penalty(penalty: Callable[[Tensor], Tensor], strength: float) -> Objective:
    """Mean squared error and a penalty on the deltas of a batch (B, T)."""
    return lambda answer: regression(answer) + strength * penalty(answer.deltas)


class WithEmotionHead(nn.Module):
    """An objective, and that the emotion can be told from the movement which the network predicts.

    The emotion head is a small convolution over time that sees the predicted coordinates and nothing else: from
    the pose that goes in it could tell the emotion without the network's help.
    """

    def __init__(self, objective: Objective, strength: float, target_count: int, label_count: int) -> None:
        super().__init__()
        self.objective, self.strength = objective, strength
        self.movement_in = nn.Conv1d(target_count, 32, 9, padding=4)
        self.to_logits = nn.Conv1d(32, label_count, 1)

    def forward(self, answer: Prediction) -> Tensor:
        seen = functional.gelu(self.movement_in(answer.prediction.transpose(1, 2)))  # (B, 32, T)
        logits = self.to_logits(seen).transpose(1, 2)
        return self.objective(answer) + self.strength * losses.emotion_error(logits, answer.conditions)
