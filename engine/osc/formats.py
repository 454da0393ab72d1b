"""What is streamed, in the formats and coordinate frames of `osc_targets`: pure functions.

Coordinate frames, of positions in metres on the stage (y up, right-handed, +z to the audience, floor at
0):
    stage   as they are
    pelvis  metres relative to that person's pelvis
    screen  0 to 1 in a frame 4 m wide and 2.25 m high: x to the right with the middle of the stage at 0.5,
            y down with the floor at 0.9, z to the audience with the middle at 0.5; what is outside is
            clamped
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.osc import addresses as osc
from engine.osc.message import bundles, floats, ints, message_head
from engine.osc.vmc import vmc_datagrams
from engine.streams.values import DancerFrame, Pose
from models.motion.rotations import local_rotations, world_rotations
from models.motion.skeleton import INDEX

SCREEN_WIDTH, SCREEN_HEIGHT, SCREEN_FLOOR = 4.0, 2.25, 0.9
VIDEO_SIZE = (1280, 720)
SHARED_POINT = 0.5
"""Score of nose, eyes and ears, which are all taken from the one joint of the head."""

KEYPOINT_JOINTS = np.array(
    [INDEX["head"]] * 5
    + [
        INDEX[f"{side}_{part}"]
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ]
)
"""The joint that stands for each of PoseNet's keypoints."""


@dataclass(frozen=True, eq=False)
class OutputFrame:
    """One frame as it goes out: `positions` (17, 3) and `emotion` (P,) of the dancer, and of the visitor if one
    is seen; `confidence` (17,) of the visitor's joints."""

    index: int
    positions: NDArray[np.floating]
    emotion: NDArray[np.floating]
    visitor: NDArray[np.floating] | None = None
    visitor_emotion: NDArray[np.floating] | None = None
    confidence: NDArray[np.floating] | None = None

    def people(self) -> list[tuple[str, NDArray[np.floating]]]:
        """Who is there, with their positions."""
        found = [("dancer", self.positions)]
        return found if self.visitor is None else [*found, ("visitor", self.visitor)]


def streamed(frame: DancerFrame, visitor_emotion: NDArray[np.floating] | None = None) -> OutputFrame:
    """A generated frame as it goes out."""
    pose = seen_visitor(frame.visitor)
    if pose is None:
        return OutputFrame(frame.index, frame.positions, frame.emotion_weights)
    return OutputFrame(
        frame.index, frame.positions, frame.emotion_weights, pose.positions, visitor_emotion, pose.confidence
    )


def seen_visitor(pose: Pose | None) -> Pose | None:
    """The visitor, if one is present and fit to be sent."""
    if pose is None or not pose.present or pose.positions is None or not np.isfinite(pose.positions).all():
        return None
    return pose


