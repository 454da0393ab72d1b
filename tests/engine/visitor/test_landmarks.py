"""From MediaPipe's landmarks to joints, and what a joint does while it is not seen."""

import numpy as np
import pytest

from engine.visitor.landmarks import (
    FEET,
    SWAPPED,
    is_person,
    joint_confidence,
    joints_around_pelvis,
    metres_per_pixel,
    sideways_place,
    stand,
)
from engine.visitor.occlusion_filter import HOLD_S, RELAX_S, RETURN_S, OcclusionFilter, swing
from engine.visitor.tilt_correction import TiltCorrection, body_tilt, tilted
from models.motion.features import heading, turn
from models.motion.skeleton import INDEX, JOINTS
from tests.engine.fakes import PIXELS_PER_METRE, standing_landmarks


def test_somebody_who_faces_the_camera_faces_plus_z_with_the_left_hand_at_plus_x():
    joints = joints_around_pelvis(standing_landmarks())
    assert heading(joints) == pytest.approx(0.0)
    assert joints[INDEX["left_wrist"], 0] > 0 > joints[INDEX["right_wrist"], 0]
    assert joints[INDEX["head"], 1] > joints[INDEX["neck"], 1] > 0 > joints[INDEX["left_toe"], 1]
    assert joints[INDEX["left_toe"], 2] > 0


def test_pelvis_and_neck_are_midpoints():
    joints = joints_around_pelvis(standing_landmarks())
    for middle, side in (("pelvis", "hip"), ("neck", "shoulder")):
        sides = joints[INDEX[f"left_{side}"]] + joints[INDEX[f"right_{side}"]]
        np.testing.assert_allclose(joints[INDEX[middle]], sides / 2, atol=1e-6)


def test_a_midpoint_is_seen_no_better_than_the_worse_of_the_two():
    body = standing_landmarks()
    body.visibility[23] = 0.2
    confidence = joint_confidence(body)
    assert confidence[INDEX["pelvis"]] == pytest.approx(0.2) and confidence[INDEX["right_hip"]] == 1.0


def test_the_scale_of_the_picture_gives_the_place_in_metres():
    body = standing_landmarks(middle=(840.0, 360.0))
    pixel = metres_per_pixel(body)
    assert pixel == pytest.approx(1 / PIXELS_PER_METRE, rel=1e-4)
    assert sideways_place(body, 1280, pixel) == pytest.approx(1.0, rel=1e-3)


def test_the_lowest_foot_stands_on_the_floor():
    positions = stand(joints_around_pelvis(standing_landmarks()), 0.7)
    assert positions[FEET, 1].min() == pytest.approx(0.0, abs=1e-6)
    assert positions[0, [0, 2]] == pytest.approx([0.7, 0.0])


def test_swapping_sides_twice_changes_nothing():
    assert SWAPPED[SWAPPED].tolist() == list(range(33))
    assert SWAPPED[11] == 12 and SWAPPED[31] == 32 and SWAPPED[0] == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 50.0])
def test_nan_and_giants_are_no_person(wrong):
    body = standing_landmarks()
    assert is_person(body)
    body.world[15, 1] = wrong
    assert not is_person(body)


def test_a_constant_lean_is_taken_out_and_a_bow_is_left():
    upright, joints = TiltCorrection(), joints_around_pelvis(standing_landmarks()).astype(float)
    leaning = tilted(joints, np.radians(20))
    for i in range(90):
        straight = upright(leaning, True, i / 30)
    assert abs(np.degrees(body_tilt(straight))) < 1
    bowed = tilted(joints, np.radians(34))
    for i in range(90, 105):
        after = upright(bowed, True, i / 30)
    assert np.degrees(body_tilt(after)) > 11


def test_a_lean_is_not_learnt_from_legs_that_are_not_seen():
    upright = TiltCorrection()
    upright(tilted(joints_around_pelvis(standing_landmarks()), 0.3), False, 0.0)
    assert upright.tilt == 0.0


class Limb:
    """Somebody who stands with the left arm raised, and whose left elbow and wrist may be out of sight."""

    def __init__(self) -> None:
        self.held = OcclusionFilter()
        self.joints = joints_around_pelvis(standing_landmarks()).astype(float)
        shoulder = self.joints[INDEX["left_shoulder"]]
        self.joints[INDEX["left_elbow"]] = shoulder + (0.0, 0.25, 0.0)
        self.joints[INDEX["left_wrist"]] = shoulder + (0.0, 0.5, 0.0)
        self.time = 0.0

    def after(self, seconds: float, seen: bool, joints: np.ndarray | None = None) -> np.ndarray:
        """All frames (T, 17, 3) of the next `seconds`."""
        confidence = np.ones(len(JOINTS))
        if not seen:
            confidence[[INDEX["left_elbow"], INDEX["left_wrist"]]] = 0.1
        frames = []
        for _ in range(max(round(seconds * 30), 1)):
            frames.append(self.held(self.joints if joints is None else joints, confidence, self.time))
            self.time += 1 / 30
        return np.stack(frames)


def test_joints_that_are_seen_pass_unchanged():
    limb = Limb()
    np.testing.assert_allclose(limb.after(0.5, True)[-1], limb.joints, atol=1e-9)


def test_a_lost_arm_is_held_then_sinks_and_comes_back_without_a_jump():
    limb, wrist = Limb(), INDEX["left_wrist"]
    guessed = limb.joints.copy()
    guessed[wrist] = (3.0, -2.0, 1.0)
    frames = [limb.after(0.2, True), limb.after(HOLD_S - 0.1, False, guessed)]
    np.testing.assert_allclose(frames[1][-1], limb.joints, atol=1e-9)
    frames.append(limb.after(RELAX_S + 0.3, False, guessed))
    shoulder = frames[2][-1][INDEX["left_shoulder"]]
    assert frames[2][-1][wrist, 1] < shoulder[1] - 0.4
    frames.append(limb.after(RETURN_S + 0.1, True))
    np.testing.assert_allclose(frames[3][-1], limb.joints, atol=1e-9)
    steps = np.linalg.norm(np.diff(np.concatenate(frames), axis=0), axis=-1)
    assert steps.max() < 0.25


def test_a_held_arm_goes_along_when_the_body_turns():
    limb, wrist = Limb(), INDEX["left_wrist"]
    limb.joints[wrist] = limb.joints[INDEX["left_elbow"]] + (0.0, 0.0, 0.25)
    limb.after(0.2, True)
    turned = turn(limb.joints, np.array(np.pi / 2))
    np.testing.assert_allclose(limb.after(0.1, False, turned)[-1][wrist], turned[wrist], atol=1e-9)


def test_somebody_never_seen_whole_has_straight_legs_and_hanging_arms():
    confidence = np.zeros(len(JOINTS))
    joints = OcclusionFilter()(np.zeros((17, 3)), confidence, 0.0)
    assert joints[INDEX["left_ankle"], 1] < -0.7
    assert joints[INDEX["left_wrist"], 1] < joints[INDEX["left_shoulder"], 1] - 0.4


def test_a_bone_swings_through_an_arc_and_keeps_its_length():
    start, end = np.array([[0.0, 0.3, 0.0]]), np.array([[0.0, -0.3, 0.0]])
    halfway = swing(start, end, np.array([0.5]))
    np.testing.assert_allclose(halfway, [[0.0, 0.0, 0.3]], atol=1e-9)
    np.testing.assert_allclose(swing(start, end, np.array([1.0])), end, atol=1e-12)
