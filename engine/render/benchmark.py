"""What a frame of each scene costs, against one full-screen fill plus blit measured in the same run.

python -m engine.render.benchmark ROLLOUT.npz [--seconds 4]
"""

import argparse
import logging
import os
import statistics
import sys
import time
from pathlib import Path

import cv2
import pygame
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from engine.render.scenes import SCENES
from engine.render.stage import Stage, StageFrame
from models.data.dance_file import DanceFileError, Dances, read_dances

log = logging.getLogger(__name__)

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}
WARM_UP_FRAMES = 40
"""Frames before measuring: trails grow, sprites are painted, echoes come in."""


def measure(rollouts: Dances, scene: str, size: tuple[int, int], seconds: float) -> tuple[float, float]:
    """Median milliseconds of (one frame, one fill plus one blit), taken in turn at 60 frames per second.

    Frames are drawn as the window does, one over the other: what was drawn over the backdrop is restored.
    """
    surface, other, source = (pygame.Surface(size, 0, 32) for _ in range(3))
    stage = Stage(size)
    draws, yardsticks = [], []
    count = WARM_UP_FRAMES + round(seconds * 60)
    length = rollouts.positions.shape[1]
    for i in range(count + 250 * (scene == "chorus")):
        frame = (i * round(rollouts.rate)) // 60 % length
        picture = StageFrame(
            time=i / 60,
            positions=rollouts.positions[0, frame],
            emotion_weights=rollouts.emotion_weights[0, frame],
            palette=rollouts.palette,
            scene=scene,
        )
        started = time.perf_counter()
        other.fill((12, 20, 30))
        other.blit(source, (0, 0))
        filled = time.perf_counter()
        stage.draw_background(surface, picture.time, kept=True)
        stage.draw(surface, picture)
        drawn = time.perf_counter()
        yardsticks.append(filled - started)
        draws.append(drawn - filled)
    kept = round(seconds * 60)
    return 1e3 * statistics.median(draws[-kept:]), 1e3 * statistics.median(yardsticks[-kept:])


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Measure what drawing costs.")
    parser.add_argument("rollouts", type=Path, help="npz file written by models.generate")
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="seconds of dance for each figure (default 4)"
    )
    options = parser.parse_args(arguments)
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    cv2.setNumThreads(1)  # as in the installation, where the other core is the detector's
    try:
        rollouts = read_dances(options.rollouts)
    except DanceFileError as error:
        log.error("%s", error)
        return 2
    log.info("scene          size    draw ms  fill + blit ms  ratio")
    with logging_redirect_tqdm():
        for name in tqdm(SCENES, desc="scenes", file=sys.stderr):
            for label, size in SIZES.items():
                draw, yardstick = measure(rollouts, name, size, options.seconds)
                log.info("%-14s %-6s %8.2f %15.2f %6.2f", name, label, draw, yardstick, draw / yardstick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
