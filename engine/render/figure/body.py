"""Flesh for the skeleton: the 17 joints become round, tapered volumes with the weight of a body.

The source rig is narrow (its shoulders are 20 cm apart and its hips 13), so the drawn shoulders and hips are
set wider and the arms follow. Proportions after the canon of eight heads (Loomis, Figure Drawing, 1943).

Every point of the body is a fixed blend of joints and of directions that they span, so that one product of
matrices places them all: the stage has a few milliseconds for a frame.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.motion.skeleton import INDEX, JOINT_COUNT, JOINTS, cross, unit_vectors

SHOULDER_OFFSET_M, ELBOW_OFFSET_M, WRIST_OFFSET_M, HIP_OFFSET_M = 0.05, 0.03, 0.012, 0.014
"""Metres by which the drawn joints lie further out than those of the rig."""

SPANS = (
    # directions between two joints
    ("up", "pelvis", "neck"),
    ("nod", "neck", "head"),
    ("chest_out_left", "right_shoulder", "left_shoulder"),
    ("hip_out_left", "right_hip", "left_hip"),
    ("reach_left", "left_elbow", "left_wrist"),
    ("reach_right", "right_elbow", "right_wrist"),
    ("shin_left", "left_knee", "left_ankle"),
    ("shin_right", "right_knee", "right_ankle"),
    ("tread_left", "left_ankle", "left_toe"),
    ("tread_right", "right_ankle", "right_toe"),
)
DERIVED = ("forwards", "face", "sole_left", "sole_right")
"""Directions out of the chest and of the face, and along the soles."""

TORSO = {
    "belly": {"pelvis": 0.84, "neck": 0.16},
    "waist": {"pelvis": 0.60, "neck": 0.40, "forwards": 0.004},
    "chest": {"pelvis": 0.30, "neck": 0.70, "forwards": 0.006},
    "ribs_left": {"pelvis": 0.38, "neck": 0.62, "chest_out_left": 0.036},
    "ribs_right": {"pelvis": 0.38, "neck": 0.62, "chest_out_left": -0.036},
    "neck_base": {"neck": 1.0, "up": -0.02},
    "nape": {"neck": 0.25, "head": 0.75, "face": -0.004},
    "jaw": {"head": 1.0, "nod": 0.020, "face": 0.032},
    "crown": {"head": 1.0, "nod": 0.108, "face": 0.002},
}


def _limbs(side: str, out: float) -> dict[str, dict[str, float]]:
    """The points of an arm and a leg; `out` is 1 on the left, where chest_out_left leads out, else -1."""
    j, chest, hip = f"{side}_", "chest_out_left", "hip_out_left"
    wrist = {j + "wrist": 1.0, chest: out * WRIST_OFFSET_M}
    reach, shin, sole = f"reach_{side}", f"shin_{side}", f"sole_{side}"
    return {
        f"shoulder_{side}": {j + "shoulder": 1.0, chest: out * SHOULDER_OFFSET_M, "up": -0.018},
        f"elbow_{side}": {j + "elbow": 1.0, chest: out * ELBOW_OFFSET_M},
        f"wrist_{side}": wrist,
        f"palm_{side}": wrist | {reach: 0.065},
        f"fingers_{side}": wrist | {reach: 0.155},
        f"thumb_{side}": wrist | {reach: 0.085, "forwards": 0.034},
        f"hip_{side}": {j + "hip": 1.0, hip: out * HIP_OFFSET_M},
        f"rim_{side}": {j + "hip": 1.0, hip: out * (HIP_OFFSET_M - 0.006), "up": 0.028},
        f"seat_{side}": {j + "hip": 1.0, hip: out * 0.008, "up": -0.02, "forwards": -0.038},
        f"knee_{side}": {j + "knee": 1.0, hip: out * 0.5 * HIP_OFFSET_M},
        f"ankle_{side}": {j + "ankle": 1.0},
        f"heel_{side}": {j + "ankle": 1.0, shin: 0.028, sole: -0.022},
        f"ball_{side}": {j + "toe": 1.0},
        f"toes_{side}": {j + "toe": 1.0, sole: 0.062},
    }


POINTS = TORSO | _limbs("left", 1.0) | _limbs("right", -1.0)
"""Every named point as a blend of joints (weights that sum to 1) and directions (metres)."""

TRUNK = (
    # from, to, radius at both ends and bulge in the middle (metres), the joint whose speed lights it up there
    ("belly", "waist", 0.092, 0.084, 0.0, "pelvis"),
    ("waist", "chest", 0.084, 0.095, 0.004, "neck"),
    ("rim_left", "rim_right", 0.072, 0.072, 0.010, "pelvis"),
    ("ribs_left", "shoulder_left", 0.066, 0.050, 0.0, "neck"),
    ("ribs_right", "shoulder_right", 0.066, 0.050, 0.0, "neck"),
    ("shoulder_left", "shoulder_right", 0.044, 0.044, 0.016, "neck"),
    ("nape", "shoulder_left", 0.034, 0.040, -0.004, "neck"),
    ("nape", "shoulder_right", 0.034, 0.040, -0.004, "neck"),
    ("rim_left", "seat_left", 0.070, 0.074, 0.0, "pelvis"),
    ("rim_right", "seat_right", 0.070, 0.074, 0.0, "pelvis"),
)
"""The parts that melt into each other widely."""

LIMBS = (
    ("neck_base", "nape", 0.050, 0.042, -0.003, "head"),
    ("jaw", "crown", 0.050, 0.076, 0.006, "head"),
    ("hip_left", "knee_left", 0.076, 0.049, 0.008, "left_knee"),
    ("hip_right", "knee_right", 0.076, 0.049, 0.008, "right_knee"),
    ("knee_left", "ankle_left", 0.048, 0.029, 0.012, "left_ankle"),
    ("knee_right", "ankle_right", 0.048, 0.029, 0.012, "right_ankle"),
    ("heel_left", "ball_left", 0.035, 0.032, 0.0, "left_toe"),
    ("heel_right", "ball_right", 0.035, 0.032, 0.0, "right_toe"),
    ("ball_left", "toes_left", 0.032, 0.016, 0.0, "left_toe"),
    ("ball_right", "toes_right", 0.032, 0.016, 0.0, "right_toe"),
    ("shoulder_left", "elbow_left", 0.048, 0.032, 0.004, "left_elbow"),
    ("shoulder_right", "elbow_right", 0.048, 0.032, 0.004, "right_elbow"),
    ("elbow_left", "wrist_left", 0.034, 0.020, 0.005, "left_wrist"),
    ("elbow_right", "wrist_right", 0.034, 0.020, 0.005, "right_wrist"),
    ("wrist_left", "palm_left", 0.021, 0.026, 0.0, "left_wrist"),
    ("wrist_right", "palm_right", 0.021, 0.026, 0.0, "right_wrist"),
    ("palm_left", "fingers_left", 0.026, 0.010, 0.002, "left_wrist"),
    ("wrist_left", "thumb_left", 0.016, 0.009, 0.002, "left_wrist"),
    ("palm_right", "fingers_right", 0.026, 0.010, 0.002, "right_wrist"),
    ("wrist_right", "thumb_right", 0.016, 0.009, 0.002, "right_wrist"),
)
VOLUMES = TRUNK + LIMBS


@dataclass(frozen=True, eq=False)
class Body:
    """V round volumes with the two `ends` (2, V, 3) of their axes and `radii` (V, 2) there, in metres.

    The first `trunk` of them are parts of the trunk. `bulges` (V,) are added to the radius in the middle,
    `joints` (V, 2) are the indices of the joints whose speeds light up their two ends.
    """

    ends: NDArray[np.float32]
    radii: NDArray[np.float32]
    bulges: NDArray[np.float32]
    joints: NDArray[np.intp]
    trunk: int


def embody(positions: NDArray[np.floating]) -> Body:
    """The body around finite positions (17, 3)."""
    joints = positions.astype(np.float32)
    spans = unit_vectors(_SPANS @ joints)
    up_and_nod, across, shins, treads = spans[0:2], spans[2], spans[6:8], spans[8:10]
    # the heel lies behind the ankle and under it, along the shin
    derived = np.concatenate([cross(across, up_and_nod), treads - 0.55 * shins])
    points = _BLEND @ np.concatenate([joints, spans, unit_vectors(derived)])
    return Body(points[_ENDS], _RADII, _BULGES, _JOINTS, len(TRUNK))


def _span_matrix() -> NDArray[np.float32]:
    """(10, 17): the difference of the two joints of each span."""
    matrix = np.zeros((len(SPANS), JOINT_COUNT), dtype=np.float32)
    for row, (_, start, end) in enumerate(SPANS):
        matrix[row, INDEX[start]], matrix[row, INDEX[end]] = -1.0, 1.0
    return matrix


def _blend_matrix() -> NDArray[np.float32]:
    """(points, joints and directions): POINTS as numbers."""
    basis = [*JOINTS, *(span[0] for span in SPANS), *DERIVED]
    matrix = np.zeros((len(POINTS), len(basis)), dtype=np.float32)
    for row, blend in enumerate(POINTS.values()):
        for name, share in blend.items():
            matrix[row, basis.index(name)] = share
    return matrix


def _first_joint(volume: tuple[str, str, float, float, float, str]) -> int:
    """The joint where a part of a limb begins; other volumes are lit up alike at both ends."""
    name = "_".join(volume[0].split("_")[::-1])
    return INDEX[name] if volume in LIMBS and name in INDEX else INDEX[volume[5]]


_NAMES = tuple(POINTS)
_SPANS, _BLEND = _span_matrix(), _blend_matrix()
_ENDS = np.array([[_NAMES.index(volume[end]) for volume in VOLUMES] for end in (0, 1)])
_RADII = np.array([volume[2:4] for volume in VOLUMES], dtype=np.float32)
_BULGES = np.array([volume[4] for volume in VOLUMES], dtype=np.float32)
_JOINTS = np.array([[_first_joint(volume), INDEX[volume[5]]] for volume in VOLUMES])
