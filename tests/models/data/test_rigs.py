"""Rigs: which joints of a known skeleton become our 17, and how large a unit is."""

import numpy as np
import pytest

from models.data.bvh import Bvh
from models.data.rigs import RigError, metres_per_unit, recognise_rig, skeleton_positions
from models.motion.skeleton import INDEX, JOINTS

LAFAN1 = (
    "Hips LeftUpLeg LeftLeg LeftFoot LeftToe RightUpLeg RightLeg RightFoot RightToe Spine Spine1 Spine2 "
    "Neck Head LeftShoulder LeftArm LeftForeArm LeftHand RightShoulder RightArm RightForeArm RightHand"
)
CMU = (
    "Hips LHipJoint LeftUpLeg LeftLeg LeftFoot LeftToeBase RHipJoint RightUpLeg RightLeg RightFoot "
    "RightToeBase LowerBack Spine Spine1 Neck Neck1 Head LeftShoulder LeftArm LeftForeArm LeftHand "
    "LeftFingerBase LeftHandIndex1 LThumb RightShoulder RightArm RightForeArm RightHand RightFingerBase "
    "RightHandIndex1 RThumb"
)
XSENS = (
    "Hips Chest Chest2 Chest3 Chest4 Neck Head RightCollar RightShoulder RightElbow RightWrist "
    "LeftCollar LeftShoulder LeftElbow LeftWrist RightHip RightKnee RightAnkle RightToe LeftHip "
    "LeftKnee LeftAnkle LeftToe"
)
BANDAI = (
    "joint_Root Hips Spine Chest Neck Head Shoulder_L UpperArm_L LowerArm_L Hand_L Shoulder_R "
    "UpperArm_R LowerArm_R Hand_R UpperLeg_L LowerLeg_L Foot_L Toes_L UpperLeg_R LowerLeg_R Foot_R "
    "Toes_R"
)

JOINTS_OF_LEFT_ARM_AND_LEG = {
    "LAFAN1": (LAFAN1, "LeftArm LeftForeArm LeftHand LeftUpLeg LeftLeg LeftFoot LeftToe"),
    "CMU (cgspeed)": (CMU, "LeftArm LeftForeArm LeftHand LeftUpLeg LeftLeg LeftFoot LeftToeBase"),
    "100STYLE (Xsens)": (XSENS, "LeftShoulder LeftElbow LeftWrist LeftHip LeftKnee LeftAnkle LeftToe"),
    "Bandai-Namco": (BANDAI, "UpperArm_L LowerArm_L Hand_L UpperLeg_L LowerLeg_L Foot_L Toes_L"),
}


def loose_take(names: str, positions: np.ndarray, frame_time: float = 1 / 30) -> Bvh:
    """A take whose joints hang on nothing, so that their positions (T, J, 3) can be given."""
    frame_count, joint_count = positions.shape[:2]
    return Bvh(
        tuple(names.split()),
        (-1,) * joint_count,
        np.zeros((joint_count, 3)),
        (("Xposition", "Yposition", "Zposition"),) * joint_count,
        positions.reshape(frame_count, -1),
        frame_time,
    )


def standing_body(leg: float) -> np.ndarray:
    """Positions (1, 17, 3) with legs of this length and everything else at the origin."""
    positions = np.zeros((1, 17, 3))
    for side in ("left", "right"):
        positions[0, INDEX[f"{side}_knee"], 1] = -leg / 2
        positions[0, INDEX[f"{side}_ankle"], 1] = -leg
    return positions


@pytest.mark.parametrize("rig_name", JOINTS_OF_LEFT_ARM_AND_LEG)
def test_a_known_rig_is_recognised_and_its_limbs_found(rig_name):
    names, left = JOINTS_OF_LEFT_ARM_AND_LEG[rig_name]
    names = names.split()
    rig, sources = recognise_rig(names)
    assert rig.name == rig_name
    ours = [f"left_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe")]
    assert [names[sources[joint]] for joint in ours] == left.split()
    assert names[sources["head"]] == "Head"
    assert set(sources) == set(JOINTS) - {"pelvis", "neck"}
    mirrored = {joint.replace("left_", "right_"): sources[joint] for joint in ours}
    assert not set(mirrored.values()) & {sources[joint] for joint in mirrored}


def test_a_name_space_before_the_names_does_not_matter():
    assert recognise_rig([f"Actor1:{name}" for name in LAFAN1.split()])[0].name == "LAFAN1"


def test_an_unknown_rig_is_refused_with_the_rigs_known_and_the_joints_missing():
    names = [name for name in LAFAN1.split() if name not in ("LeftArm", "RightToe")]
    with pytest.raises(RigError) as caught:
        recognise_rig(names)
    message = str(caught.value)
    for part in (*JOINTS_OF_LEFT_ARM_AND_LEG, "nearest is LAFAN1", "LeftArm, RightToe"):
        assert part in message
    assert "\n" not in message


def test_pelvis_and_neck_are_the_midpoints_of_hips_and_shoulders():
    positions = np.random.default_rng(1).normal(size=(3, len(LAFAN1.split()), 3))
    positions[:, :, 1] = np.abs(positions[:, :, 1])
    positions[:, LAFAN1.split().index("LeftToe"), 1] = 0.0
    ours, _ = skeleton_positions(loose_take(LAFAN1, positions), scale=1.0, up="y")
    np.testing.assert_allclose(
        ours[:, 0], ours[:, [INDEX["left_hip"], INDEX["right_hip"]]].mean(axis=1), atol=1e-6
    )
    np.testing.assert_allclose(
        ours[:, 1], ours[:, [INDEX["left_shoulder"], INDEX["right_shoulder"]]].mean(axis=1), atol=1e-6
    )
    np.testing.assert_allclose(
        ours[:, INDEX["left_toe"]], positions[:, LAFAN1.split().index("LeftToe")], atol=1e-6
    )
    assert ours.dtype == np.float32


@pytest.mark.parametrize(
    ("leg", "unit"),
    [
        (0.80, 1.0),
        (80.07, 0.01),  # Bandai-Namco
        (85.87, 0.01),  # LAFAN1: 43.5 + 42.37
        (14.65, 0.0254 / 0.45),  # CMU subject 1
        (31.5, 0.0254),
        (801.0, 0.001),
        (0.6, 1.0),
        (110.0, 0.01),
    ],
)
def test_the_unit_is_deduced_from_the_length_of_the_legs(leg, unit):
    assert metres_per_unit(standing_body(leg)) == unit


@pytest.mark.parametrize("leg", [0.0, 1e-7, 5.0, 1e6])
def test_legs_of_no_human_length_are_refused_with_the_remedy(leg):
    with pytest.raises(RigError, match="--scale"):
        metres_per_unit(standing_body(leg))


def test_a_scale_that_is_given_is_not_deduced():
    ours, _ = skeleton_positions(loose_take(XSENS, np.full((2, len(XSENS.split()), 3), 0.2)), scale=0.5)
    np.testing.assert_array_equal(ours, np.full((2, 17, 3), 0.1, dtype=np.float32))


def test_the_rest_pose_at_the_start_of_a_cmu_file_is_left_out():
    positions = np.full((9, len(CMU.split()), 3), 0.1)
    positions[0] = 1000.0
    ours, _ = skeleton_positions(loose_take(CMU, positions, 1 / 120), scale=1.0)
    np.testing.assert_array_equal(ours, np.full((2, 17, 3), 0.1, dtype=np.float32))
