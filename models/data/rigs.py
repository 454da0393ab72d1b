"""Known motion capture rigs and the way from each of them to the 17-joint skeleton.

Joint names as the data sets have them: Bandai-Namco (Kobayashi et al. 2023, arXiv:2306.08861); the CMU
motions in Bruce Hahne's BVH conversion for MotionBuilder (cgspeed), whose first frame is a rest pose;
100STYLE (Mason et al. 2022, arXiv:2201.04439), with the names of the Xsens MVN exporter; LAFAN1 (Harvey et
al. 2020, arXiv:2102.04942).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.bvh import Bvh
from models.data.bvh_kinematics import resample
from models.motion.skeleton import BONE_LENGTHS, INDEX, JOINT_COUNT

METRES_PER_UNIT = (1.0, 0.01, 0.001, 0.0254, 0.0254 / 0.45)
"""Units that occur: metres, centimetres, millimetres, inches and the 0.45 inch of the CMU skeletons
(http://mocap.cs.cmu.edu/faqs.php)."""

REFERENCE_LEG = float(BONE_LENGTHS[INDEX["left_knee"] - 1] + BONE_LENGTHS[INDEX["left_ankle"] - 1])
_PLAUSIBLE_LEG = (0.5, 1.3)


class RigError(ValueError):
    """A skeleton that cannot be brought to the 17 joints; one line that says why and what to do."""


@dataclass(frozen=True)
class Rig:
    """One family of BVH skeletons. `joints`: for 15 of our joints the pattern that the whole name matches.

    `mark`: a pattern that some joint must match too, for rigs whose 15 names alone do not set them apart.
    `rest_frames`: frames at the start of every file that show a rest pose and not movement.
    """

    name: str
    joints: dict[str, str]
    mark: str = ""
    rest_frames: int = 0


def _both_sides(left: str, right: str, **patterns: str) -> dict[str, str]:
    """Patterns for left_* and right_* joints; '{side}' in a pattern stands for the rig's own word."""
    sides = {"left": left, "right": right}
    return {
        f"{side}_{joint}": pattern.format(side=word)
        for side, word in sides.items()
        for joint, pattern in patterns.items()
    }


_MOTION_BUILDER = {"head": "Head"} | _both_sides(
    "Left",
    "Right",
    shoulder="{side}Arm",
    elbow="{side}ForeArm",
    wrist="{side}Hand",
    hip="{side}UpLeg",
    knee="{side}Leg",
    ankle="{side}Foot",
    toe="{side}Toe(Base)?",
)
_BANDAI_NAMCO = {"head": "Head"} | _both_sides(
    "L",
    "R",
    shoulder="UpperArm_{side}",
    elbow="LowerArm_{side}",
    wrist="Hand_{side}",
    hip="UpperLeg_{side}",
    knee="LowerLeg_{side}",
    ankle="Foot_{side}",
    toe="Toes_{side}",
)
_XSENS = {"head": "Head"} | _both_sides(
    "Left",
    "Right",
    shoulder="{side}Shoulder",
    elbow="{side}Elbow",
    wrist="{side}Wrist",
    hip="{side}Hip",
    knee="{side}Knee",
    ankle="{side}Ankle",
    toe="{side}Toe",
)
RIGS = (
    Rig("Bandai-Namco", _BANDAI_NAMCO),
    Rig("CMU (cgspeed)", _MOTION_BUILDER, mark="LHipJoint", rest_frames=1),
    Rig("100STYLE (Xsens)", _XSENS),
    Rig("LAFAN1", _MOTION_BUILDER),
)


def recognise_rig(names: Sequence[str]) -> tuple[Rig, dict[str, int]]:
    """The rig of a skeleton with these joint names, and for 15 of our joints the index of the rig's joint.

    Raises RigError for a skeleton of no known rig.
    """
    lacking: list[tuple[Rig, list[str]]] = []
    for rig in RIGS:
        found = {joint: _index_of(pattern, names) for joint, pattern in rig.joints.items()}
        missing = [rig.joints[joint] for joint, index in found.items() if index is None]
        if rig.mark and _index_of(rig.mark, names) is None:
            missing.append(rig.mark)
        if not missing:
            return rig, {joint: index for joint, index in found.items() if index is not None}
        lacking.append((rig, missing))
    nearest, missing = min(lacking, key=lambda entry: len(entry[1]))
    known = ", ".join(rig.name for rig in RIGS)
    raise RigError(
        f"expected the skeleton of a known rig ({known}); the nearest is {nearest.name}, "
        f"but these joints were not found: {', '.join(missing)}"
    )


def _index_of(pattern: str, names: Sequence[str]) -> int | None:
    """Index of the first name that, less a name space such as 'mixamorig:', matches the whole pattern."""
    return next((i for i, name in enumerate(names) if re.fullmatch(pattern, name.rpartition(":")[2])), None)


def skeleton_positions(bvh: Bvh, scale: float | None = None) -> NDArray[np.float32]:
    """Positions (T, 17, 3) float32 at 30 fps, metres, y up, floor where the file has it.

    `scale`: metres per unit of the file; deduced from the length of the legs where it is None. Raises
    RigError for an unknown rig, or for legs that fit a human body in no unit known.
    """
    rig, sources = recognise_rig(bvh.joints)
    captured = bvh.positions()[min(rig.rest_frames, len(bvh.frames) - 1) :]
    positions = np.empty((len(captured), JOINT_COUNT, 3))
    for joint, source in sources.items():
        positions[:, INDEX[joint]] = captured[:, source]
    for middle, ends in (("pelvis", "hip"), ("neck", "shoulder")):
        pair = [INDEX[f"left_{ends}"], INDEX[f"right_{ends}"]]
        positions[:, INDEX[middle]] = positions[:, pair].mean(axis=1)
    if scale is None:
        scale = metres_per_unit(positions)
    return resample(positions * scale, bvh.frame_time).astype(np.float32)


def metres_per_unit(positions: NDArray[np.float64]) -> float:
    """The unit of positions (T, 17, 3), in metres: the one of METRES_PER_UNIT that makes the legs most human.

    Thigh and shin together are compared, on a logarithmic scale, with REFERENCE_LEG; neighbouring units
    differ by a factor of 2.2 or more, so bodies from 0.54 m of leg to 1.18 m are told apart. Raises RigError
    if even the best unit leaves a leg that no human has.
    """
    chain = [INDEX["left_hip"], INDEX["left_knee"], INDEX["left_ankle"]]
    thigh_and_shin = np.diff(positions[:, chain], axis=1)
    leg = float(np.median(np.linalg.norm(thigh_and_shin, axis=-1).sum(axis=-1)))
    best = min(METRES_PER_UNIT, key=lambda unit: abs(np.log(max(leg, 1e-9) * unit / REFERENCE_LEG)))
    shortest, longest = _PLAUSIBLE_LEG
    if not shortest <= leg * best <= longest:
        raise RigError(
            f"expected legs of {shortest} to {longest} m in a usual unit, found {leg:.4g} units; "
            "give the metres per unit with --scale"
        )
    return best
