"""MP4 films, written frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

VIDEO_RATE = 30


class Film:
    """An MP4 file that is written frame by frame; use as a context manager."""

    def __init__(self, path: Path, size: tuple[int, int], rate: int) -> None:
        import av

        self._encoded = av.VideoFrame.from_ndarray
        self._container = av.open(str(path), "w", options={"movflags": "faststart"})
        self._stream = add_stream(self._container, *size, rate=rate, quality=24, preset="slow")

    def add(self, surface: pygame.Surface) -> None:
        """Append a frame."""
        pixels = fitted(copied(surface), self._stream.width, self._stream.height)
        self._container.mux(self._stream.encode(self._encoded(pixels, format="bgra")))

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


def add_stream(
    container: av.container.OutputContainer,
    width: int,
    height: int,
    rate: int = VIDEO_RATE,
    quality: int = 18,
    preset: str = "ultrafast",
) -> av.VideoStream:
    """An H.264 stream that every player shows: 4:2:0, even sides."""
    stream = container.add_stream("libx264", rate=rate)
    stream.width, stream.height = width // 2 * 2, height // 2 * 2
    stream.pix_fmt = "yuv420p"
    stream.options = {"crf": str(quality), "preset": preset}
    stream.thread_count = 1  # the dance needs the other cores
    return stream


def copied(surface: pygame.Surface) -> NDArray[Any]:
    """The pixels of a 32-bit surface, (height, width, 4) BGRX."""
    width, height = surface.get_size()
    rows = np.frombuffer(surface.get_buffer().raw, dtype=np.uint8).reshape(height, surface.get_pitch())
    return rows[:, : 4 * width].reshape(height, width, 4)


def fitted(pixels: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """The pixels in the film's size: cut where it has odd sides, enlarged where the window has changed."""
    if pixels.shape[1] // 2 * 2 == width and pixels.shape[0] // 2 * 2 == height:
        return np.ascontiguousarray(pixels[:height, :width])
    resized: NDArray[Any] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized
