"""The pictures of an evaluation: speed over time, histograms of speed, confusion, skeletons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.evaluation.measures import running_mean
from models.evaluation.reference import Reference
from models.evaluation.rollouts import Rollouts
from models.motion.skeleton import BONE_PARENTS, FRAME_RATE, FloatArray, joint_speed

if TYPE_CHECKING:
    from models.evaluation.report import Report

POSES = 16
POSE_HOP_FRAMES = 12
"""Frames between two skeletons of a contact sheet."""


def draw_plots(report: Report, rollouts: Rollouts, reference: Reference, folder: Path) -> None:
    """Write speed.png, histograms.png, confusion.png and skeletons.png."""
    _save(speed_over_time(rollouts, reference), folder / "speed.png")
    _save(histograms(rollouts, reference), folder / "histograms.png")
    _save(confusion(report), folder / "confusion.png")
    _save(skeletons(rollouts), folder / "skeletons.png")


def speed_over_time(rollouts: Rollouts, reference: Reference) -> Figure:
    """Mean joint speed of every steady dance, a running mean of one second, beside the real mean."""
    figure, axes = _grid(rollouts.palette, sharey=True)
    for emotion, axis in enumerate(axes):
        for dance in rollouts.of(emotion):
            means = running_mean(joint_speed(dance), FRAME_RATE)
            axis.plot(np.arange(len(means)) / FRAME_RATE, means, linewidth=0.5)
        axis.axhline(reference.real["speed_m_s"][emotion], color="black", linestyle="--", linewidth=1)
        axis.set_xlabel("s")
        axis.set_ylabel("m/s")
    return figure


def histograms(rollouts: Rollouts, reference: Reference) -> Figure:
    """How often each speed occurs, generated and real."""
    figure, axes = _grid(rollouts.palette)
    bins = np.linspace(0, 2, 41).tolist()
    for emotion, axis in enumerate(axes):
        axis.hist(reference.speeds[emotion], bins, density=True, alpha=0.5, label="real")
        if dances := rollouts.of(emotion):
            speeds = np.concatenate([joint_speed(dance) for dance in dances])
            axis.hist(speeds, bins, density=True, alpha=0.5, label="generated")
        axis.set_xlabel("m/s")
    axes[0].legend()
    return figure


def confusion(report: Report) -> Figure:
    """What the classifier said of each emotion."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    axis = figure.add_subplot()
    axis.imshow(report.everything.confusion, vmin=0, vmax=1, cmap="Blues")
    axis.set_xticks(range(len(report.emotions)), report.emotions, rotation=45)
    axis.set_yticks(range(len(report.emotions)), report.emotions)
    axis.set_xlabel("classified")
    axis.set_ylabel("asked for")
    for (row, column), share in np.ndenumerate(report.everything.confusion):
        axis.text(
            column, row, f"{share:.0%}", ha="center", va="center", color="black" if share < 0.6 else "white"
        )
    return figure


def skeletons(rollouts: Rollouts) -> Figure:
    """One dance of each emotion as a row of skeletons, from the middle of the dance on, seen from the front."""
    size = len(rollouts.palette)
    figure = Figure(figsize=(POSES, 1.9 * size), layout="constrained")
    for emotion, axis in enumerate(np.atleast_1d(figure.subplots(size, 1))):
        if dances := rollouts.of(emotion):
            _strip(axis, dances[-1])
        axis.set_title(rollouts.palette[emotion], loc="left", fontsize=9)
        axis.axis("off")
        axis.set_aspect("equal")
    return figure


def _strip(axis: Axes, dance: FloatArray) -> None:
    first = len(dance) // 2
    for column, pose in enumerate(dance[first : first + POSES * POSE_HOP_FRAMES : POSE_HOP_FRAMES]):
        across = pose[:, 0] - pose[0, 0] + 1.3 * column
        for joint, parent in enumerate(BONE_PARENTS, start=1):
            axis.plot(across[[parent, joint]], pose[[parent, joint], 1], color="black", linewidth=1.5)
    axis.axhline(0, color="grey", linewidth=0.5)


def _grid(titles: tuple[str, ...], sharey: bool = False) -> tuple[Figure, list[Axes]]:
    rows = -(-len(titles) // 4)
    figure = Figure(figsize=(16, 3.2 * rows), layout="constrained")
    axes = list(figure.subplots(rows, 4, sharex=True, sharey=sharey, squeeze=False).flat)
    for axis, title in zip(axes, titles, strict=False):
        axis.set_title(title)
    return figure, axes[: len(titles)]


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure).print_png(path)
