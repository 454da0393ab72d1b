"""Native libraries' lines are kept off the terminal, and nobody else's."""

import logging
import os
import subprocess
import sys

import pytest

from engine.runtime.native_stderr import kept_off_terminal

log = logging.getLogger("engine.test")


def test_native_lines_become_debug_lines(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with kept_off_terminal(log), kept_off_terminal(log):
        os.write(2, b"I0000 accelerator_registry.cc:43] noise\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
    assert caplog.messages == ["I0000 accelerator_registry.cc:43] noise"]


def test_after_an_error_everything_is_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="refused"), kept_off_terminal(log):
        raise ValueError("refused")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


OWN = """
import logging, os, sys
from engine.runtime.native_stderr import keep_own_stderr, kept_off_terminal
keep_own_stderr()
logging.basicConfig(level=logging.INFO, format="%(message)s")
with kept_off_terminal(logging.getLogger("engine")):
    os.write(2, b"noise")
    logging.info("ours")
    print("also ours", file=sys.stderr)
"""


def test_what_python_writes_stays_on_the_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", OWN], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["ours", "also ours"]
