"""A visitor's pose out of OSC messages: joints in space, or keypoints in a frame, as other programs send it.

Messages are taken one by one. `complete` gives each frame once: a frame is what comes until everything that the
frame before had has come again, so that bundles and loose messages serve alike.
"""

import re
from collections.abc import Sequence

import numpy as np

from engine.osc import addresses as osc
from engine.osc.controls import number
from engine.osc.packet import BadPacket
from engine.visitor.landmarks import LANDMARK_COUNT, BodyLandmarks
from models.motion.skeleton import BONE_LENGTHS, BONE_PARENTS, INDEX, JOINT_COUNT, FloatArray

FARTHEST = 1e5
"""A coordinate beyond this, in whatever unit, is no place."""
WHOLE_BODY = 6
"""Joints in one packet that are a body, and not one of many packets that make one."""
MAX_PEOPLE = 8
KEYPOINT_COUNT = len(osc.KEYPOINTS)
LANDMARK_OF_KEYPOINT = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""MediaPipe's landmark for each of PoseNet's keypoints."""
KEYPOINT_BONES = ((5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16))
KEYPOINT_BONE_JOINTS = ("elbow", "wrist", "elbow", "wrist", "knee", "ankle", "knee", "ankle")
TOE_FORWARD = np.array([0.0, 0.05, -0.12], dtype=np.float32)
"""From an ankle to the toe that nobody sends, in MediaPipe's world: metres, y down, z away from the camera."""

_KEYPOINT = re.compile(r"/poses/(\d)/(?:keypoints/)?(\w{3,14})/(x|y|score|position)")
_KEYPOINT_INDEX = {part: i for i, part in enumerate(osc.KEYPOINTS)}


def numbers(arguments: Sequence[object], count: int) -> list[float]:
    """So many finite numbers of a possible size. Raises BadPacket."""
    if len(arguments) != count:
        raise BadPacket(f"{len(arguments)} arguments where {count} were expected")
    values = [number(argument) for argument in arguments]
    if max(map(abs, values)) > FARTHEST:
        raise BadPacket("a coordinate that is nowhere")
    return values


class JointFrames:
    """Frames of joints in space (17, 3), NaN where a joint has not come."""

    def __init__(self) -> None:
        self._next = np.full((JOINT_COUNT, 3), np.nan)
        self._expected = np.zeros(JOINT_COUNT, dtype=bool)
        self._in_packet = 0

    def put(self, joint: int, place: Sequence[float]) -> FloatArray | None:
        """Take in one joint; the frame before, if this joint belongs to the next one already."""
        begins_anew = not np.isnan(self._next[joint, 0])
        frame = self._take() if begins_anew else None
        self._next[joint] = place
        self._in_packet += 1
        return frame

    def complete(self) -> FloatArray | None:
        """At the end of a packet the frame, if the packet held a body or all joints of the last frame are here.

        The first frame of loose joints ends where the second begins.
        """
        whole, self._in_packet = self._in_packet >= WHOLE_BODY, 0
        here = ~np.isnan(self._next[:, 0])
        again = self._expected.any() and (here | ~self._expected).all()
        return self._take() if whole or again else None

    def _take(self) -> FloatArray:
        frame, self._next = self._next, np.full((JOINT_COUNT, 3), np.nan)
        self._expected = ~np.isnan(frame[:, 0])
        return frame


class KeypointFrames:
    """Frames of keypoints (people, 17, 3) as x and y in pixels, y down, and score."""

    def __init__(self) -> None:
        self.size = (640, 480)
        self._people: int | None = None
        self._scores_come = False
        self._begin()

    def put(self, address: str, arguments: Sequence[object]) -> bool:
        """Take in a message of PoseOSC's ADDR; whether it is one. Raises BadPacket."""
        if address == osc.POSE_COUNT:
            self._people = _whole(arguments, 0, 1000)
            return True
        if address in (osc.VIDEO_WIDTH, osc.VIDEO_HEIGHT):
            size = _whole(arguments, 1, 16_384)
            self.size = (size, self.size[1]) if address == osc.VIDEO_WIDTH else (self.size[0], size)
            return True
        found = _KEYPOINT.fullmatch(address)
        if found is None:
            return bool(re.fullmatch(r"/poses/\d/score", address))
        person, part, what = int(found[1]), _KEYPOINT_INDEX.get(found[2]), found[3]
        if part is None or person >= MAX_PEOPLE:
            raise BadPacket(f"no keypoint is called {address[:60]!r}")
        values = numbers(arguments, 2 if what == "position" else 1)
        if what == "position":
            self._next[person, part, :2] = values
        else:
            self._next[person, part, ("x", "y", "score").index(what)] = values[0]
            self._scores_come |= what == "score"
        return True

    def put_array(self, arguments: Sequence[object]) -> FloatArray:
        """The people (N, 17, 3) of a message of PoseOSC's ARR. Raises BadPacket."""
        width, height = (_whole(arguments[i : i + 1], 1, 16_384) for i in (0, 1))
        people = _whole(arguments[2:3], 0, 100)
        each = 1 + 3 * KEYPOINT_COUNT
        values = numbers(arguments[3:], people * each) if people else []
        self.size = (width, height)
        return np.reshape(values, (people, each))[:MAX_PEOPLE, 1:].reshape(-1, KEYPOINT_COUNT, 3)

    def complete(self) -> FloatArray | None:
        """The people of the frame (N, 17, 3), if all that were announced have come; none may be announced."""
        if self._people is None:
            return None
        count = min(self._people, MAX_PEOPLE)
        wanted = self._next[:count, :, : 3 if self._scores_come else 2]
        if np.isnan(wanted).any():
            return None
        frame = np.where(np.isnan(self._next[:count]), 1.0, self._next[:count])
        self._begin()
        self._people = None
        return frame

    def _begin(self) -> None:
        self._next = np.full((MAX_PEOPLE, KEYPOINT_COUNT, 3), np.nan)


def body_landmarks(keypoints: FloatArray) -> BodyLandmarks:
    """Keypoints (17, 3) of one person as the camera path knows them. Depth is not in them: the body is flat."""
    pixels, scores = keypoints[:, :2], np.clip(keypoints[:, 2], 0.0, 1.0)
    bones = np.array(KEYPOINT_BONES)
    lengths = np.linalg.norm(pixels[bones[:, 0]] - pixels[bones[:, 1]], axis=1)
    known = BONE_LENGTHS[[INDEX[f"left_{name}"] - 1 for name in KEYPOINT_BONE_JOINTS]]
    # Limbs that point at the camera look short; the longest ones tell the scale.
    metres = float(np.percentile(known / np.maximum(lengths, 1e-3), 25))
    picture = np.zeros((LANDMARK_COUNT, 2), dtype=np.float32)
    visibility = np.zeros(LANDMARK_COUNT, dtype=np.float32)
    picture[list(LANDMARK_OF_KEYPOINT)] = pixels
    visibility[list(LANDMARK_OF_KEYPOINT)] = scores
    world = np.zeros((LANDMARK_COUNT, 3), dtype=np.float32)
    world[:, :2] = (picture - (picture[23] + picture[24]) / 2) * metres
    for ankle, toe in ((27, 31), (28, 32)):
        picture[toe] = picture[ankle]
        world[toe] = world[ankle] + TOE_FORWARD
    unknown = sorted(set(range(LANDMARK_COUNT)) - set(LANDMARK_OF_KEYPOINT) - {31, 32})
    world[unknown] = 0.0
    return BodyLandmarks(picture, world, visibility)


def in_metres(joints: FloatArray) -> FloatArray:
    """Joints (17, 3) in metres, centimetres or millimetres, told by the lengths of the bones, in metres."""
    bones = np.linalg.norm(joints[1:] - joints[BONE_PARENTS], axis=1)
    known = np.isfinite(bones)
    if not known.any():
        return joints
    size = float(bones[known].sum() / BONE_LENGTHS[known].sum())
    return joints * min((1.0, 0.01, 0.001), key=lambda unit: abs(np.log(max(size * unit, 1e-9))))


def _whole(arguments: Sequence[object], low: int, high: int) -> int:
    (value,) = numbers(arguments, 1)
    if not low <= value <= high:
        raise BadPacket(f"a count that is not {low} to {high}")
    return int(value)
