"""The picture: what is where, how bright and of what hue; not which pixel has which value."""

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import numpy as np
import pygame
import pytest

from engine.render.backdrop import TURNS, Backdrop
from engine.render.emotion_lights import load_colours
from engine.render.figure.body import Body, embody
from engine.render.figure.height_field import cast_silhouette, raise_relief
from engine.render.overlay import Caption
from engine.render.scene import Scene
from engine.render.scenes import SCENES
from engine.render.stage import Stage, StageFrame
from engine.render.stage_camera import StageCamera
from engine.runtime.faults import StartError
from engine.streams.values import Pose
from models.motion.skeleton import BONE_LENGTHS, forward_kinematics
from tests.synthetic import standing

SIZE = (320, 240)
PALETTE = ("neutral", "happy", "sad", "angry")


def wild(seed):
    random = np.random.default_rng(seed)
    directions = random.normal(size=(16, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    positions = forward_kinematics(np.array([0.0, 1.2, 0.0]), directions, BONE_LENGTHS)
    return positions.astype(np.float32)


def emotion(name):
    return np.array([n == name for n in PALETTE], dtype=np.float32)


def picture(time=10.0, positions=None, mood="neutral", **more):
    return StageFrame(time, standing() if positions is None else positions, emotion(mood), PALETTE, **more)


def drawn(*pictures, size=SIZE, stage=None):
    """The last picture as (height, width, 3) float."""
    stage = stage or Stage(size)
    surface = pygame.Surface(size, 0, 32)
    for each in pictures:
        stage.draw(surface, each)
    return pygame.surfarray.array3d(surface).swapaxes(0, 1).astype(float)


def test_it_is_bright_where_the_dancer_is_and_dark_elsewhere():
    image = drawn(picture()).mean(axis=2)
    assert image[60:190, 150:170].mean() > 3.0 * image[60:190, :60].mean()


@pytest.mark.parametrize("seed", range(12))
def test_the_whole_body_lies_in_the_picture_for_wild_poses(seed):
    positions = wild(seed)
    positions[:, 1] -= min(positions[:, 1].min() - 0.05, 0.0)
    projection = StageCamera().follow(positions, 0.0, SIZE)
    silhouette = cast_silhouette(embody(positions), projection, 1)
    rows, columns = np.nonzero(silhouette.distance > 0.0)
    left, top = silhouette.origin
    assert columns.min() + left >= 0
    assert columns.max() + left < SIZE[0]
    assert rows.min() + top >= 0
    assert rows.max() + top < SIZE[1]


@pytest.mark.parametrize(("mood", "channel"), [("angry", 0), ("sad", 2)])
def test_the_emotion_colours_the_room(mood, channel):
    image = drawn(picture(mood=mood)).mean(axis=(0, 1))
    assert image[channel] == max(image)
    assert image[channel] > 1.3 * np.median(image)


def test_a_change_of_emotion_fades_over_seconds():
    stage = Stage(SIZE)
    drawn(picture(10.0, mood="sad"), stage=stage)
    at_once = drawn(picture(10.0 + 1 / 60, mood="angry"), stage=stage).mean(axis=(0, 1))
    later = drawn(*(picture(10.0 + i / 20, mood="angry") for i in range(1, 100)), stage=stage).mean(axis=(0, 1))
    assert at_once[2] > at_once[0]
    assert later[0] > later[2]


def test_an_emotion_that_the_table_does_not_know_gets_a_neutral_light():
    image = drawn(StageFrame(1.0, standing(), np.array([1.0]), ("bewildered",))).mean(axis=(0, 1))
    assert image.max() < 1.5 * image.min()


def test_resizing_keeps_the_dancer_in_the_picture():
    stage = Stage(SIZE)
    for i, size in enumerate([(320, 240), (200, 400), (640, 200), (64, 48)]):
        image = drawn(picture(10.0 + i / 60), size=size, stage=stage).mean(axis=2)
        middle = image[:, size[0] // 2 - size[0] // 8 : size[0] // 2 + size[0] // 8]
        assert image.shape == size[::-1]
        assert middle.max() > 120


def test_positions_with_nan_show_the_last_good_ones():
    stage = Stage(SIZE)
    good = drawn(picture(10.0), stage=stage)
    broken = drawn(picture(10.0, positions=np.full((17, 3), np.nan)), stage=stage)
    assert np.abs(good - broken).mean() < 0.5


def test_nan_from_the_first_picture_on_draws_an_empty_stage():
    assert np.isfinite(drawn(picture(positions=np.full((17, 3), np.nan)))).all()


def test_a_fast_hand_leaves_a_trail_that_fades():
    def swinging(turn):
        positions = standing()
        reach = np.array([np.sin(turn), np.cos(turn), 0.0], dtype=np.float32)
        positions[4] = positions[3] + 0.24 * reach
        positions[5] = positions[4] + 0.22 * reach
        return positions

    stage = Stage(SIZE)
    swing = [picture(10.0 + i / 60, positions=swinging(i / 6.0)) for i in range(19)]
    region = (slice(50, 150), slice(175, 230))
    moved = drawn(*swing, stage=stage)[region].mean()
    held = [picture(10.3 + i / 60, positions=swinging(3.0)) for i in range(1, 120)]
    assert moved > drawn(*held, stage=stage)[region].mean() + 1.0


def test_the_visitor_appears_beside_the_dancer_and_fades_when_gone():
    stage = Stage(SIZE)
    alone = drawn(picture(10.0), stage=stage)
    visitor = Pose(True, 10.0, standing((0.4, 0.9, -3.0)))
    seen = drawn(*(picture(10.0 + i / 30, visitor=visitor) for i in range(90)), stage=stage)
    gone = Pose(False, 13.0, visitor.positions)
    left = drawn(*(picture(13.0 + i / 30, visitor=gone) for i in range(150)), stage=stage)
    beside = (slice(80, 180), slice(200, 260))
    assert seen[beside].mean() > alone[beside].mean() + 2.0
    assert left[beside].mean() < alone[beside].mean() + 1.0


def test_before_the_dancer_comes_the_screen_is_not_black_and_breathes():
    def waiting(time):
        return drawn(StageFrame(time, progress="loading the dancer …")).mean()

    assert waiting(5.0) > 3.0
    assert waiting(7.5) > waiting(5.0) + 1.0


def test_a_caption_is_drawn_over_the_dance():
    plain = drawn(picture(), size=(640, 480))
    over = drawn(picture(caption=Caption("fear: timid 70 %", 9.0)), size=(640, 480))
    assert np.abs(over - plain)[430:, 200:440].mean() > 3.0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[unknown]\nfigure = 3", "figure"),
        ("[unknown]\nfigure = '#ffffff'\nglow = '#ffffff'\nbackground = '#000000'", "trail_seconds"),
        ("[happy]", "unknown"),
        ("happy = [", "TOML"),
        ("unknown = 3", "table"),
    ],
)
def test_a_malformed_table_of_colours_is_named_in_one_line(text, named):
    with pytest.raises(StartError, match=named) as raised:
        load_colours(text)
    assert "\n" not in str(raised.value)


def test_a_scene_that_cannot_begin_is_left_again_by_the_next_one(monkeypatch):
    class Broken(Scene):
        name = "broken"

        def __init__(self):
            raise RuntimeError("a scene of one's own")

        def draw(self, surface, view):
            raise AssertionError

    monkeypatch.setitem(SCENES, "broken", Broken)
    stage, surface = Stage(SIZE), pygame.Surface(SIZE, 0, 32)
    stage.draw(surface, picture(10.0))
    failed = 0
    for i in range(1, 40):
        try:
            stage.draw(surface, picture(10.0 + 0.1 * i, scene="broken" if i < 20 else "figure"))
        except RuntimeError:
            failed += 1
    assert failed and stage._scene == "figure"
    stage.draw(surface, picture(14.1))
    assert pygame.surfarray.array3d(surface).max() > 60


@pytest.mark.parametrize("size", [(320, 240), (323, 181), (40, 7)])
def test_a_room_that_changes_its_light_ends_as_one_painted_in_it(size):
    colours, rest = load_colours(), StageCamera().at_rest(size)

    def pixels(backdrop, *moods):
        surface = pygame.Surface(size, 0, 32)
        for mood in moods:
            backdrop.draw(surface, colours.of(mood))
        return pygame.surfarray.array3d(surface)

    sad = pixels(Backdrop(rest), "sad")
    backdrop = Backdrop(rest)
    assert not np.array_equal(pixels(backdrop, "happy"), sad)
    np.testing.assert_array_equal(pixels(backdrop, *["sad"] * TURNS), sad)
    assert sad[..., 2].mean() > sad[..., 0].mean(), "blue is blue"


def test_a_light_that_stays_is_the_same_and_one_that_changes_is_not():
    colours, weights = load_colours(), emotion("happy")
    happy = colours.blend(PALETTE, weights)
    assert colours.blend(PALETTE, emotion("happy")) is happy is happy.towards(happy, 0.3) is happy.dimmed(1.0)
    weights[:] = emotion("sad")  # the array that was given belongs to whoever gave it
    sad = colours.blend(PALETTE, weights)
    np.testing.assert_allclose(sad.row, colours.of("sad").row, atol=1e-6)
    assert np.abs(sad.row - happy.row).max() > 0.1
    np.testing.assert_allclose(colours.blend(PALETTE[::-1], weights).row, colours.of("happy").row, atol=1e-6)
    assert colours.blend(PALETTE, weights * np.nan) is colours.of("unknown")
    np.testing.assert_allclose(happy.towards(sad, 0.25).row, 0.75 * happy.row + 0.25 * sad.row, atol=1e-6)
    near, steps = happy, 0
    while near is not sad and steps < 100:
        near, steps = near.towards(sad, 0.2), steps + 1
    assert 20 < steps < 60, "a fade ends"


def test_a_body_around_a_corner_of_the_picture_is_not_there_and_half_a_body_is():
    def body(aside, up):
        starts = np.array([aside, up], dtype=np.float32)
        spread = np.array([0.1, 0.2, 0.0], dtype=np.float32)
        sizes = np.full((2, 2), 0.05, dtype=np.float32), np.zeros(2, dtype=np.float32)
        return Body(np.stack([starts, starts + spread]), *sizes, np.zeros((2, 2), dtype=np.intp), 1)

    projection = StageCamera().at_rest((960, 540))
    energies = np.full((2, 2), 0.5, dtype=np.float32)
    corner, half = body((-4.0, 1.0, 0.0), (0.0, 6.0, 0.0)), body((-4.0, 1.0, 0.0), (0.0, 1.0, 0.0))
    assert cast_silhouette(corner, projection, 3).distance.max() < -2.0
    assert raise_relief(corner, energies, projection, 3).distance.max() < -2.0
    relief = raise_relief(half, energies, projection, 3)
    assert relief is not None and relief.distance.max() > 0.0 and np.isfinite(relief.height).all()
