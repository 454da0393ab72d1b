"""Known motion capture rigs and the way from each of them to the 17-joint skeleton.

Joint names as the data sets have them: Bandai-Namco (Kobayashi et al. 2023, arXiv:2306.08861); the CMU
motions in Bruce Hahne's BVH conversion for MotionBuilder (cgspeed), whose first frame is a rest pose;
100STYLE (Mason et al. 2022, arXiv:2201.04439), with the names of the Xsens MVN exporter; LAFAN1 (Harvey et
al. 2020, arXiv:2102.04942), as Mixamo, Rokoko and MotionBuilder have them; the CMU motions in Hahne's
conversion for Daz; Character Creator; and the recordings of this project.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.bvh import END_SITE, Bvh
from models.data.bvh_kinematics import resample
from models.data.sanity import is_twice_as_fast, on_the_floor, turned_upright, without_rest_pose
from models.motion.skeleton import BONE_LENGTHS, INDEX, JOINT_COUNT, JOINTS

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
    `rest_frames`: frames at the start of every file that show a rest pose and not movement. `doubled_rate`:
    whether files say 120 fps whatever they were captured at.
    """

    name: str
    joints: dict[str, str]
    mark: str = ""
    rest_frames: int = 0
    doubled_rate: bool = False


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
    toe="{side}Toe(Base)?|{side}Foot" + END_SITE,
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
_DAZ = {"head": "head"} | _both_sides(
    "l",
    "r",
    shoulder="{side}Shldr",
    elbow="{side}ForeArm",
    wrist="{side}Hand",
    hip="{side}Thigh",
    knee="{side}Shin",
    ankle="{side}Foot",
    toe="{side}Toe|{side}Foot" + END_SITE,
)
_CHARACTER_CREATOR = {"head": "CC_Base_Head"} | _both_sides(
    "L",
    "R",
    shoulder="CC_Base_{side}_Upperarm",
    elbow="CC_Base_{side}_Forearm",
    wrist="CC_Base_{side}_Hand",
    hip="CC_Base_{side}_Thigh",
    knee="CC_Base_{side}_Calf",
    ankle="CC_Base_{side}_Foot",
    toe="CC_Base_{side}_ToeBase",
)
_OWN = {name: name for name in JOINTS if name not in ("pelvis", "neck")}
RIGS = (
    Rig("Bandai-Namco", _BANDAI_NAMCO),
    Rig("CMU (cgspeed)", _MOTION_BUILDER, mark="LHipJoint", rest_frames=1),
    Rig("100STYLE (Xsens)", _XSENS),
    Rig("LAFAN1", _MOTION_BUILDER),
    Rig("Daz (cgspeed)", _DAZ, doubled_rate=True),
    Rig("Character Creator (CC_Base)", _CHARACTER_CREATOR),
    Rig("Emotion Dancer", _OWN),
)
"""Mixamo, Rokoko and MotionBuilder have the names of LAFAN1."""
PREFIX = re.compile(r"(?:.*:)?(?:mixamorig\d*_?)?")
"""What may stand before a joint's name: a name space such as "Actor1:", and Mixamo's own in all its
spellings."""


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
    """Index of the first name that matches the pattern, less what may stand before it; alternatives of the
    pattern in their order."""
    plain = [name[PREFIX.match(name).end() :] for name in names]  # type: ignore[union-attr]
    for alternative in pattern.split("|"):
        for i, name in enumerate(plain):
            if re.fullmatch(alternative, name):
                return i
    return None


def skeleton_positions(
    bvh: Bvh, scale: float | None = None, *, up: str | None = None, fps: float | None = None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Positions (T, 17, 3) float32 at 30 fps, metres, y up, floor at 0, and what was mended, in words.

    `scale`: metres per unit of the file, `up`: its upward axis, `fps`: its frame rate; told by the body where
    they are None. Raises RigError for an unknown rig, or for legs that fit a human body in no unit known, and
    SanityError where it cannot be told what is up.
    """
    rig, sources = recognise_rig(bvh.joints)
    mended = list(bvh.mended)
    captured = bvh.positions()[min(rig.rest_frames, len(bvh.frames) - 1) :]
    positions = np.empty((len(captured), JOINT_COUNT, 3))
    for joint, source in sources.items():
        positions[:, INDEX[joint]] = captured[:, source]
    for middle, ends in (("pelvis", "hip"), ("neck", "shoulder")):
        pair = [INDEX[f"left_{ends}"], INDEX[f"right_{ends}"]]
        positions[:, INDEX[middle]] = positions[:, pair].mean(axis=1)
    positions *= metres_per_unit(positions) if scale is None else scale
    travels = any(name.endswith("position") for name in bvh.channels[0])
    frame_time = bvh.frame_time if fps is None else 1.0 / fps
    for step in (
        lambda now: turned_upright(now, rest_direction(bvh, sources["head"]), up),
        without_rest_pose,
        lambda now: on_the_floor(now, travels),
    ):
        sane = step(positions)
        positions = sane.positions
        mended += sane.mended
    if fps is None and rig.doubled_rate and is_twice_as_fast(positions, frame_time):
        frame_time *= 2.0
        mended.append("120 fps in the header of a take of 60; --fps 120 keeps it")
    return resample(positions, frame_time).astype(np.float32), tuple(mended)


def rest_direction(bvh: Bvh, joint: int) -> NDArray[np.float64]:
    """From the root to a joint in the rest pose of the file, (3,)."""
    total = np.zeros(3)
    while bvh.parents[joint] >= 0:
        total += bvh.offsets[joint]
        joint = bvh.parents[joint]
    return total


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
