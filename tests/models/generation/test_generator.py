from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from models.data.kinds import DEFAULT_REPERTOIRE, KINDS
from models.generation.chunk_sampler import ChunkSampler
from models.generation.exemplar_request import exemplar_at, next_request
from models.generation.generator import Generator
from models.generation.root_motion import HOMEWARD_RATE, MAX_FACING_RATE, homeward
from models.generation.sampling import Sampling
from models.generation.state import BLEND_FRAMES, DanceState
from models.motion.features import DIRECTIONS, HEIGHT, POSE_SIZE, positions_to_features
from models.motion.foot_contact import TOE_CONTACT_HEIGHT, TOES
from models.motion.skeleton import BONE_LENGTHS, BONE_PARENTS
from models.network.checkpoint import Checkpoint
from models.network.conditioning import DESCRIPTOR, EXEMPLAR_SIZE
from models.network.mixture import sample_components
from models.network.speed_encoding import decode_speed
from tests.synthetic import swinging_figure

NEUTRAL = np.eye(8, dtype=np.float32)[0]
HAPPY = np.eye(8, dtype=np.float32)[1]
DANCE, GESTURE, WALK = map(KINDS.index, ("dance", "gesture", "walk"))


def danced(generator: Generator, state: DanceState, frames: int, **controls: object) -> list[DanceState]:
    states = []
    for _ in range(frames):
        state = generator.step(state, NEUTRAL, **controls)  # type: ignore[arg-type]
        states.append(state)
    return states


@pytest.fixture
def generator(dancer: Checkpoint) -> Generator:
    return Generator(dancer)


def test_bones_keep_their_length(generator: Generator) -> None:
    states = danced(generator, generator.initial_state(2), 40)
    positions = np.stack([state.positions for state in states])
    lengths = np.linalg.norm(positions[..., 1:, :] - positions[..., BONE_PARENTS, :], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(BONE_LENGTHS, lengths.shape), atol=1e-5)


def test_a_state_is_a_value_that_can_be_gone_back_to(generator: Generator) -> None:
    state = danced(generator, generator.initial_state(1, seed=5), 10)[-1]
    kept = state.positions.copy()
    first = danced(generator, state, 10)[-1].positions
    np.testing.assert_array_equal(state.positions, kept)
    np.testing.assert_array_equal(danced(generator, state, 10)[-1].positions, first)


def test_another_seed_is_another_dance(generator: Generator) -> None:
    one, other = (danced(generator, generator.initial_state(1, seed), 15)[-1].positions for seed in (1, 2))
    assert np.abs(one - other).max() > 1e-3


def test_dancing_for_long_costs_no_more_memory(generator: Generator) -> None:
    def size(state: DanceState) -> int:
        return sum(part.numel() for part in state.cache) + state.chunks.size

    states = danced(generator, generator.initial_state(1), 120)
    span = generator.network.config.context_length
    assert size(states[span]) == size(states[-1])


def test_the_streamed_plan_is_that_of_the_network_over_the_whole_past(dancer: Checkpoint) -> None:
    generator = Generator(dancer, Sampling(temperature=0.0, emotion_guidance=0.0))
    first = generator.initial_state(1)
    states = [first, *danced(generator, first, 50)]
    frames = torch.cat([generator.space.inputs(*map(torch.from_numpy, (s.pose, s.delta))) for s in states[:-1]])
    labels = torch.zeros(1, 50, dancer.network.config.label_count)
    labels[..., 0] = 1.0
    conditioning = torch.from_numpy(
        np.stack([s.request.conditioning for s in states[1:]], axis=1).astype(np.float32)
    )
    with torch.inference_mode():
        mixture, _ = dancer.network(frames[None], labels, conditioning)
        last = mixture.last()
        plans = dancer.space.decode(sample_components(last, torch.zeros(1, 16)))[0].numpy()
    apart = np.abs(plans - states[-1].chunks[:, 0]).max(axis=(1, 2))
    assert apart.min() < 1e-4, "the plan is none of the components' means"


