"""Takes the constant tilt out of a body: the tilt of the camera and the bias of the network.

MediaPipe gives depth relative to the frame and not to the floor, so a camera that looks down, and the
network itself, tip every body towards the camera or away from it (25 degrees on the reference video). Somebody
who moves about stands upright on average; therefore the slow mean of the tilt from the ankles to the neck, in
the plane of height and depth, is taken as the error and turned back. A bow of a second or two stays a bow.
"""

import numpy as np

from models.motion.skeleton import INDEX, FloatArray

TILT_TIME_CONSTANT_S = 5.0
"""Seconds of the mean."""
MAX_LEAN = np.radians(35.0)
"""Beyond this it is no error but somebody who lies or bends, and it is not learnt from."""

LEFT_ANKLE, RIGHT_ANKLE, NECK = INDEX["left_ankle"], INDEX["right_ankle"], INDEX["neck"]


class TiltCorrection:
    """Learns the tilt of one visitor; `reset` when another one comes."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the visitor."""
        self.tilt = 0.0
        self._watched = 0.0
        self._time: float | None = None

    def __call__(self, joints: FloatArray, legs_seen: bool, time: float) -> FloatArray:
        """The joints (17, 3) around the pelvis turned about the x axis of the frame by the tilt so far.

        joints: metres, x right in the frame, y up, z towards the camera. The tilt is learnt only while
        `legs_seen`.
        """
        step = 1.0 / 30 if self._time is None else float(np.clip(time - self._time, 0.0, 0.5))
        self._time = time
        tilt = body_tilt(joints)
        if legs_seen and abs(tilt) < MAX_LEAN:
            # A plain mean at first, so that the tilt is there at once; then the newest `TILT_TIME_CONSTANT_S`
            # seconds.
            self._watched = min(self._watched + step, TILT_TIME_CONSTANT_S)
            self.tilt += (tilt - self.tilt) * (step / self._watched if self._watched > 0 else 0.0)
        return tilted(joints, -self.tilt)


def body_tilt(joints: FloatArray) -> float:
    """Angle in radians of the line from between the ankles to the neck, positive towards the camera."""
    line = joints[NECK] - (joints[LEFT_ANKLE] + joints[RIGHT_ANKLE]) / 2
    return float(np.arctan2(line[2], line[1]))


def tilted(joints: FloatArray, angle: float) -> FloatArray:
    """Joints (..., 3) turned about x by `angle` radians, positive towards the camera."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = joints[..., 0], joints[..., 1], joints[..., 2]
    return np.stack([x, cos * y - sin * z, cos * z + sin * y], axis=-1)
