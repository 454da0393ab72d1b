"""What a motion capture file may get wrong about its body, mended where it is certain and said in words.

Which axis is up, where the floor is, a rest pose blended into the first frame, a header with twice the frame
rate. What cannot be told raises SanityError, which names the option that decides.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.motion.skeleton import INDEX

UP_ROTATIONS = {
    # name -> rows that give x, y up and z from the file's axes, always right-handed
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "-z": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}
UPRIGHT = 0.75
"""Share of the line from feet to neck along one axis from which on a body stands along it."""
MAX_FLOOR_M = 0.15
"""Metres that the floor may be off before it is moved: people leap and shoes differ."""
MIN_REST_LEAP_M = 0.12
"""Metres, mean over the joints, that the body leaps in one frame where a rest pose stood before it."""
LEAPS = 8.0
"""How many times further than in its other frames."""
MAX_STEP_RATE = 1.5
"""Times a second that the feet may take turns: salsa has 1.2 at most, running 1.4. Beyond it the cgspeed
conversion for Daz, whose header always says 120 fps, is of a take that was captured at 60."""


class SanityError(ValueError):
    """A body about which something cannot be told; one line that names the option to tell it with."""


@dataclass(frozen=True)
class Sane:
    """Positions (T, 17, 3) in metres, y up, and what was mended."""

    positions: NDArray[np.float64]
    mended: tuple[str, ...] = ()


def turned_upright(positions: NDArray[np.float64], rest_up: NDArray[np.float64], up: str | None) -> Sane:
    """Positions (T, 17, 3) with y up.

    `rest_up` (3,): from pelvis to head in the rest pose of the file. `up`: a name of `UP_ROTATIONS`, told by
    the bodies where it is None. A body that does not stand along y while its rest pose does may lie: raises
    SanityError.
    """
    if up is None:
        feet = positions[:, [INDEX["left_ankle"], INDEX["right_ankle"]]].mean(axis=1)
        line = np.median(positions[:, INDEX["neck"]] - feet, axis=0)
        line = line / max(float(np.linalg.norm(line)), 1e-9)
        rest = rest_up / max(float(np.linalg.norm(rest_up)), 1e-9)
        stands = {name: float(np.dot(rows[1], line)) for name, rows in UP_ROTATIONS.items()}
        up = max(stands, key=stands.__getitem__)
        if up != "y" and rest[1] > UPRIGHT:
            raise SanityError(f"the body lies, or {up} is up in this file; give --up y or --up {up}")
        if stands[up] < UPRIGHT:
            up = "y"
    if up == "y":
        return Sane(positions)
    return Sane(positions @ np.array(UP_ROTATIONS[up], dtype=float).T, (f"{up} was up",))


def without_rest_pose(positions: NDArray[np.float64]) -> Sane:
    """Positions (T, 17, 3) without first frames before which the body leaps, if it leaps nowhere else."""
    if len(positions) < 8:
        return Sane(positions)
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=-1).mean(axis=1)
    first = int(steps[:3].argmax())
    if steps[first] > max(MIN_REST_LEAP_M, LEAPS * float(np.quantile(steps[3:], 0.95))):
        return Sane(positions[first + 1 :], (f"{first + 1} frame(s) of a rest pose left out",))
    return Sane(positions)


def on_the_floor(positions: NDArray[np.float64], travels: bool) -> Sane:
    """Positions (T, 17, 3) with the floor at y = 0, where it was further away than `MAX_FLOOR_M`.

    Where the file has no position of its root (not `travels`) each frame is stood on its lower foot.
    """
    lowest = positions[:, :, 1].min(axis=1)
    if not travels:
        moved = positions.copy()
        moved[:, :, 1] -= lowest[:, None]
        return Sane(moved, ("the root has no position; each frame stands on its lower foot",))
    floor = float(np.quantile(lowest, 0.05))
    if abs(floor) <= MAX_FLOOR_M:
        return Sane(positions)
    moved = positions.copy()
    moved[:, :, 1] -= floor
    return Sane(moved, (f"the floor was at {floor:.2f} m",))


def is_twice_as_fast(positions: NDArray[np.float64], frame_time: float) -> bool:
    """Whether in positions (T, 17, 3) at 120 fps the feet take turns more quickly than those of people."""
    if len(positions) < 1.5 / frame_time or not 0.008 < frame_time < 0.0085:
        return False
    left, right = (
        np.linalg.norm(np.diff(positions[:, INDEX[f"{side}_ankle"]], axis=0), axis=-1)
        for side in ("left", "right")
    )
    leads = left - right - (left - right).mean()
    power = np.square(np.abs(np.fft.rfft(leads * np.hanning(len(leads)), 8 * len(leads))))
    rates = np.fft.rfftfreq(8 * len(leads), frame_time)
    power[rates < 0.4] = 0.0
    return float(rates[power.argmax()]) > MAX_STEP_RATE
