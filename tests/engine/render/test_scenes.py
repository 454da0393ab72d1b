"""Every scene shows the dancer and follows the emotion; pictures are compared by structure."""

import contextlib
from itertools import pairwise

import numpy as np
import pygame
import pytest

from engine.render.backdrop import STRIP_COUNT
from engine.render.emotion_lights import LiveColours
from engine.render.floor import draw_dust
from engine.render.overlay import Caption, Overlay
from engine.render.raster import glow_trails
from engine.render.raster.glow_trails import draw_air
from engine.render.raster.sprite import cut_out
from engine.render.scene import Scene, View
from engine.render.scenes import SCENES, chorus, ribbons
from engine.render.scenes.ribbons import Ribbons
from engine.render.stage import Stage, StageFrame
from engine.render.stage_camera import Projection, StageCamera
from engine.streams.motion_history import MotionHistory
from engine.streams.values import Pose
from models.motion.skeleton import INDEX
from tests.engine.render.test_stage import PALETTE, emotion
from tests.synthetic import standing

SIZE = (320, 180)


def play(scene, seconds, mood="happy", size=SIZE, start=0.0, stage=None, **more):
    """The last picture of a dancer who swings both arms, (height, width, 3) float."""
    stage = stage or Stage(size)
    surface = pygame.Surface(size, 0, 32)
    for i in range(round(seconds * 30)):
        time = start + i / 30
        positions = standing()
        for shoulder, side in ((3, 1.0), (6, -1.0)):
            reach = np.array([side * np.sin(4 * time), np.cos(4 * time), 0.0], dtype=np.float32)
            positions[shoulder + 1] = positions[shoulder] + 0.24 * reach
            positions[shoulder + 2] = positions[shoulder + 1] + 0.22 * reach
        stage.draw(surface, StageFrame(time, positions, emotion(mood), PALETTE, scene=scene, **more))
    return pygame.surfarray.array3d(surface).swapaxes(0, 1).astype(float)


@pytest.mark.parametrize("scene", SCENES)
def test_the_dancer_stands_out_from_the_room_in_the_middle(scene):
    image = play(scene, 1.0).mean(axis=2)
    assert image[40:150, 140:180].max() > 90
    assert image[:, :40].mean() < 40


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("size", [SIZE, (321, 181)])
def test_a_picture_of_which_the_back_was_drawn_before_is_the_same(scene, size):
    """… but for the camera, which the back takes from the picture before: here it stands still."""
    whole, halves = Stage(size), Stage(size)
    visitor = Pose(True, 0.0, standing(), np.ones(17, dtype=np.float32))
    surface, other = pygame.Surface(size, 0, 32), pygame.Surface(size, 0, 32)
    for i in range(90):
        picture = StageFrame(i / 30, standing(), emotion("happy"), PALETTE, scene=scene, visitor=visitor)
        whole.draw(surface, picture)
        halves.draw_background(other, picture.time)
        halves.draw(other, picture)
    assert pygame.surfarray.array3d(surface).max() > 100
    np.testing.assert_array_equal(pygame.surfarray.array3d(other), pygame.surfarray.array3d(surface))


