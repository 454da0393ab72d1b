"""The window: it keeps time, knows its keys, and survives a drawing that fails. Nobody sees it here."""

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import time
from types import SimpleNamespace

import numpy as np
import pygame
import pytest

from engine.render.canvas import is_bgrx
from engine.runtime.metrics import Metrics
from engine.screen import frame_pacer
from engine.screen import window as module
from engine.screen.display import NoDisplay, Screen
from engine.screen.frame_pacer import SPARE_S, FramePacer
from engine.screen.keys import KEYS, key_for, listing
from engine.screen.presenter import DELAY
from engine.screen.window import Window
from engine.streams.interpolation import FrameInterpolator
from engine.streams.values import DancerFrame


def ticking(monkeypatch):
    """A clock for the window and its pacer that stands still but for sleeps, and for what is added to it."""
    clock = SimpleNamespace(now=10.0, perf_counter=lambda: clock.now, thread_time=lambda: 0.0)
    clock.sleep = lambda seconds: setattr(clock, "now", clock.now + max(seconds, 1e-5))
    for used_by in (module, frame_pacer):
        monkeypatch.setattr(used_by, "time", clock)
    return clock


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def window(metrics):
    opened = Window(Screen(size=(160, 90), headless=True), title="test", metrics=metrics)
    yield opened
    opened.close()


def pictures(count):
    """A `should_stop` that lets `count` pictures through."""
    left = iter(range(count))
    return lambda: next(left, None) is None


def press(code):
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=code))


def test_every_picture_is_drawn_and_counted(window, metrics):
    sizes = []
    window.run(lambda surface, time: sizes.append(surface.get_size()), lambda *_: None, pictures(4))
    assert sizes == [(160, 90)] * 4
    assert metrics.counted("render.frames") == 4
    assert metrics.percentiles("render.frame") is not None


def test_times_given_to_the_drawing_rise(window):
    times = []
    window.run(lambda surface, time: times.append(time), lambda *_: None, pictures(3))
    assert times == sorted(set(times))


def test_the_drawing_says_when_the_next_pictures_had_better_begin(window, monkeypatch):
    moves = []
    monkeypatch.setattr(module.FramePacer, "move", lambda _, seconds: moves.append(seconds))
    later = iter((0.001, None, -0.002))
    window.run(lambda *_: next(later), lambda *_: None, pictures(3))
    assert moves == [0.001, 0.0, -0.002]


def test_where_the_screen_says_when_the_grid_stays(window, monkeypatch):
    moves, flip = [], pygame.display.flip
    monkeypatch.setattr(pygame.display, "flip", lambda: (time.sleep(0.03), flip()))
    window.run(lambda *_: None, lambda *_: None, pictures(4))
    monkeypatch.setattr(module.FramePacer, "move", lambda _, seconds: moves.append(seconds))
    window.run(lambda *_: 0.001, lambda *_: None, pictures(3))
    assert moves == []


def test_a_picture_begins_as_late_as_the_longest_of_the_last_ones_allows(monkeypatch):
    clock = ticking(monkeypatch)
    pacer, waited = FramePacer(50.0), []
    for took in [0.004] * 70 + [0.011] + [0.004] * 70:
        before = clock.now
        pacer.begin()
        waited.append(clock.now - before)
        clock.now += took
        pacer.wait()
    assert waited[0] < 0.001, "nothing is known yet"
    assert waited[70] == pytest.approx(0.016 - SPARE_S, abs=1e-3) == waited[140]
    assert waited[72] == pytest.approx(0.009 - SPARE_S, abs=1e-3) == waited[120]


def test_a_picture_waits_for_something_new_as_long_as_most_would_still_be_in_time(monkeypatch):
    clock, waits = ticking(monkeypatch), []
    pacer = FramePacer(50.0)

    def begin(comes_after):
        def await_new(seconds):
            waits.append((clock.now, seconds))
            clock.now += min(seconds, comes_after)

        pacer.begin(await_new)
        return pacer.due - clock.now

    for took in [0.004] * 58 + [0.010, 0.006]:
        begin(0.001)
        clock.now += took
        pacer.wait()
    assert begin(0.001) == pytest.approx(0.010 + SPARE_S - 0.001, abs=1e-4)
    clock.now += 0.004
    pacer.wait()
    assert begin(1.0) == pytest.approx(0.004 + SPARE_S, abs=1e-4), "nine of ten take no longer"
    pacer.wait()
    waits.clear()
    clock.now += 0.018  # too late already to wait for anything
    assert begin(1.0) < 0.004 and not waits


