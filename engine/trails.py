"""Trails of the hands and feet: light painted into the dark, as on a photograph that is exposed for long.

What is kept is where they were in metres, not pixels: the camera may move and the window change its size
without smearing what was drawn before.
"""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.stage_camera import Projection
from models.skeleton import INDEX

TRACED = np.array([INDEX[name] for name in ("left_wrist", "right_wrist", "left_ankle", "right_ankle")])
SAMPLE_SECONDS = 1.0 / 40.0
LONGEST = 3.0
"""Seconds of trail that are ever kept."""

FULL_SPEED = np.array([2.4, 2.4, 2.2, 2.2], dtype=np.float32)
"""Metres per second at which a trail is brightest."""

BORDER = 22
"""Cells around the path into which its light spreads."""

CORE_CELLS, HALO_CELLS = 1.1, 6.5
"""Standard deviation of the bright thread and of the glow around it."""


@dataclass(frozen=True, eq=False)
class _Sample:
    time: float
    points: NDArray[np.floating]  # (4, 3) metres
    brightness: NDArray[np.floating]  # (4,) 0..1, from the speed there


@dataclass(frozen=True, eq=False)
class TrailLight:
    """Light to add: `shade` (rows, columns) in 0..1, cells of `cell` pixels, first corner at pixel `origin`."""

    shade: NDArray[np.floating]
    origin: tuple[int, int]
    cell: int


class Trails:
    """The path of the hands and feet over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()

    def clear(self) -> None:
        """Forget the path: after a cut it would draw a line across the stage."""
        self._samples.clear()

    def follow(self, positions: NDArray[np.floating], speeds: NDArray[np.floating], time: float) -> None:
        """Add positions (17, 3) with speeds (17,) in m/s at a time in seconds."""
        if self._samples and not 0.0 <= time - self._samples[-1].time < 0.5:
            self.clear()
        brightness = np.clip(speeds[TRACED] / FULL_SPEED, 0.0, 1.0).astype(np.float32) ** 1.2
        sample = _Sample(time, _hands_and_feet(positions), brightness)
        # the newest sample always sits at the hand; only every SAMPLE_SECONDS one stays behind
        if len(self._samples) > 1 and time - self._samples[-2].time < SAMPLE_SECONDS:
            self._samples.pop()
        self._samples.append(sample)
        while time - self._samples[0].time > LONGEST:
            self._samples.popleft()

    def light(self, projection: Projection, seconds: float, cell: int) -> TrailLight | None:
        """The ribbons of the last `seconds`, fading with age, None where there is nothing to see."""
        newest = self._samples[-1].time if self._samples else 0.0
        samples = [sample for sample in self._samples if newest - sample.time <= seconds]
        if len(samples) < 3:
            return None
        age = np.array([newest - sample.time for sample in samples], dtype=np.float32) / seconds
        bright = np.stack([sample.brightness for sample in samples]) * ((1.0 - age) ** 1.6)[:, None]
        if bright.max() < 0.02:
            return None
        pixels, _ = projection.project(np.stack([sample.points for sample in samples]))
        return _paint_light(pixels / cell, bright.astype(np.float32), projection.size, cell)


def _paint_light(
    path: NDArray[np.floating], bright: NDArray[np.floating], size: tuple[int, int], cell: int
) -> TrailLight | None:
    """A moving light exposed onto a grid: path (T, 4, 2) in cells and brightness (T, 4), oldest first."""
    limits = (size[0] // cell + 1, size[1] // cell + 1)
    low = np.clip(np.floor(path.min(axis=(0, 1)) - BORDER), 0, limits).astype(int)
    high = np.clip(np.ceil(path.max(axis=(0, 1)) + BORDER), 0, limits).astype(int)
    columns, rows = high - low
    if columns < 2 or rows < 2:
        return None
    dense, exposure = _densely(path - low, bright)
    canvas = _splat(dense, exposure, rows, columns)
    core = cv2.GaussianBlur(canvas, (0, 0), CORE_CELLS) * np.float32(CORE_CELLS * 4.0)
    broad = cv2.resize(canvas, (max(columns // 4, 1), max(rows // 4, 1)), interpolation=cv2.INTER_AREA)
    broad = cv2.GaussianBlur(broad, (0, 0), HALO_CELLS / 4)
    core += cv2.resize(broad, (columns, rows)) * np.float32(HALO_CELLS * 0.85)
    # light that falls twice saturates instead of clipping
    shade = core / (core + np.float32(1.0))
    return TrailLight(shade, (int(low[0]) * cell, int(low[1]) * cell), cell)


def _hands_and_feet(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """(4, 3): the middle of each hand, 8 cm beyond the wrist, and the ankles."""
    points = positions[TRACED].astype(np.float32)
    for i, side in enumerate(("left", "right")):
        forearm = points[i] - positions[INDEX[f"{side}_elbow"]]
        points[i] += forearm * np.float32(0.08 / max(float(np.linalg.norm(forearm)), 1e-3))
    return points


def _densely(
    path: NDArray[np.floating], bright: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Points (N, 2) every cell or closer along Catmull-Rom curves, and the light (N,) that falls at each."""
    tangents = np.gradient(path, axis=0)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=-1)
    parts = int(min(max(float(steps.max()), 2.0), 48.0))
    share = ((np.arange(parts, dtype=np.float32) + 0.5) / parts)[:, None, None, None]
    rest = 1.0 - share
    points = (
        path[:-1] * (rest * rest * (1.0 + 2.0 * share))
        + path[1:] * (share * share * (1.0 + 2.0 * rest))
        + tangents[:-1] * (share * rest * rest)
        - tangents[1:] * (share * share * rest)
    )
    light = bright[:-1] * rest[..., 0] + bright[1:] * share[..., 0]
    return points.reshape(-1, 2), (light * (steps / parts)).reshape(-1)


def _splat(
    points: NDArray[np.floating], light: NDArray[np.floating], rows: int, columns: int
) -> NDArray[np.floating]:
    """A grid (rows, columns) with each point's light shared by the four cells around it."""
    inside = (points >= 0.0).all(axis=1) & (points < (columns - 1, rows - 1)).all(axis=1)
    points, light = points[inside], light[inside]
    corner = points.astype(np.int64)
    right, down = (points - corner).T
    place = corner[:, 1] * columns + corner[:, 0]
    places = np.concatenate([place, place + 1, place + columns, place + columns + 1])
    lower, left = down * light, 1.0 - right
    upper = light - lower
    shares = np.concatenate([left * upper, right * upper, left * lower, right * lower])
    canvas = np.bincount(places, shares, minlength=rows * columns)
    return canvas.astype(np.float32).reshape(rows, columns)
