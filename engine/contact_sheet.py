"""Contact sheets and films: what a rollout looks like, as PNG or MP4, without a window.

    python -m engine.contact_sheet ROLLOUT.npz --out sheet.png [--scene chorus] [--columns 8] [--strip]
    python -m engine.contact_sheet ROLLOUT.npz --out film.mp4 [--scene ribbons] [--cell 960 540] [--seconds 8]

Reads what `models.generate` writes. Rows are rollouts, columns are frames at equal times; a film shows the
rollouts side by side at 30 frames per second. A visitor whom they answered is a faint figure.
"""

import argparse
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pygame
from numpy.typing import NDArray
from tqdm import tqdm

from engine.faults import StartError
from engine.film import Film
from engine.overlay import draw_label
from engine.scenes import SCENES
from engine.stage import Stage, StageFrame
from engine.values import Pose
from models.bounded_files import has_array, open_npz, read_array, read_floats, read_names
from models.palette import MAX_ENTRIES
from models.skeleton import JOINT_COUNT, JOINTS

log = logging.getLogger(__name__)

LEAD_IN = 5.0
"""Seconds of movement drawn before each frame, so that it shows trails, speeds and echoes."""

LEAD_STEPS_PER_SECOND = 30
WIDEST_FILM = 8192
"""Pixels."""


@dataclass(frozen=True, eq=False)
class Rollouts:
    """N rollouts of T frames at `rate` fps: positions (N, T, 17, 3) in metres, emotion_weights (N, T, P), and
    the positions (T, 17, 3) of a visitor whom they all answered."""

    positions: NDArray[np.float32]
    emotions: tuple[str, ...]
    emotion_weights: NDArray[np.float32]
    palette: tuple[str, ...]
    rate: float
    visitor: NDArray[np.float32] | None = None


def read_rollouts(path: Path) -> Rollouts:
    """Read the npz file of `models.generate`; raises StartError in one line."""
    try:
        with open_npz(path) as file:
            positions = read_floats(file, "positions")
            rollouts = Rollouts(
                positions=positions,
                emotions=read_names(file, "emotion", len(positions)),
                emotion_weights=read_floats(file, "emotion_weights"),
                palette=read_names(file, "palette", MAX_ENTRIES),
                rate=float(read_array(file, "fps", "fiu")),
                visitor=read_floats(file, "visitor") if has_array(file, "visitor") else None,
            )
            joints = read_names(file, "joints", JOINT_COUNT)
    except FileNotFoundError:
        raise StartError(f"{path}: no such file; give one that models.generate wrote") from None
    except Exception as error:  # damaged bytes raise nearly every kind there is
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise StartError(f"{path}: expected dances from models.generate: {reason}") from error
    shape = rollouts.positions.shape
    if joints != JOINTS or len(shape) != 4 or 0 in shape or shape[2:] != (JOINT_COUNT, 3):
        raise StartError(f"{path}: positions {shape} with {len(joints)} joints, expected (N, T, 17, 3)")
    weights = (*shape[:2], len(rollouts.palette))
    if rollouts.emotion_weights.shape != weights or len(rollouts.emotions) != len(rollouts.positions):
        raise StartError(f"{path}: expected emotion weights {weights} and an emotion for each dance")
    if rollouts.visitor is not None and (
        rollouts.visitor.shape != shape[1:] or not np.isfinite(rollouts.visitor).all()
    ):
        raise StartError(f"{path}: expected a visitor {shape[1:]} with finite positions")
    if not np.isfinite(rollouts.positions).all() or not 1.0 <= rollouts.rate <= 1000.0:
        raise StartError(f"{path}: expected finite positions at 1 to 1000 fps")
    return rollouts


def draw_sheet(
    rollouts: Rollouts, columns: int, cell: tuple[int, int], scene: str = "figure"
) -> pygame.Surface:
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


def draw_moment(
    surface: pygame.Surface, rollouts: Rollouts, row: int, frame: int, scene: str = "figure"
) -> None:
    """Draw one frame of one rollout with what led to it."""
    stage = Stage(surface.get_size())
    lead = min(frame, round(LEAD_IN * rollouts.rate))
    steps = max(round(lead / rollouts.rate * LEAD_STEPS_PER_SECOND), 0)
    for index in np.linspace(frame - lead, frame, steps + 1).round().astype(int):
        stage.draw(surface, _picture(rollouts, row, int(index), scene))


def film(path: Path, rollouts: Rollouts, size: tuple[int, int], scene: str, seconds: float) -> None:
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


def _picture(rollouts: Rollouts, row: int, index: int, scene: str) -> StageFrame:
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
        rollouts = read_rollouts(options.rollouts)
        if options.strip:
            first = slice(0, 1)
            rollouts = Rollouts(
                rollouts.positions[first],
                rollouts.emotions[:1],
                rollouts.emotion_weights[first],
                rollouts.palette,
                rollouts.rate,
                rollouts.visitor,
            )
        cell = (options.cell[0], options.cell[1])
        if options.out.suffix == ".mp4":
            film(options.out, rollouts, cell, options.scene, options.seconds)
        else:
            sheet = draw_sheet(rollouts, options.columns, cell, options.scene)
            pygame.image.save(sheet, str(options.out))
    except (StartError, OSError, av.FFmpegError, pygame.error) as error:
        log.error("%s", error)
        return 2
    log.info("wrote %s", options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