def test_dancers_of_one_batch_do_not_disturb_each_other(generator: Generator) -> None:
    state = generator.initial_state(3)
    weights = np.stack([NEUTRAL, HAPPY, NEUTRAL])
    together = generator.step(state, weights)
    other = generator.step(replace(state, pose=state.pose + np.float32([[0.0], [0.1], [0.0]])), weights)
    np.testing.assert_allclose(together.positions[[0, 2]], other.positions[[0, 2]], atol=1e-6)
    assert np.abs(together.positions[1] - other.positions[1]).max() > 1e-3


def test_a_prompt_does_not_make_the_shown_pose_jump(dancer: Checkpoint) -> None:
    generator = Generator(dancer, Sampling(temperature=0.2))  # this network is hardly trained: it trembles
    state = danced(generator, generator.initial_state(1), 20)[-1]
    features = positions_to_features(swinging_figure(30, rate=1.3, phase=2.0))
    prompted = generator.prompt(state, features)
    np.testing.assert_allclose(prompted.positions, state.positions, atol=1e-4)
    assert np.abs(generator.prompt(state, features, seamless=False).positions - state.positions).max() > 0.02
    after = danced(generator, prompted, BLEND_FRAMES + 1)
    np.testing.assert_array_equal(after[-1].blended_features, after[-1].features)
    shown = np.stack([prompted.positions] + [s.positions for s in after])
    assert np.linalg.norm(np.diff(shown, axis=0), axis=-1).max() < 0.15


def test_a_prompt_of_two_frames_will_do(generator: Generator) -> None:
    prompted = generator.prompt(generator.initial_state(1), positions_to_features(swinging_figure(2)))
    assert np.isfinite(generator.step(prompted, NEUTRAL).positions).all()


def test_the_visitor_draws_the_dancer_by_the_influence(dancer: Checkpoint) -> None:
    generator = Generator(dancer, Sampling(temperature=0.2))
    goal = positions_to_features(swinging_figure(8))[-1, :POSE_SIZE]
    goal[:48].reshape(16, 3)[[3, 4, 6, 7]] = [0.0, 1.0, 0.0]  # arms up
    state = generator.initial_state(1)

    def distance(influence: float) -> float:
        last = danced(generator, state, 20, toward=goal, influence=influence)[-1]
        return float(np.linalg.norm(last.features[0, :48] - goal[:48]))

    assert distance(0.3) < 0.5 * distance(0.0)


def test_the_dancer_stays_near_the_middle_of_the_stage(dancer: Checkpoint) -> None:
    generator = Generator(dancer, Sampling(stage_radius=1.0))
    state = generator.initial_state(1)
    state = replace(state, root=replace(state.root, position=np.array([[0.0, 0.9]])))
    walking = np.zeros_like(state.delta)
    walking[:, 50] = 1.0  # a metre a second forwards, outwards
    farthest, features = 0.0, state.pose
    for _ in range(300):
        state = generator._integrate_root(state, features, walking[:, 49:])
        farthest = max(farthest, float(np.linalg.norm(state.root.position)))
    assert farthest < 2.5


def test_at_half_the_tempo_a_step_is_half_as_far(generator: Generator) -> None:
    state = generator.warm_up(generator.initial_state(2, 3), NEUTRAL)
    thought = generator.predict(state, NEUTRAL)
    whole, half = (generator.apply(thought, tempo=tempo).pose - state.pose for tempo in (1.0, 0.5))
    turned = np.abs(whole[:, DIRECTIONS]).max()
    assert turned > 0.01
    np.testing.assert_allclose(half[:, DIRECTIONS], 0.5 * whole[:, DIRECTIONS], atol=0.1 * turned)


def test_energy_asks_for_more_movement(generator: Generator) -> None:
    request, happy = generator.initial_state(1).request, np.stack([HAPPY])
    lively, calm = (generator.conditioning_for(request, happy, energy)[0, 0] for energy in (1.5, 0.5))
    assert lively > calm


@pytest.mark.parametrize("kind", [DANCE, GESTURE])
def test_the_asked_speed_lies_in_the_range_of_the_emotion_and_kind(generator: Generator, kind: int) -> None:
    exemplars = generator.checkpoint.exemplars[1, kind]
    for exemplar_quantile in (0.0, 0.5, 0.999):
        speed, descriptor = exemplar_at(
            generator.checkpoint.exemplars, np.stack([HAPPY]), np.array([kind]), np.array([exemplar_quantile])
        )
        assert exemplars[0, 0] <= speed.item() <= exemplars[-1, 0]
        assert (descriptor[0] == exemplars[:, 1:]).all(axis=1).any(), "no actor moved in that descriptor"


