"""Fixtures of the tests of services."""

import pytest

from engine.dancer import inference_service as dance_module
from engine.osc import output as osc_out_module
from engine.osc import server as osc_server
from engine.runtime import service as room_module
from engine.runtime.service import Service
from engine.screen import frame_pacer as pacing_module
from engine.screen import window as window_module
from engine.visitor import camera as capture
from engine.visitor import video_file
from tests.engine.fakes import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (capture, video_file, dance_module, osc_out_module, osc_server, pacing_module, window_module):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(Service, "sleep", lambda _, seconds: clock.sleep(seconds))
    return clock


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "FIRST_BACK_OFF", 0.005)
    monkeypatch.setattr(Service, "max_back_off", 0.01)
    monkeypatch.setattr(capture, "ROAM_AFTER_S", 0.0)
