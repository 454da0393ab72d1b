"""Does the running app answer? A visitor is streamed to it over OSC, the dancer read from it over OSC.

python -m tests.endurance.answer --data clips.npz dances.npz --influence 0.6

The same visitor stands in front of each emotion; the measures are those of `models.evaluate --visitor`
(`models.evaluation.visitor_report`), here with the app's own clock, smoothing and context. Everything stays on
127.0.0.1. Exit status 1 if a bar is missed, of the influences that have bars (0.6 and 1).
"""

import argparse
import contextlib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from engine.osc.addresses import ARRAYS, EMOTION
from engine.osc.message import floats, ints
from engine.osc.packet import messages
from models.data.clips import join_clips, read_clips
from models.emotion.palette import DEFAULT_PALETTE
from models.evaluation.comparison import find_dance_reference
from models.evaluation.visitor_report import CRITERIA, VisitorStream, answer_of, missed_bars, visitor_stream
from models.motion.skeleton import FRAME_RATE, JOINT_COUNT, FloatArray
from models.network.card import checkpoint_named, default_checkpoint

MAX_START_S = 120.0
SETTLING_S = 3.0
"""After a change of emotion, before the dancer is measured; the visitor is there already."""


class Dancer:
    """Hears the dancer's frames at a port, each with the time at which it came."""

    def __init__(self, port: int) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._listener.bind(("127.0.0.1", port))
        self._listener.settimeout(0.5)
        self.times: list[float] = []
        self.frames: list[FloatArray] = []
        self.ending = threading.Event()
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def _hear(self) -> None:
        while not self.ending.is_set():
            with contextlib.suppress(TimeoutError):
                values = dict(messages(self._listener.recv(65_535))).get(ARRAYS["dancer"])
                if values is not None:
                    joints = np.array(values[2 : 2 + 3 * JOINT_COUNT], dtype=np.float32)
                    self.frames.append(joints.reshape(JOINT_COUNT, 3))
                    self.times.append(time.perf_counter())

    def at(self, times: FloatArray) -> FloatArray:
        """Positions (T, 17, 3): the frame that came last before each of the times (T,)."""
        newest = np.searchsorted(np.array(self.times), times, side="right") - 1
        return np.stack([self.frames[i] for i in np.maximum(newest, 0)])

    def close(self) -> None:
        """Stop hearing."""
        self.ending.set()
        self._thread.join()
        self._listener.close()


def free_ports(count: int) -> list[int]:
    """UDP ports of this machine that nobody uses now."""
    with contextlib.ExitStack() as all_at_once:
        found = []
        for _ in range(count):
            taken = all_at_once.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            taken.bind(("127.0.0.1", 0))
            found.append(int(taken.getsockname()[1]))
    return found


def show(stream: VisitorStream, port: int) -> FloatArray:
    """Stream the visitor at 30 frames a second; returns when each frame was sent (T,)."""
    sent = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        due = time.perf_counter()
        for positions in stream.positions:
            time.sleep(max(due - time.perf_counter(), 0.0))
            sender.sendto(floats(ARRAYS["visitor"], positions.ravel()), ("127.0.0.1", port))
            sent.append(time.perf_counter())
            due += 1 / FRAME_RATE
    return np.array(sent)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.answer", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="clips, as for models.evaluate")
    parser.add_argument("--checkpoint", type=checkpoint_named, default=default_checkpoint())
    parser.add_argument("--classifier", type=Path, default=Path("runs/dance_classifier.safetensors"))
    parser.add_argument("--influence", type=float, default=0.6)
    parser.add_argument("--seconds", type=float, default=28.0, help="in front of each emotion")
    given = parser.parse_args(arguments)
    try:
        clips = join_clips([read_clips(path) for path in given.data])
        reference = find_dance_reference(given.classifier, clips, DEFAULT_PALETTE.names)
    except ValueError as error:
        sys.stderr.write(f"tests.endurance.answer: {error}\n")
        return 2
    if reference is None:
        return 2
    stream = visitor_stream(clips, np.random.default_rng(4), given.seconds)
    visitor_port, control_port, hear_port = free_ports(3)
    dancer = Dancer(hear_port)
    piece = subprocess.Popen(
        [
            *(sys.executable, "app.py", "--headless", "--source", f"osc:{visitor_port}"),
            *("--osc-in", f"127.0.0.1:{control_port}", "--osc-targets", f"127.0.0.1:{hear_port},array"),
            *("--influence", str(given.influence), "--checkpoint", str(given.checkpoint)),
        ]
    )
    dances, started = [], time.perf_counter()
    try:
        while not dancer.frames:
            if piece.poll() is not None or time.perf_counter() > started + MAX_START_S:
                sys.stderr.write("tests.endurance.answer: the app does not dance\n")
                return 2
            time.sleep(0.1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as controls:
            for emotion in range(len(DEFAULT_PALETTE)):
                controls.sendto(ints(EMOTION, emotion), ("127.0.0.1", control_port))
                settling = int(SETTLING_S * FRAME_RATE)
                show(VisitorStream(stream.positions[:settling], stream.confidence, stream.still), visitor_port)
                dances.append(dancer.at(show(stream, visitor_port)))
                if piece.poll() is not None or time.perf_counter() - dancer.times[-1] > 1.0:
                    sys.stderr.write("tests.endurance.answer: the app has stopped\n")
                    return 2
    finally:
        piece.terminate()
        piece.wait()
        dancer.close()
    figures = answer_of(np.stack(dances), stream, reference)
    for name, value in figures.items():
        sys.stdout.write(f"{name:18s}{value:8.2f}\n")
    # dance share has its bar before everyday acts, arms need a visitor of their own
    elsewhere = ("dance_share", "arms_up_s")
    bars = {name: bar for name, bar in CRITERIA.get(given.influence, {}).items() if name not in elsewhere}
    missed = missed_bars(figures, bars)
    sys.stdout.writelines(f"SHORT  {line}\n" for line in missed)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
