"""A visitor's pose out of OSC messages: joints in space, or keypoints in a frame, as other programs send it.

Messages are taken one by one. `complete` gives each frame once: a frame is what comes until everything that the
frame before had has come again, so that bundles and loose messages serve alike.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.osc import addresses as osc
from engine.osc.controls import number
from engine.osc.packet import BadPacket
from engine.visitor.landmarks import LANDMARK_COUNT, BodyLandmarks
from models.motion.skeleton import BONE_LENGTHS, INDEX, JOINT_COUNT, FloatArray

FARTHEST = 1e5
"""A coordinate beyond this, in whatever unit, is no place."""
MAX_NORMALISED = 2.0
"""Where no coordinate of a keypoint is beyond this they are shares of the frame and not pixels."""
WHOLE_BODY = 6
"""Joints in one packet that are a body, and not one of many packets that make one."""
MAX_PEOPLE = 8
KEYPOINT_COUNT = len(osc.KEYPOINTS)
LANDMARK_OF_KEYPOINT = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""MediaPipe's landmark for each of PoseNet's keypoints."""
OTHER_SIDE = np.array([0, *(i + 1 if i % 2 else i - 1 for i in range(1, KEYPOINT_COUNT))])
"""The keypoint of the other side of each: left and right follow each other after the nose."""
KEYPOINT_BONES = ((5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16))
KEYPOINT_BONE_JOINTS = ("elbow", "wrist", "elbow", "wrist", "knee", "ankle", "knee", "ankle")
TOE_FORWARD = np.array([0.0, 0.05, -0.12], dtype=np.float32)
"""From an ankle to the toe that nobody sends, in MediaPipe's world: metres, y down, z away from the camera."""

_KEYPOINT = re.compile(r"/poses/(\d)/(?:keypoints/)?(\w{3,14})/(x|y|score|position)")
_KEYPOINT_INDEX = {part: i for i, part in enumerate(osc.KEYPOINTS)}


def numbers(arguments: Sequence[object], count: int) -> list[float]:
    """The first so many arguments as finite numbers of a possible size: a confidence may follow. Raises
    BadPacket."""
    if len(arguments) < count:
        raise BadPacket(f"{len(arguments)} arguments where {count} were expected")
    values = [number(argument) for argument in arguments[:count]]
    if max(map(abs, values)) > FARTHEST:
        raise BadPacket("a coordinate that is nowhere")
    return values


class JointFrames:
    """Frames of joints in space (17, 3), NaN where a joint has not come."""

    def __init__(self) -> None:
        self._next = np.full((JOINT_COUNT, 3), np.nan)
        self._expected = np.zeros(JOINT_COUNT, dtype=bool)
        self._in_packet = 0
        self._parts = np.full((JOINT_COUNT, 3), np.nan)

    def put_one(self, joint: int, axis: int, value: float) -> FloatArray | None:
        """Take in one number of a joint; a joint counts once all three are there. As `put` otherwise."""
        self._parts[joint, axis] = value
        if np.isnan(self._parts[joint]).any():
            return None
        place = self._parts[joint].tolist()
        self._parts[joint] = np.nan
        frame = self.put(joint, place)
        self._in_packet -= 1  # a body of single numbers takes several packets
        return frame

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
    """Frames of keypoints (people, 17, 3) as x and y in pixels, y down, and score; NaN is made a score of 0.

    A frame ends when the next one begins: when people are counted again, or a keypoint comes again. Where as
    many keypoints are there as the frame before had, it ends at once.
    """

    def __init__(self) -> None:
        self.size = (640, 480)
        self._people: int | None = None
        self._ended: FloatArray | None = None
        self._expected = np.zeros((MAX_PEOPLE, KEYPOINT_COUNT, 3), dtype=bool)
        self._next = np.full((MAX_PEOPLE, KEYPOINT_COUNT, 3), np.nan)

    def put(self, address: str, arguments: Sequence[object]) -> bool:
        """Take in a message of PoseOSC's ADDR; whether it is one. Raises BadPacket."""
        if address == osc.POSE_COUNT:
            self._end()
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
            raise BadPacket("there is no such keypoint")
        place = slice(0, 2) if what == "position" else slice(at := ("x", "y", "score").index(what), at + 1)
        values = numbers(arguments, 2 if what == "position" else 1)
        if not np.isnan(self._next[person, part, place]).any():
            self._end()
        self._next[person, part, place] = values
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
        """The people of a frame (N, 17, 3) that has ended; there may be none in it."""
        here: NDArray[np.bool_] = np.asarray(~np.isnan(self._next))
        count = min(self._people or 0, MAX_PEOPLE)
        scores = here[:count, :, 2]
        scored = scores.all() or not (scores.any() or self._expected[:count, :, 2].any())
        whole = here[:count, :, :2].all() and scored
        as_before = self._expected.any() and (here | ~self._expected).all()
        if self._ended is None and self._people is not None and (count == 0 or whole or as_before):
            self._end()
        frame, self._ended = self._ended, None
        return frame

    def _end(self) -> None:
        """What has come is a frame."""
        here: NDArray[np.bool_] = np.asarray(~np.isnan(self._next))
        if self._people is None and not here.any():
            return
        count = int(here.any(axis=(1, 2)).sum()) if self._people is None else min(self._people, MAX_PEOPLE)
        if count == 0 or here.any():
            people = self._next[:count].copy()
            if np.nanmax(np.abs(people[..., :2]), initial=0.0) <= MAX_NORMALISED:
                people[..., :2] *= self.size
            people[..., 2] = np.nan_to_num(people[..., 2], nan=1.0) * here[:count, :, :2].all(axis=2)
            self._ended = people
        if here.any():
            self._expected = here
        self._next = np.full((MAX_PEOPLE, KEYPOINT_COUNT, 3), np.nan)
        self._people = None


def body_landmarks(keypoints: FloatArray) -> BodyLandmarks:
    """Keypoints (17, 3) of one person as the camera path knows them. Depth is not in them: the body is flat.

    A keypoint that is not known stands where that of the other side does, or in the middle of all, unseen.
    """
    pixels, scores = keypoints[:, :2].copy(), np.clip(keypoints[:, 2], 0.0, 1.0)
    unknown: NDArray[np.bool_] = np.asarray(np.isnan(pixels).any(axis=1))
    if unknown.any() and not unknown.all():
        other = pixels[OTHER_SIDE]
        pixels = np.where(unknown[:, None], other, pixels)
        pixels = np.where(np.isnan(pixels), np.nanmean(pixels, axis=0), pixels)
        scores = np.where(unknown, 0.0, scores)
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
    world[sorted(set(range(LANDMARK_COUNT)) - set(LANDMARK_OF_KEYPOINT) - {31, 32})] = 0.0
    return BodyLandmarks(picture, world, visibility)


def _whole(arguments: Sequence[object], low: int, high: int) -> int:
    (value,) = numbers(arguments, 1)
    if not low <= value <= high:
        raise BadPacket(f"a count that is not {low} to {high}")
    return int(value)
