"""Whether a camera that gives frames gives anything to see: black ones, or one and the same."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLACK_AFTER_S = 5.0
"""Seconds of black after which it is worth a line in the log."""
FROZEN_AFTER_S = 5.0
"""Seconds of one frame after which the camera is opened anew: every real sensor has noise."""
BLACK_BELOW = 8
"""Brightest value of 255 that a black frame has, but for a few pixels."""
PIXEL_STRIDE = 16
"""One pixel in so many, along each side, is looked at."""


class CameraHealth:
    """Follows the frames of one camera. `black_for` and `frozen_for` are seconds up to the newest one."""

    def __init__(self) -> None:
        self.black_for = self.frozen_for = 0.0
        self._black_since: float | None = None
        self._same_since = 0.0
        self._last: NDArray[np.uint8] | None = None

    def is_as_before(self, image: Any) -> bool:
        """Whether a frame (height, width, 3) uint8 is the one that was seen last."""
        return self._last is not None and np.array_equal(image[::PIXEL_STRIDE, ::PIXEL_STRIDE], self._last)

    def see(self, image: Any, now: float) -> None:
        """Take in a frame (height, width, 3) uint8 at a monotonic time in seconds."""
        sample = np.array(image[::PIXEL_STRIDE, ::PIXEL_STRIDE])
        black = float(np.percentile(sample, 99)) < BLACK_BELOW
        if not black:
            self._black_since = None
        elif self._black_since is None:
            self._black_since = now
        self.black_for = 0.0 if self._black_since is None else now - self._black_since
        # black may be without noise: that is a cap or the night, and no reason to open the camera again
        if black or not self.is_as_before(image):
            self._same_since = now
        self._last = sample
        self.frozen_for = now - self._same_since