def test_a_back_that_cannot_be_drawn_is_a_fault_and_the_picture_goes_on(window, metrics):
    drawn = []

    def prepare(surface, due, kept):
        raise ValueError("no back")

    window.run(lambda *_: drawn.append(1), lambda *_: None, pictures(3), prepare=prepare)
    assert len(drawn) == 3
    assert [fault["what"] for fault in metrics.faults()] == ["ValueError: no back"]
    assert metrics.faults()[0]["recovered_after_s"] is None
    window.run(lambda *_: drawn.append(1), lambda *_: None, pictures(1), prepare=lambda *_: None)
    assert metrics.faults()[0]["recovered_after_s"] is not None


def test_the_back_is_told_whether_the_picture_before_is_still_there(window):
    told, fails = [], iter((False, False, True, False, False, False, False))

    def draw(*_):
        if next(fails):
            raise ValueError("half a picture")

    def prepare(surface, due, kept):
        told.append(kept)

    window.run(draw, lambda *_: None, pictures(5), prepare=prepare)
    assert told == [False, True, True, False, True], "nothing yet; and not after a picture that failed"
    pygame.event.post(pygame.event.Event(pygame.VIDEORESIZE, w=300, h=200, size=(300, 200)))
    window.run(draw, lambda *_: None, pictures(2), prepare=prepare)
    assert told[5:] == [False, True], "a surface of another size is empty"


def test_pictures_are_of_even_times_whenever_they_are_begun(window, monkeypatch):
    clock = ticking(monkeypatch)
    chance, times, began = np.random.default_rng(0), [], []

    def draw(surface, now):
        times.append(now)
        began.append(window.began_at)
        clock.now += chance.uniform(0.0, 0.012)

    window.run(draw, lambda *_: None, pictures(100))
    assert np.diff(times[1:]) == pytest.approx(1 / 60, abs=1e-9)
    assert np.abs(np.diff(began) - 1 / 60).max() > 0.002
    assert all(begin < time for begin, time in zip(began, times, strict=True))


@pytest.mark.parametrize("rate", [50.0, 59.94, 60.0])
def test_where_the_screen_says_when_pictures_are_of_its_times(window, monkeypatch, rate):
    clock, times, shown = ticking(monkeypatch), [], []

    def flip():
        clock.now = (np.floor(clock.now * rate) + 1.0) / rate
        shown.append(clock.now)

    monkeypatch.setattr(pygame.display, "flip", flip)
    window.run(lambda _, now: times.append(now), lambda *_: None, pictures(100))
    ahead = np.array(times[40:]) - np.array(shown[40:])
    assert np.ptp(ahead) < 1e-6 and abs(ahead[0]) < 0.005


def test_a_screen_that_waits_now_and_then_gets_no_uneven_times(window, monkeypatch):
    clock, times, chance = ticking(monkeypatch), [], np.random.default_rng(0)
    waits = lambda: setattr(clock, "now", clock.now + chance.choice([0.0, 0.0, 0.003]))  # noqa: E731
    monkeypatch.setattr(pygame.display, "flip", waits)
    window.run(lambda _, now: times.append(now), lambda *_: None, pictures(600))
    assert np.diff(times[1:]) == pytest.approx(1 / 60, abs=0.0035)


def test_after_a_pause_a_picture_is_of_the_time_at_which_it_is_begun(window, monkeypatch):
    clock, times = ticking(monkeypatch), []

    def draw(_, now):
        times.append((now, clock.now))

    def resized(*_):
        clock.now += 2.0

    window.run(draw, lambda *_: None, pictures(5))
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_TAB, mod=0))
    window.run(draw, resized, pictures(3))
    assert times[5][0] == pytest.approx(times[5][1], abs=1e-3) and times[6][0] > times[5][0]