@pytest.mark.parametrize("size", [SIZE, (331, 641)])
@pytest.mark.parametrize("scene", SCENES)
def test_a_picture_drawn_over_the_one_before_is_the_picture_drawn_anew(scene, size):
    """Whatever happens in between: lights that change, the visitor, another scene, words, a cut."""
    over, anew = Stage(size), Stage(size)
    surface, other = pygame.Surface(size, 0, 32), pygame.Surface(size, 0, 32)
    visitor = Pose(True, 0.0, standing(), np.ones(17, dtype=np.float32))
    partly = 0
    for i in range(150):
        positions = standing((0.6 * np.sin(i / 9), 0.9, 0.2 * np.sin(i / 7)))
        positions[[6, 9]] += np.float32(0.3) * np.sin(np.array([[i, 2 * i, i], [i, i, 2 * i]], np.float32) / 6)
        picture = StageFrame(
            i / 30,
            positions + np.float32(2.0 * (i > 120)),
            emotion("happy" if i < 60 else "sad"),
            PALETTE,
            scene=scene if i < 70 or i > 90 else "figure",
            visitor=visitor if i > 30 else None,
            caption=Caption("with you", 1.0, seconds=0.4),  # it stays when it is over
        )
        if i in (100, 101):
            picture = StageFrame(i / 30, progress="the dancer is on the way", palette=PALETTE)
        partly += over._touched is not None
        over.draw_background(surface, picture.time, kept=i > 0)
        over.draw(surface, picture)
        anew.draw_background(other, picture.time)
        anew.draw(other, picture)
        np.testing.assert_array_equal(pygame.surfarray.array3d(surface), pygame.surfarray.array3d(other))
        if i in (110, 112):
            words = (Overlay(lines=(("scene", scene),)), ()) if i == 110 else (None, (("H", "overlay_values"),))
            over.draw_words(surface, *words)
    assert 100 < partly < 140


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("depth, masks", [(32, (0xFF, 0xFF00, 0xFF0000, 0)), (24, (0xFF0000, 0xFF00, 0xFF, 0))])
def test_a_surface_of_another_format_is_refused(scene, depth, masks):
    stage, surface = Stage(SIZE), pygame.Surface(SIZE, 0, depth, masks)
    with pytest.raises(ValueError, match="BGRX"):
        stage.draw(surface, StageFrame(0.0, standing(), emotion("happy"), PALETTE, scene=scene))


def test_a_scene_that_does_not_say_where_it_draws_may_draw_anywhere(monkeypatch):
    class Dot(Scene):
        name = "dot"

        def draw(self, surface, view):
            pygame.draw.circle(surface, "white", (round(view.time * 300) % SIZE[0], 10), 4)

    monkeypatch.setitem(SCENES, "dot", Dot)
    stage, surface = Stage(SIZE), pygame.Surface(SIZE, 0, 32)
    for i in range(10):
        stage.draw_background(surface, i / 30, kept=i > 0)
        stage.draw(surface, StageFrame(i / 30, standing(), emotion("happy"), PALETTE, scene="dot"))
    assert 20 < (pygame.surfarray.array3d(surface).min(axis=2) == 255).sum() < 60, "one dot and no row of them"


def test_half_a_picture_leaves_nothing_behind(monkeypatch):
    def fails(_, surface, view):
        surface.fill("red", (0, 0, 50, 50))
        raise ValueError("half a picture")

    stage, surface = Stage(SIZE), pygame.Surface(SIZE, 0, 32)
    for i in range(6):
        stage.draw_background(surface, i / 30, kept=i > 0)
        with monkeypatch.context() as patch, contextlib.suppress(ValueError):
            if i == 4:
                patch.setattr(SCENES["figure"], "draw", fails)
            stage.draw(surface, StageFrame(i / 30, standing(), emotion("neutral"), PALETTE))
        red = pygame.surfarray.array3d(surface)[:50, :50, 0] > 200
        assert red.all() == red.any() == (i == 4)


def test_what_happens_to_a_surface_behind_the_back_of_the_stage_is_over_soon():
    stage, surface = Stage(SIZE), pygame.Surface(SIZE, 0, 32)
    pictures = []
    for i in range(20 + STRIP_COUNT):
        if i == 15:
            surface.fill("red")
        stage.draw_background(surface, i / 30, kept=i > 0)
        stage.draw(surface, StageFrame(i / 30, standing(), emotion("neutral"), PALETTE))
        pictures.append(pygame.surfarray.array3d(surface))
    red = [int(((each[..., 0] > 200) & (each[..., 1] < 9)).sum()) for each in pictures]
    assert red[14] == 0 and red[15] > 10_000 and red[15 + STRIP_COUNT] == 0


def test_the_back_of_a_picture_holds_the_room_the_visitor_and_the_echoes_but_not_the_dancer():
    stage, surface = Stage(SIZE), pygame.Surface(SIZE, 0, 32)
    play("chorus", 5.0, stage=stage, visitor=Pose(True, 0.0, standing(), np.ones(17, dtype=np.float32)))
    front = play("chorus", 1 / 30, stage=stage, start=5.0)
    stage.draw_background(surface, 5.0)
    back = pygame.surfarray.array3d(surface).swapaxes(0, 1).astype(float)
    added = (front - back).mean(axis=2)
    assert added[40:120, 145:175].max() > 60
    assert np.abs(added[40:120, :60]).mean() < 1.0 and back[40:120, :60].max() > back[:20, :20].max() + 5.0


