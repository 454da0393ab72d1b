"""Why did it freeze, and what unfreezes it? `python -m models.study --data clips.npz --out study/`.

Trains and evaluates every system of `models.study.systems` at equal budget and writes table.md, table.csv and
plots. What is finished stays in the folder and is not redone. `torchrun --nproc-per-node N -m models.study …`
splits the systems among N processes. What it is about, and what came out: models/STUDY.md.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from models.command_line import TORCH_ERRORS, with_exit_status
from models.data.clips import Clips, read_clips
from models.data.synthetic import synthetic_clips
from models.study.budgets import BUDGETS
from models.study.results import (
    StudyError,
)
from models.study.runner import Study, seeds_of
from models.study.systems import SYSTEMS, System
from models.training.trainer import (
    pick_device,
)


def chosen_systems(names: Sequence[str]) -> list[System]:
    """The systems of these names, all if there are none. Raises StudyError."""
    known = {system.name: system for system in SYSTEMS}
    if unknown := [name for name in names if name not in known]:
        raise StudyError(f"--systems: no system is called {unknown[0]}; there are {', '.join(known)}")
    return [system for system in SYSTEMS if not names or system.name in names]


def read_or_make(options: argparse.Namespace) -> Clips:
    """The clips of a file, or made by code. Raises ClipsError."""
    return synthetic_clips(per_label=6, frames=120) if options.synthetic else read_clips(options.data)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command line; what cannot be one ends the program with status 2."""
    parser = argparse.ArgumentParser(prog="python -m models.study", description=__doc__)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", type=Path, metavar="FILE.npz", help="clips as written by models.prepare")
    data.add_argument("--synthetic", action="store_true", help="clips made by code, to see that it runs")
    parser.add_argument("--budget", choices=list(BUDGETS), default="small")
    parser.add_argument("--out", type=Path, default=Path("study"), metavar="FOLDER")
    parser.add_argument("--systems", nargs="+", default=[], metavar="NAME", help="these alone")
    parser.add_argument("--seeds", type=int, metavar="N", help="another number than the budget's")
    parser.add_argument(
        "--steps", type=int, metavar="N", help="another number of each training than the budget's"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of a process, 0 for all")
    return parser.parse_args(arguments)


def study(options: argparse.Namespace) -> None:
    """Everything the command does. Raises ValueError with one line."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    systems = chosen_systems(options.systems)
    budget = BUDGETS[options.budget]
    if options.seeds is not None:
        if not 1 <= options.seeds <= 64:
            raise StudyError(f"--seeds should be 1 to 64, not {options.seeds}")
        budget = replace(budget, seeds=options.seeds)
    if options.steps is not None:
        if options.steps < 1:
            raise StudyError(f"--steps should be 1 or more, not {options.steps}")
        budget = replace(budget, train_config=replace(budget.train_config, steps=options.steps))
    if options.threads < 0:
        raise StudyError(f"--threads should be 0 or more, not {options.threads}")
    if options.threads:
        torch.set_num_threads(options.threads)
    whole = Study(read_or_make(options), budget, options.out, pick_device(options.device))
    if world > 1:
        # The first process trains the classifier meanwhile, and the last one may have long to go.
        distributed.init_process_group("gloo", timeout=timedelta(days=2))
    if rank == 0:
        whole.begin()
    _wait(world)
    whole.begin()
    tasks = [(system, seed) for system in systems for seed in seeds_of(budget)]
    open_tasks = [task for task in tasks if whole.result(*task) is None]
    _wait(world)
    mine = open_tasks[rank::world]
    if rank == 0:
        print(f"{len(tasks)} trainings, {len(tasks) - len(open_tasks)} of them finished before")
    began = time.monotonic()
    for number, (system, seed) in enumerate(mine, start=1):
        whole.finish(system, seed)
        spent = time.monotonic() - began
        left = spent / number * (len(mine) - number)
        print(
            f"[{number}/{len(mine)}] {system.name}, seed {seed}: {summary(whole.result(system, seed))}; "
            f"{spent / 60:.1f} min, about {left / 60:.1f} to go",
            flush=True,
        )
    _wait(world)
    if rank == 0:
        whole.publish(systems, options.budget)
        print((options.out / "table.md").read_text(encoding="utf-8"))
    if world > 1:
        distributed.destroy_process_group()


def summary(result: dict[str, Any]) -> str:
    """What is said of a system when it is finished, of its first rule."""
    figures = result["rows"][0]["figures"]
    if not figures:
        return "diverged"
    return (
        f"speed {figures['speed_ratio']:.2f} x real, frozen {figures['frozen_share']:.0%}, "
        f"recognised {figures['recognised_share']:.0%}"
    )


def _wait(world: int) -> None:
    if world > 1:
        distributed.barrier()


@with_exit_status("models.study", ValueError, OSError, *TORCH_ERRORS)
def main(arguments: list[str] | None = None) -> None:
    """The command line; returns the exit status."""
    study(parse_arguments(arguments))


if __name__ == "__main__":
    sys.exit(main())
