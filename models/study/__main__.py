"""Why did it freeze, and what unfreezes it? `python -m models.study --data clips.npz --out study/`.

Trains and evaluates every system of `models.study.systems` at equal budget and writes table.md, table.csv and
plots. What is finished stays in the folder and is not redone. `torchrun --nproc-per-node N -m models.study …`
splits the systems among N processes. What it is about, and what came out: models/STUDY.md.
"""

import argparse
import hashlib
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, nn
from tqdm import tqdm

from models.command_line import TORCH_ERRORS, with_exit_status
from models.data.clips import Clips, read_clips, split_clips
from models.data.kinds import repertoire_of
from models.data.synthetic import synthetic_clips
from models.emotion.palette import DEFAULT_PALETTE
from models.evaluation.comparison import evaluate_rollouts, find_emotion_classifier
from models.evaluation.reference import Reference, build_reference
from models.evaluation.rollouts import prompts_for, steady_dances
from models.generation.generator import Sampling
from models.motion.foot_contact import LOCK_STRENGTH, MAX_FOOT_OFFSET, ROOT_CORRECTION_RATE
from models.motion.skeleton import FloatArray
from models.network.checkpoint import Checkpoint
from models.study.budgets import BUDGETS, Budget
from models.study.plots import draw_study
from models.study.results import (
    COLUMNS,
    Figures,
    Row,
    StudyError,
    column_of,
    figures_of,
    known_mean,
    read_json,
    real_figures,
    speed_over_time,
    write_json,
    write_table,
)
from models.study.systems import SYSTEMS, System
from models.training.config import TrainConfig
from models.training.dataset import condition_names
from models.training.trainer import (
    Diverged,
    fit_space,
    git_revision,
    new_dagger_buffer,
    new_training_state,
    pick_device,
    steps,
)
from models.training.training_data import TrainingData, split_data

REPERTOIRE = "gesture"
"""What is danced to be measured, as in `models.evaluate` beside acted clips."""