@pytest.mark.parametrize("scene", SCENES)
def test_a_back_for_another_surface_or_after_a_pause_is_drawn_anew(scene):
    stage = Stage(SIZE)
    play(scene, 1.0, stage=stage)
    stage.draw_background(pygame.Surface((480, 270), 0, 32), 1.1)
    image = play(scene, 1 / 30, stage=stage, start=1.1)
    assert image[40:150, 140:180].max() > 90 and image[165:, 90:110].min() > 5.0, "the dancer and the room"
    stage.draw_background(surface := pygame.Surface(SIZE, 0, 32), 500.0)
    assert pygame.surfarray.array3d(surface).max() > 5
    assert play(scene, 1 / 30, stage=stage, start=3.0)[40:150, 140:180].max() > 90, "a clock that went back"


def test_a_cut_leaves_nothing_of_the_dance_before():
    stage, surface = Stage(SIZE), pygame.Surface(SIZE, 0, 32)
    play("chorus", 5.0, stage=stage)
    stage.draw_background(surface, 5.0)
    echoes = pygame.surfarray.array3d(surface).astype(float)
    elsewhere = standing() + np.array([2.0, 0.0, 0.0], dtype=np.float32)
    stage.draw(surface, StageFrame(5.0, elsewhere, emotion("happy"), PALETTE, scene="chorus"))
    after = pygame.surfarray.array3d(surface).astype(float)
    assert echoes[:60, 40:120].max() > after[:60, 40:120].max() + 5.0


def test_a_pose_after_a_cut_that_cannot_be_used_keeps_the_visitor_in_view(monkeypatch):
    stage, surface = Stage(SIZE), pygame.Surface(SIZE, 0, 32)
    visitor = Pose(True, 0.0, standing(), np.ones(17, dtype=np.float32))
    play("figure", 2.0, stage=stage, visitor=visitor)
    elsewhere = standing() + np.array([2.0, 0.0, 0.0], dtype=np.float32)
    backs = []
    draw_background = stage._draw_background
    monkeypatch.setattr(
        stage, "_draw_background", lambda *given: backs.append(draw_background(*given)) or backs[-1]
    )
    for time, positions in ((2.0, elsewhere), (2.1, elsewhere * np.nan), (2.2, elsewhere)):
        picture = StageFrame(time, positions, emotion("happy"), PALETTE, scene="figure", visitor=visitor)
        stage.draw(surface, picture)
    with_ghost = [back.view is not None and back.view.ghost is not None for back in backs]
    assert with_ghost == [True, False, True, True], "at the cut the room alone, and then no second time"


def test_a_scene_whose_back_fails_can_be_left(monkeypatch):
    def fails(*_):
        raise ValueError("no back")

    stage, surface = Stage(SIZE), pygame.Surface(SIZE, 0, 32)
    play("chorus", 1.0, stage=stage)
    monkeypatch.setattr(SCENES["chorus"], "draw_background", fails)
    for i in range(60):
        with contextlib.suppress(ValueError):
            stage.draw_background(surface, 1.0 + i / 30)
        picture = StageFrame(1.0 + i / 30, standing(), emotion("happy"), PALETTE, scene="figure")
        stage.draw(surface, picture)  # the backdrop, and no scene of which the back fails
    stage.draw_background(surface, 3.0)


@pytest.mark.parametrize("scene", SCENES)
def test_the_emotion_colours_every_scene(scene):
    sad, angry = play(scene, 0.5, "sad"), play(scene, 0.5, "angry")
    assert sad[..., 2].mean() > sad[..., 0].mean()
    assert angry[..., 0].mean() > angry[..., 2].mean()


def test_silk_stays_in_the_air_where_hands_were():
    stage = Stage(SIZE)
    first = play("ribbons", 0.2, stage=stage)
    later = play("ribbons", 1.2, stage=stage, start=0.2)
    beside = (slice(30, 120), slice(100, 220))
    assert later[beside].mean() > first[beside].mean() + 2.0


