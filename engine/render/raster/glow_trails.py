"""Light in the air: around the dancer, at the tips of fast limbs, and where hands and feet have been.

All of it has one colour and no edge, so it is summed on one coarse grid and enlarged together.
"""

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.render.raster.dirty_regions import DirtyRegions
from engine.render.raster.light_paths import bloom, expose
from engine.render.raster.upscale import UNSEEN, add_shade, cell_for
from engine.render.scene import View
from models.motion.skeleton import INDEX, lengths_of

TRACED = np.array([INDEX[name] for name in ("left_wrist", "right_wrist", "left_ankle", "right_ankle")])
ELBOWS = np.array([INDEX["left_elbow"], INDEX["right_elbow"]])

FULL_SPEED = np.array([2.4, 2.4, 2.2, 2.2], dtype=np.float32)
"""Metres per second at which a trail is brightest."""

LAMPS = np.array([INDEX["neck"], *TRACED])
"""Joints with a light around them; the tips of limbs shine when they are fast."""

LAMP_RADII_M = np.array([0.27, 0.09, 0.09, 0.09, 0.09], dtype=np.float32)
"""Metres over which the light of each lamp falls by a factor of the root of e."""

SHINE = np.array([0.13, 0.30, 0.30, 0.30, 0.30], dtype=np.float32)


def draw_air(surface: pygame.Surface, view: View, *, trails: bool = True) -> DirtyRegions:
    """Add the glow of the body and, with `trails`, the paths of the last `trail_seconds`."""
    cell = 2 * cell_for(view.projection.size)
    shade = _lamps(view, cell, np.float32(view.light.glow_strength))
    if trails:
        _add_trails(shade, view, cell)
    brightest = float(view.light.glow.max()) * 255.0
    if brightest <= UNSEEN:
        return []
    shade -= np.float32(UNSEEN / brightest)
    return add_shade(surface, np.maximum(shade, 0.0, out=shade), view.light.glow * 255.0, (0, 0), cell)


def _lamps(view: View, cell: int, strength: np.float32) -> NDArray[np.float32]:
    """The light around the body on a grid of the whole frame, (rows, columns) in 0..1 times its strength."""
    width, height = view.projection.size
    pixels, scales = view.projection.project(view.positions[LAMPS])
    shine = SHINE.copy()
    shine[1:] *= view.energies[TRACED]
    # a round light is the product of one across and one down
    steepness = (-0.5 * np.square(cell / (LAMP_RADII_M * scales)))[:, None]
    middles = pixels[..., None] / np.float32(cell) - np.float32(0.5)
    across = np.exp(steepness * np.square(np.arange(-(-width // cell), dtype=np.float32) - middles[:, 0]))
    down = np.exp(steepness * np.square(np.arange(-(-height // cell), dtype=np.float32) - middles[:, 1]))
    light: NDArray[np.float32] = (down * (shine * strength)[:, None]).T @ across
    return light


def _add_trails(shade: NDArray[np.float32], view: View, cell: int) -> None:
    """Add the paths of hands and feet, brightest where they were fast, fading with age."""
    past = view.history.last(view.light.trail_seconds)
    if len(past.ages) < 3:
        return
    fade = (1.0 - past.ages / view.light.trail_seconds).clip(0.0, 1.0) ** 1.6
    bright = np.clip(past.speeds[:, TRACED] / FULL_SPEED, 0.0, 1.0) ** 1.2 * fade[:, None]
    if bright.max() < 0.02:
        return
    pixels, _ = view.projection.project(hands_and_feet(past.positions))
    exposure = expose(pixels, bright[None], view.projection.size, cell)
    if exposure is not None:
        left, top = exposure.origin[0] // cell, exposure.origin[1] // cell
        part = shade[top:, left:][: exposure.fields.shape[1], : exposure.fields.shape[2]]
        trail = bloom(exposure.fields[0], 0.8, 0.8) * np.float32(min(view.light.glow_strength, 1.0))
        part += trail[: part.shape[0], : part.shape[1]]


def hands_and_feet(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """(T, 4, 3): the middle of each hand, 8 cm beyond the wrist, and the ankles."""
    points = positions[:, TRACED].astype(np.float32)
    forearms = points[:, :2] - positions[:, ELBOWS]
    points[:, :2] += forearms * (np.float32(0.08) / np.maximum(lengths_of(forearms), 1e-3))
    return points
