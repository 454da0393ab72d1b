"""Contact sheets and films: what a rollout looks like, as PNG or MP4, without a window.

    python -m engine.render.contact_sheet ROLLOUT.npz --out sheet.png [--scene chorus] [--columns 8] [--strip]
    python -m engine.render.contact_sheet ROLLOUT.npz --out film.mp4 [--scene ribbons] [--cell 960 540]
    [--seconds 8]

Reads what `models.generate` writes. Rows are rollouts, columns are frames at equal times; a film shows the
rollouts side by side at 30 frames per second. A visitor whom they answered is a faint figure.
"""

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pygame
from tqdm import tqdm

from engine.render.film import Film
from engine.render.overlay import draw_label
from engine.render.scenes import SCENES
from engine.render.stage import Stage, StageFrame
from engine.runtime.faults import StartError
from engine.streams.values import Pose
from models.data.dance_file import DanceFileError, Dances, read_dances
from models.motion.skeleton import JOINT_COUNT

log = logging.getLogger(__name__)

LEAD_IN_S = 5.0
"""Seconds of movement drawn before each frame, so that it shows trails, speeds and echoes."""

LEAD_STEPS_PER_SECOND = 30
WIDEST_FILM = 8192
"""Pixels."""


def draw_sheet(rollouts: Dances, columns: int, cell: tuple[int, int], scene: str = "figure") -> pygame.Surface:
    """Rollouts below each other, each at `columns` equal times, in cells of (width, height) pixels."""
    count, length = rollouts.positions.shape[:2]
    sheet = pygame.Surface((columns * cell[0], count * cell[1]), 0, 32)
    places = [(row, column) for row in range(count) for column in range(columns)]
    for row, column in tqdm(places, desc="drawing", disable=len(places) < 40, file=sys.stderr):
        frame = round((column + 0.5) * length / columns - 0.5)
        picture = pygame.Surface(cell, 0, 32)
        draw_moment(picture, rollouts, row, frame, scene)
        second = frame / rollouts.rate
        draw_label(picture, f"{rollouts.emotions[row]}   {second:.1f} s" if column == 0 else f"{second:.1f} s")
        sheet.blit(picture, (column * cell[0], row * cell[1]))
    return sheet


def draw_moment(surface: pygame.Surface, rollouts: Dances, row: int, frame: int, scene: str = "figure") -> None:
    """Draw one frame of one rollout with what led to it."""
    stage = Stage(surface.get_size())
    lead = min(frame, round(LEAD_IN_S * rollouts.rate))
    steps = max(round(lead / rollouts.rate * LEAD_STEPS_PER_SECOND), 0)
    for index in np.linspace(frame - lead, frame, steps + 1).round().astype(int):
        stage.draw(surface, _picture(rollouts, row, int(index), scene))


def film(path: Path, rollouts: Dances, size: tuple[int, int], scene: str, seconds: float) -> None:
    """Write the rollouts, side by side, as an MP4 film, each in `size` pixels. Raises OSError or
    av.FFmpegError."""
    rows = range(len(rollouts.positions))
    if len(rows) * size[0] > WIDEST_FILM:
        raise StartError(
            f"a film of {len(rows)} dances is wider than {WIDEST_FILM} pixels; try --strip or --cell"
        )
    sheet = pygame.Surface((len(rows) * size[0], size[1]), 0, 32)
    cells = [sheet.subsurface((row * size[0], 0, *size)) for row in rows]
    stages = [Stage(size) for _ in rows]
    count = min(round(seconds * rollouts.rate), rollouts.positions.shape[1])
    with Film(path, sheet.get_size(), round(rollouts.rate)) as written:
        for index in tqdm(range(count), desc="drawing", file=sys.stderr):
            for row in rows:
                stages[row].draw(cells[row], _picture(rollouts, row, index, scene))
            written.add(sheet)


def _picture(rollouts: Dances, row: int, index: int, scene: str) -> StageFrame:
    visitor, now = None, index / rollouts.rate
    if rollouts.visitor is not None:
        visitor = Pose(True, now, rollouts.visitor[index], np.ones(JOINT_COUNT, dtype=np.float32))
    return StageFrame(
        time=now,
        visitor=visitor,
        positions=rollouts.positions[row, index],
        emotion_weights=rollouts.emotion_weights[row, index],
        palette=rollouts.palette,
        scene=scene,
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Draw rollouts of models.generate as a contact sheet.")
    parser.add_argument("rollouts", type=Path, help="npz file written by models.generate")
    parser.add_argument("--out", type=Path, required=True, help="PNG or MP4 file to write")
    parser.add_argument("--columns", type=int, default=8, help="frames of each rollout (default 8)")
    parser.add_argument("--cell", type=int, nargs=2, default=(240, 320), help="width and height of a picture")
    parser.add_argument("--strip", action="store_true", help="only the first rollout")
    parser.add_argument(
        "--scene", choices=tuple(SCENES), default="figure", help="what is drawn (default figure)"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a film (default 10)")
    options = parser.parse_args(arguments)
    if options.columns < 1 or min(options.cell) < 32 or options.seconds <= 0:
        parser.error("--columns must be at least 1, --cell at least 32 32, --seconds more than 0")
    try:
        rollouts = read_dances(options.rollouts)
        if options.strip:
            rollouts = replace(
                rollouts,
                positions=rollouts.positions[:1],
                emotions=rollouts.emotions[:1],
                emotion_weights=rollouts.emotion_weights[:1],
            )
        cell = (options.cell[0], options.cell[1])
        if options.out.suffix == ".mp4":
            film(options.out, rollouts, cell, options.scene, options.seconds)
        else:
            sheet = draw_sheet(rollouts, options.columns, cell, options.scene)
            pygame.image.save(sheet, str(options.out))
    except (StartError, DanceFileError, OSError, av.FFmpegError, pygame.error) as error:
        log.error("%s", error)
        return 2
    log.info("wrote %s", options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
