"""Flesh for the skeleton: the 17 joints become round, tapered volumes with the weight of a body.

The source rig is narrow (its shoulders are 20 cm apart and its hips 13), so the drawn shoulders and hips are
set wider and the arms follow. Proportions after the canon of eight heads (Loomis, Figure Drawing, 1943).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.skeleton import INDEX, unit_vectors

SHOULDER_OUT, ELBOW_OUT, WRIST_OUT, HIP_OUT = 0.05, 0.03, 0.012, 0.014
"""Metres by which the drawn joints lie further out than those of the rig."""

VOLUMES = (
    # from, to, radius at either end and bulge in the middle, blend with its neighbours (all metres), and the
    # joint whose speed lights it up
    ("belly", "waist", 0.092, 0.084, 0.0, 0.12, "pelvis"),
    ("waist", "chest", 0.084, 0.095, 0.004, 0.12, "neck"),
    ("rim_left", "rim_right", 0.072, 0.072, 0.010, 0.14, "pelvis"),
    ("ribs_left", "shoulder_left", 0.066, 0.050, 0.0, 0.07, "neck"),
    ("ribs_right", "shoulder_right", 0.066, 0.050, 0.0, 0.07, "neck"),
    ("shoulder_left", "shoulder_right", 0.044, 0.044, 0.016, 0.05, "neck"),
    ("nape", "shoulder_left", 0.034, 0.040, -0.004, 0.05, "neck"),
    ("nape", "shoulder_right", 0.034, 0.040, -0.004, 0.05, "neck"),
    ("neck_base", "nape", 0.050, 0.042, -0.003, 0.03, "head"),
    ("jaw", "crown", 0.050, 0.076, 0.006, 0.012, "head"),
    ("hip_left", "knee_left", 0.076, 0.049, 0.008, 0.025, "left_knee"),
    ("hip_right", "knee_right", 0.076, 0.049, 0.008, 0.025, "right_knee"),
    ("knee_left", "ankle_left", 0.048, 0.029, 0.012, 0.02, "left_ankle"),
    ("knee_right", "ankle_right", 0.048, 0.029, 0.012, 0.02, "right_ankle"),
    ("heel_left", "ball_left", 0.035, 0.032, 0.0, 0.02, "left_toe"),
    ("heel_right", "ball_right", 0.035, 0.032, 0.0, 0.02, "right_toe"),
    ("ball_left", "toes_left", 0.032, 0.016, 0.0, 0.0, "left_toe"),
    ("ball_right", "toes_right", 0.032, 0.016, 0.0, 0.0, "right_toe"),
    ("shoulder_left", "elbow_left", 0.048, 0.032, 0.004, 0.03, "left_elbow"),
    ("shoulder_right", "elbow_right", 0.048, 0.032, 0.004, 0.03, "right_elbow"),
    ("elbow_left", "wrist_left", 0.034, 0.020, 0.005, 0.02, "left_wrist"),
    ("elbow_right", "wrist_right", 0.034, 0.020, 0.005, 0.02, "right_wrist"),
    ("wrist_left", "palm_left", 0.021, 0.026, 0.0, 0.0, "left_wrist"),
    ("wrist_right", "palm_right", 0.021, 0.026, 0.0, 0.0, "right_wrist"),
    ("palm_left", "fingers_left", 0.026, 0.010, 0.002, 0.0, "left_wrist"),
    ("palm_right", "fingers_right", 0.026, 0.010, 0.002, 0.0, "right_wrist"),
)


@dataclass(frozen=True, eq=False)
class Body:
    """V round volumes with axes from `starts` to `ends` (V, 3) and `radii` (V, 2) at their ends, in metres.

    `bulges` (V,) are added to the radius in the middle, `blends` (V,) are the metres over which a volume melts
    into what it touches, `joints` (V,) the index of the joint that it moves with.
    """

    starts: NDArray[np.float32]
    ends: NDArray[np.float32]
    radii: NDArray[np.float32]
    bulges: NDArray[np.float32]
    blends: NDArray[np.float32]
    joints: NDArray[np.intp]

    def only(self, chosen: NDArray[np.bool_]) -> "Body":
        """The volumes where `chosen` (V,) is true."""
        return Body(*(column[chosen] for column in vars(self).values()))

    def mirrored_in_the_floor(self) -> "Body":
        """The reflection in the plane y = 0."""
        down = np.array([1.0, -1.0, 1.0], dtype=np.float32)
        return replace(self, starts=self.starts * down, ends=self.ends * down)


def embody(positions: NDArray[np.floating]) -> Body:
    """The body around finite positions (17, 3)."""
    points = _landmarks(positions.astype(np.float32))
    rows = np.stack([points[name] for name in _NAMES])
    return Body(rows[_STARTS], rows[_ENDS], _RADII, _BULGES, _BLENDS, _JOINTS)


def _landmarks(positions: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The named points, (3,) metres each, between which the volumes stretch."""
    pelvis, neck, head = positions[0], positions[1], positions[2]
    directions = unit_vectors(
        np.stack(
            [
                neck - pelvis,
                head - neck,
                positions[INDEX["left_shoulder"]] - positions[INDEX["right_shoulder"]],
                positions[INDEX["left_hip"]] - positions[INDEX["right_hip"]],
            ]
        )
    )
    up, nod, across_chest, across_hips = directions
    forwards = unit_vectors(_cross(across_chest, up))
    face = unit_vectors(_cross(across_chest, nod))
    spine = neck - pelvis
    chest = pelvis + 0.70 * spine + 0.006 * forwards
    points = {
        "belly": pelvis + 0.16 * spine,
        "waist": pelvis + 0.40 * spine + 0.004 * forwards,
        "chest": chest,
        "ribs_left": pelvis + 0.62 * spine + 0.036 * across_chest,
        "ribs_right": pelvis + 0.62 * spine - 0.036 * across_chest,
        "neck_base": neck - 0.02 * up,
        "nape": neck + 0.75 * (head - neck) - 0.004 * face,
        "jaw": head + 0.020 * nod + 0.030 * face,
        "crown": head + 0.108 * nod + 0.004 * face,
    }
    for side, outwards in (("left", across_chest), ("right", -across_chest)):
        elbow = positions[INDEX[f"{side}_elbow"]] + ELBOW_OUT * outwards
        wrist = positions[INDEX[f"{side}_wrist"]] + WRIST_OUT * outwards
        reach = unit_vectors(wrist - elbow)
        points[f"shoulder_{side}"] = positions[INDEX[f"{side}_shoulder"]] + SHOULDER_OUT * outwards - 0.018 * up
        points[f"elbow_{side}"] = elbow
        points[f"wrist_{side}"] = wrist
        points[f"palm_{side}"] = wrist + 0.065 * reach
        points[f"fingers_{side}"] = wrist + 0.155 * reach
    for side, outwards in (("left", across_hips), ("right", -across_hips)):
        points |= _leg(positions, side, outwards, up)
    return points


