"""What the study finds of each system: figures beside real motion, kept as JSON, and the table of them all."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from models.data.atomic_write import replacing
from models.data.safe_files import read_text
from models.evaluation.emotion_classifier import LONG_FRAMES
from models.evaluation.measures import running_mean
from models.evaluation.reference import Reference
from models.evaluation.report import Measurements, Report
from models.evaluation.rollouts import Rollouts
from models.motion.skeleton import FRAME_RATE, joint_speed

CURVE_HOP_FRAMES = FRAME_RATE // 2
"""Frames between two points of a curve of speed over time."""
MAX_RESULT = 2**24
"""Bytes."""

COLUMNS = {
    "speed_ratio": "speed / real",
    "frozen_share": "frozen",
    "longest_frozen_s": "longest frozen, s",
    "jerk_ratio": "jerk / real",
    "trembling_ratio": "trembling / real",
    "recognised_share": "recognised",
    "recognised_share_coupled": "coupled",
    "recognised_share_uncoupled": "uncoupled",
    "frechet_ratio": "Fréchet / real",
    "off_manifold_share": "off manifold",
    "repetition_share": "repeated",
    "copied_share": "copied",
}
"""Measure -> what the table calls it."""

Figures = dict[str, float]


class StudyError(ValueError):
    """A study that cannot be begun or gone on with; one line for a person."""


@dataclass(frozen=True)
class Row:
    """One system danced by one rule, over seeds. `figures`: measure -> a value a seed, NaN if unknown."""

    label: str
    idea: str
    figures: Mapping[str, Sequence[float]]
    speeds: Sequence[Sequence[float]] = ()  # m/s, a curve for each seed that did not diverge, every half second
    seeds: int = 0
    parameters: int = 0

    def mean(self, measure: str) -> float:
        """Over the seeds in which it is known."""
        return known_mean(self.figures.get(measure, ()))

    def spread(self, measure: str) -> float:
        """Standard deviation over the seeds; NaN of fewer than two."""
        values = np.asarray(self.figures.get(measure, ()), dtype=float)
        values = values[np.isfinite(values)]
        return float(values.std(ddof=1)) if len(values) > 1 else math.nan

    @property
    def diverged(self) -> int:
        """Seeds whose training or dance left the finite numbers."""
        return self.seeds - len(self.speeds)


def column_of(figures: Sequence[Mapping[str, float | None]]) -> dict[str, list[float]]:
    """Measure -> one value a seed, NaN where a seed has none."""
    names = dict.fromkeys(name for one in figures for name in one)
    return {
        name: [math.nan if (value := one.get(name)) is None else value for one in figures] for name in names
    }


def known_mean(values: ArrayLike) -> float:
    """The mean of those that are finite, NaN of none."""
    array = np.asarray(values, dtype=float)
    array = array[np.isfinite(array)]
    return float(array.mean()) if len(array) else math.nan


def figures_of(report: Report) -> Figures:
    """The figures of one system, and of its dances after a prompt in their own (coupled) or another emotion."""
    figures = _figures(report.everything, report)
    for part, name in (("its own", "coupled"), ("another", "uncoupled")):
        if part in report.parts:
            of_part = _figures(report.parts[part], report)
            figures |= {f"{measure}_{name}": value for measure, value in of_part.items()}
    return figures


def _figures(measured: Measurements, report: Report) -> Figures:
    made, real = measured.generated, report.real

    def ratio(measure: str) -> float:
        return known_mean(made[measure] / real[measure])

    return {
        "speed_ratio": ratio("speed_m_s"),
        "frozen_share": known_mean(made["frozen_share"]),
        "longest_frozen_s": float(np.nanmax(made["longest_frozen_s"])),
        "jerk_ratio": ratio("jerk_m_s3"),
        "trembling_ratio": ratio("quick_share"),
        "recognised_share": known_mean(np.diag(measured.confusion)),
        "frechet_ratio": measured.frechet / report.floor,
        "off_manifold_share": known_mean(made["off_manifold_share"]),
        "repetition_share": known_mean(made["repetition_share"]),
        "copied_share": known_mean(made["copied_share"]),
    }


def real_figures(reference: Reference) -> Figures:
    """The same of real clips; the classifier's of clips that it was not trained on."""
    real = reference.real
    return {
        "speed_ratio": 1.0,
        "frozen_share": known_mean(real["frozen_share"]),
        "longest_frozen_s": float(np.nanmax(real["longest_frozen_s"])),
        "jerk_ratio": 1.0,
        "trembling_ratio": 1.0,
        "recognised_share": known_mean(np.diag(reference.classified[LONG_FRAMES])),
        "frechet_ratio": 1.0,
        "off_manifold_share": known_mean(real["off_manifold_share"]),
        "repetition_share": known_mean(real["repetition_share"]),
        "copied_share": known_mean(real["copied_share"]),
    }


