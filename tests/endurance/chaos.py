"""The real piece with faults put into it at random times, and notes of how it fares; started by
`tests.endurance.soak`.

Every fault is put in from outside, where the world would put it: in the camera, the detector's landmarks, the
network's step, the socket, the display, the clock, the files.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import faulthandler
import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NoReturn

import cv2
import numpy as np
import psutil
import pygame

from app import leave
from engine import installation
from engine.osc import output as osc_out
from engine.render import emotion_lights
from engine.runtime import metrics
from engine.runtime.bounded_log import begin_log
from engine.settings import parse_settings
from engine.visitor import pose_detector, pose_service
from engine.visitor.landmarks import LANDMARK_COUNT, BodyLandmarks
from engine.visitor.pose_bundle import MODEL_NAME, cache_folder
from models.generation.generator import DanceState, Generator
from tests.endurance.soak import KILLED

LONGEST = {"the camera blocks": 6.0, "the detector hangs": 12.0, "the camera is frozen": 8.0}
"""Seconds of the faults that count only when they last."""
USUAL = (0.3, 3.0)
QUIET = 40.0
"""Seconds at the end without new faults, so that the last ones can be over."""
FIRST_AT = 5.0
HANGS_AFTER = 40.0
"""Seconds over its time after which the installation hangs: it says where, and ends."""
DOWN, NAMED = 1, "soak.invalid"
"""The target whose network goes down, by its place, and the host whose name is not known at times."""

real_time, real_flip, real_landmarks, real_think, real_act = (
    time.time,
    pygame.display.flip,
    pose_detector.landmarks_of,
    Generator.predict,
    Generator.apply,
)
real_capture, real_look_up = cv2.VideoCapture, socket.getaddrinfo

CAMERA = (
    "is gone",
    "moves",
    "is black",
    "is frozen",
    "gives cut pictures",
    "gives wild sizes",
    "blocks",
    "gives 1 fps",
)
DETECTOR = ("raises", "hangs", "sees NaN", "sees a giant", "flips sides", "loses every other frame")
NETWORK = ("gives NaN", "gives infinity", "explodes", "leaps", "raises", "is slow")
WORLD = (
    "an OSC target is unreachable",
    "a name is not known",
    "the display is lost",
    "the clock is set back a day",
)
FILES = ("the lights are nonsense", "the show is nonsense", "the disk is full")
FAULTS = (
    *(f"the camera {what}" for what in CAMERA),
    *(f"the detector {what}" for what in DETECTOR),
    *(f"the network {what}" for what in NETWORK),
    *WORLD,
    *FILES,
)


class Faults:
    """Which faults there are now. `once` takes a fault away that is to happen a single time."""

    def __init__(self) -> None:
        self.now: set[str] = set()
        self.camera = 0

    def once(self, name: str) -> bool:
        """Whether there is this fault; afterwards there is not."""
        there = name in self.now
        self.now.discard(name)
        return there


class Camera:
    """A camera that shows a video again and again, and has every fault of a camera."""

    def __init__(self, index: int, pictures: list[np.ndarray], faults: Faults) -> None:
        self._index, self._pictures, self._faults = index, pictures, faults
        self._at, self._due = 0, time.perf_counter()

    def isOpened(self) -> bool:
        """Whether a camera is plugged in here."""
        return self._index == self._faults.camera and "the camera is gone" not in self._faults.now

    def set(self, *_: object) -> bool:
        """Cameras promise everything."""
        return True

    def release(self) -> None:
        """Nothing to let go."""

    def read(self) -> tuple[bool, np.ndarray | None]:
        """The next picture at its time."""
        self._due = max(self._due + 1 / 30, time.perf_counter() - 0.1)
        time.sleep(max(self._due - time.perf_counter(), 0.0))
        now = self._faults.now
        while "the camera blocks" in now:
            time.sleep(0.05)
        if not self.isOpened():
            return False, None
        if "the camera gives 1 fps" in now:
            time.sleep(1.0)
        if "the camera is frozen" not in now:
            self._at += 1
        return True, self._spoiled(self._pictures[self._at % len(self._pictures)], now)

    def _spoiled(self, picture: np.ndarray, now: set[str]) -> np.ndarray | None:
        if "the camera is black" in now:
            return np.zeros_like(picture)
        if "the camera gives cut pictures" in now:
            return (None, picture[:3], picture[..., :1])[self._at % 3]
        if "the camera gives wild sizes" in now:
            return cv2.resize(picture, ((3000, 20), (40, 2000), (320, 240))[self._at % 3])
        return picture


class StandIn:
    """In place of MediaPipe where its model is not on this machine: somebody who sways."""

    def __init__(self, model: Path) -> None:
        self._count = 0

    def detect(self, frame: Any) -> list[BodyLandmarks]:
        """One body, through the same door as MediaPipe's."""
        self._count += 1
        height, width = frame.image.shape[:2]
        sway = 0.1 * np.sin(self._count / 10)
        marks = [
            SimpleNamespace(x=0.5 + sway + 0.1 * np.sin(i), y=0.1 + 0.025 * i, z=0.0, visibility=1.0)
            for i in range(LANDMARK_COUNT)
        ]
        world = [SimpleNamespace(x=m.x - 0.5, y=2 * m.y - 1, z=0.05 * np.cos(i)) for i, m in enumerate(marks)]
        body = pose_detector.landmarks_of(marks, world, width, height)
        return [body] if pose_detector.is_person(body) else []

    def look_around(self, frame: Any) -> None:
        """There is nobody else."""

    def close(self) -> None:
        """Nothing to free."""


