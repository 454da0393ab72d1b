import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.generation.generator import DanceState, Generator, with_unit_directions
from models.motion.features import HEIGHT, POSE_SIZE
from models.motion.skeleton import FRAME_RATE
from models.network.checkpoint import Checkpoint
from models.network.mixture import Mixture
from models.network.motion_space import DELTA_SIZE
from models.study.sampling_rules import (
    COSINE_PERIOD_S,
    LEFT_ALONE,
    MEAN,
    NEWEST,
    RULES,
    Rule,
    RuleSampler,
    at_random,
    drawn,
    most_probable,
    movement_ranked,
    next_most_probable,
    ruled_generator,
)

LOG_WEIGHTS = torch.tensor([[0.2, 0.5, 0.3]]).log()
SPEEDS = torch.tensor([[0.3, 0.1, 0.2]])
STILL = torch.zeros(1, 3)
HAPPY = np.eye(8, dtype=np.float32)[1]


def rule(name: str) -> Rule:
    return next(rule for rule in RULES if rule.name == name)


def test_the_most_and_the_next_most_probable_component_are_taken() -> None:
    assert most_probable(LOG_WEIGHTS, SPEEDS, STILL).tolist() == [[0.0, 1.0, 0.0]]
    assert next_most_probable(LOG_WEIGHTS, SPEEDS, STILL).tolist() == [[0.0, 0.0, 1.0]]
    assert next_most_probable(torch.zeros(1, 1), STILL[:, :1], STILL[:, :1]).tolist() == [[1.0]]


@pytest.mark.parametrize(("rule", "expected"), [(drawn, [0.2, 0.5, 0.3]), (at_random, [1 / 3] * 3)])
def test_chance_takes_components_by_their_weights_or_all_alike(rule: object, expected: list[float]) -> None:
    rng = np.random.default_rng(0)
    gumbel = torch.from_numpy(rng.gumbel(size=(20_000, 3))).float()
    shares = rule(LOG_WEIGHTS.expand(20_000, 3), SPEEDS.expand(20_000, 3), gumbel)  # type: ignore[operator]
    assert set(shares.sum(dim=1).tolist()) == {1.0}
    np.testing.assert_allclose(shares.mean(dim=0), expected, atol=0.015)


def test_the_blend_halves_the_share_of_each_next_slower_component() -> None:
    shares = movement_ranked(LOG_WEIGHTS, SPEEDS, STILL)
    raw = np.array([0.2 * 1, 0.5 / 4, 0.3 / 2])
    np.testing.assert_allclose(shares[0], raw / raw.sum(), rtol=1e-5)


def test_the_variance_is_divided_and_comes_and_goes() -> None:
    assert rule("drawn").deviation(1.7) == 1.0
    assert rule("variance / 100").deviation(3.0) == pytest.approx(0.1)
    cosine = rule("cosine variance")
    assert cosine.deviation(0.0) == pytest.approx(1.0) == cosine.deviation(COSINE_PERIOD_S)
    assert cosine.deviation(COSINE_PERIOD_S / 2) == pytest.approx(0.0, abs=1e-6)
    assert cosine.deviation(COSINE_PERIOD_S / 4) == pytest.approx(math.sqrt(0.5))
    assert MEAN.deviation(0.0) == 0.0


def test_a_sampler_blends_the_plans_as_the_rule_says(dancer: Checkpoint) -> None:
    means = torch.randn(1, 3, dancer.space.target_count)
    mixture = Mixture(LOG_WEIGHTS, means, torch.zeros_like(means))
    none = torch.zeros(1, dancer.space.target_count)
    plan = RuleSampler(dancer.network, dancer.space, rule("most probable")).sample(mixture, STILL, none)
    torch.testing.assert_close(plan, dancer.space.decode(means[:, 1]))
    half = Rule("half", "", lambda *_: torch.tensor([[0.5, 0.0, 0.5]]))
    plan = RuleSampler(dancer.network, dancer.space, half).sample(mixture, STILL, none)
    torch.testing.assert_close(plan, dancer.space.decode(0.5 * (means[:, 0] + means[:, 2])))


def danced(dancer: Checkpoint, rule: Rule, seed: int) -> DanceState:
    generator = ruled_generator(dancer, rule)
    state = generator.initial_state(2, seed)
    for _ in range(6):
        state = generator.step(state, HAPPY)
    return state