def test_no_phrase_is_danced_twice_at_one_tempo(generator: Generator) -> None:
    request = replace(
        generator.initial_state(2).request,
        descriptor_noise=np.array([[-1.0], [1.0]]) * np.eye(1, EXEMPLAR_SIZE),
        exemplar_quantile=np.full(2, 0.9),
    )
    weights = np.stack([HAPPY, HAPPY])
    conditioning = generator.conditioning_for(request, weights, 1.0)
    slow, fast = decode_speed(conditioning[:, 0])
    assert fast / slow == pytest.approx(np.exp(2 * generator.sampling.speed_noise))
    assert (conditioning[0, 1:] == conditioning[1, 1:]).all() and conditioning[0, 0] < conditioning[1, 0]


def test_where_phrases_are_scarce_the_dancer_invents_more(dancer: Checkpoint) -> None:
    exemplars = np.random.default_rng(0).uniform(0.1, 2.0, dancer.exemplars.shape).astype(np.float32)
    exemplars[1] = exemplars[1, :, :1] + 1e-3 * exemplars[1]  # happy: nearly the same, over and over
    generator = Generator(replace(dancer, exemplars=exemplars))
    state = generator.initial_state(2)
    weights = np.eye(8, dtype=np.float32)[:2]
    usual, happy = generator._temperature(1.0, weights, state.request.kind)[:, 0]
    assert usual == pytest.approx(generator.sampling.temperature)
    assert happy == pytest.approx(usual + generator.sampling.sparsity_boost, abs=0.02)
    between = generator._temperature(1.0, weights.mean(axis=0, keepdims=True), state.request.kind[:1])
    assert between.item() == pytest.approx((usual + happy) / 2)
    other = replace(state.request, descriptor_noise=-state.request.descriptor_noise)
    conditioning = (
        generator.conditioning_for(one, weights, 1.0)[:, DESCRIPTOR] for one in (state.request, other)
    )
    apart = np.abs(np.subtract(*conditioning)).mean(axis=1) / np.abs(
        2 * state.request.descriptor_noise[:, 1:]
    ).mean(axis=1)
    assert apart[0] == pytest.approx(generator.sampling.descriptor_noise) and apart[1] > apart[0] + 0.2


