"""How smooth is what is on the screen? The movement of the pictures, at the times at which they were shown.

python -m tests.endurance.shown_motion --source film.mp4 --loop --headless --seconds 60

Takes the installation's own arguments. Beside it stands the same dance as it was generated, at perfectly even
times: what is more on the screen is jitter.
"""

import sys
from typing import Any

import numpy as np

from engine.installation import Installation
from engine.runtime.faults import StartError
from engine.settings import parse_settings
from engine.streams.values import DancerFrame
from models.motion.skeleton import FRAME_RATE, FloatArray

WARM_UP = 10.0
"""Seconds in which the grids of ticks and pictures find their places."""


def movement(positions: FloatArray, times: FloatArray) -> tuple[float, float]:
    """Acceleration in m/s^2 and jerk in m/s^3, root mean squares over the joints, of positions (N, 17, 3)."""
    seconds = np.diff(times)
    velocity = np.diff(positions, axis=0) / seconds[:, None, None]
    between = 0.5 * (seconds[1:] + seconds[:-1])
    acceleration = np.diff(velocity, axis=0) / between[:, None, None]
    jerk = np.diff(acceleration, axis=0) / (0.5 * (between[1:] + between[:-1]))[:, None, None]
    return _root_mean_square(acceleration), _root_mean_square(jerk)


def _root_mean_square(vectors: FloatArray) -> float:
    return float(np.sqrt(np.square(vectors).sum(axis=-1).mean()))


def evenly(frames: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Frames (N, 17, 3) at 30 fps as pictures (M, 17, 3) at 60, by Catmull-Rom, and their times (M,)."""
    tangents = np.gradient(frames, axis=0)
    middles = 0.5 * (frames[:-1] + frames[1:]) + 0.125 * (tangents[:-1] - tangents[1:])
    pictures = np.stack([frames[:-1], middles], axis=1).reshape(-1, *frames.shape[1:])
    return pictures, np.arange(len(pictures)) / (2.0 * FRAME_RATE)


class Watcher:
    """Keeps what each picture shows until it is known when it was shown, and every frame of the dance."""

    def __init__(self, piece: Installation) -> None:
        self.pictures: list[tuple[float, FloatArray]] = []
        self.frames: list[DancerFrame] = []
        self._newest: FloatArray | None = None
        self._next: FloatArray | None = None
        performance, send = piece._presenter, piece._send
        draw, at = performance.draw, performance._interpolator.at

        def known(time: float) -> Any:
            moment = at(time)
            self._next = None if moment is None else moment.positions
            return moment

        def drawn(*given: Any, shown_at: float, **times: Any) -> float:
            newest = self._newest
            if newest is not None and (not self.pictures or shown_at > self.pictures[-1][0]):
                self.pictures.append((shown_at, newest))
            later = draw(*given, shown_at=shown_at, **times)
            self._newest = self._next
            return later

        def sent(frame: DancerFrame) -> None:
            self.frames.append(frame)
            send(frame)

        performance._interpolator.at = known  # type: ignore[method-assign]
        performance.draw = drawn  # type: ignore[method-assign]
        piece.dance._send = sent

    def settled(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Pictures (N, 17, 3), when they were shown (N,), and frames (M, 17, 3), without the first seconds."""
        begins = self.pictures[0][0] + WARM_UP
        shown = [(time, positions) for time, positions in self.pictures if time > begins]
        frames = [frame.positions for frame in self.frames if frame.generated_at > begins]
        times = np.array([time for time, _ in shown])
        return np.array([positions for _, positions in shown], dtype=np.float64), times, np.array(frames)


def main(arguments: list[str] | None = None) -> int:
    """Run the installation; returns the exit status."""
    sys.setswitchinterval(0.0005)
    settings = parse_settings(sys.argv[1:] if arguments is None else arguments)
    if settings.seconds is None or settings.seconds < 2 * WARM_UP:
        sys.stderr.write(f"--seconds: give {2 * WARM_UP:g} or more\n")
        return 2
    try:
        piece = Installation(settings)
        watcher = Watcher(piece)
        piece.run()
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    pictures, times, frames = watcher.settled()
    uneven = piece.metrics.percentiles("render.uneven")
    lines = [
        f"{len(times) / (times[-1] - times[0]):.1f} frames per second, {len(frames)} frames",
        f"times of pictures, off from when they were shown, in ms: {uneven}",
    ]
    for name, (acceleration, jerk) in {
        "as shown": movement(pictures, times),
        "as danced": movement(*evenly(frames.astype(np.float64))),
    }.items():
        lines.append(f"{name + ':':11}acceleration {acceleration:.2f} m/s^2, jerk {jerk:.0f} m/s^3")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