def spoil_camera(faults: Faults, video: Path) -> None:
    """Every camera shows the video."""
    film, pictures = real_capture(str(video)), []
    while len(pictures) < 150 and (read := film.read())[0]:
        pictures.append(cv2.resize(read[1], (640, 360)))
    film.release()

    def opened(source: int | str) -> Any:
        return Camera(source, pictures, faults) if isinstance(source, int) else real_capture(source)

    cv2.VideoCapture = opened  # type: ignore[misc,assignment]


def spoil_detector(faults: Faults) -> bool:
    """Landmarks and detector; returns whether MediaPipe's own is there."""
    there = (cache_folder() / MODEL_NAME).is_file()
    usual: Any = pose_service.PoseDetector if there else StandIn

    def landmarks(*given: Any) -> BodyLandmarks:
        body = real_landmarks(*given)
        scale = np.nan if "the detector sees NaN" in faults.now else 25.0
        if {"the detector sees NaN", "the detector sees a giant"} & faults.now:
            return BodyLandmarks(body.picture, body.world * np.float32(scale), body.visibility)
        return body

    class Detector(usual):
        """The usual detector with faults."""

        def detect(self, frame: Any) -> list[BodyLandmarks]:
            """What the usual one finds, spoiled."""
            if faults.once("the detector raises"):
                raise RuntimeError("the graph died")
            while "the detector hangs" in faults.now:
                time.sleep(0.05)
            bodies: list[BodyLandmarks] = super().detect(frame)
            if "the detector loses every other frame" in faults.now and frame.sequence % 2:
                return []
            if "the detector flips sides" in faults.now and frame.sequence % 7 == 0:
                return [body.with_sides_swapped() for body in bodies]
            return bodies

    pose_detector.landmarks_of = landmarks  # type: ignore[assignment]
    pose_service.PoseDetector = Detector  # type: ignore[misc,assignment]
    if not there:
        pose_service.find_pose_model = lambda path: Path("none")
    return there


def spoil_network(faults: Faults) -> None:
    """Both halves of the generator's step."""

    def think(self: Generator, *given: Any, **options: Any) -> DanceState:
        if faults.once("the network raises"):
            raise RuntimeError("out of memory")
        if "the network is slow" in faults.now:
            time.sleep(0.05)
        return real_think(self, *given, **options)

    def act(self: Generator, *given: Any, **options: Any) -> DanceState:
        state = real_act(self, *given, **options)
        for name, factor in (("gives NaN", np.nan), ("gives infinity", np.inf), ("explodes", 1e6)):
            if faults.once(f"the network {name}"):
                object.__setattr__(state, "pose", state.pose * np.float32(factor))
        if faults.once("the network leaps"):
            object.__setattr__(state.root, "position", state.root.position + 20.0)
        return state

    Generator.predict = think  # type: ignore[method-assign]
    Generator.apply = act  # type: ignore[method-assign]


def spoil_world(faults: Faults, piece: installation.Installation) -> None:
    """Socket, names, display and clock."""
    usual = piece.osc_out._socket
    down = piece.osc_out.targets[DOWN].port

    def send(data: bytes, address: tuple[str, int]) -> int:
        if address[1] == down and "an OSC target is unreachable" in faults.now:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return usual.sendto(data, address)

    def look_up(host: str, *given: Any) -> Any:
        if host != NAMED:
            return real_look_up(host, *given)
        if "a name is not known" in faults.now:
            raise socket.gaierror("Name or service not known")
        return real_look_up("127.0.0.1", *given)

    def flip() -> None:
        if faults.once("the display is lost"):
            raise pygame.error("display lost")
        real_flip()

    piece.osc_out._socket = SimpleNamespace(sendto=send, close=usual.close)  # type: ignore[assignment]
    osc_out.socket.getaddrinfo = look_up
    pygame.display.flip = flip
    time.time = lambda: real_time() - (86_400.0 if "the clock is set back a day" in faults.now else 0.0)