def test_the_network_hears_an_emotion_further_from_the_mean_of_all(
    dancer: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    usual = ChunkSampler.forward

    def listening(
        self: ChunkSampler, pose: Tensor, step: Tensor, label_weights: Tensor, *given: Tensor
    ) -> object:
        heard.append(label_weights[0].numpy().copy())
        return usual(self, pose, step, label_weights, *given)

    monkeypatch.setattr(ChunkSampler, "forward", listening)
    size = len(dancer.palette)
    happy, all_alike = np.eye(size, dtype=np.float32)[1], np.full(size, 1 / size, dtype=np.float32)
    for emotion_guidance, weights in ((0.0, happy), (0.5, happy), (0.5, all_alike)):
        generator = Generator(dancer, Sampling(emotion_guidance=emotion_guidance), compiled=False)
        generator.step(generator.initial_state(), weights)
    np.testing.assert_allclose(heard[0][:size], happy)
    np.testing.assert_allclose(heard[1][:size], 1.5 * happy - 0.5 / size, atol=1e-6)
    np.testing.assert_allclose(heard[2][:size], all_alike, atol=1e-6)
    assert all(labels.sum() == pytest.approx(1.0) and not labels[size:].any() for labels in heard)


def test_nobody_is_ever_asked_to_stand(generator: Generator) -> None:
    request = replace(
        generator.initial_state(1).request,
        descriptor_noise=np.full((1, EXEMPLAR_SIZE), -3.0),
        exemplar_quantile=np.zeros(1),
    )
    asked = decode_speed(generator.conditioning_for(request, np.stack([HAPPY]), 0.1)[:, 0])
    assert asked.item() == pytest.approx(generator.sampling.min_speed)


def test_between_two_emotions_the_phrase_lies_between_theirs(generator: Generator) -> None:
    neutral, happy = np.eye(8, dtype=np.float32)[:2, None]
    kind, exemplar_quantile = np.full(1, DANCE), np.array([0.9])
    speed, descriptor = exemplar_at(generator.checkpoint.exemplars, neutral, kind, exemplar_quantile)
    other_speed, other_descriptor = exemplar_at(generator.checkpoint.exemplars, happy, kind, exemplar_quantile)
    between_speed, between = exemplar_at(
        generator.checkpoint.exemplars, (neutral + happy) / 2, kind, exemplar_quantile
    )
    np.testing.assert_allclose(between_speed, (speed + other_speed) / 2, rtol=1e-5)
    np.testing.assert_allclose(between, (descriptor + other_descriptor) / 2, rtol=1e-4, atol=1e-6)


def test_one_phrase_follows_another_over_the_whole_range_of_the_emotion(dancer: Checkpoint) -> None:
    generator = Generator(dancer, Sampling(exemplar_seconds=0.1))
    ranks = np.array(
        [state.request.exemplar_quantile for state in danced(generator, generator.initial_state(2), 200)]
    )
    counts = np.stack([np.histogram(row, bins=4, range=(0, 1))[0] for row in ranks.T])
    assert (counts > 20).all(), "a dancer stayed with one kind of exemplar"
    changes = np.abs(np.diff(ranks, axis=0))
    changes = np.minimum(changes, 1 - changes)[changes > 0]
    assert changes.min() > 0.2, "the next exemplar was like the last"


def test_the_past_of_a_taller_visitor_stands_on_the_dancers_floor(generator: Generator) -> None:
    features = positions_to_features(swinging_figure(30))
    tall = features.copy()
    tall[:, HEIGHT] += 0.2
    one, other = (
        generator.prompt(generator.initial_state(1), past, seamless=False) for past in (features, tall)
    )
    np.testing.assert_allclose(one.pose, other.pose, atol=1e-6)
    lowest = min(s.positions[0, TOES, 1].min() for s in (one, other))
    assert TOE_CONTACT_HEIGHT - 1e-6 < lowest < TOE_CONTACT_HEIGHT + 0.1


def test_a_long_prompt_fills_the_whole_past(generator: Generator) -> None:
    features = positions_to_features(swinging_figure(60))
    assert generator.prompt(generator.initial_state(1), features).cache.valid.all()


def turned_away(generator: Generator, yaw: float) -> DanceState:
    """A dancer that has faced a yaw for long."""
    facing = np.array([[np.sin(yaw), np.cos(yaw)]])
    state = generator.initial_state(1)
    return replace(state, root=replace(state.root, yaw=np.array([yaw]), facing=facing))


def travelled(generator: Generator, state: DanceState, poses: np.ndarray, turning: float = 0.0) -> np.ndarray:
    """The yaw (T,) of a dancer that takes on poses (T, 49), its body turned by so many radians a second."""
    rates = np.array([[0.0, 0.0, turning]], dtype=np.float32)
    yaws = []
    for pose in poses:
        state = generator._integrate_root(state, pose[None], rates)
        yaws.append(state.root.yaw[0])
    return np.array(yaws)


SWINGING = positions_to_features(swinging_figure(360))[:, :POSE_SIZE]


@pytest.mark.parametrize("yaw", [2.5, -2.5])
def test_who_moves_and_looks_away_comes_to_face_the_audience(generator: Generator, yaw: float) -> None:
    yaws = travelled(generator, turned_away(generator, yaw), SWINGING)
    assert np.abs(yaws[-90:]).max() < 0.3
    fastest = np.abs(np.diff(yaws)).max()
    assert fastest <= MAX_FACING_RATE / 30 + 1e-9, "it turned faster than a dancer may be turned"


def test_who_faces_the_audience_is_not_turned(generator: Generator) -> None:
    assert np.abs(travelled(generator, generator.initial_state(1), SWINGING)).max() < 1e-6


def test_who_stands_is_not_turned_on_its_feet(generator: Generator) -> None:
    state = turned_away(generator, 2.5)
    yaws = travelled(generator, state, np.repeat(state.pose, 120, axis=0))
    np.testing.assert_allclose(yaws, 2.5, atol=0.02)


def test_who_spins_goes_on_spinning(generator: Generator) -> None:
    yaws = travelled(generator, generator.initial_state(1), SWINGING, turning=2 * np.pi)
    assert yaws[-1] - yaws[59] == pytest.approx(2 * np.pi * 10, rel=0.02)


def test_who_moves_drifts_back_to_the_middle_and_who_stands_does_not(generator: Generator) -> None:
    away = np.array([[0.0, 2.0]])
    moving, standing = (swinging_figure(2, rate=rate)[None] for rate in (1.5, 0.0))
    standing[:, 1] = standing[:, 0]
    drift = homeward(away, moving[:, 0], moving[:, 1])
    assert drift[0, 1] * 30 == pytest.approx(2.0 * HOMEWARD_RATE, rel=0.05) and drift[0, 0] == 0.0
    assert (homeward(away, standing[:, 0], standing[:, 1]) == 0).all()
    assert (homeward(0 * away, moving[:, 0], moving[:, 1]) == 0).all()


def test_a_prompt_leaves_the_heading_and_the_kind_of_movement(generator: Generator) -> None:
    state = turned_away(generator, 1.0)
    state = replace(state, request=replace(state.request, kind=np.array([WALK])))
    prompted = generator.prompt(state, positions_to_features(swinging_figure(30)))
    np.testing.assert_array_equal(prompted.root.facing, state.root.facing)
    np.testing.assert_array_equal(prompted.request.kind, state.request.kind)


def test_a_dancer_that_was_warmed_up_faces_the_audience(generator: Generator) -> None:
    state = generator.warm_up(turned_away(generator, 2.0), NEUTRAL, frames=3, repertoire=(0.0, 0.0, 1.0))
    assert state.root.facing.tolist() == [[0.0, 1.0]] and state.root.yaw.tolist() == [0.0]
    assert state.request.kind.tolist() == [WALK]


def test_a_kind_that_is_no_longer_wanted_is_left_at_once(generator: Generator) -> None:
    state = generator.initial_state(4)
    assert state.request.kind.tolist() == [int(np.argmax(DEFAULT_REPERTOIRE))] * 4
    for kind in (GESTURE, WALK, DANCE):
        state = generator.step(state, NEUTRAL, repertoire=np.eye(len(KINDS))[kind])
        assert state.request.kind.tolist() == [kind] * 4
        np.testing.assert_array_equal(
            state.request.conditioning[:, DESCRIPTOR.stop :], np.eye(len(KINDS))[[kind] * 4]
        )


def test_a_kind_that_is_still_wanted_lasts_as_long_as_its_phrase(dancer: Checkpoint) -> None:
    generator = Generator(dancer, Sampling(exemplar_seconds=1e9))
    states = danced(generator, generator.initial_state(4), 10, repertoire=(0.01, 0.98, 0.01))
    assert all(state.request.kind.tolist() == [DANCE] * 4 for state in states)
    assert all(
        (state.request.exemplar_quantile == states[0].request.exemplar_quantile).all() for state in states
    )


def test_kinds_are_drawn_by_their_weights(dancer: Checkpoint) -> None:
    state, rng = Generator(dancer).initial_state(4000), np.random.default_rng(0)
    weights = np.array([1.0, 0.6, 0.4])
    kind = next_request(state.request, rng, weights, 1e-9).kind
    np.testing.assert_allclose(np.bincount(kind, minlength=3) / 4000, weights / 2, atol=0.03)
    each = np.eye(3)[np.arange(4000) % 3]
    np.testing.assert_array_equal(next_request(state.request, rng, each, 1e-9).kind, np.arange(4000) % 3)


def test_each_kind_is_asked_for_in_its_own_phrases(dancer: Checkpoint) -> None:
    exemplars = dancer.exemplars.copy()
    exemplars[:, WALK, :, 0] = 5.0
    generator = Generator(replace(dancer, exemplars=exemplars))
    request = replace(
        generator.initial_state(2).request,
        kind=np.array([DANCE, WALK]),
        descriptor_noise=np.zeros((2, EXEMPLAR_SIZE)),
    )
    asked = decode_speed(generator.conditioning_for(request, np.stack([HAPPY, HAPPY]), 1.0)[:, 0])
    assert asked[1] == pytest.approx(5.0) and asked[0] < 2.5