def speed_over_time(rollouts: Rollouts) -> list[float]:
    """Mean joint speed in m/s of all dances, a running mean of one second, every half second."""
    means = [running_mean(joint_speed(dance), FRAME_RATE)[::CURVE_HOP_FRAMES] for dance in rollouts.positions]
    return [float(value) for value in np.mean(means, axis=0)]


def write_json(path: Path, values: Any) -> None:
    """Write values, None for what is not finite; a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(_plain(values), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def read_json(path: Path, *, made_with: Any) -> Any:
    """What `write_json` wrote, if its `made_with` is the one expected. Raises StudyError."""
    try:
        values = json.loads(read_text(path, MAX_RESULT))
        before = values["made_with"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StudyError(f"{path}: not a result of the study ({reason}); delete it and it is redone") from None
    if changed := differences(before, _plain(made_with)):
        names = ", ".join(changed)
        raise StudyError(f"{path}: was made with another {names}; give another --out, or delete it to redo it")
    return values


def differences(one: Any, other: Any, name: str = "") -> list[str]:
    """Dotted names of what differs between two trees of JSON values."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        parts = [differences(one.get(key), other.get(key), f"{name}.{key}" if name else key) for key in keys]
        return [found for part in parts for found in part]
    return [] if one == other else [name or "value"]


def write_table(rows: Sequence[Row], about: str, folder: Path) -> None:
    """table.csv with every figure, and table.md with those of `COLUMNS`."""
    names = list(dict.fromkeys(measure for row in rows for measure in row.figures))
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        spreads = [f"{name}_{what}" for name in names for what in ("mean", "spread")]
        table.writerow(["system", "idea", "parameters", "seeds", "diverged", *spreads])
        for row in rows:
            values = [value for name in names for value in (row.mean(name), row.spread(name))]
            cells = ["" if math.isnan(value) else f"{value:.5g}" for value in values]
            table.writerow([row.label, row.idea, row.parameters, row.seeds, row.diverged, *cells])
    (folder / "table.md").write_text(markdown(rows, about), encoding="utf-8")


def markdown(rows: Sequence[Row], about: str) -> str:
    """The table as it stands in a page, with `about` in front of it."""
    head = ["system", *COLUMNS.values(), "parameters", "seeds", "what it is"]
    lines = [about, "", _line(head), _line(["---"] * len(head))]
    for row in rows:
        seeds = f"{row.seeds}, {row.diverged} diverged" if row.diverged else str(row.seeds or "-")
        count = f"{row.parameters / 1000:,.0f} k" if row.parameters else "-"
        lines.append(_line([row.label, *(cell(row, measure) for measure in COLUMNS), count, seeds, row.idea]))
    return "\n".join(lines) + "\n"


def cell(row: Row, measure: str) -> str:
    """The mean of a measure and, of several seeds, the deviation between them."""
    mean, spread = row.mean(measure), row.spread(measure)
    if math.isnan(mean):
        return "-"
    if measure.endswith("_share") or "_share_" in measure:
        return f"{mean:.0%}" if math.isnan(spread) else f"{mean:.0%} ± {100 * spread:.0f}"
    return f"{mean:.2f}" if math.isnan(spread) else f"{mean:.2f} ± {spread:.2f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