class Chaos(threading.Thread):
    """Puts in one fault after the other, in an order that the seed decides, until `ends_at`."""

    def __init__(
        self, seed: int, faults: Faults, files: dict[str, Path], note: Callable[..., None], ends_at: float
    ) -> None:
        super().__init__(name="chaos", daemon=True)
        self._rng, self._faults, self._files, self._note, self._ends_at = (
            random.Random(seed),
            faults,
            files,
            note,
            ends_at,
        )
        self._good = {name: path.read_bytes() for name, path in files.items()}
        self.kinds: tuple[str, ...] = FAULTS
        self.piece: installation.Installation | None = None

    def run(self) -> None:
        """Wait a little, then go on and on."""
        time.sleep(FIRST_AT)
        while True:
            for fault in self._rng.sample(self.kinds, len(self.kinds)):
                lasts = LONGEST.get(fault, self._rng.uniform(*USUAL))
                if time.perf_counter() + lasts > self._ends_at:
                    return
                self._note("fault", name=fault, lasts=round(lasts, 2))
                with self._put_in(fault):
                    time.sleep(lasts)
                time.sleep(self._rng.uniform(0.2, 3.0))

    @contextmanager
    def _put_in(self, fault: str) -> Iterator[None]:
        self._faults.now.add(fault)
        path = self._files.get(fault)
        if fault == "the camera moves":
            self._faults.camera = (self._faults.camera + 2) % 6
        if path is not None:
            path.write_bytes(self._rng.choice((b"[[cue]\nnonsense = ", b"\xff\xfe\x00", b"", b"[sad\n")))
        if fault == "the disk is full" and self.piece is not None:
            self.piece._recorder.toggle()  # its folder cannot be made
        yield
        if path is not None:
            path.write_bytes(self._good[fault])
        self._faults.now.discard(fault)


class Notes:
    """A line of JSON for everything worth knowing, written at once, so that a piece that dies leaves them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def __call__(self, kind: str, **values: Any) -> None:
        """Note it with the time, on the clock that all processes share."""
        with self._lock:
            self._file.write(json.dumps({"at": real_time(), "kind": kind, **values}) + "\n")
            self._file.flush()


class Watcher:
    """Measures the time between two pictures, and the process once a second."""

    def __init__(self, note: Notes) -> None:
        self._note, self._process = note, psutil.Process()
        self._shown_at: float | None = None
        self._gap, self._frames, self._next = 0.0, 0, 0.0

    def drew(self) -> None:
        """A picture has been drawn."""
        now = time.perf_counter()
        if self._shown_at is not None:
            self._gap = max(self._gap, now - self._shown_at)
        self._shown_at, self._frames = now, self._frames + 1
        if now >= self._next:
            self._next = now + 1.0
            self._note(
                "second",
                frames=self._frames,
                gap=round(self._gap, 4),
                rss=self._process.memory_info().rss,
                in_use=_in_use(),
                threads=self._process.num_threads(),
                files=_open_files(self._process),
            )
            self._gap, self._frames = 0.0, 0


class _MallocInfo(ctypes.Structure):
    """`struct mallinfo2` of glibc's malloc.h."""

    _fields_: ClassVar = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def _in_use() -> int | None:
    """Bytes that somebody has asked glibc for and not given back, None where there is none of 2021 or later.

    Where they stay and the process grows, it is the allocator that keeps what is free.
    """
    if sys.platform != "linux" or not hasattr(library := ctypes.CDLL(None), "mallinfo2"):
        return None
    library.mallinfo2.restype = _MallocInfo
    info = library.mallinfo2()
    return int(info.uordblks + info.hblkhd)


def _open_files(process: psutil.Process) -> int | None:
    """Descriptors, or handles on TrainingBatch; None where neither can be counted."""
    for name in ("num_fds", "num_handles"):
        try:
            return int(getattr(process, name)())
        except (AttributeError, psutil.Error, OSError):
            continue
    return None


def main() -> NoReturn:
    """Run the installation with what stands behind `--` on its command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="which faults when; without it there are none")
    parser.add_argument(
        "--kill-after", type=float, default=None, help="seconds after which the process dies hard"
    )
    parser.add_argument("--only", nargs="+", default=None, help="put in these faults alone")
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--lights", type=Path, required=True, help="a copy of emotions.toml to spoil")
    parser.add_argument("piece", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    sys.setswitchinterval(0.0005)
    settings = parse_settings(given.piece[1:])
    begin_log(settings.log)
    note, faults = Notes(given.notes), Faults()
    emotion_lights.colours_path = lambda: given.lights
    assert settings.seconds is not None
    faulthandler.dump_traceback_later(settings.seconds + HANGS_AFTER, exit=True)
    if given.seed is not None:
        spoil_camera(faults, given.video)
        note("detector", real=spoil_detector(faults))
        spoil_network(faults)
    metrics.FAULTS_KEPT = 100_000  # all of them are asked for
    piece = installation.Installation(settings)
    watcher, draw = Watcher(note), piece._presenter.draw

    def drawn(*given: Any, **times: Any) -> float:
        later = draw(*given, **times)
        watcher.drew()
        return later

    piece._presenter.draw = drawn  # type: ignore[method-assign]
    if given.seed is not None:
        spoil_world(faults, piece)
        files = {"the lights are nonsense": given.lights}
        if settings.show is not None:
            files["the show is nonsense"] = settings.show
        ends_at = time.perf_counter() + max(settings.seconds - QUIET, settings.seconds / 2)
        chaos = Chaos(given.seed, faults, files, note, ends_at)
        chaos.piece, chaos.kinds = piece, tuple(given.only or FAULTS)
        chaos.start()
    if given.kill_after is not None:
        threading.Timer(given.kill_after, lambda: os._exit(KILLED)).start()
    note("began")
    piece.run()
    note("ended")
    leave(0)


if __name__ == "__main__":
    main()
