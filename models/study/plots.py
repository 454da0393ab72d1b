"""The pictures of the study: dynamics, emotion, and speed over time of every system."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.evaluation.measures import FROZEN_SPEED
from models.motion.skeleton import FRAME_RATE
from models.study.results import COLUMNS, CURVE_HOP_FRAMES, Row

DYNAMICS = ("speed_ratio", "frozen_share", "jerk_ratio", "trembling_ratio")


def draw_study(rows: Sequence[Row], real_speed: float, folder: Path) -> None:
    """Write dynamics.png, coupling.png and speed.png. The first row is real movement, `real_speed` its m/s."""
    for name, figure in (
        ("dynamics", dynamics(rows)),
        ("coupling", coupling(rows)),
        ("speed", speed_over_time(rows[1:], real_speed)),
    ):
        FigureCanvasAgg(figure).print_png(folder / f"{name}.png")


def dynamics(rows: Sequence[Row]) -> Figure:
    """How much and how roughly each system moves, and how often it does not; the lines are real."""
    real, systems = rows[0], rows[1:]
    figure = Figure(figsize=(16, 1.2 + 0.3 * len(systems)), layout="constrained")
    places = np.arange(len(systems))
    for axis, measure in zip(figure.subplots(1, len(DYNAMICS), sharey=True), DYNAMICS, strict=True):
        axis.barh(places, [row.mean(measure) for row in systems], xerr=_spreads(systems, measure), capsize=2)
        axis.axvline(real.mean(measure), color="black", linestyle="--", linewidth=1)
        axis.set_title(COLUMNS[measure])
        if measure in ("jerk_ratio", "trembling_ratio"):
            axis.set_xscale("symlog", linthresh=1)
        axis.set_yticks(places, [row.label for row in systems])
        axis.margins(y=0.01)
        axis.yaxis.set_inverted(True)
    return figure


def coupling(rows: Sequence[Row]) -> Figure:
    """How often the classifier says the emotion asked for, after a prompt in that emotion and in another one.

    The dashed line is what it says of real clips, the dotted one chance among eight.
    """
    real, systems = rows[0], rows[1:]
    figure = Figure(figsize=(9, 1.2 + 0.4 * len(systems)), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(systems))
    for offset, measure, name in (
        (-0.2, "recognised_share_coupled", "prompt in the emotion asked for"),
        (0.2, "recognised_share_uncoupled", "prompt in another emotion"),
    ):
        means = [row.mean(measure) for row in systems]
        axis.barh(places + offset, means, 0.4, xerr=_spreads(systems, measure), capsize=2, label=name)
    axis.axvline(real.mean("recognised_share"), color="black", linestyle="--", linewidth=1)
    axis.axvline(1 / 8, color="black", linestyle=":", linewidth=1)
    axis.set_yticks(places, [row.label for row in systems])
    axis.yaxis.set_inverted(True)
    axis.set_xlim(0, 1)
    axis.margins(y=0.01)
    axis.legend()
    return figure


def speed_over_time(rows: Sequence[Row], real_speed: float) -> Figure:
    """Mean joint speed of all dances of a system, one line a seed, beside the real mean, dashed, and the speed
    under which a body counts as frozen, dotted. The scale is logarithmic: some leap and some stand."""
    columns = 5
    lines = -(-len(rows) // columns)
    figure = Figure(figsize=(16, 2.2 * lines), layout="constrained")
    axes = list(figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat)
    for axis, row in zip(axes, rows, strict=False):
        for curve in row.speeds:
            axis.plot(np.arange(len(curve)) * CURVE_HOP_FRAMES / FRAME_RATE, curve, linewidth=1)
        axis.axhline(real_speed, color="black", linestyle="--", linewidth=1)
        axis.axhline(FROZEN_SPEED, color="black", linestyle=":", linewidth=1)
        axis.set_title(row.label, fontsize=9)
    axes[0].set_yscale("log")
    axes[0].set_ylim(FROZEN_SPEED / 2, 6 * real_speed)
    axes[0].set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
    for axis in axes[len(rows) :]:
        axis.set_axis_off()
    figure.supxlabel("s")
    figure.supylabel("m/s")
    return figure


def _spreads(rows: Sequence[Row], measure: str) -> list[float]:
    return [float(np.nan_to_num(row.spread(measure))) for row in rows]
