"""A visitor from outside: a Kinect, a ZED, TouchDesigner or another dancer as the camera, over OSC."""

import re
import time
from collections.abc import Sequence

import numpy as np

from engine.osc import addresses as osc
from engine.osc.packet import BadPacket
from engine.osc.server import LOOPBACK_ONLY, UdpServer
from engine.runtime import heartbeat
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import Pose
from engine.visitor.landmarks import FEET, MAX_EXTENT_M, is_person
from engine.visitor.occlusion_filter import OcclusionFilter
from engine.visitor.person_tracker import PersonTracker, detection_of
from engine.visitor.pose_filter import PoseFilter
from engine.visitor.pose_formats import JointFrames, KeypointFrames, body_landmarks, numbers
from engine.visitor.sender_units import SenderUnits
from models.motion.skeleton import INDEX, JOINT_COUNT, MIRROR, FloatArray, mirror_positions

DEFAULT_PORT = 9_002
NOBODY_AFTER_S = 1.0
"""Seconds without a pose after which the visitor counts as gone."""
MAX_PACKETS = 10_000
"""A second: PoseOSC sends every number in a packet of its own, fifty times a person."""
PELVIS_HEIGHT_M = (0.2, 1.6)
"""Metres of a pelvis above the floor; where it is elsewhere the sender's floor is not ours."""
MAX_PLACE = 50.0
HEARTBEAT_TIMEOUT_S = 3 * heartbeat.HEARTBEAT_INTERVAL_S
"""Seconds since a heartbeat for which a stream is another dancer's, who sends it in every format."""

OSC_SOURCE = re.compile(r"osc(?::(\d{1,5}))?")
_JOINTS = {
    address: (person, joint)
    for person, addresses in osc.JOINT_ADDRESSES.items()
    for joint, address in enumerate(addresses)
}
_ONE_NUMBER = re.compile(r"(/(?:dancer|visitor)/0/\w+?)(?:[/:]t([xyz])|([123]))")
"""One number of a joint, as TouchDesigner's channels are called and other programs send them."""
_BESIDES = re.compile(r"/(dancer|visitor)/0/(frame|emotion)|/mocap/\d/.*|/poses/(xml|json)|/visitor/0/array")


def osc_port(source: str) -> int | None:
    """PORT of "osc:PORT", the usual one of "osc", None of anything else."""
    named = OSC_SOURCE.fullmatch(source)
    port = int(named[1] or DEFAULT_PORT) if named else 0
    return port if 0 < port <= 65_535 else None


