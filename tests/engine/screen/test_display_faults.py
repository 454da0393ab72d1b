"""A display that is lost."""

import numpy as np
import pygame
import pytest

from engine.runtime.metrics import Metrics
from engine.screen.display import Screen
from engine.screen.window import Window
from tests.engine.fakes import Clock


def test_a_display_that_is_lost_is_opened_again_and_pictures_go_on(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    window = Window(Screen(size=(160, 90), headless=True), title="test", metrics=metrics)
    lost = iter([False] * 5 + [True])

    def flip() -> None:
        if next(lost, False):
            raise pygame.error("video system not initialized")

    monkeypatch.setattr(pygame.display, "flip", flip)
    left, drawn = iter(range(120)), []
    window.run(lambda surface, now: drawn.append(now), lambda *_: None, lambda: next(left, None) is None)
    assert len(drawn) == 120 and np.diff(drawn).max() < 0.1
    [fault] = metrics.faults()
    assert fault["room"] == "display" and fault["recovered_after_s"] is not None
    assert window._lost_at is None and window.canvas.get_size() == (160, 90)
    window.close()


def test_a_window_that_cannot_be_opened_again_goes_on_unseen(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(Screen(size=(160, 90), headless=True), title="test", metrics=(kept := Metrics()))

    def refuse(*_: object, **__: object) -> None:
        raise pygame.error("no available video device")

    monkeypatch.setattr(pygame.display, "flip", refuse)
    monkeypatch.setattr(window, "_open", refuse)
    left, drawn = iter(range(300)), []
    window.run(lambda surface, now: drawn.append(now), lambda *_: None, lambda: next(left, None) is None)
    assert len(drawn) == 300 and np.diff(drawn).max() < 0.1
    assert kept.faults()[0]["recovered_after_s"] is None
    window.close()
