"""From the 33 landmarks of MediaPipe to the 17 joints of this project.

MediaPipe's world landmarks are metres around the midpoint of the hips: x to the right in the frame, y down,
z smaller towards the camera. Joints are (17, 3) metres: x to the right in the frame, y up, z towards the
camera. Landmark order: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.motion.skeleton import INDEX, JOINTS, FloatArray

LANDMARK_COUNT = 33
LANDMARKS_OF_JOINT = {
    "pelvis": (23, 24),
    "neck": (11, 12),
    "head": (7, 8),
    "left_shoulder": (11,),
    "left_elbow": (13,),
    "left_wrist": (15,),
    "right_shoulder": (12,),
    "right_elbow": (14,),
    "right_wrist": (16,),
    "left_hip": (23,),
    "left_knee": (25,),
    "left_ankle": (27,),
    "left_toe": (31,),
    "right_hip": (24,),
    "right_knee": (26,),
    "right_ankle": (28,),
    "right_toe": (32,),
}
"""The landmarks whose midpoint a joint is: hips, shoulders, ears; a toe is MediaPipe's foot index."""

_SIDES = ((1, 4), (2, 5), (3, 6), (7, 8), (9, 10), *((i, i + 1) for i in range(11, 33, 2)))
SWAPPED = np.arange(LANDMARK_COUNT)
for _left, _right in _SIDES:
    SWAPPED[_left], SWAPPED[_right] = _right, _left
SWAPPED.setflags(write=False)
"""Landmark order after swapping left and right."""

_FIRST = np.array([LANDMARKS_OF_JOINT[name][0] for name in JOINTS])
_SECOND = np.array([LANDMARKS_OF_JOINT[name][-1] for name in JOINTS])

SCALE_LANDMARKS = (11, 12, 13, 14, 23, 24, 25, 26, 27, 28)
"""Shoulders, elbows, hips, knees and ankles: far apart and well placed, so good to measure a body with."""

MAX_EXTENT_M = 3.0
"""Metres from one landmark to another beyond which what was found is no person."""

FEET = [INDEX[name] for name in ("left_ankle", "left_toe", "right_ankle", "right_toe")]


@dataclass(frozen=True, eq=False)
class BodyLandmarks:
    """One person in one frame. `frame` (33, 2) pixels, x right and y down; `world` (33, 3) metres as
    MediaPipe gives them; `visibility` (33,) in 0..1."""

    picture: NDArray[np.float32]
    world: NDArray[np.float32]
    visibility: NDArray[np.float32]

    def with_sides_swapped(self) -> "BodyLandmarks":
        """The same body with every left landmark called right and the other way round."""
        return BodyLandmarks(self.picture[SWAPPED], self.world[SWAPPED], self.visibility[SWAPPED])


def is_person(body: BodyLandmarks) -> bool:
    """Whether every number is finite and the body is of a size that people have."""
    if not all(np.isfinite(values).all() for values in (body.picture, body.world, body.visibility)):
        return False
    extent = np.ptp(body.world, axis=0)
    return bool(np.linalg.norm(extent) > 1e-3 and extent.max() < MAX_EXTENT_M)


def joints_in_picture(body: BodyLandmarks) -> FloatArray:
    """The 17 joints in pixels (17, 2), x right and y down."""
    return (body.picture[_FIRST] + body.picture[_SECOND]) / 2


def joints_around_pelvis(body: BodyLandmarks) -> FloatArray:
    """The 17 joints (17, 3) in metres with the pelvis at the origin."""
    ours = body.world * np.array([1.0, -1.0, -1.0], dtype=np.float32)
    joints = (ours[_FIRST] + ours[_SECOND]) / 2
    return joints - joints[0]


def joint_confidence(body: BodyLandmarks) -> FloatArray:
    """How well each joint (17,) was seen: the visibility of the worst landmark that it is made of."""
    return np.minimum(body.visibility[_FIRST], body.visibility[_SECOND])


def metres_per_pixel(body: BodyLandmarks) -> float:
    """Size of a pixel at the visitor's distance, from the body's size in the world and in the frame.

    The least-squares scale s of |w - s p| over the centred x and y of the well-placed landmarks, weighted by
    visibility (weak perspective). 0 when the body has no size in the frame.
    """
    chosen = list(SCALE_LANDMARKS)
    weight = (body.visibility[chosen] + 1e-3)[:, None]
    world, picture = body.world[chosen, :2], body.picture[chosen]
    world = world - (weight * world).sum(axis=0) / weight.sum()
    picture = picture - (weight * picture).sum(axis=0) / weight.sum()
    spread = float((weight * picture**2).sum())
    return max(float((weight * world * picture).sum()) / spread, 0.0) if spread > 1e-6 else 0.0


def sideways_place(body: BodyLandmarks, picture_width: int, pixel_size: float) -> float:
    """Metres from the middle of the frame to the midpoint of the hips, positive to the right."""
    middle_of_hips = float(joints_in_picture(body)[0, 0])
    return (middle_of_hips - picture_width / 2) * pixel_size


def stand(joints: FloatArray, sideways: float) -> FloatArray:
    """Put joints (17, 3) on the floor: the lowest foot at y = 0, the pelvis at x = `sideways` and z = 0."""
    place = np.array([sideways, -joints[FEET, 1].min(), 0.0], dtype=joints.dtype)
    return joints - joints[0] * np.array([1.0, 0.0, 1.0], dtype=joints.dtype) + place
