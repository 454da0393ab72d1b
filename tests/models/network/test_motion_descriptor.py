import numpy as np

from models.motion.features import positions_to_features
from models.motion.skeleton import FloatArray
from models.network.motion_descriptor import CLIP_DEVIATIONS, DESCRIPTOR_SIZE, DescriptorSpace
from tests.synthetic import swinging_figure


def of_clips(*clips: FloatArray) -> tuple[FloatArray, np.ndarray]:
    """Clips end to end and where they begin."""
    features = [positions_to_features(clip) for clip in clips]
    return np.concatenate(features), np.cumsum([0, *map(len, features)])


def test_frames_of_one_movement_are_alike_and_those_of_another_are_not() -> None:
    features, starts = of_clips(
        *(swinging_figure(300, rate=rate, turn=turn) for rate, turn in ((0.5, 0), (2, 1)))
    )
    descriptor = DescriptorSpace.fit(features, starts).of(features, starts)
    one, other = descriptor[100:200], descriptor[400:500]
    assert descriptor.shape == (600, DESCRIPTOR_SIZE)
    apart = np.linalg.norm(one.mean(axis=0) - other.mean(axis=0))
    assert apart > 3 * max(one.std(axis=0).max(), other.std(axis=0).max())


def test_a_manner_does_not_reach_over_the_end_of_a_clip() -> None:
    calm, wild = swinging_figure(90, rate=0.3), swinging_figure(90, rate=2.0, turn=2.0)
    units = DescriptorSpace.fit(*of_clips(calm, wild))
    alone = units.of(*of_clips(calm))
    np.testing.assert_allclose(units.of(*of_clips(calm, wild))[:90], alone, atol=1e-3)


def test_no_manner_is_farther_than_the_network_has_heard() -> None:
    calm, wild = swinging_figure(90, rate=0.3), swinging_figure(90, rate=3.0, turn=4.0)
    units = DescriptorSpace.fit(*of_clips(calm))
    descriptor = units.of(*of_clips(wild))
    assert np.isfinite(descriptor).all() and np.abs(descriptor).max() <= CLIP_DEVIATIONS
