import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.network.mixture import Mixture
from models.network.motion_space import DELTA_SIZE, MotionSpace
from models.network.transformer import MotionNetwork
from models.training import losses
from models.training.objectives import (
    Objective,
    Prediction,
    WithEmotionHead,
    absolute_regression,
    likelihood,
    regression,
    regression_then_likelihood,
    with_movement_penalty,
    with_weight_penalty,
)


def gradient(loss: Tensor, at: Tensor) -> Tensor:
    return torch.autograd.grad(loss, at)[0]


def test_squared_error_is_least_at_the_mean() -> None:
    targets = torch.tensor([[0.0], [1.0], [5.0]])
    assert losses.squared_error(torch.zeros(3, 1), targets).item() == pytest.approx(26 / 3)
    guess = torch.tensor([2.0], requires_grad=True)  # the mean
    assert gradient(losses.squared_error(guess.expand(3, 1), targets), guess).item() == pytest.approx(0.0)
    guess = torch.tensor([1.0], requires_grad=True)  # the median
    assert gradient(losses.squared_error(guess.expand(3, 1), targets), guess).item() < 0


def test_absolute_error_is_least_at_the_median() -> None:
    targets = torch.tensor([[0.0], [1.0], [5.0]])
    assert losses.absolute_error(torch.zeros(3, 1), targets).item() == pytest.approx(2.0)
    for guess, sign in ((0.9, -1), (1.1, 1)):
        at = torch.tensor([guess], requires_grad=True)
        assert math.copysign(1, gradient(losses.absolute_error(at.expand(3, 1), targets), at).item()) == sign


def test_penalties_on_weights_pull_every_weight_towards_zero() -> None:
    weights = [torch.tensor([[1.0, -2.0]], requires_grad=True), torch.tensor([[3.0]], requires_grad=True)]
    assert losses.weight_l1(weights).item() == 6.0
    assert losses.weight_l2(weights).item() == 14.0
    assert gradient(losses.weight_l1(weights), weights[0]).tolist() == [[1.0, -1.0]], "all alike"
    assert gradient(losses.weight_l2(weights), weights[0]).tolist() == [[2.0, -4.0]], "large ones more"


def test_small_movement_of_a_sequence_costs_the_inverse_of_its_cumulative_delta() -> None:
    deltas = torch.tensor([[0.1, 0.299], [0.0, 0.099]], requires_grad=True)  # 0.4 and 0.1 with what is added
    loss = losses.small_movement(deltas)
    assert loss.item() == pytest.approx((2.5 + 10.0) / 2, rel=1e-4)
    pulled = gradient(loss, deltas)
    assert (pulled < 0).all(), "larger deltas cost less"
    assert pulled[1, 0] < 10 * pulled[0, 0], "the stillest sequence is pulled the most"


def test_small_movement_of_a_batch_lets_one_sequence_move_for_another() -> None:
    deltas = torch.tensor([[0.1, 0.299], [0.0, 0.099]], requires_grad=True)
    loss = losses.small_movement_of_batch(deltas)
    assert loss.item() == pytest.approx(1 / (0.249 + 0.001), rel=1e-4)
    pulled = gradient(loss, deltas)
    assert (pulled < 0).all() and (pulled == pulled[0, 0]).all(), (
        "all are pulled alike, the still and the lively"
    )


def test_who_stands_still_costs_a_finite_sum() -> None:
    assert torch.isfinite(losses.small_movement(torch.zeros(2, 3)))
    assert torch.isfinite(losses.small_movement_of_batch(torch.zeros(2, 3)))


def test_the_mask_leaves_alone_what_moves_more_than_the_threshold() -> None:
    deltas = torch.tensor([[0.001, 0.004], [0.005, 0.02]], requires_grad=True)
    loss = losses.masked_small_movement(deltas, threshold=0.004)
    assert loss.item() == pytest.approx(0.75 / 4)
    pulled = gradient(loss, deltas)
    assert pulled[0, 0] < 0 and pulled.flatten()[1:].tolist() == [0.0, 0.0, 0.0]


def test_the_expectation_weighs_the_means() -> None:
    weights, means = torch.tensor([0.25, 0.75]), torch.tensor([[4.0, 0.0], [0.0, 8.0]])
    mixture = Mixture(weights.log(), means, torch.zeros(2, 2))
    torch.testing.assert_close(losses.expectation(mixture), torch.tensor([1.0, 6.0]))


@pytest.mark.parametrize(("done", "share"), [(0.0, 0.1), (0.2, 0.1), (0.5, 0.55), (0.8, 1.0), (1.0, 1.0)])
def test_the_likelihood_counts_a_tenth_at_first_and_rises_to_one(done: float, share: float) -> None:
    assert losses.mixture_share(done) == pytest.approx(share)


def test_the_emotion_is_asked_for_only_where_it_is_known() -> None:
    logits = torch.tensor([[[0.0, math.log(3.0)], [5.0, 0.0]]], requires_grad=True)
    conditions = torch.tensor([[1, -1]])
    loss = losses.emotion_error(logits, conditions)
    assert loss.item() == pytest.approx(-math.log(0.75))
    pulled = gradient(loss, logits)
    assert pulled[0, 0, 1] < 0 < pulled[0, 0, 0] and not pulled[0, 1].any()
    assert losses.emotion_error(logits, torch.full((1, 2), -1)).item() == 0.0