def test_the_company_comes_in_one_after_the_other():
    def company(seconds):
        image = play("chorus", seconds).mean(axis=2)
        return float(np.concatenate([image[60:140, 40:135], image[60:140, 185:280]], axis=1).std())

    assert company(5.0) > company(0.5) + 2.0


def test_all_of_the_company_comes_in_and_is_cut_out_once_for_each_row(monkeypatch):
    stage, opacities = Stage(SIZE), []
    play("chorus", 6.0, stage=stage)

    def counted(figure, cell, opacity):
        opacities.append(opacity)
        return cut_out(figure, cell, opacity)

    monkeypatch.setattr(chorus, "cut_out", counted)
    play("chorus", 1.0, stage=stage, start=6.0)
    assert set(opacities) == {1.0} and len(opacities) == pytest.approx(30 * len(chorus.COMPANY), abs=2)


def test_far_away_there_is_less_of_their_light_and_more_of_the_airs():
    cells = np.full((4, 3, 4), 200, dtype=np.uint8)
    chorus._dim(cells, 0.5, np.array([10.0, 20.0, 30.0], dtype=np.float32))
    assert (cells == (110, 120, 130, 200)).all()


def test_the_company_keeps_its_place_when_the_picture_gets_another_size():
    stage, larger = Stage(SIZE), (480, 270)
    play("chorus", 5.5, stage=stage)
    resized = play("chorus", 0.1, size=larger, start=5.5, stage=stage).mean(axis=2)
    fresh = Stage(larger)
    play("chorus", 5.5, size=larger, stage=fresh)
    wanted = play("chorus", 0.1, size=larger, start=5.5, stage=fresh).mean(axis=2)
    assert np.abs(resized - wanted).mean() < 1.0


def test_the_light_of_the_air_follows_fast_hands_and_ends_without_an_edge():
    history, speeds = MotionHistory(), np.full(17, 2.0, dtype=np.float32)
    projection = StageCamera().at_rest((960, 540))
    for i in range(40):
        positions = standing()
        swing = np.array([np.sin(0.2 * i), -np.cos(0.2 * i), 0.0], dtype=np.float32)
        positions[INDEX["left_wrist"]] = positions[INDEX["left_elbow"]] + 0.24 * swing
        history.follow(positions, speeds, i / 30)
    light = LiveColours().at(0.0).of("happy")
    lit = []
    for trails in (False, True):
        surface = pygame.Surface((960, 540), 0, 32)
        draw_air(surface, View(1.3, 1 / 30, positions, speeds, history, light, projection), trails=trails)
        seen = pygame.surfarray.array3d(surface).astype(int).max(axis=2)
        for one, other in ((seen[1:], seen[:-1]), (seen[:, 1:], seen[:, :-1])):
            step = np.abs(one - other)
            assert step.max() < 30 and step[np.minimum(one, other) == 0].max() <= 6
        lit.append(seen)
    assert (lit[1] > lit[0] + 20).sum() > 1000 and (lit[0] > 20).sum() > 1000
    assert not lit[1][:40].any() and not lit[1][-40:].any()


@pytest.mark.parametrize(("scene", "shows"), [("figure", True), ("ribbons", False)])
def test_the_body_shows_its_speed_unless_silk_does(scene, shows):
    positions, light = standing(), LiveColours().at(0.0).of("happy")
    projection = StageCamera().at_rest((640, 360))
    pictures = []
    for speed in (0.0, 3.0):
        surface = pygame.Surface((640, 360), 0, 32)
        speeds = np.full(17, speed, dtype=np.float32)
        SCENES[scene]().draw(surface, View(1.0, 1 / 60, positions, speeds, MotionHistory(), light, projection))
        pictures.append(pygame.surfarray.array3d(surface).astype(int))
    assert pictures[0].max() > 60
    assert bool(np.abs(pictures[1] - pictures[0]).max() > 20) is shows


@pytest.mark.parametrize(("scene", "module"), [("figure", glow_trails), ("ribbons", ribbons)])
def test_light_that_is_too_faint_to_be_seen_is_not_drawn(scene, module, monkeypatch):
    def touched():
        stage = Stage(SIZE)
        play(scene, 1.0, stage=stage)
        return sum(box.width * box.height for box in stage._touched if isinstance(box, pygame.Rect))

    less = touched()
    monkeypatch.setattr(module, "UNSEEN", 0.0)
    assert 0 < less < 0.95 * touched()


