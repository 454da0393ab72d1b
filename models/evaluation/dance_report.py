"""Dances measured beside real dances: whether it is dance, how varied, in which emotion, towards whom."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.evaluation import measures
from models.evaluation.contents import (
    NearestContents,
    effective_number,
    precision_recall,
    shares_of,
)
from models.evaluation.criteria import Criterion
from models.evaluation.dance_classifier import dance_share
from models.evaluation.dance_reference import MEASURES, DanceReference, half_second_windows, mean_known
from models.evaluation.rollouts import Rollouts
from models.motion.skeleton import FloatArray


@dataclass(frozen=True, eq=False)
class DanceReport:
    """Dances beside real dances: measure -> (P,), NaN for an emotion that nobody danced."""

    emotions: tuple[str, ...]
    figures: dict[str, FloatArray]
    real: dict[str, FloatArray]
    contents: list[dict[str, float]]
    """of each emotion's dances, the share of windows nearest to each real content"""
    act_contents: list[dict[str, float]]
    reference: DanceReference

    @property
    def bars(self) -> list[Criterion]:
        """Each bar with its figure."""
        return dance_criteria(self)

    def as_values(self) -> dict[str, Any]:
        """As JSON values."""
        per = {
            name: dict(zip(self.emotions, [_number(v) for v in column], strict=True))
            for name, column in {**self.figures, **{f"real_{k}": v for k, v in self.real.items()}}.items()
        }
        return {
            "measures": per,
            "contents": dict(zip(self.emotions, self.contents, strict=True)),
            "act_contents": dict(zip(self.emotions, self.act_contents, strict=True)),
            "classifier_error": list(self.reference.classifier_error),
            "bars": [bar.as_values() for bar in self.bars],
        }


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def measure_dances(rollouts: Rollouts, acts: Rollouts, reference: DanceReference) -> DanceReport:
    """Measure dances, and the contents of acts (gestures and walks); only those that keep one emotion count."""
    size = len(reference.emotions)
    names = (
        *MEASURES,
        "dance_share",
        "profile_match",
        "profile_named",
        "effective_dances",
        "effective_acts",
        "precision",
        "recall",
        "real_precision",
        "real_recall",
        "back_turned",
        "max_back_s",
        "longest_frozen_s",
        "copied_share",
        "repetition_share",
        "off_manifold_share",
    )
    figures = {name: np.full(size, np.nan) for name in names}
    contents: list[dict[str, float]] = []
    act_contents: list[dict[str, float]] = []
    neutral = rollouts.of(0)
    for emotion in range(size):
        own, own_acts = rollouts.of(emotion), acts.of(emotion)
        contents.append(_shares(reference.dances, own))
        act_contents.append(_shares(reference.acts[emotion], own_acts))
        if own_acts:
            figures["effective_acts"][emotion] = effective_number(np.array(list(act_contents[-1].values())))
        if not own:
            continue
        for name, measure in MEASURES.items():
            figures[name][emotion] = mean_known([measure(dance) for dance in own])
        figures["dance_share"][emotion] = mean_known(
            [dance_share(reference.classifier, dance) for dance in own]
        )
        if emotion and neutral and reference.profiles.profiles[emotion].any():
            cosines = reference.profiles.compare(neutral, own)
            figures["profile_match"][emotion] = cosines[emotion]
            figures["profile_named"][emotion] = 1 + int(cosines[1:].argmax()) == emotion
        figures["effective_dances"][emotion] = effective_number(np.array(list(contents[-1].values())))
        _cover(figures, emotion, own, reference)
        backs = [measures.back_turned(dance) for dance in own]
        figures["back_turned"][emotion] = np.mean(np.concatenate(backs))
        figures["max_back_s"][emotion] = max(measures.longest_run(back) for back in backs)
        figures["longest_frozen_s"][emotion] = max(measures.longest_frozen(dance) for dance in own)
        figures["copied_share"][emotion] = mean_known([reference.copies.copied_share(dance) for dance in own])
        figures["repetition_share"][emotion] = mean_known([measures.repetition_share(dance) for dance in own])
        figures["off_manifold_share"][emotion] = mean_known(
            [reference.manifold.off_share(dance) for dance in own]
        )
    return DanceReport(reference.emotions, figures, reference.real, contents, act_contents, reference)


def _cover(
    figures: dict[str, FloatArray], emotion: int, dances: Sequence[FloatArray], reference: DanceReference
) -> None:

    one, other = (torch.from_numpy(half) for half in reference.coverage[emotion])
    generated = torch.from_numpy(half_second_windows(dances))
    if min(len(one), len(other), len(generated)) < 8:
        return
    count = min(len(one), len(other), len(generated))
    both = precision_recall(generated[:count], one[:count]), precision_recall(other[:count], one[:count])
    (figures["precision"][emotion], figures["recall"][emotion]), real = both
    figures["real_precision"][emotion], figures["real_recall"][emotion] = real


def _shares(known: NearestContents, dances: Sequence[FloatArray]) -> dict[str, float]:
    return shares_of(np.concatenate([known.nearest(dance) for dance in dances])) if dances else {}