@pytest.mark.parametrize("milliseconds", [18.5, 21.0, 25.0, 32.0, 40.0])
def test_pictures_that_are_all_late_are_of_even_times_too(monkeypatch, milliseconds):
    clock, chance = ticking(monkeypatch), np.random.default_rng(0)
    pacer, beats, shown = FramePacer(60.0), [], []
    for _ in range(300):
        pacer.begin()
        beats.append(pacer.due)
        clock.now += 1e-3 * (milliseconds + chance.uniform(-1.0, 1.0))
        pacer.wait()
        shown.append(clock.now)
    assert np.abs(np.diff(beats[60:]) - 1e-3 * milliseconds).max() < 0.0025
    assert (np.array(shown) - np.array(beats))[60:].min() >= 0.0


def test_what_is_on_the_screen_is_as_old_at_every_rate(monkeypatch):
    ages = []
    for rate in (24.0, 30.0, 60.0, 120.0):
        clock = ticking(monkeypatch)
        pacer, interpolator, index = FramePacer(rate), FrameInterpolator(DELAY), 0
        for _ in range(int(4 * rate)):
            pacer.begin()
            while 10.0 + index / 30 <= clock.now:
                positions = np.full((17, 3), index / 30, dtype=np.float32)
                weights = np.ones(1, dtype=np.float32)
                interpolator.put(DancerFrame(index, 10.0 + index / 30, positions, weights))
                index += 1
            shown = interpolator.at(pacer.due).positions[0, 0]
            clock.now += 0.004
            pacer.wait()
        ages.append(clock.now - 10.0 - shown)
    assert ages == pytest.approx([DELAY / 30] * 4, abs=0.003)


def test_a_picture_is_begun_late_and_then_shown_in_time(window, monkeypatch):
    order = []
    monkeypatch.setattr(module.FramePacer, "begin", lambda *_: order.append("begin"))
    monkeypatch.setattr(module.FramePacer, "wait", lambda _: order.append("wait"))
    monkeypatch.setattr(pygame.display, "flip", lambda: order.append("flip"))
    window.run(
        lambda *_: order.append("draw"),
        lambda *_: None,
        pictures(2),
        prepare=lambda *_: order.append("prepare"),
    )
    assert order == ["prepare", "begin", "draw", "wait", "flip"] * 2


def test_when_a_picture_is_on_the_screen_is_known(window):
    before = time.perf_counter()
    window.run(lambda *_: None, lambda *_: None, pictures(2))
    assert before < window.shown_at <= time.perf_counter()


def test_a_grid_that_is_moved_goes_on_from_there():
    pacer = FramePacer(50.0)
    pacer.wait()
    before = time.perf_counter()
    pacer.move(0.05)
    pacer.wait()
    assert time.perf_counter() - before > 0.06


def test_keys_become_actions(window):
    actions = []
    for code in (pygame.K_3, pygame.K_h, pygame.K_SPACE, pygame.K_F12):
        press(code)
    window.run(lambda *_: None, lambda *action: actions.append(action), pictures(2))
    assert actions == [("emotion", 2), ("overlay", None), ("restart", None)]


@pytest.mark.parametrize("event", [(pygame.KEYDOWN, {"key": pygame.K_ESCAPE}), (pygame.QUIT, {})])
def test_escape_and_closing_the_window_end_the_loop(window, event):
    pygame.event.post(pygame.event.Event(*event))
    actions = []
    window.run(lambda *_: None, lambda *action: actions.append(action), pictures(1000))
    assert actions == [("quit", None)]


def test_a_drawing_that_fails_is_one_fault_and_the_loop_goes_on(window, metrics):
    drawn = []

    def draw(surface, time):
        drawn.append(time)
        if len(drawn) < 4:
            raise pygame.error("surface lost")

    window.run(draw, lambda *_: None, pictures(6))
    [fault] = metrics.faults()
    assert len(drawn) == 6
    assert fault["room"] == "render"
    assert "surface lost" in fault["what"]
    assert fault["recovered_after_s"] is not None


