"""Under Xvfb, with a real window: what the keys do when somebody presses them. Skipped where there is no Xvfb.

It starts the window alone, in a process of its own, and presses keys by xdotool.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
import pygame
from engine.runtime.metrics import Metrics
from engine.screen.window import Window
from engine.screen.display import Screen

window = Window(Screen(size=(320, 180)), title="real window", statistics=Metrics())

def draw(surface, now):
    surface.fill((200, 40, 40))

def act(action, argument):
    print(action, argument, window.fullscreen, *window.size, flush=True)

print("open", None, False, *window.size, flush=True)
window.run(draw, act, lambda: os.getppid() == 1)
print("closed", flush=True)
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not (shutil.which("Xvfb") and shutil.which("xdotool")),
    reason="needs Xvfb and xdotool (apt-get install xvfb xdotool)",
)


@pytest.fixture
def display():
    """A screen of 800 x 600 that nobody sees."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x600x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        yield f":{answer.readline().strip()}"
    server.terminate()
    server.wait(10)


def test_keys_full_screen_and_resizing_do_what_the_table_says(display):
    environment = {**os.environ, "DISPLAY": display, "SDL_VIDEODRIVER": "x11"}
    root = Path(__file__).parents[2]
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=root, env=environment, stdout=subprocess.PIPE, text=True
    )

    def xdotool(*arguments: str) -> str:
        return subprocess.run(
            ["xdotool", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    try:
        assert program.stdout is not None
        lines = iter(line.split() for line in program.stdout)
        opened = next(line for line in lines if line[0] == "open")
        assert opened[3:] == ["320", "180"]
        time.sleep(0.5)
        window = xdotool("getwindowfocus").strip()  # without a window manager the only window has the focus
        for key, wanted in (
            ("3", ["emotion", "2", "False"]),
            ("shift+3", ["blend", "2", "False"]),
            ("bracketleft", ["intensity", "-10", "False"]),
            ("bracketright", ["intensity", "10", "False"]),
            ("a", ["automatic", "None", "False"]),
            ("r", ["repertoire", "None", "False"]),
            ("Tab", ["scene", "None", "False"]),
            ("h", ["overlay", "None", "False"]),
            ("F1", ["keys", "None", "False"]),
            ("s", ["screenshot", "None", "False"]),
            ("v", ["record", "None", "False"]),
            ("m", ["mirror", "None", "False"]),
        ):
            xdotool("key", key)
            assert next(lines)[:3] == wanted
        xdotool("windowsize", "--sync", window, "500", "300")
        time.sleep(0.3)
        xdotool("key", "h")
        assert next(lines) == ["overlay", "None", "False", "500", "300"]
        xdotool("key", "f")
        assert next(lines) == ["fullscreen", "None", "True", "800", "600"]
        time.sleep(0.5)
        xdotool("key", "f")
        assert next(lines)[:3] == ["fullscreen", "None", "False"]
        time.sleep(0.5)
        xdotool("key", "ctrl+q")
        assert next(lines)[:2] == ["quit", "None"]
        assert program.wait(20) == 0
    finally:
        program.kill()
