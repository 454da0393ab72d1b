from collections.abc import Callable

import numpy as np
import pytest

from models.data.restyling import Restyling
from models.generation.answer import (
    ENERGY_LIMITS,
    MAX_DRAW,
    TEMPO_LIMITS,
    USUAL_VISITOR_SPEED,
    TrackedMovement,
    VisitorMovement,
    answering_context,
    answering_energy,
    answering_pose,
    answering_tempo,
    draw_share,
    joint_speeds,
    seen_features,
)
from models.generation.generator import Generator
from models.motion.features import DIRECTIONS, positions_to_features
from models.motion.skeleton import INDEX, FloatArray
from models.network.checkpoint import Checkpoint
from tests.synthetic import swinging_figure


def poses(rate: float = 0.5, frames: int = 60) -> FloatArray:
    return positions_to_features(swinging_figure(frames, rate=rate))[:, :49]


def test_the_mean_follows_the_visitor_slowly_and_starts_where_they_stand() -> None:
    first, other = poses()[0], poses()[20]
    movement = VisitorMovement.after(None, first, 0.0)
    np.testing.assert_array_equal(movement.mean, first)
    soon = VisitorMovement.after(movement, other, 0.1)
    late = VisitorMovement.after(movement, other, 30.0)
    assert 0 < np.linalg.norm(soon.mean - first) < 0.1 * np.linalg.norm(other - first)
    np.testing.assert_allclose(late.mean, other, atol=1e-3)


def test_without_a_restyling_the_answer_is_the_visitors_own_pose() -> None:
    movement = VisitorMovement.after(VisitorMovement.after(None, poses()[0], 0.0), poses()[9], 0.1)
    answer = answering_pose(movement, np.array([0.0, 1.0]), Restyling.none(2))
    np.testing.assert_allclose(answer, movement.pose, atol=1e-5)


def test_the_answer_has_the_posture_of_the_emotion_and_goes_over_to_the_next_without_a_step() -> None:
    restyling = Restyling.none(2)
    restyling.shift[1, 4] = 0.3
    movement = VisitorMovement.after(None, poses()[0], 0.0)
    blends = np.linspace(0.0, 1.0, 11)
    answers = np.stack([answering_pose(movement, np.array([1 - b, b]), restyling) for b in blends])
    moved = np.linalg.norm(np.diff(answers, axis=0), axis=1)
    assert moved.min() > 0 and moved.max() < 3 * moved.min()
    assert np.linalg.norm(answers[:, DIRECTIONS].reshape(11, 16, 3), axis=2) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("answering", "limits"), [(answering_energy, ENERGY_LIMITS), (answering_tempo, TEMPO_LIMITS)]
)
def test_who_moves_more_is_answered_with_more_and_who_stands_with_less_but_never_with_nothing(
    answering: Callable[[VisitorMovement, float], float], limits: tuple[float, float]
) -> None:
    def factor(speed: float, influence: float = 1.0) -> float:
        return answering(VisitorMovement.after(None, poses()[0], 0.0, speed=speed), influence)

    assert factor(USUAL_VISITOR_SPEED) == pytest.approx(1.0)
    assert factor(0.0) == pytest.approx(limits[0]) and factor(100.0) == pytest.approx(limits[1])
    assert factor(0.1) < factor(0.2) < factor(0.5)
    looking_on = VisitorMovement.after(None, poses()[0], 0.0, speed=0.0, attention=0.0)
    assert answering(looking_on, 1.0) == 1.0, "who has stood for long slows nobody"
    assert factor(0.0, influence=0.0) == 1.0 and factor(0.0) < factor(0.0, influence=0.5) < 1.0


def test_context_is_restyled_as_the_pose_is_and_travels_as_the_visitor_did() -> None:
    features = positions_to_features(swinging_figure(60))
    restyling = Restyling.none(2)
    restyling.shift[1, 5] = 0.3
    movement = VisitorMovement.after(None, features[-1, :49], 0.0)
    context = answering_context(features, movement, np.array([0.0, 1.0]), restyling)
    expected = answering_pose(movement, np.array([0.0, 1.0]), restyling)
    np.testing.assert_allclose(context[-1, :49], expected, atol=1e-6)
    np.testing.assert_array_equal(context[:, 49:], features[:, 49:])
    assert np.abs(context[:, :49] - features[:, :49]).max() > 0.1


def attention(positions: FloatArray, rate: float = 30.0, noise: float = 0.006) -> FloatArray:
    """Attention (T,) to a visitor whose poses (T, 17, 3) come so many times a second with a camera's noise."""
    rng, track, found = np.random.default_rng(0), TrackedMovement(), []
    for frame, pose in enumerate(positions + rng.normal(0.0, noise, positions.shape)):
        track.see(pose, np.ones(17), frame / rate)
        assert track.movement is not None
        found.append(track.movement.attention)
    return np.array(found)


