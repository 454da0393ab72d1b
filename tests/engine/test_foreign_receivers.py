"""Programs that we did not write understand every format. A minute of each: python -m
tests.endurance.osc_receivers."""

import time

import pytest

from engine.osc.formats import FORMATS
from tests.endurance.osc_receivers import start, stream, why_absent


@pytest.mark.parametrize("name", ["oscdump", "puredata", "node"])
def test_every_format_is_received_whole_and_without_complaint(name: str) -> None:
    if (absent := why_absent(name)) is not None:
        pytest.skip(absent)
    for format_name in FORMATS:
        receiver = start(name)
        try:
            sent = stream([receiver], format_name, 5, 100.0)
            end = time.perf_counter() + 5
            while len(receiver.lines()) < sent and time.perf_counter() < end:
                time.sleep(0.02)
            assert len(receiver.lines()) == sent, format_name
            assert receiver.complaints == []
        finally:
            receiver.stop()
