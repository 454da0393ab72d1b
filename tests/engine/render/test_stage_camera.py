"""The camera keeps the whole figure in the picture and moves softly."""

import numpy as np
import pytest

from engine.render.spring import Spring
from engine.render.stage_camera import StageCamera
from models.motion.skeleton import BONE_LENGTHS, INDEX, forward_kinematics
from tests.synthetic import standing

SIZES = [(1280, 720), (1080, 1920), (3440, 1440), (320, 240)]


def wild(seed):
    """A body bent by chance somewhere on the stage, perhaps in the air."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(16, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    pelvis = random.uniform((-4.0, 0.2, -3.0), (4.0, 1.8, 3.0))
    return forward_kinematics(pelvis, directions, BONE_LENGTHS).clip((-9, 0, -9), (9, 9, 9))


@pytest.mark.parametrize("size", SIZES)
def test_every_joint_lies_in_the_picture_for_wild_poses(size):
    camera = StageCamera()
    for step in range(40):
        positions = wild(step)
        pixels, _ = camera.follow(positions, step / 60.0, size).project(positions)
        assert (pixels >= 0).all()
        assert (pixels <= size).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_figure_at_rest_stands_upright_in_the_middle_and_fills_the_picture(size):
    camera = StageCamera()
    pixels, _ = camera.follow(standing(), 0.0, size).project(standing())
    assert abs(pixels[0, 0] - size[0] / 2) < 0.02 * size[0]
    assert pixels[INDEX["head"], 1] < pixels[0, 1] < pixels[INDEX["left_ankle"], 1]
    tall = np.ptp(pixels[:, 1]) / size[1]
    assert tall > (0.5 if size[0] > size[1] else 0.3)


def test_the_dancers_left_is_on_the_right_of_the_screen():
    pixels, _ = StageCamera().follow(standing(), 0.0, (1280, 720)).project(standing())
    assert pixels[INDEX["left_wrist"], 0] > pixels[INDEX["right_wrist"], 0]


def test_what_is_nearer_is_larger():
    projection = StageCamera().follow(standing(), 0.0, (1280, 720))
    _, scale = projection.project(np.array([[0.0, 1.0, 1.0], [0.0, 1.0, -1.0]]))
    assert scale[0] > scale[1]


def test_the_camera_follows_a_walk_softly_and_catches_up():
    camera, places = StageCamera(), []
    for step in range(240):
        walked = standing() + np.array([min(step / 60.0, 2.0), 0.0, 0.0])
        places.append(camera.follow(walked, step / 60.0, (1280, 720)).x)
    assert np.abs(np.diff(places, n=2)).max() * 3600 < 12.0
    assert abs(places[-1] - 2.0) < 0.05


def test_following_does_not_depend_on_the_frame_rate():
    def after_a_second(rate):
        camera = StageCamera()
        camera.follow(standing(), 0.0, (1280, 720))
        for step in range(1, rate + 1):
            projection = camera.follow(standing() + np.float32(0.2), step / rate, (1280, 720))
        return projection.x

    assert after_a_second(30) == pytest.approx(after_a_second(120), abs=1e-3)


def test_a_spring_neither_overshoots_nor_stops_short():
    spring = Spring(0.0, 0.4)
    way = [spring.follow(1.0, 1 / 60.0) for _ in range(240)]
    assert max(way) <= 1.0
    assert way[-1] > 0.999


def test_a_new_start_far_away_is_a_cut():
    camera = StageCamera()
    camera.follow(standing(), 0.0, (1280, 720))
    assert camera.follow(standing() + np.array([8.0, 0, 0]), 1 / 60, (1280, 720)).x == pytest.approx(
        8.0, abs=0.1
    )


def test_one_point_is_projected_like_a_row_of_one():
    projection = StageCamera().at_rest((640, 360))
    point = np.array([0.3, 1.2, -0.4])
    pixel, scale = projection.project(point)
    pixels, scales = projection.project(point[None])
    assert pixel.shape == (2,) and np.array_equal(pixel, pixels[0]) and scale == scales[0]
