"""What is seen as MP4, what is danced as NPZ and BVH: written beside the installation, which never waits for
it.

A process that is killed, or a power cut, loses two seconds at most: the film is fragmented, so that each second
of it can be played by itself, and the dance is kept in a journal (`engine.screen.dance_journal`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import cv2
import pygame
from numpy.typing import NDArray

from engine.render.film import VIDEO_RATE, add_stream, copied, fitted
from engine.runtime.faults import Fault
from engine.runtime.metrics import Metrics
from engine.screen.dance_journal import DanceJournal, recover
from engine.streams.values import DancerFrame

if TYPE_CHECKING:
    import av  # takes a tenth of a second, which the first frame does not have: imported where it is used

log = logging.getLogger(__name__)

MAX_QUEUED_FRAMES = 12
"""Frames that wait to be encoded at most: at 4K they take 400 MB. One more is left out of the film."""

MAX_CLOSING_S = 20.0
"""Seconds that encoding may take to end."""
MAX_RECORDING_S = 3600.0
"""Seconds after which a recording ends by itself: an operator who forgets it does not fill the disk."""

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
"""A film that can be played without an end."""
SAVED_EVERY_FRAMES = VIDEO_RATE
"""Frames of the film and of the dance after which both are on the disk."""

QueuedFrame = tuple[int, NDArray[Any]]


class Recording:
    """One recording to FILE.mp4, FILE.npz and FILE.bvh; it writes in a thread of its own.

    Whatever fails, a full disk first of all, ends the recording and is a fault; the installation does not
    notice.
    """

    def __init__(self, stem: Path, palette: tuple[str, ...], metrics: Metrics) -> None:
        self.stem = stem
        self.left_out = 0
        self._palette, self._metrics = palette, metrics
        self._pictures: queue.Queue[QueuedFrame | None] = queue.Queue(MAX_QUEUED_FRAMES)
        self._frames: deque[DancerFrame] = deque()
        self._began: float | None = None
        self._newest = -1
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write, name="recording", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still records: False after `stop`, a fault or MAX_RECORDING_S."""
        return not self._ending.is_set()

    def see(self, surface: pygame.Surface, now: float) -> None:
        """Take the frame at a time in seconds, if the film has room for one: 30 a second. Never waits."""
        self._began = now if self._began is None else self._began
        if now - self._began > MAX_RECORDING_S:
            self._ending.set()
        index = round((now - self._began) * VIDEO_RATE)
        if not self.alive or index <= self._newest:
            return
        try:
            self._pictures.put_nowait((index, copied(surface)))
            self._newest = index
        except queue.Full:
            self.left_out += 1

    def dance(self, frame: DancerFrame) -> None:
        """Take a generated frame; every one of them is kept. From any one thread."""
        if self.alive:
            self._frames.append(frame)

    def end(self) -> None:
        """End it; the files are written behind."""
        self._ending.set()

    @property
    def writing(self) -> bool:
        """Whether its files are not finished."""
        return self._thread.is_alive()

    def stop(self, timeout: float = MAX_CLOSING_S) -> None:
        """End it and wait until the files are written."""
        self._ending.set()
        self._thread.join(timeout)

    def _write(self) -> None:
        try:
            self.stem.parent.mkdir(parents=True, exist_ok=True)
            journal = DanceJournal(self.stem, self._palette)
            self._film(journal)
            self._append_dance(journal)
            journal.finish()
            log.info("recorded %s (.mp4, .npz, .bvh); %d pictures left out", self.stem, self.left_out)
        except Exception as error:  # whatever fails here must end here
            fault = Fault("recorder", f"the recording ended: {' '.join(str(error).split())}")
            self._metrics.fault(fault)
            log.warning("%s; the installation goes on", fault.what)
        finally:
            self._ending.set()
            self._frames.clear()
            with contextlib.suppress(queue.Empty):
                while True:
                    self._pictures.get_nowait()

    def _film(self, journal: DanceJournal) -> None:
        """Encode frames until the end; their size is that of the first. The dance is written down meanwhile."""
        import av

        container: av.container.OutputContainer | None = None
        stream: av.VideoStream | None = None
        file: BinaryIO | None = None
        count = 0
        try:
            while (picture := self._next()) is not None:
                index, pixels = picture
                if container is None or stream is None or file is None:
                    file = open(self.stem.with_suffix(".mp4"), "wb")  # noqa: SIM115 - closed below
                    container = av.open(file, "w", format="mp4", options=FRAGMENTED)
                    stream = add_stream(container, pixels.shape[1], pixels.shape[0])
                    stream.options = {**stream.options, "g": str(SAVED_EVERY_FRAMES)}
                frame = av.VideoFrame.from_ndarray(fitted(pixels, stream.width, stream.height), format="bgra")
                frame.pts, frame.time_base = index, Fraction(1, VIDEO_RATE)
                container.mux(stream.encode(frame))
                count += 1
                if count % SAVED_EVERY_FRAMES == 0:
                    file.flush()
                    os.fsync(file.fileno())
                    self._append_dance(journal)
            if container is not None and stream is not None:
                container.mux(stream.encode(None))
        finally:
            if container is not None:
                container.close()
            if file is not None:
                file.close()

    def _next(self) -> QueuedFrame | None:
        """The next frame, None once the recording has ended and all are written."""
        while True:
            try:
                return self._pictures.get(timeout=0.1)
            except queue.Empty:
                if self._ending.is_set():
                    return None

    def _append_dance(self, journal: DanceJournal) -> None:
        """Write down what was danced since the last time."""
        journal.append([self._frames.popleft() for _ in range(len(self._frames))])