def test_dust_lies_wherever_a_camera_may_stand():
    surface = pygame.Surface(SIZE, 0, 32)
    assert draw_dust(surface, Projection(SIZE, 0.2, 0.1, 2.3))
    draw_dust(surface, Projection(SIZE, 1e25, -1e25, 2.3))


def test_silk_sinks_to_the_floor_and_no_further_and_its_threads_swing_apart():
    positions = np.repeat(standing((0.0, 0.7, 0.0))[None], 60, axis=0)
    ages = np.linspace(3.0, 0.0, 60, dtype=np.float32)
    threads = Ribbons()._threads(positions, ages, 7.0)  # (T, threads, 3)
    fallen = threads[-1] - threads[0]
    hands, feet = threads[:, :22], threads[:, 22:]
    assert (fallen[:22, 1] > 0.05).all() and np.abs(fallen[:, 0]).max() < 0.25
    assert hands[:, :, 1].min() > 0.1 and feet[:, :, 1].min() == pytest.approx(0.01)
    assert np.ptp(fallen[:11, 0]) > 0.02 and np.ptp(fallen[:11, 2]) > 0.02


def test_a_change_of_scene_goes_through_the_dark():
    stage = Stage(SIZE)
    lit = play("figure", 0.5, stage=stage)[40:150, 140:180].max()
    half_way = play("chorus", 0.55, stage=stage, start=0.5)[40:150, 140:180].max()
    there = play("chorus", 1.0, stage=stage, start=1.05)[40:150, 140:180].max()
    assert half_way < 0.6 * lit
    assert there > 0.8 * lit


def test_a_stage_that_waits_is_dimmer_and_wakes_up_again():
    stage = Stage(SIZE)
    awake = play("figure", 0.5, stage=stage).mean()
    waiting = play("figure", 14.0, stage=stage, start=0.5, waiting=True).mean()
    again = play("figure", 14.0, stage=stage, start=14.5).mean()
    assert waiting < 0.97 * awake
    assert again == pytest.approx(awake, rel=0.05)


def test_the_file_of_lights_is_read_again_and_a_mistake_leaves_the_last_good_ones(tmp_path):
    path = tmp_path / "lights.toml"
    light = '[unknown]\nfigure = "#ffffff"\nglow = "{}"\nbackground = "#000000"\ntrail_seconds = 1.0\n'
    path.write_text(light.format("#ff0000"))
    live = LiveColours(path)
    assert live.at(0.0).of("happy").glow[0] == 1.0
    path.write_text(light.format("#00ff00") + "# saved again\n")
    assert live.at(1.0).of("happy").glow[1] == 1.0
    path.write_text("[unknown]\nfigure = 'red")
    assert live.at(2.0).of("happy").glow[1] == 1.0
    assert live.mistake is not None and "TOML" in live.mistake
    path.unlink()
    assert live.at(3.0).of("happy").glow[1] == 1.0
    path.write_text(light.format("#0000ff"))
    assert live.at(4.0).of("happy").glow[2] == 1.0 and live.mistake is None


@pytest.mark.parametrize("scene", SCENES)
def test_after_two_months_pictures_follow_one_another_as_smoothly(scene):
    def changes(start):
        stage = Stage(SIZE)
        play(scene, 2.0, stage=stage, start=start)
        pictures = [play(scene, 1 / 30, stage=stage, start=start + 2.0 + i / 30) for i in range(12)]
        return np.mean([np.abs(b - a).mean() for a, b in pairwise(pictures)])

    # a whole number of swings of the arms later
    months = 2 * np.pi * 800_000
    assert changes(months) == pytest.approx(changes(0.0), rel=0.1)


def test_after_two_months_silk_billows_without_steps():
    positions = np.repeat(standing()[None], 40, axis=0)
    ages = np.linspace(2.0, 0.0, 40).astype(np.float32)

    def furthest(start):
        threads = [Ribbons()._threads(positions, ages, start + i / 60) for i in range(120)]
        return max(np.abs(b - a).max() for a, b in pairwise(threads))

    assert furthest(5e6) < 1.2 * furthest(0.0) < 0.05