@dataclass(frozen=True, eq=False)
class Study:
    """Clips, a budget and the folder that keeps what is finished."""

    clips: Clips
    budget: Budget
    out: Path
    device: torch.device
    revision: str = field(default_factory=git_revision)
    """of the code that is running: asked for at the start, before anybody can change the tree"""

    @cached_property
    def data(self) -> TrainingData:
        """The windows to train on."""
        return split_data(self.clips, self.budget.train_config)

    @cached_property
    def data_with_rest(self) -> TrainingData:
        """The same with the rest at the ends of clips."""
        return split_data(self.clips, self.budget.train_config, keep_rest=True)

    @cached_property
    def reference(self) -> Reference:
        """Real motion, and the classifier, who is trained first if need be."""
        emotions = DEFAULT_PALETTE.names
        emotion_classifier = find_emotion_classifier(
            self.classifier_file, self.clips, emotions, self.budget.emotion_classifier
        )
        return build_reference(self.clips, emotions, emotion_classifier)

    @cached_property
    def prompts(self) -> list[list[FloatArray]]:
        """Of each emotion the beginnings of dances, from clips that no system was trained on."""
        return prompts_for(self.clips, split_clips(self.clips)[1].tolist(), DEFAULT_PALETTE.names)

    @property
    def classifier_file(self) -> Path:
        """Its name is not that of an evaluation's classifier, which has another recipe."""
        return self.out / "study_judge.safetensors"

    @cached_property
    def label_count(self) -> int:
        """Emotions and other styles that the networks are told."""
        return len(condition_names(DEFAULT_PALETTE.names, self.clips))

    @cached_property
    def made_with(self) -> dict[str, Any]:
        """What all results have in common: the budget, the data, how a dancer dances and what is measured."""
        budget = {name: value for name, value in asdict(self.budget).items() if name != "seeds"}
        digest = hashlib.sha256(self.clips.positions.tobytes())
        texts = (*self.clips.names, *self.clips.labels, *self.clips.contents)
        digest.update("\n".join(texts).encode("utf-8", "surrogatepass"))
        feet = [ROOT_CORRECTION_RATE, MAX_FOOT_OFFSET, LOCK_STRENGTH]
        dance = {**asdict(Sampling()), "feet": feet, "repertoire": REPERTOIRE}
        return {**budget, "data": digest.hexdigest()[:16], "dance": dance, "measures": list(COLUMNS)}

    def train_config(self, system: System, seed: int) -> TrainConfig:
        """What a system is trained with."""
        return replace(system.train_config(self.budget.train_config, self.label_count), seed=seed)

    def file(self, system: System, seed: int) -> Path:
        """Where its result is kept."""
        return self.out / "results" / f"{system.name}-{seed}.json"

    def result(self, system: System, seed: int) -> Any:
        """What is kept of it, None if it is not finished. Raises StudyError if it was made in another way."""
        path = self.file(system, seed)
        made_with = self.described(system, self.train_config(system, seed))
        return read_json(path, made_with=made_with) if path.exists() else None

    @staticmethod
    def described(system: System, train_config: TrainConfig) -> dict[str, Any]:
        """The settings of a system that its result depends on."""
        rules = {rule.name: rule.idea for rule in system.rules}
        return {"idea": system.idea, "rules": rules, "train_config": asdict(train_config)}

    def begin(self) -> None:
        """Note what the folder is for, or see that it is for this; measure real motion. Raises StudyError."""
        path = self.out / "real.json"
        if path.exists():
            read_json(path, made_with=self.made_with)
            return
        if (self.out / "results").exists():
            raise StudyError(f"{path}: missing beside results; give another --out, or delete the results")
        self.classifier_file.unlink(missing_ok=True)  # of a study that was stopped here
        figures = real_figures(self.reference)
        speed = known_mean(self.reference.real["speed_m_s"])
        write_json(path, {"made_with": self.made_with, "figures": figures, "speed_m_s": speed})

    def train(self, system: System, train_config: TrainConfig) -> Checkpoint:
        """The trained dancer. Raises Diverged."""
        torch.manual_seed(train_config.seed)
        seen = self.data_with_rest if system.rest else self.data
        sampler = seen.training.like(
            horizon=train_config.horizon, input_noise=train_config.input_noise, conditioned=system.conditioned
        )
        space, _ = fit_space(train_config, sampler)
        space.to(self.device)
        training_state = new_training_state(train_config, self.label_count, self.device, system.kind)
        objective = system.objective_for(train_config, self.label_count)
        if isinstance(objective, nn.Module):
            objective.to(self.device)
            training_state.optimizer.add_param_group(
                {"params": list(objective.parameters()), "weight_decay": 0.0}
            )
        data = replace(seen, training=sampler)
        dagger = new_dagger_buffer(train_config, data, space, training_state, 0) if system.dagger else None
        losses = steps(training_state, training_state.network, space, sampler, train_config, dagger, objective)
        for _ in tqdm(losses, total=train_config.steps, desc=system.name, leave=False, disable=None):
            pass
        exemplars = seen.training.exemplars(np.random.default_rng([train_config.seed, 3]), len(DEFAULT_PALETTE))
        return Checkpoint(
            training_state.average, space, DEFAULT_PALETTE, self.data.conditions, exemplars, seen.restyling, {}
        )

    def measure(self, system: System, checkpoint: Checkpoint, seed: int) -> list[dict[str, Any]]:
        """A row for each rule by which the system dances; prompts and chance are those of the seed."""
        rows = []
        for rule in system.rules:
            generator = system.generator(checkpoint, rule)
            chance = np.random.default_rng(seed)
            budget = self.budget
            rollouts = steady_dances(
                generator,
                self.prompts,
                budget.seconds,
                budget.dances,
                chance,
                seed,
                repertoire_of(REPERTOIRE).tolist(),
            )
            figures: Figures = {}
            speeds: list[float] = []
            if np.isfinite(rollouts.positions).all():
                figures = figures_of(evaluate_rollouts(rollouts, self.reference))
                speeds = speed_over_time(rollouts)
            rows.append({"rule": rule.name, "figures": figures, "speed_m_s": speeds})
        return rows

    def finish(self, system: System, seed: int) -> None:
        """Train and measure a system, and keep what came out; one that diverges has no figures."""
        train_config = self.train_config(system, seed)
        began = time.monotonic()
        try:
            checkpoint = self.train(system, train_config)
            trained = time.monotonic() - began
            rows = self.measure(system, checkpoint, seed)
            count = sum(parameter.numel() for parameter in checkpoint.network.parameters())
        except Diverged:
            trained, count = time.monotonic() - began, 0
            rows = [{"rule": rule.name, "figures": {}, "speed_m_s": []} for rule in system.rules]
        result = {
            "made_with": self.described(system, train_config),
            "parameters": count,
            "training_s": trained,
            "git_revision": self.revision,
            "torch": torch.__version__,
            "device": self.device.type,
            "rows": rows,
        }
        write_json(self.file(system, seed), result)

    def rows(self, systems: Sequence[System]) -> list[Row]:
        """The table as far as it is finished: real movement, then every system by every rule."""
        real = read_json(self.out / "real.json", made_with=self.made_with)
        rows = [Row("real", "real movement; recognised: held-out clips", column_of([real["figures"]]))]
        for system in systems:
            results = [self.result(system, seed) for seed in seeds_of(self.budget)]
            found = [result for result in results if result]
            for place, rule in enumerate(system.rules if found else ()):
                parts = [result["rows"][place] for result in found]
                idea = system.idea if place == 0 else f"{system.name}, {rule.idea}"
                speeds = [part["speed_m_s"] for part in parts if part["speed_m_s"]]
                figures = column_of([part["figures"] for part in parts])
                count = max(result["parameters"] for result in found)
                rows.append(Row(system.label(rule), idea, figures, speeds, len(parts), count))
        return rows

    def publish(self, systems: Sequence[System], name: str) -> None:
        """Write the table and the plots."""
        rows = self.rows(systems)
        results = [self.result(system, seed) for system in systems for seed in seeds_of(self.budget)]
        revisions = ", ".join(sorted({result["git_revision"] for result in results}))
        train_config, budget = self.budget.train_config, self.budget
        about = (
            f"Budget {name}: {train_config.steps} steps of {train_config.batch} windows of "
            f"{train_config.length} frames, "
            f"{budget.dances} dances of {budget.seconds:g} s of each emotion, {budget.seeds} seed(s); "
            f"± is the standard deviation between seeds. Torch {torch.__version__}, {platform.system()} "
            f"{platform.machine()}, {self.device.type}, revision {revisions}."
        )
        write_table(rows, about, self.out)
        speed = read_json(self.out / "real.json", made_with=self.made_with)["speed_m_s"]
        draw_study(rows, speed, self.out)


def seeds_of(budget: Budget) -> range:
    """The seeds of a budget: 1, 2, …"""
    return range(1, budget.seeds + 1)


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
