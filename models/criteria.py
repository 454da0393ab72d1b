"""The bars that a dancer has to clear, and by how much it does or does not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from models.report import Measurements, Report


@dataclass(frozen=True)
class Criterion:
    """One bar: what is asked, what was found in words, and whether it is met."""

    name: str
    asked: str
    found: str
    met: bool

    def __str__(self) -> str:
        return f"{'met  ' if self.met else 'SHORT'}  {self.name}: {self.found} (bar: {self.asked})"

    def as_values(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


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
    return bars + _bars_of_the_whole(report) if measured is report.everything else bars


def _bars_of_the_whole(report: Report) -> list[Criterion]:
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


def _span(ratios: np.ndarray) -> str:
    return f"{np.nanmin(ratios):.2f} to {np.nanmax(ratios):.2f}"


def _within(ratios: np.ndarray, low: float, high: float) -> bool:
    return bool(np.nanmin(ratios) >= low and np.nanmax(ratios) <= high)
