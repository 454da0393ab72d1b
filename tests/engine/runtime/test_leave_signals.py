"""What asks the installation to leave."""

import os
import signal
import sys

import pytest

from engine.runtime.leave_signals import leaving_by_signal


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_leaves_and_its_handler_is_put_back(name: str) -> None:
    number = getattr(signal, name)
    before, reasons = signal.getsignal(number), []
    with leaving_by_signal(reasons.append):
        os.kill(os.getpid(), number)
    assert reasons == [name] and signal.getsignal(number) == before