def test_no_key_has_two_meanings():
    assert len({(key.code, key.shift, key.control) for key in KEYS}) == len(KEYS)


def test_a_kiosk_is_left_by_ctrl_q_alone():
    assert key_for(pygame.K_ESCAPE, 0, kiosk=True) is None
    assert key_for(pygame.K_f, 0, kiosk=True) is None
    assert key_for(pygame.K_q, 0, kiosk=False) is None
    assert key_for(pygame.K_q, pygame.KMOD_LCTRL, kiosk=True).action == "quit"
    assert key_for(pygame.K_ESCAPE, 0, kiosk=False).action == "quit"


def test_the_number_pad_counts_as_digits_and_the_list_names_every_action_once():
    assert key_for(pygame.K_KP_3, 0, kiosk=False).argument == 2
    assert key_for(pygame.K_KP_3, pygame.KMOD_SHIFT, kiosk=True).action == "blend"
    labels = [label for label, _ in listing()]
    assert labels.count("1 to 8") == 1 and {"Tab", "F1", "S", "V", "M"} <= set(labels)


def test_a_screen_that_nobody_sees_is_no_display(metrics, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with pytest.raises(NoDisplay):
        Window(Screen(size=(160, 90)), title="", metrics=metrics)


def test_a_piece_that_starts_before_its_screen_is_there_is_seen_once_it_is(metrics, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(module, "REOPEN_S", 0.0)
    window = Window(Screen(size=(160, 90)), title="", metrics=metrics, patient=True)
    drawn = []
    window.run(lambda *given: drawn.append(given), lambda *_: None, pictures(5))
    assert len(drawn) == 5 and metrics.faults()[0]["recovered_after_s"] is None
    monkeypatch.setattr(module, "NO_SCREEN", ())
    window._open_again = 0.0
    window.run(lambda *given: drawn.append(given), lambda *_: None, pictures(5))
    assert len(drawn) == 10 and metrics.faults()[0]["recovered_after_s"] is not None
    assert window.canvas.get_size() == (160, 90)
    window.close()


def test_a_projector_that_changes_its_mode_is_filled_again(metrics, monkeypatch):
    monkeypatch.setattr(module, "NO_SCREEN", ())
    monkeypatch.setattr(module, "SCREEN_CHECK_S", 0.0)
    size = [(320, 180)]
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: size)
    opened, set_mode = [], pygame.display.set_mode

    def mode(wanted, *_, **__):
        opened.append(wanted)
        return set_mode(wanted)

    monkeypatch.setattr(pygame.display, "set_mode", mode)
    window = Window(Screen(fullscreen=True, scale=1.0), title="", metrics=metrics)
    window.run(lambda *_: None, lambda *_: None, pictures(3))
    size[0] = (640, 360)
    window.run(lambda *_: None, lambda *_: None, pictures(3))
    assert opened == [(320, 180), (640, 360)] and window.size == (640, 360)
    window.close()


def test_a_screen_that_comes_late_is_moved_to_and_missed_in_one_line(metrics, monkeypatch, caplog):
    monkeypatch.setattr(module, "NO_SCREEN", ())
    monkeypatch.setattr(module, "SCREEN_CHECK_S", 0.0)
    sizes = [(320, 180)]
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: sizes)
    monkeypatch.setattr(pygame.display, "get_num_displays", lambda: len(sizes))
    opened, set_mode = [], pygame.display.set_mode

    def mode(wanted, *_, display, **__):
        opened.append(display)
        return set_mode(wanted)

    monkeypatch.setattr(pygame.display, "set_mode", mode)
    window = Window(Screen(fullscreen=True, scale=1.0, display=1), title="", metrics=metrics)
    window.run(lambda *_: None, lambda *_: None, pictures(5))
    assert len([line for line in caplog.messages if "no display 1" in line]) == 1
    sizes.append((320, 180))
    window.run(lambda *_: None, lambda *_: None, pictures(3))
    assert opened == [0, 1]
    window.close()