class Recorder:
    """Starts and ends recordings in a folder, and saves single frames there."""

    def __init__(self, folder: Path, palette: tuple[str, ...], metrics: Metrics) -> None:
        self._folder, self._palette, self._metrics = folder, palette, metrics
        self._recording: Recording | None = None
        self._writing: list[Recording] = []
        self._saving: threading.Thread | None = None
        threading.Thread(target=recover, args=(folder,), name="recover", daemon=True).start()

    @property
    def recording(self) -> Recording | None:
        """The recording that runs, if one does."""
        return self._recording if self._recording is not None and self._recording.alive else None

    def toggle(self) -> None:
        """Begin to record, or end it; its files are written behind the installation."""
        running = self.recording
        if running is not None:
            running.end()
        else:
            self._recording = Recording(self._folder / _stamped("dance"), self._palette, self._metrics)
            self._writing = [*(one for one in self._writing if one.writing), self._recording]

    def save(self, surface: pygame.Surface) -> None:
        """Save a frame as PNG, behind the installation: pygame would hold everybody up for half a second."""
        if self._saving is not None and self._saving.is_alive():
            log.info("the picture before is still being saved")
            return
        self._saving = threading.Thread(target=self._save, args=(copied(surface),), name="save", daemon=True)
        self._saving.start()

    def _save(self, pixels: NDArray[Any]) -> None:
        """Write one frame; what fails is a fault."""
        path = self._folder / f"{_stamped('picture')}.png"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR))[1].tobytes())
            log.info("saved %s", path)
        except (OSError, cv2.error) as error:
            self._metrics.fault(Fault("recorder", f"no picture was saved: {error}"))
            log.warning("no picture was saved: %s", error)

    def close(self, beat: Callable[[], None] = lambda: None) -> None:
        """End a recording that runs and wait for the files of all, with a heartbeat now and then."""
        leave_by = time.perf_counter() + MAX_CLOSING_S
        beat()
        for recording in self._writing:
            recording.end()
        if self._saving is not None:
            self._saving.join(0.5)
        for recording in self._writing:
            while recording.writing and time.perf_counter() < leave_by:
                recording.stop(0.25)
                beat()


def _stamped(word: str) -> str:
    milliseconds = time.time_ns() // 1_000_000 % 1000
    return f"{word}-{time.strftime('%Y%m%d-%H%M%S')}-{milliseconds:03d}"
