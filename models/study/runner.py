"""Trains and measures systems, one result file each, so that a study can be stopped and resumed."""

import hashlib
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from models.data.clips import Clips, split_clips
from models.data.kinds import repertoire_of
from models.emotion.palette import DEFAULT_PALETTE
from models.evaluation.comparison import evaluate_rollouts, find_emotion_classifier
from models.evaluation.reference import Reference, build_reference
from models.evaluation.rollouts import prompts_for, steady_dances
from models.generation.sampling import Sampling
from models.motion.foot_contact import LOCK_STRENGTH, MAX_FOOT_OFFSET_M, ROOT_CORRECTION_RATE
from models.motion.skeleton import FloatArray
from models.network.checkpoint import Checkpoint
from models.study.budgets import Budget
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
from models.study.systems import System
from models.training.config import TrainConfig
from models.training.motion_database import condition_names
from models.training.trainer import (
    Diverged,
    fit_space,
    git_revision,
    new_dagger_buffer,
    new_training_state,
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
        feet = [ROOT_CORRECTION_RATE, MAX_FOOT_OFFSET_M, LOCK_STRENGTH]
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