def dance_criteria(report: DanceReport) -> list[Criterion]:
    """The bars of dances, each with its figure; a ratio counts in the emotion in which it is worst."""
    made, real, reference = report.figures, report.real, report.reference
    speed = made["speed_m_s"] / real["speed_m_s"]
    jerk = made["jerk_m_s3"] / real["jerk_m_s3"] / speed
    slide = made["toe_slide_m_s"] / real["toe_slide_m_s"]
    named = int(np.nansum(made["profile_named"]))
    match = float(np.nanmean(made["profile_match"])) if np.isfinite(made["profile_match"]).any() else np.nan
    acts = made["effective_acts"] / reference.effective_acts
    dances = made["effective_dances"] / reference.effective_dances
    rhythm = made["rhythm"] / real["rhythm"]
    share = made["dance_share"]

    def mean_and_least(values: FloatArray, form: str = ".0%") -> str:
        least = int(np.nanargmin(values))
        return f"{np.nanmean(values):{form}} mean, {values[least]:{form}} {report.emotions[least]}"

    back, longest = float(np.nanmean(made["back_turned"])), float(np.nanmax(made["max_back_s"]))
    return [
        Criterion(
            "dance share",
            "75 % mean, 50 % least",
            mean_and_least(share),
            bool(np.nanmean(share) >= 0.75 and np.nanmin(share) >= 0.5),
        ),
        Criterion(
            "emotion profile",
            "named 6 of 7, match 0.70",
            f"{named} of 7, {match:.2f}",
            bool(named >= 6 and match >= 0.7),
        ),
        Criterion(
            "speed of real dance",
            "neutral 0.8 to 1.25, mean 0.8 to 1.3",
            f"neutral {speed[0]:.2f}, mean {np.nanmean(speed):.2f}",
            bool(0.8 <= speed[0] <= 1.25 and 0.8 <= np.nanmean(speed) <= 1.3),
        ),
        Criterion(
            "contents of acts, of the actors'",
            "0.75 in every emotion",
            mean_and_least(acts, ".2f"),
            bool(np.nanmin(acts) >= 0.75),
        ),
        Criterion(
            "contents of dances, of the data's",
            "0.7 in every emotion",
            mean_and_least(dances, ".2f"),
            bool(np.nanmin(dances) >= 0.7),
        ),
        Criterion(
            "back turned",
            "15 %, 6 s at most",
            f"{back:.0%}, {longest:.1f} s",
            bool(back <= 0.15 and longest <= 6),
        ),
        Criterion(
            "toe slide of dances",
            "1.3 x real dance, 1.5 in every emotion",
            f"{np.nanmean(slide):.2f}, at most {np.nanmax(slide):.2f}",
            bool(np.nanmean(slide) <= 1.3 and np.nanmax(slide) <= 1.5),
        ),
        Criterion(
            "jerk of dances at their speed",
            "0.8 to 1.25 of real dance",
            f"{np.nanmean(jerk):.2f}",
            bool(0.8 <= np.nanmean(jerk) <= 1.25),
        ),
        Criterion(
            "frozen while dancing",
            "0 s beyond 2 s",
            f"{np.nanmax(made['longest_frozen_s']):.1f} s",
            bool(np.nanmax(made["longest_frozen_s"]) <= 2),
        ),
        Criterion(
            "repetition in dances",
            "under 10 %",
            f"{np.nanmean(made['repetition_share']):.1%}",
            bool(mean_known(made["repetition_share"]) < 0.1),
        ),
        Criterion(
            "copies of training clips",
            "under 5 %",
            f"{np.nanmean(made['copied_share']):.1%}",
            bool(mean_known(made["copied_share"]) < 0.05),
        ),
        Criterion(
            "rhythm",
            "0.7 of real dances' strength",
            f"{mean_known(rhythm):.2f}",
            bool(mean_known(rhythm) >= 0.7),
        ),
    ]


def show_dances(report: DanceReport) -> None:
    """Print the table and the verdicts."""
    acts, dances = report.reference.classifier_error
    print(f"dance classifier on held-out windows: {acts:.1%} of acts and {dances:.1%} of dances wrong")
    print(f"{'dances':20s}" + "".join(f"{emotion:>17s}" for emotion in report.emotions))
    for name, values in report.figures.items():
        real = report.real.get(name)
        cells = [f"{v:.3g}" if real is None else f"{v:.3g} / {real[i]:.3g}" for i, v in enumerate(values)]
        print(f"{name:20s}" + "".join(f"{cell:>17s}" for cell in cells))
    for emotion, shares in zip(report.emotions, report.contents, strict=True):
        print(f"{emotion}: " + ", ".join(f"{name} {share:.0%}" for name, share in list(shares.items())[:8]))
    print("\n".join(str(bar) for bar in report.bars))


def write_dances(report: DanceReport, folder: Path) -> None:
    """dances.json."""
    (folder / "dances.json").write_text(json.dumps(report.as_values(), indent=1) + "\n", encoding="utf-8")
