"""The run_report of a run, as `--stats` writes them and the overlay shows them."""

import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

from engine.runtime.faults import StartError
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame

MEBIBYTE = 2**20


class MemoryGauge:
    """Resident memory of this process in MiB: at the start, now, and at most."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.begin()

    def begin(self) -> None:
        """Measure from here on."""
        self.start = self.latest = self.most = self._read()
        self._next = 0.0

    def sample(self) -> None:
        """Read it, at most once a second."""
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + 1.0
            self.latest = self._read()
            self.most = max(self.most, self.latest)

    def _read(self) -> float:
        return round(float(self._process.memory_info().rss) / MEBIBYTE, 1)


def run_report(
    metrics: Metrics, camera: Mailbox[CameraFrame], memory: MemoryGauge, seconds: float
) -> dict[str, Any]:
    """Everything measured in a run of `seconds`, in the layout of DESIGN.md."""
    count = metrics.counted
    seconds = max(seconds, 1e-3)
    rendered, captured, detected = (count(name) for name in ("render.frames", "capture.frames", "pose.frames"))
    return {
        "render": {
            "frames": rendered,
            "fps": round(rendered / seconds, 2),
            "frame_ms": metrics.percentiles("render.frame"),
            "uneven_ms": metrics.percentiles("render.uneven"),
        },
        "capture": {"frames": captured, "fps": round(captured / seconds, 2), "dropped": camera.dropped},
        "pose": {
            "detect_ms": metrics.percentiles("pose.detect"),
            "found_ratio": round(count("pose.found") / detected, 4) if detected else 0.0,
        },
        "inference": {
            "ticks": count("inference.ticks"),
            "step_ms": metrics.percentiles("inference.step"),
            "late_ticks": count("inference.late_ticks"),
        },
        "osc": {
            "bundles": count("osc.bundles"),
            "send_errors": count("osc.send_errors"),
            "messages_in": count("osc_in.messages"),
            "ignored_in": count("osc_in.ignored"),
        },
        "latency": {
            "visitor_to_osc_ms": metrics.percentiles("latency.visitor_to_osc"),
            "visitor_to_picture_ms": metrics.percentiles("latency.visitor_to_picture"),
            "emotion_to_osc_ms": metrics.percentiles("latency.emotion_to_osc"),
        },
        "memory": {
            "rss_mb_start": memory.start,
            "rss_mb_end": memory.latest,
            "rss_mb_max": memory.most,
        },
        "faults": metrics.faults(),
    }


def check_writable(path: Path) -> None:
    """Raise StartError now if the report could not be written at the end."""
    try:
        path.stat()
        possible = os.access(path, os.W_OK) and not path.is_dir()
    except FileNotFoundError:
        possible = path.parent.is_dir() and os.access(path.parent, os.W_OK)
    except OSError:  # a name that is too long, for example
        possible = False
    if not possible:
        raise StartError(f"--stats: cannot write {path}; give a file in a folder that is there")


def write_run_report(path: Path, values: dict[str, Any]) -> None:
    """Write the report as JSON. Raises OSError."""
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