def answer(dancer_network: MotionNetwork, mixture: Mixture, target: Tensor, done: float = 1.0) -> Prediction:
    """In a space whose coordinates are the turns of the bones, a deviation each 0.05."""
    space = MotionSpace(1, target.shape[-1])
    space.metres_moved.fill_(1.0)
    space.basis.copy_(0.05 * torch.eye(DELTA_SIZE)[: target.shape[-1]])
    conditions = torch.zeros(target.shape[:2], dtype=torch.long)
    return Prediction(dancer_network, space, mixture, target, conditions, done)


def one_component(means: Tensor) -> Mixture:
    """Of predictions (B, T, Z)."""
    return Mixture(torch.zeros(*means.shape[:2], 1), means.unsqueeze(-2), torch.zeros_like(means).unsqueeze(-2))


@pytest.fixture
def network(dancer: object) -> MotionNetwork:
    return dancer.network  # type: ignore[attr-defined]


@pytest.mark.parametrize("objective", [regression, absolute_regression, likelihood, regression_then_likelihood])
def test_every_fit_pulls_the_prediction_towards_the_target(
    network: MotionNetwork, objective: Objective
) -> None:
    target = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))
    prediction = torch.zeros_like(target, requires_grad=True)
    pulled = gradient(objective(answer(network, one_component(prediction), target)), prediction)
    assert ((pulled < 0) == (target > 0)).all()


def test_the_likelihood_is_that_of_a_gaussian(network: MotionNetwork) -> None:
    target = torch.full((1, 1, 4), 2.0)
    nats = likelihood(answer(network, one_component(torch.zeros(1, 1, 4)), target))
    assert nats.item() == pytest.approx(2.0 + 0.5 * math.log(2 * math.pi))


def test_the_likelihood_lets_one_component_go_where_the_squared_error_pulls_to_the_middle(
    network: MotionNetwork,
) -> None:
    """Two things could come next, at -1 and at 1, and a component sits on each."""
    target = torch.tensor([[[1.0], [-1.0]]])
    means = torch.tensor([-1.0, 1.0]).view(1, 1, 2, 1).expand(1, 2, 2, 1).clone().requires_grad_()
    mixture = Mixture(torch.full((1, 2, 2), math.log(0.5)), means, torch.full((1, 2, 2, 1), -2.0))
    assert gradient(likelihood(answer(network, mixture, target)), means).abs().max() < 1e-3
    assert losses.expectation(mixture).abs().max() < 1e-6, "the squared error knows the middle alone"


def test_the_schedule_adds_the_likelihood_to_the_squared_error(network: MotionNetwork) -> None:
    target = torch.full((1, 1, 4), 2.0)
    mixture = one_component(torch.zeros(1, 1, 4))
    square, nats = 4.0, 2.0 + 0.5 * math.log(2 * math.pi)
    for done, share in ((0.0, 0.1), (1.0, 1.0)):
        loss = regression_then_likelihood(answer(network, mixture, target, done))
        assert loss.item() == pytest.approx(square + share * nats)


@pytest.mark.parametrize(
    "penalty",
    [
        losses.small_movement,
        losses.small_movement_of_batch,
        lambda deltas: losses.masked_small_movement(deltas, 1.0),
    ],
)
def test_a_penalty_on_small_movement_makes_the_predicted_movement_larger(
    network: MotionNetwork, penalty: Objective
) -> None:
    torch.manual_seed(0)
    prediction = torch.rand(2, 5, 12, requires_grad=True)
    before = answer(network, one_component(prediction), prediction.detach())
    pulled = gradient(with_movement_penalty(penalty, 1.0)(before), prediction)
    moved = answer(network, one_component(prediction - 1e-3 * pulled / pulled.norm()), prediction.detach())
    assert moved.deltas.sum() > before.deltas.sum()


def test_a_penalty_on_weights_leaves_biases_alone(network: MotionNetwork) -> None:
    target = torch.zeros(1, 1, 4)
    seen = answer(network, one_component(target), target)
    penalised = with_weight_penalty(losses.weight_l2, 0.5)(seen)
    expected = 0.5 * sum(float(p.detach().square().sum()) for p in network.parameters() if p.dim() > 1)
    assert penalised.item() == pytest.approx(expected, rel=1e-4)
    penalised.backward()
    assert network.head.weight.grad is not None and network.head.bias.grad is None
    network.zero_grad()


def test_the_emotion_head_pulls_the_prediction_towards_the_emotion_that_is_named(
    network: MotionNetwork,
) -> None:
    """A head set by hand: the first coordinate speaks for label 0, the second for label 1."""
    head = WithEmotionHead(regression, 1.0, target_count=2, label_count=2)
    with torch.no_grad():
        for layer in (head.movement_in, head.to_logits):
            layer.weight.zero_()
            layer.bias.zero_()
        for label in range(2):
            head.movement_in.weight[label, label, 4] = 1.0  # this frame alone
            head.to_logits.weight[label, label, 0] = 1.0
    prediction = torch.full((1, 3, 2), 0.5, requires_grad=True)
    seen = replace(
        answer(network, one_component(prediction), prediction.detach()),
        conditions=torch.tensor([[0, 1, -1]]),
    )
    pulled = -gradient(head(seen), prediction)[0]
    assert pulled[0, 0] > 0 > pulled[0, 1], "towards label 0"
    assert pulled[1, 1] > 0 > pulled[1, 0], "towards label 1"
    assert not pulled[2].any(), "no label, no pull"