@pytest.mark.parametrize("rate", [10.0, 30.0])
def test_who_stands_still_is_paused_with_and_then_danced_for_until_they_move(rate: float) -> None:
    standing = np.repeat(swinging_figure(1), int(12 * rate), axis=0)
    waving = standing[: int(2 * rate)].copy()
    wave = 0.3 * np.sin(2 * np.pi * np.arange(len(waving)) / rate)
    waving[:, INDEX["left_wrist"], 0] += wave
    found = attention(np.concatenate([standing, waving]), rate)
    assert (found[: int(2.4 * rate)] == 1.0).all(), "a pause is answered with a pause"
    assert found[len(standing) - 1] < 0.05, "then the dancer dances by itself"
    assert found[-1] > 0.95 and found[len(standing) + int(0.7 * rate)] > 0.8, "one waving hand is noticed"


def test_a_limb_that_is_not_seen_moves_nobody() -> None:
    rng, track = np.random.default_rng(0), TrackedMovement()
    confidence = np.ones(17)
    confidence[INDEX["left_wrist"]] = 0.0
    for frame in range(360):
        pose = swinging_figure(1)[0].copy()
        pose[INDEX["left_wrist"]] += rng.normal(0.0, 0.2, 3)
        track.see(pose, confidence, frame / 30)
    assert track.movement is not None and track.movement.attention < 0.05


def test_the_draw_grows_with_the_influence_and_is_nothing_without() -> None:
    def share(influence: float, confidence: float = 1.0, attention: float = 1.0) -> FloatArray:
        sure = np.full(17, confidence)
        seen = VisitorMovement.after(None, poses()[0], 0.0, sure, attention=attention)
        return draw_share(seen, influence)

    arm, leg = 3 * (INDEX["left_wrist"] - 1), 3 * (INDEX["left_knee"] - 1)
    shares = [share(influence)[arm] for influence in (0.0, 0.3, 0.6, 1.0)]
    assert shares[0] == 0.0 and shares == sorted(shares) and shares[-1] == pytest.approx(MAX_DRAW)
    assert share(1.0, attention=0.0).max() == 0.0 < share(1.0, attention=0.5)[arm] < share(1.0)[arm]
    assert share(1.0)[leg] == 0.0 == share(1.0, confidence=0.0).max(), "the legs go on dancing"


def test_noise_of_the_camera_is_taken_off_the_pose_at_any_frame_rate() -> None:
    still = np.repeat(swinging_figure(1), 120, axis=0)
    noisy = still + np.random.default_rng(0).normal(0.0, 0.01, still.shape)
    for rate, kept in ((30, 0.65), (120, 0.4)):
        track, found = TrackedMovement(), []
        for frame, positions in enumerate(noisy):
            track.see(positions, None, frame / rate)
            assert track.movement is not None
            found.append(track.movement.pose)
        raw = np.stack([positions_to_features(np.stack([p, p]))[-1, :49] for p in noisy])
        assert np.std(found[20:], axis=0).mean() < kept * raw.std(axis=0).mean()


def test_a_bone_is_seen_as_far_as_both_its_joints() -> None:
    confidence = np.ones(17, dtype=np.float32)
    confidence[INDEX["left_wrist"]] = 0.0
    confidence[INDEX["right_elbow"]] = 0.3
    seen = seen_features(confidence)[DIRECTIONS].reshape(16, 3)
    assert (seen[INDEX["left_wrist"] - 1] == 0).all()
    assert seen[INDEX["right_elbow"] - 1] == pytest.approx(0.3) == seen[INDEX["right_wrist"] - 1]
    assert (np.delete(seen, [4, 6, 7], axis=0) == 1).all()


def test_a_confidence_that_is_no_number_counts_as_not_seen() -> None:
    confidence = np.ones(17, dtype=np.float32)
    confidence[INDEX["left_wrist"]] = np.nan
    seen = seen_features(confidence)
    assert np.isfinite(seen).all() and seen[3 * (INDEX["left_wrist"] - 1)] == 0.0


def test_the_speed_of_a_pose_is_that_of_a_body_of_one_size_whoever_shows_it() -> None:
    figure = swinging_figure(60, rate=1.0)
    small = positions_to_features(0.5 * figure)[:, :49]
    small[:, 48] = poses(1.0)[:, 48]
    own, other = poses(1.0), small
    assert joint_speeds(own[3], own[9], 0.2) == pytest.approx(joint_speeds(other[3], other[9], 0.2), rel=1e-3)
    assert (joint_speeds(own[3], own[3], 0.2) == 0.0).all()


def test_a_limb_that_is_not_seen_dances_by_itself(dancer: Checkpoint) -> None:
    generator = Generator(dancer)
    weights = dancer.palette.one_hot(0)
    state = generator.warm_up(generator.initial_state(1, 0), weights, 5)
    thought = generator.predict(state, weights)
    toward = np.roll(state.pose[0], 6)
    alone = generator.apply(thought).pose[0]
    confidence = np.ones(17, dtype=np.float32)
    confidence[[INDEX["left_elbow"], INDEX["left_wrist"]]] = 0.0
    drawn = generator.apply(thought, toward, MAX_DRAW * seen_features(confidence)).pose[0]
    moved = np.abs(drawn - alone)[DIRECTIONS].reshape(16, 3).max(axis=1)
    unseen = [INDEX["left_elbow"] - 1, INDEX["left_wrist"] - 1]
    assert moved[unseen].max() < 0.02 < np.delete(moved, unseen).max()
