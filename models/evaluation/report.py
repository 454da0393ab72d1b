"""What an evaluation found: a table, the verdicts, and the files that keep them."""

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluation.criteria import Criterion
from models.evaluation.reference import Reference
from models.motion.skeleton import FRAME_RATE, FloatArray


@dataclass(frozen=True, eq=False)
class Measurements:
    """Some dances, measured. `generated`: measure -> (P,) values, NaN for emotions that nobody danced."""

    generated: dict[str, FloatArray]
    confusion: FloatArray  # (P, P) shares: row the emotion asked for, column what the classifier said
    frechet: float


@dataclass(frozen=True)
class LongDance:
    """One dancer of each emotion who danced for long."""

    minutes: float
    finite: bool
    pelvis_m: tuple[float, float]
    """lowest and highest"""
    speed_kept: tuple[float, float]
    """least and most of the speed of the last minute relative to the first, over the emotions"""

    @property
    def diverged(self) -> bool:
        """Whether someone left what bodies do: numbers, heights, or twice or half the speed."""
        low, high = self.pelvis_m
        slowed, hurried = self.speed_kept
        return not (self.finite and low > 0.3 and high < 1.5 and slowed > 0.5 and hurried < 2)


@dataclass(frozen=True, eq=False)
class Report:
    """Dances beside real motion. `parts` are those with a prompt in their own and in another emotion."""

    emotions: tuple[str, ...]
    real: dict[str, FloatArray]
    floor: float
    """Fréchet distance of real from real"""
    looped: float
    """share of windows that repeat in a looped clip"""
    everything: Measurements
    parts: dict[str, Measurements]
    responses: FloatArray  # seconds, one a switch
    long: LongDance | None = None

    @property
    def bars(self) -> list[Criterion]:
        """Each bar with its figure, over all dances."""
        return check_criteria(self, self.everything)

    def as_values(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            **self._measured_values(self.everything),
            "parts": {name: self._measured_values(part) for name, part in self.parts.items()},
            "response_s": [_number(value) for value in self.responses],
            "looped_repetition_share": _number(self.looped),
            "long": asdict(self.long) if self.long else None,
            "bars": [bar.as_values() for bar in self.bars],
        }

    def _measured_values(self, measured: Measurements) -> dict[str, Any]:
        return {
            "measures": {
                name: {
                    emotion: {"generated": _number(values[i]), "real": _number(self.real[name][i])}
                    for i, emotion in enumerate(self.emotions)
                }
                for name, values in measured.generated.items()
            },
            "recognised": dict(zip(self.emotions, map(_number, np.diag(measured.confusion)), strict=True)),
            "confusion": [[_number(value) for value in row] for row in measured.confusion],
            "frechet": {"generated": _number(measured.frechet), "real": _number(self.floor)},
        }


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def show(report: Report, reference: Reference) -> None:
    """Print the table and the verdicts."""
    for length, table in reference.classified.items():
        each = ", ".join(f"{e} {v:.0%}" for e, v in zip(report.emotions, np.diag(table), strict=True))
        accuracy = np.diag(table).mean()
        print(f"classifier on held-out real windows of {length / FRAME_RATE:g} s: {accuracy:.0%} ({each})")
    print(f"{'generated / real':20s}" + "".join(f"{emotion:>17s}" for emotion in report.emotions))
    for name, values in report.everything.generated.items():
        pairs = zip(values, report.real[name], strict=True)
        print(f"{name:20s}" + "".join(f"{_pair(*pair):>17s}" for pair in pairs))
    for name, part in {"": report.everything, **report.parts}.items():
        row = "".join(f"{value:>17.0%}" for value in np.diag(part.confusion))
        print(f"{' '.join(('recognised', name)):20s}{row}")
    print(f"a real clip in a loop repeats in {report.looped:.0%} of windows")
    print("\n".join(str(bar) for bar in report.bars))
    for name, part in report.parts.items():
        print(f"of these, prompted with movement in {name} emotion:")
        print("\n".join(f"  {bar}" for bar in check_criteria(report, part)))


def _pair(generated: float, real: float) -> str:
    return f"{generated:.3g} / {real:.3g}"