@pytest.mark.parametrize("rule", [*RULES, LEFT_ALONE, NEWEST], ids=lambda rule: rule.name)
def test_a_dancer_follows_every_rule_and_hears_no_wish(dancer: Checkpoint, rule: Rule) -> None:
    state = danced(dancer, rule, seed=1)
    assert np.isfinite(state.positions).all() and np.isnan(state.request.conditioning).all()


def noise_at(
    dancer: Checkpoint, rule: Rule, ticks: list[int], monkeypatch: pytest.MonkeyPatch
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The choice and the noise that the plans of these frames are made with."""
    given = []
    usual = Generator._plan

    def listening(self, state, weights, conditioning, gumbel, noise):  # type: ignore[no-untyped-def]
        given.append((gumbel, noise))
        return usual(self, state, weights, conditioning, gumbel, noise)

    monkeypatch.setattr(Generator, "_plan", listening)
    generator = ruled_generator(dancer, rule)
    state = generator.initial_state(40)
    for tick in ticks:
        state = generator.step(replace(state, tick=tick), HAPPY)
    return given


def test_the_noise_is_divided_as_the_rule_says_at_each_moment(
    dancer: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = round(COSINE_PERIOD_S / 2 * FRAME_RATE)
    ticks = [0, half // 2, half]
    deviations = [noise.std() for _, noise in noise_at(dancer, rule("cosine variance"), ticks, monkeypatch)]
    np.testing.assert_allclose(deviations, [1.0, math.sqrt(0.5), 0.0], atol=0.1)


def test_component_and_noise_are_drawn_anew_in_every_frame(
    dancer: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gumbel, noise), (next_gumbel, next_noise) = noise_at(dancer, RULES[0], [0, 1], monkeypatch)
    assert (gumbel != next_gumbel).all()
    assert abs(np.corrcoef(noise.ravel(), next_noise.ravel())[0, 1]) < 0.15


def test_without_variance_and_choice_there_is_no_chance(dancer: Checkpoint) -> None:
    certain = Rule("certain", "", most_probable, variance_divided_by=np.inf)
    one, other = (danced(dancer, certain, seed).positions for seed in (1, 2))
    np.testing.assert_array_equal(one, other)
    assert np.abs(danced(dancer, RULES[0], 1).positions - danced(dancer, RULES[0], 2).positions).max() > 1e-4


def test_the_newest_plan_is_danced_alone(dancer: Checkpoint) -> None:
    generator = ruled_generator(dancer, replace(NEWEST, alone=True))
    plans = np.zeros((1, 2, 2, DELTA_SIZE), dtype=np.float32)
    plans[0, 0, 0, POSE_SIZE:], plans[0, 1, 1, POSE_SIZE:] = 0.2, 0.6
    pose = generator.initial_state().pose
    assert generator._next_pose(pose, plans, None, 0.0, 1.0)[1][0] == pytest.approx([0.2] * 3)
    assert (ruled_generator(dancer, RULES[0])._next_pose(pose, plans, None, 0.0, 1.0)[1][0] > 0.3).all()


def test_a_dancer_who_is_left_alone_goes_where_the_network_takes_it(dancer: Checkpoint) -> None:
    state = Generator(dancer).initial_state()
    led, free = ruled_generator(dancer, MEAN), ruled_generator(dancer, LEFT_ALONE)
    strange = state.pose + np.random.default_rng(0).normal(0, 0.5, state.pose.shape).astype(np.float32)
    still = np.zeros((1, 1, 1, DELTA_SIZE), dtype=np.float32)
    unchanged = with_unit_directions(strange)
    np.testing.assert_allclose(free._next_pose(strange, still, None, 0.0, 1.0)[0], unchanged, atol=1e-6)
    assert np.abs(led._next_pose(strange, still, None, 0.0, 1.0)[0] - unchanged).max() > 0.05
    floating = replace(state, pose=state.pose + np.eye(POSE_SIZE, dtype=np.float32)[HEIGHT])
    rates = np.zeros((1, 3), dtype=np.float32)
    assert free._integrate_root(floating, floating.pose, rates).pose[0, HEIGHT] == floating.pose[0, HEIGHT]
    assert led._integrate_root(floating, floating.pose, rates).pose[0, HEIGHT] < floating.pose[0, HEIGHT] - 0.1