class OscSource(UdpServer):
    """Puts a `Pose` for every frame that comes, and one of nobody when they stop.

    Where a stream holds a dancer and that dancer's visitor, the dancer is the visitor here. Joints that do not
    come are held, then eased to rest, as with a camera.
    """

    name = "osc_source"

    def __init__(
        self,
        host: str,
        port: int,
        poses: Mailbox[Pose],
        metrics: Metrics,
        *,
        allowed: Sequence[str] = LOOPBACK_ONLY,
        mirror: bool = False,
    ) -> None:
        super().__init__(host, port, metrics, allowed, MAX_PACKETS)
        self._poses, self._mirror = poses, mirror
        self._last = Pose(present=False, captured_at=time.perf_counter())
        self._dancer_at = self._dancer_beat_at = -np.inf
        self._followed: int | None = None
        self._units = SenderUnits()
        self._forget()

    def open(self) -> None:
        """Bind the port. Raises TemporaryFault if it is taken."""
        self._units = SenderUnits()
        self._forget()
        super().open()

    def step(self) -> None:
        """Hear what has come; after a second of nothing nobody is there."""
        super().step()
        now = time.perf_counter()
        if self._last.present and now - self._last.captured_at > NOBODY_AFTER_S:
            self._gone(now)

    def close(self) -> None:
        """Let go of the port; whoever was there is gone."""
        if self._last.present:
            self._gone(time.perf_counter())
        super().close()

    def handle(self, address: str, arguments: list[object]) -> None:
        """Take in one message. Raises BadPacket."""
        if self._take_joint(address, arguments) or self._take_body(address, arguments):
            return
        if address == osc.PRESENT:
            if numbers(arguments, 1)[0] == 0 and self._is_the_visitor("visitor"):
                self._gone(time.perf_counter())
        elif address == osc.HEARTBEAT:
            self._dancer_beat_at = time.perf_counter()
        elif address == osc.POSE_ARRAY:
            self._see(self._keypoints.put_array(arguments))
        elif not (self._keypoints.put(address, arguments) or _BESIDES.fullmatch(address)):
            raise BadPacket("no part of a pose has this address")

    def _take_joint(self, address: str, arguments: list[object]) -> bool:
        """Take in a joint, or one number of it; whether the message is one. Raises BadPacket."""
        if address in _JOINTS:
            person, joint = _JOINTS[address]
            place = numbers(arguments, 3)
            if self._is_the_visitor(person):
                self._stand(self._joints.put(joint, place))
            return True
        named = _ONE_NUMBER.fullmatch(address)
        if named is None or named[1] not in _JOINTS:
            return False
        person, joint = _JOINTS[named[1]]
        (value,) = numbers(arguments, 1)
        if self._is_the_visitor(person):
            self._stand(self._joints.put_one(joint, "xyz123".index(named[2] or named[3]) % 3, value))
        return True

    def _take_body(self, address: str, arguments: list[object]) -> bool:
        """Take in all joints of a body; whether the message is one. Raises BadPacket."""
        count = 3 * JOINT_COUNT
        if address == osc.ARRAYS["visitor"] and len(arguments) == count:
            person, values = "visitor", numbers(arguments, count)
        elif address == osc.ARRAYS["dancer"]:
            person, values = "dancer", numbers(arguments[2:], count)
        elif address == osc.POSITIONS_WORLD.format(0):
            self._stand(np.reshape(numbers(arguments, count), (JOINT_COUNT, 3)))
            return True
        else:
            return False
        if self._is_the_visitor(person):
            self._stand(np.reshape(values, (JOINT_COUNT, 3)))
        return True

    def packet_done(self) -> None:
        """Put what is complete."""
        self._stand(self._joints.complete())
        self._see(self._keypoints.complete())

    def _is_the_visitor(self, person: str) -> bool:
        now = time.perf_counter()
        if person == "dancer":
            self._dancer_at = now
            return True
        return now - self._dancer_at > NOBODY_AFTER_S

    def _stand(self, joints: FloatArray | None) -> None:
        """Put the body with joints (17, 3) in the sender's units, NaN where unknown, if it is one."""
        if joints is None:
            return
        now = time.perf_counter()
        joints = joints.copy()
        # By definition of the skeleton, whatever the sender means by them.
        for middle, sides in (("pelvis", "hip"), ("neck", "shoulder")):
            between = (joints[INDEX[f"left_{sides}"]] + joints[INDEX[f"right_{sides}"]]) / 2
            if np.isfinite(between).all():
                joints[INDEX[middle]] = between
        before = self._units.found
        turned = self._units(joints, now)
        if turned is None:
            self._refuse(
                "a body that stands along no axis, or not along y; which one is up shows within a second"
            )
            return
        if self._units.found != before:
            self.log.info("the sender's positions are in %s", self._units.found)
        joints = turned
        known = np.asarray(np.isfinite(joints).all(axis=1))
        extent = np.ptp(joints[known], axis=0).max() if known.any() else 0.0
        if not known[0] or not known[INDEX["neck"]]:
            self._refuse("a body without hips and shoulders, or pelvis and neck")
            return
        if not 0.1 < extent < MAX_EXTENT_M or np.abs(joints[0]).max() > MAX_PLACE:
            self._refuse(f"a body of {extent:.1f} m, or {np.abs(joints[0]).max():.0f} m away")
            return
        pelvis = joints[0]
        around = np.where(known[:, None], joints - pelvis, 0.0)
        body = self._held(around, known.astype(np.float32), now) + pelvis
        low, high = PELVIS_HEIGHT_M
        if not low < body[0, 1] < high:
            body[:, 1] -= body[FEET, 1].min()
        self._put(Pose(True, now, body.astype(np.float32), known.astype(np.float32)))

    def _see(self, people: FloatArray | None) -> None:
        """Put the visitor among the people (N, 17, 3) in a frame."""
        if people is None:
            return
        now = time.perf_counter()
        if now - self._dancer_beat_at < HEARTBEAT_TIMEOUT_S:
            people = people[:1]  # another dancer's stream: the second is that dancer's visitor
        width, height = self._keypoints.size
        bodies = [body for body in map(body_landmarks, people) if is_person(body)]
        if len(people) and not bodies:
            self._refuse("keypoints that are nobody's: too few, or all in one place")
        index = self._visitors.choose([detection_of(body, width, height) for body in bodies], now)
        if self._visitors.visitor is None:
            self._gone(now)
            return
        if self._visitors.visitor != self._followed:
            self._followed, self._body = self._visitors.visitor, PoseFilter()
        if index is None:
            self._put(Pose(True, now, *self._body.predict(now)))
        else:
            self._put(Pose(True, now, *self._body.update(bodies[index], width, now)))

    def _refuse(self, reason: str) -> None:
        """Count and say that a body was not used."""
        self._ignore(reason, self.heard_from)

    def _put(self, pose: Pose) -> None:
        if pose.positions is None or pose.confidence is None or not np.isfinite(pose.positions).all():
            return
        if self._mirror:
            pose = Pose(True, pose.captured_at, mirror_positions(pose.positions), pose.confidence[MIRROR])
        self.metrics.count("pose.frames")
        self.metrics.count("pose.found")
        self._last = pose
        self._poses.put(pose)

    def _gone(self, now: float) -> None:
        if self._last.present:
            self._last = Pose(False, now, self._last.positions, self._last.confidence)
            self._poses.put(self._last)
            self._forget()

    def _forget(self) -> None:
        self._joints, self._keypoints = JointFrames(), KeypointFrames()
        self._held = OcclusionFilter()
        self._visitors, self._body = PersonTracker(), PoseFilter()
        self._followed = None