def _leg(
    positions: NDArray[np.float32], side: str, outwards: NDArray[np.float32], up: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Hip and rim of the pelvis to toes; the heel lies behind the ankle and under it, along the shin."""
    knee, ankle = positions[INDEX[f"{side}_knee"]], positions[INDEX[f"{side}_ankle"]]
    ball = positions[INDEX[f"{side}_toe"]]
    shin = unit_vectors(ankle - knee)
    hip = positions[INDEX[f"{side}_hip"]] + HIP_OUT * outwards
    tread = unit_vectors(ball - ankle)
    sole = unit_vectors(tread - 0.55 * shin)
    return {
        f"hip_{side}": hip,
        f"rim_{side}": hip + 0.028 * up - 0.006 * outwards,
        f"knee_{side}": knee + 0.5 * HIP_OUT * outwards,
        f"ankle_{side}": ankle,
        f"heel_{side}": ankle + 0.028 * shin - 0.022 * sole,
        f"ball_{side}": ball,
        f"toes_{side}": ball + 0.062 * sole,
    }


def _cross(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cross product of two vectors (3,): numpy's own spends most of its time on axes."""
    return a[[1, 2, 0]] * b[[2, 0, 1]] - a[[2, 0, 1]] * b[[1, 2, 0]]


_NAMES = tuple(dict.fromkeys(name for volume in VOLUMES for name in volume[:2]))
_STARTS = np.array([_NAMES.index(volume[0]) for volume in VOLUMES])
_ENDS = np.array([_NAMES.index(volume[1]) for volume in VOLUMES])
_RADII = np.array([volume[2:4] for volume in VOLUMES], dtype=np.float32)
_BULGES = np.array([volume[4] for volume in VOLUMES], dtype=np.float32)
_BLENDS = np.array([volume[5] for volume in VOLUMES], dtype=np.float32)
_JOINTS = np.array([INDEX[volume[6]] for volume in VOLUMES])
