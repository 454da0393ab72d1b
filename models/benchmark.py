"""How fast the dancer steps: `python -m models.benchmark`.

One step is everything between two frames: the network, one sample, the body on the stage, joint positions.
Figures are wall time on this machine, with nothing else running if they are to mean anything.
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from tqdm import tqdm

from models.command_line import with_exit_status
from models.generation.generator import DanceState, Generator
from models.motion.skeleton import FRAME_RATE, FloatArray
from models.network.card import checkpoint_named, default_checkpoint
from models.network.checkpoint import Checkpoint, read_checkpoint

DANCERS = (1, 8, 64)
THREADS = (1, 2)
WARM_UP = 80
"""Steps before the clock starts: the cache fills, and torch optimises what it has traced."""
LIVE_PAUSE = 1.0 / FRAME_RATE


def emotions(generator: Generator, count: int) -> FloatArray:
    """Weights (count, P): the palette in turn, one emotion a dancer."""
    size = len(generator.checkpoint.palette)
    return np.eye(size, dtype=np.float32)[np.arange(count) % size]


def step_times(
    generator: Generator, count: int, steps: int, *, cached: bool = True, pause: float = 0.0
) -> FloatArray:
    """Milliseconds (steps,) that each of `steps` steps of `count` dancers took, after a warm-up.

    Without the cache the network goes over its whole span again at every frame. With a `pause` in seconds
    before each step the processor's caches are as cold as they are live.
    """
    weights = emotions(generator, count)
    state = generator.initial_state(count)
    recent: list[FloatArray] = []
    times = np.empty(steps)
    for step in range(-WARM_UP, steps):
        if pause:
            time.sleep(pause)
        began = time.perf_counter()
        if not cached and len(recent) > 1:
            state = generator.prompt(state, np.stack(recent, axis=1), seamless=False)
        state = generator.step(state, weights)
        _ = state.positions
        recent = [*recent[-generator.network.config.context_length :], state.features]
        if step >= 0:
            times[step] = (time.perf_counter() - began) * 1000
    return times


def time_danced(generator: Generator, minutes: int) -> list[float]:
    """Median milliseconds of a step of one dancer in each of `minutes` minutes of dance."""
    weights = emotions(generator, 1)
    state: DanceState = generator.initial_state(1)
    medians = []
    for _ in tqdm(range(minutes), unit="min", disable=None, desc="time danced"):
        times = np.empty(60 * FRAME_RATE)
        for frame in range(len(times)):
            began = time.perf_counter()
            state = generator.step(state, weights)
            times[frame] = (time.perf_counter() - began) * 1000
        medians.append(round(float(np.median(times)), 3))
    return medians


def summary(times: FloatArray, count: int) -> dict[str, float]:
    """p50 and p99 in ms, and frames a second of each of `count` dancers, by the mean."""
    p50, p99 = np.percentile(times, [50, 99])
    return {
        "dancers": count,
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "frames_per_s": round(1000 / float(times.mean()), 1),
    }


def benchmark(checkpoint: Checkpoint, steps: int, minutes: int) -> dict[str, Any]:
    """Everything that is measured, as JSON values."""
    process = psutil.Process()
    cases: list[tuple[str, int, int, dict[str, Any]]] = [
        ("cached", threads, count, {}) for threads in THREADS for count in DANCERS
    ]
    cases += [("not cached", 1, 1, {"cached": False}), ("cached, 30 a second", 1, 1, {"pause": LIVE_PAUSE})]
    rows = []
    for name, threads, count, how in tqdm(cases, unit="case", disable=None):
        torch.set_num_threads(threads)
        times = step_times(Generator(checkpoint), count, steps, **how)
        rows.append({"case": name, "threads": threads, **summary(times, count)})
    torch.set_num_threads(1)
    return {
        "machine": f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} logical cores",
        "torch": torch.__version__,
        "parameters": sum(parameter.numel() for parameter in checkpoint.network.parameters()),
        "rows": rows,
        "minute_p50_ms": time_danced(Generator(checkpoint), minutes) if minutes else [],
        "rss_mb": round(process.memory_info().rss / 2**20, 1),
    }


def show(report: dict[str, Any]) -> None:
    """Print the report as a table."""
    print(f"{report['machine']}, torch {report['torch']}, {report['parameters'] / 1e6:.2f} M parameters")
    print(f"{'case':22s}{'threads':>8s}{'dancers':>9s}{'p50 ms':>9s}{'p99 ms':>9s}{'frames/s':>10s}")
    for row in report["rows"]:
        print(
            f"{row['case']:22s}{row['threads']:8d}{row['dancers']:9d}"
            f"{row['p50_ms']:9.2f}{row['p99_ms']:9.2f}{row['frames_per_s']:10.1f}"
        )
    if minutes := report["minute_p50_ms"]:
        print(f"a step in minute 1: {minutes[0]:.2f} ms, in minute {len(minutes)}: {minutes[-1]:.2f} ms")
    print(f"resident memory {report['rss_mb']:.0f} MB")


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.benchmark", description=__doc__)
    parser.add_argument("--checkpoint", type=checkpoint_named, default=default_checkpoint(), metavar="FILE")
    parser.add_argument("--steps", type=int, default=300, help="steps of each case (default: 300)")
    parser.add_argument("--minutes", type=int, default=10, help="minutes of one long dance (default: 10)")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the figures here as well")
    return parser.parse_args(arguments)


@with_exit_status("models.benchmark", ValueError, OSError)
def main(arguments: list[str] | None = None) -> None:
    """The command line; returns the exit status."""
    options = parse_arguments(arguments)
    if options.steps < 1 or options.minutes < 0:
        raise ValueError("--steps should be positive, --minutes not negative")
    report = benchmark(read_checkpoint(options.checkpoint), options.steps, options.minutes)
    show(report)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