def on_stage(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Metres on the stage."""
    return positions


def from_pelvis(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Metres from the pelvis."""
    return positions - positions[0]


def on_screen(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """0 to 1 in the frame. Who leaves it stays whole at its edge: the body moves back as one."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    half = SCREEN_WIDTH / 2
    back = np.clip(0.0, -half - low, half - high) if (high - low).max() < SCREEN_WIDTH else np.zeros(3)
    x, y, z = positions[:, 0] + back[0], positions[:, 1], positions[:, 2] + back[2]
    shares = np.stack(
        [0.5 + x / SCREEN_WIDTH, SCREEN_FLOOR - y / SCREEN_HEIGHT, 0.5 + z / SCREEN_WIDTH], axis=1
    )
    return np.clip(shares, 0.0, 1.0)


CoordinateFrame = Callable[[NDArray[np.floating]], NDArray[np.floating]]
FRAMES: dict[str, CoordinateFrame] = {"stage": on_stage, "screen": on_screen, "pelvis": from_pelvis}


def channels(now: OutputFrame, place: CoordinateFrame) -> list[bytes]:
    """An address for each joint; the dancer's bundle first, then the visitor's, because both do not fit."""
    dancer = [
        ints(osc.FRAME, now.index),
        *_joints("dancer", place(now.positions)),
        floats(osc.EMOTIONS["dancer"], now.emotion),
        ints(osc.PRESENT, int(now.visitor is not None)),
    ]
    if now.visitor is None:
        return bundles(dancer)
    visitor = _joints("visitor", place(now.visitor))
    if now.visitor_emotion is not None:
        visitor.append(floats(osc.EMOTIONS["visitor"], now.visitor_emotion))
    return bundles(dancer) + bundles(visitor)


def flat(now: OutputFrame, place: CoordinateFrame) -> list[bytes]:
    """One number an address, the name of a channel that no receiver can number in another way."""
    messages = [ints(osc.FRAME, now.index), *_numbers("dancer", place(now.positions), now.emotion)]
    messages.append(ints(osc.PRESENT, int(now.visitor is not None)))
    if now.visitor is not None:
        messages += _numbers("visitor", place(now.visitor), now.visitor_emotion)
    return bundles(messages)


def array(now: OutputFrame, place: CoordinateFrame) -> list[bytes]:
    """One flat message a person."""
    values = np.concatenate([place(now.positions).ravel(), now.emotion]).astype(">f4")
    head = message_head(osc.ARRAYS["dancer"], "ii" + "f" * len(values))
    numbers = np.array([now.index & 0x7FFFFFFF, now.visitor is not None], dtype=">i4")
    messages = [head + numbers.tobytes() + values.tobytes()]
    if now.visitor is not None:
        messages.append(floats(osc.ARRAYS["visitor"], place(now.visitor)))
    return bundles(messages)


def poseosc(now: OutputFrame, place: CoordinateFrame) -> list[bytes]:
    """PoseOSC's ADDR: keypoints in pixels. It has no other frame than the screen's."""
    people = now.people()
    messages = [
        ints(osc.VIDEO_WIDTH, VIDEO_SIZE[0]),
        ints(osc.VIDEO_HEIGHT, VIDEO_SIZE[1]),
        ints(osc.POSE_COUNT, len(people)),
    ]
    for number, (person, positions) in enumerate(people):
        pixels = on_screen(positions)[KEYPOINT_JOINTS, :2] * VIDEO_SIZE
        scores = np.where(np.arange(len(osc.KEYPOINTS)) < 5, SHARED_POINT, 1.0)
        if person == "visitor" and now.confidence is not None:
            scores = scores * now.confidence[KEYPOINT_JOINTS]
        messages.append(floats(f"/poses/{number}/score", [float(scores[5:].mean())]))
        for part, (x, y), score in zip(osc.KEYPOINTS, pixels, scores, strict=True):
            path = f"/poses/{number}/keypoints/{part}/"
            messages += [floats(f"{path}x", [x]), floats(f"{path}y", [y]), floats(f"{path}score", [score])]
    return bundles(messages)


def aitoolbox(now: OutputFrame, place: CoordinateFrame) -> list[bytes]:
    """Flat positions, and rotations computed from the bones."""
    messages = []
    for number, (_, positions) in enumerate(now.people()):
        messages.append(floats(osc.POSITIONS_WORLD.format(number), place(positions)))
        messages.append(floats(osc.ROTATIONS_LOCAL.format(number), local_rotations(positions)))
        messages.append(floats(osc.ROTATIONS_WORLD.format(number), world_rotations(positions)))
    return bundles(messages)


def vmc(now: OutputFrame, place: CoordinateFrame) -> list[bytes]:
    """The dancer as bones of Unity; one sender is one body there, so there is no visitor in it."""
    return vmc_datagrams(now.index, now.positions)


Format = Callable[[OutputFrame, CoordinateFrame], list[bytes]]
FORMATS: dict[str, Format] = {
    "channels": channels,
    "flat": flat,
    "array": array,
    "poseosc": poseosc,
    "aitoolbox": aitoolbox,
    "vmc": vmc,
}


def _numbers(person: str, positions: NDArray[np.floating], emotion: NDArray[np.floating] | None) -> list[bytes]:
    """A message for each coordinate of each joint, and each weight."""
    values = np.asarray(positions, dtype=">f4").tobytes()
    messages = [
        message_head(f"{address}/t{axis}", "f") + values[12 * i + 4 * j : 12 * i + 4 * j + 4]
        for i, address in enumerate(osc.JOINT_ADDRESSES[person])
        for j, axis in enumerate("xyz")
    ]
    weights = () if emotion is None else emotion
    return messages + [floats(f"{osc.EMOTIONS[person]}/{i}", [float(w)]) for i, w in enumerate(weights)]


def _joints(person: str, positions: NDArray[np.floating]) -> list[bytes]:
    values = np.asarray(positions, dtype=">f4").tobytes()
    return [
        message_head(address, "fff") + values[12 * i : 12 * i + 12]
        for i, address in enumerate(osc.JOINT_ADDRESSES[person])
    ]
