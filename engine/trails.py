"""Trails of the hands and feet: light painted into the dark, as on a photograph that is exposed for long."""

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.enlarge import add_light, cell_for, tinted
from engine.scene import View
from engine.strands import bloom, expose
from models.skeleton import INDEX

TRACED = np.array([INDEX[name] for name in ("left_wrist", "right_wrist", "left_ankle", "right_ankle")])
ELBOWS = np.array([INDEX["left_elbow"], INDEX["right_elbow"]])

FULL_SPEED = np.array([2.4, 2.4, 2.2, 2.2], dtype=np.float32)
"""Metres per second at which a trail is brightest."""


def draw_trails(surface: pygame.Surface, view: View) -> None:
    """Add the paths of the last `trail_seconds`, brightest where they were fast, fading with age."""
    past = view.history.last(view.light.trail_seconds)
    if len(past.ages) < 3:
        return
    fade = (1.0 - past.ages / view.light.trail_seconds).clip(0.0, 1.0) ** 1.6
    bright = np.clip(past.speeds[:, TRACED] / FULL_SPEED, 0.0, 1.0) ** 1.2 * fade[:, None]
    if bright.max() < 0.02:
        return
    pixels, _ = view.projection.project(hands_and_feet(past.positions))
    exposure = expose(pixels, bright[None], view.projection.size, 2 * cell_for(view.projection.size))
    if exposure is not None:
        shade = bloom(exposure.fields[0], 0.8, 0.8)
        tint = view.light.glow * np.float32(255.0 * min(view.light.glow_strength, 1.0))
        add_light(surface, tinted(shade, tint), exposure.origin, exposure.cell)


def hands_and_feet(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """(T, 4, 3): the middle of each hand, 8 cm beyond the wrist, and the ankles."""
    points = positions[:, TRACED].astype(np.float32)
    forearms = points[:, :2] - positions[:, ELBOWS]
    lengths = np.maximum(np.linalg.norm(forearms, axis=-1, keepdims=True), 1e-3)
    points[:, :2] += forearms * np.float32(0.08) / lengths
    return points