def write(report: Report, reference: Reference, folder: Path) -> None:
    """report.json and report.csv."""
    values = report.as_values()
    values["classifier"] = {str(length): table.tolist() for length, table in reference.classified.items()}
    (folder / "report.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    with (folder / "report.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["prompt", "measure", "emotion", "generated", "real"])
        for prompt, part in {"any": values, **values["parts"]}.items():
            for name, row in part["measures"].items():
                for emotion, pair in row.items():
                    table.writerow([prompt, name, emotion, pair["generated"], pair["real"]])
            skill = np.diag(reference.classified[max(reference.classified)])
            for (emotion, share), real in zip(part["recognised"].items(), skill, strict=True):
                table.writerow([prompt, "recognised_share", emotion, share, _number(real)])
            distance = part["frechet"]
            table.writerow([prompt, "frechet", "all", distance["generated"], distance["real"]])
        if len(report.responses):
            table.writerow(
                ["any", "response_median_s", "all", _number(float(np.median(report.responses))), None]
            )


def check_criteria(report: Report, measured: Measurements) -> list[Criterion]:
    """The bars for these dances of a report; those for switching and for long dances, if it is all of them.

    A ratio counts in the emotion in which it is worst.
    """
    made, real = measured.generated, report.real
    speed, jerk = made["speed_m_s"] / real["speed_m_s"], made["jerk_m_s3"] / real["jerk_m_s3"]
    slide = np.nanmean(made["toe_slide_m_s"]) / np.nanmean(real["toe_slide_m_s"])
    longest = float(np.nanmax(made["longest_frozen_s"]))
    frozen, really = np.nanmean(made["frozen_share"]), np.nanmean(real["frozen_share"])
    off, repeated = np.nanmean(made["off_manifold_share"]), np.nanmean(made["repetition_share"])
    seen = np.diag(measured.confusion)
    distance = measured.frechet / report.floor
    bones = float(np.nanmax(made["bone_change_m"]))
    bars = [
        Criterion("speed ratio", "0.8 to 1.25 in every emotion", _span(speed), _within(speed, 0.8, 1.25)),
        Criterion("longest frozen stretch", "under 2 s", f"{longest:.1f} s", longest < 2),
        Criterion("frozen share", "not above real", f"{frozen:.1%}, real {really:.1%}", bool(frozen <= really)),
        Criterion("jerk ratio", "0.8 to 1.3 in every emotion", _span(jerk), _within(jerk, 0.8, 1.3)),
        Criterion("toe slide", "at most 1.5 x real", f"{slide:.2f} x real", bool(slide <= 1.5)),
    ]
    for name, column in (
        ("implausible speeds", "too_fast_share"),
        ("implausible heights", "out_of_height_share"),
    ):
        mine, theirs = np.nanmean(made[column]), np.nanmean(real[column])
        bars.append(
            Criterion(name, "at most 2 x real", f"{mine:.2%}, real {theirs:.2%}", bool(mine <= 2 * theirs))
        )
    bars += [
        Criterion("poses off the manifold", "under 5 %", f"{off:.1%}", bool(off < 0.05)),
        Criterion("near-repetition", "under 10 %", f"{repeated:.1%}", bool(repeated < 0.1)),
        Criterion(
            "emotion recognised",
            "80 % mean, 60 % each",
            f"{np.nanmean(seen):.0%} mean, {np.nanmin(seen):.0%} {report.emotions[int(np.nanargmin(seen))]}",
            bool(np.nanmean(seen) >= 0.8 and np.nanmin(seen) >= 0.6),
        ),
        Criterion("Fréchet distance", "at most 3 x real", f"{distance:.1f} x real", bool(distance <= 3)),
        Criterion("bone lengths", "constant to 1e-5 m", f"{bones:.1e} m", bones < 1e-5),
    ]
    return bars + _criteria_of_the_whole(report) if measured is report.everything else bars


def _span(ratios: np.ndarray) -> str:
    return f"{np.nanmin(ratios):.2f} to {np.nanmax(ratios):.2f}"


def _within(ratios: np.ndarray, low: float, high: float) -> bool:
    return bool(np.nanmin(ratios) >= low and np.nanmax(ratios) <= high)


def _criteria_of_the_whole(report: Report) -> list[Criterion]:
    bars = []
    if len(report.responses):
        response = float(np.median(report.responses))
        bars.append(
            Criterion("time to the new emotion", "median under 1.5 s", f"{response:.2f} s", response < 1.5)
        )
    if long := report.long:
        low, high = long.pelvis_m
        slowed, hurried = long.speed_kept
        found = (
            f"{'finite' if long.finite else 'NOT finite'}, pelvis {low:.2f} to {high:.2f} m, speed of the last "
            f"minute {slowed:.2f} to {hurried:.2f} times the first"
        )
        name = f"{long.minutes:g} minutes of each emotion"
        bars.append(Criterion(name, "no dance diverges", found, not long.diverged))
    return bars