def test_a_picture_that_fails_half_way_is_not_shown(window, monkeypatch):
    flips = []
    monkeypatch.setattr(pygame.display, "flip", lambda: flips.append(window.surface.get_at((5, 5))[:3]))
    fails = iter((False, True, True, False))

    def draw(surface, _):
        failing = next(fails)
        surface.fill((9, 9, 9) if failing else (200, 10, 10))
        if failing:
            raise RuntimeError("a scene of one's own")

    window.run(draw, lambda *_: None, pictures(4))
    assert flips == [(200, 10, 10)] * 2


def test_a_change_of_scale_in_full_screen_shows_no_empty_picture(metrics, monkeypatch):
    monkeypatch.setattr(module, "NO_SCREEN", ())
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [(320, 180)])
    set_mode, flips = pygame.display.set_mode, []
    monkeypatch.setattr(pygame.display, "set_mode", lambda wanted, *_, **__: set_mode(wanted))
    window = Window(Screen(fullscreen=True), title="", metrics=metrics)
    monkeypatch.setattr(pygame.display, "flip", lambda: flips.append(window.surface.get_at((5, 5))[:3]))
    changes = iter((False, True, False, False))
    monkeypatch.setattr(window._automatic, "drew", lambda _: next(changes))
    window.run(lambda surface, _: surface.fill((200, 10, 10)) and None, lambda *_: None, pictures(4))
    assert flips == [(200, 10, 10)] * 3
    window.close()


def test_a_screen_with_its_colours_in_another_order_shows_the_picture(metrics, monkeypatch):
    screen = pygame.Surface((160, 90), 0, 32, (0xFF, 0xFF00, 0xFF0000, 0))
    monkeypatch.setattr(pygame.display, "set_mode", lambda *_, **__: screen)
    window = Window(Screen(size=(160, 90), headless=True), title="test", metrics=metrics)

    def draw(surface, now):
        assert is_bgrx(surface)
        surface.fill((200, 100, 50))

    window.run(draw, lambda *_: None, pictures(1))
    assert screen.get_at((80, 45))[:3] == (200, 100, 50)
    window.close()


def test_a_window_that_is_minimised_goes_on_drawing_at_its_rate(window, metrics):
    for kind in (pygame.WINDOWMINIMIZED, pygame.WINDOWHIDDEN, pygame.WINDOWFOCUSLOST, pygame.WINDOWRESTORED):
        pygame.event.post(pygame.event.Event(kind))
    window.run(lambda *_: None, lambda *_: None, pictures(6))
    assert metrics.counted("render.frames") == 6 and metrics.faults() == []


def test_a_key_that_fails_does_no_more_than_that(window, metrics, caplog):
    def fail(*_):
        raise RuntimeError("can't start new thread")

    press(pygame.K_v)
    window.run(lambda *_: None, fail, pictures(3))
    assert metrics.counted("render.frames") == 3 and "did nothing" in caplog.text


def test_what_cannot_be_shown_is_a_lost_display_and_no_end(window, metrics, monkeypatch):
    failing = iter([True])

    def flip():
        if next(failing, False):
            raise IndexError("list index out of range")

    monkeypatch.setattr(module, "REOPEN_S", 0.0)
    window._open_again = 0.0
    monkeypatch.setattr(pygame.display, "flip", flip)
    window.run(lambda *_: None, lambda *_: None, pictures(4))
    assert metrics.counted("render.frames") == 4 and metrics.faults()[0]["recovered_after_s"] is not None


def test_a_scene_that_fails_now_and_then_does_not_fill_the_log(window, caplog):
    turn = iter(range(40))

    def draw(*_):
        if next(turn) % 2:
            raise ValueError("every second picture")

    window.run(draw, lambda *_: None, pictures(40))
    assert 1 <= len(caplog.records) <= 3


def test_a_lost_display_is_not_found_again_on_a_driver_that_shows_nothing(metrics, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window = Window(Screen(size=(160, 90), headless=True), title="", metrics=metrics)
    window._lose(pygame.error("unplugged"))
    monkeypatch.setattr(window, "headless", False)
    window._lost_at = time.perf_counter() - 10
    window._find_again()
    assert window._lost_at is not None
    window.close()
