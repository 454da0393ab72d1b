"""The Virtual Motion Capture protocol: the dancer for Unity, Unreal, VSeeFace, Warudo and the like.

Bones are those of Unity's HumanBodyBones. Unity is left-handed: x is mirrored, so positions are (-x, y, z) and
quaternions (x, -y, -z, w). Rotations are relative to the parent bone and the identity in the T-pose.
Specification: https://protocol.vmc.info/english (version 2.0, Performer to Marionette).
"""

import numpy as np
from numpy.typing import NDArray

from engine.osc import addresses as osc
from engine.osc.message import bundles, floats, ints, message_head, padded
from models.motion.rotations import global_rotations, quaternion, rotated, rotation_between
from models.motion.skeleton import BONE_LENGTHS, FRAME_RATE, INDEX, PARENTS, T_POSE, FloatArray

BONES = (
    # Unity's name, the joint whose rotation it has, the place of its parent in this table, the joint it stands
    # at
    ("Hips", "pelvis", -1, "pelvis"),
    ("Chest", "neck", 0, "pelvis"),
    ("Neck", "head", 1, "neck"),
    ("Head", "head", 2, "head"),
    *(
        bone
        for side, first in (("Left", 4), ("Right", 10))
        for bone in (
            (f"{side}UpperArm", f"{side.lower()}_shoulder", 1, f"{side.lower()}_shoulder"),
            (f"{side}LowerArm", f"{side.lower()}_elbow", first, f"{side.lower()}_elbow"),
            (f"{side}Hand", f"{side.lower()}_wrist", first + 1, f"{side.lower()}_wrist"),
            (f"{side}UpperLeg", f"{side.lower()}_hip", 0, f"{side.lower()}_hip"),
            (f"{side}LowerLeg", f"{side.lower()}_knee", first + 3, f"{side.lower()}_knee"),
            (f"{side}Foot", f"{side.lower()}_ankle", first + 4, f"{side.lower()}_ankle"),
        )
    ),
)


def _rest_positions() -> FloatArray:
    """The joints (17, 3) of the T-pose in metres, the pelvis at the origin."""
    rest = np.zeros((len(PARENTS), 3))
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            rest[joint] = rest[parent] + T_POSE[joint - 1] * BONE_LENGTHS[joint - 1]
    return rest


_REST = _rest_positions()
_HEADS = [message_head(osc.VMC_BONE, "s" + "f" * 7) + padded(name) for name, *_ in BONES]
_ROOT_HEAD = message_head(osc.VMC_ROOT, "s" + "f" * 7) + padded("root")


def vmc_datagrams(index: int, positions: NDArray[np.floating]) -> list[bytes]:
    """Frame `index` of a dancer at positions (17, 3) in metres on the stage."""
    world = np.concatenate(
        [global_rotations(positions), np.eye(3)[None]]
    )  # the last one: the parent of the hips
    along = positions[INDEX["head"]] - positions[INDEX["neck"]]
    neck = world[INDEX["neck"]]
    turn = rotation_between(neck @ T_POSE[INDEX["head"] - 1], along / max(float(np.linalg.norm(along)), 1e-9))
    world[INDEX["head"]] = rotated(neck.T, turn).T
    messages = [ints(osc.VMC_OK, 1), floats(osc.VMC_TIME, [index / FRAME_RATE])]
    messages.append(_ROOT_HEAD + _seven(np.zeros(3), np.eye(3)))
    for head, (_, joint, parent, place) in zip(_HEADS, BONES, strict=True):
        above = world[INDEX[BONES[parent][1]]] if parent >= 0 else world[-1]
        origin = _REST[INDEX[BONES[parent][3]]] if parent >= 0 else -positions[0]
        messages.append(head + _seven(_REST[INDEX[place]] - origin, above.T @ world[INDEX[joint]]))
    return bundles(messages)


def _seven(position: FloatArray, rotation: FloatArray) -> bytes:
    """A position and a rotation (3, 3) as the seven numbers of a message, in Unity's axes."""
    w, x, y, z = quaternion(rotation)
    px, py, pz = position
    return np.array([-px, py, pz, x, -y, -z, w], dtype=">f4").tobytes()
