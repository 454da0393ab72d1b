"""What files get wrong about a body: which axis is up, the floor, a rest pose, the frame rate."""

import numpy as np
import pytest

from models.data.bvh import read_bvh
from models.data.bvh_writer import write_bvh
from models.data.rigs import recognise_rig, skeleton_positions
from models.data.sanity import UP_ROTATIONS, SanityError, on_the_floor, turned_upright, without_rest_pose
from models.motion.skeleton import INDEX, JOINTS
from tests.models.data.test_rigs import LAFAN1, loose_take
from tests.synthetic import swinging_figure

FIGURE = swinging_figure(60, rate=0.5).astype(float)
REST_UP = np.array([0.0, 1.0, 0.0])


def in_axes(positions: np.ndarray, up: str) -> np.ndarray:
    """Positions as a file has them in which this axis is up."""
    return positions @ np.array(UP_ROTATIONS[up], dtype=float)


@pytest.mark.parametrize("up", UP_ROTATIONS)
def test_whichever_axis_is_up_the_body_stands_along_y(up: str) -> None:
    rest = in_axes(REST_UP, up)
    sane = turned_upright(in_axes(FIGURE, up), rest, None)
    np.testing.assert_allclose(sane.positions, FIGURE, atol=1e-9)
    assert bool(sane.mended) is (up != "y")
    np.testing.assert_allclose(turned_upright(in_axes(FIGURE, up), REST_UP, up).positions, FIGURE, atol=1e-9)


def test_a_body_that_may_lie_is_refused_until_somebody_says_what_is_up() -> None:
    lying = in_axes(FIGURE, "z")
    with pytest.raises(SanityError, match="--up y or --up z"):
        turned_upright(lying, REST_UP, None)
    np.testing.assert_array_equal(turned_upright(lying, REST_UP, "y").positions, lying)


def test_a_diagonal_rest_pose_says_nothing() -> None:
    sane = turned_upright(in_axes(FIGURE, "z"), np.array([0.0, 1.0, 1.5]), None)
    np.testing.assert_allclose(sane.positions, FIGURE, atol=1e-9)


@pytest.mark.parametrize("height", [-0.94, 0.5])
def test_a_floor_that_is_elsewhere_is_moved_and_a_leap_stays_one(height: float) -> None:
    leaping = FIGURE.copy()
    leaping[30:34, :, 1] += 0.3
    sane = on_the_floor(leaping + [0, height, 0], travels=True)
    np.testing.assert_allclose(sane.positions, leaping, atol=0.06)
    assert len(sane.mended) == 1 and on_the_floor(leaping, travels=True).mended == ()


def test_without_a_position_of_the_root_each_frame_stands_on_its_lower_foot() -> None:
    around = FIGURE - FIGURE[:, :1]
    sane = on_the_floor(around, travels=False)
    np.testing.assert_allclose(sane.positions[:, :, 1].min(axis=1), 0.0, atol=1e-9)


def test_a_rest_pose_in_the_first_frame_is_left_out_and_quick_movement_is_not() -> None:
    rest = FIGURE.copy()
    rest[0] = FIGURE[0] + [0.0, 0.3, 0.4]
    assert len(without_rest_pose(rest).positions) == len(FIGURE) - 1
    assert len(without_rest_pose(FIGURE).positions) == len(FIGURE)
    quick = FIGURE.copy()
    quick[:, INDEX["left_wrist"]] += np.sin(np.arange(60))[:, None] * 0.5
    assert len(without_rest_pose(quick).positions) == len(FIGURE)


def test_what_is_mended_is_said_and_what_is_right_is_left_as_it_is() -> None:
    joints = LAFAN1.split()
    _, sources = recognise_rig(joints)
    positions = np.zeros((60, len(joints), 3))
    for joint, source in sources.items():
        positions[:, source] = FIGURE[:, INDEX[joint]]
    ours, mended = skeleton_positions(loose_take(LAFAN1, positions))
    assert mended == ()
    np.testing.assert_allclose(ours[:, INDEX["left_toe"]], FIGURE[:, INDEX["left_toe"]], atol=1e-6)
    _, mended = skeleton_positions(loose_take(LAFAN1, in_axes(positions, "z") * 100), up="z")
    assert mended == ("z was up",)
    ours, _ = skeleton_positions(loose_take(LAFAN1, positions), fps=60)
    assert len(ours) == 30


@pytest.mark.parametrize(
    "prefix", ["", "mixamorig:", "mixamorig_", "mixamorig1:", "mixamorig", "Actor1:mixamorig:"]
)
def test_mixamo_is_known_in_all_its_spellings(prefix: str) -> None:
    assert recognise_rig([prefix + name for name in LAFAN1.split()])[0].name == "LAFAN1"


@pytest.mark.parametrize(
    ("names", "rig"),
    [
        (
            "hip neck head {l,r}Collar {l,r}Shldr {l,r}ForeArm {l,r}Hand {l,r}Thigh {l,r}Shin {l,r}Foot",
            "Daz (cgspeed)",
        ),
        (
            "CC_Base_Hip CC_Base_Head CC_Base_{L,R}_Upperarm CC_Base_{L,R}_Forearm CC_Base_{L,R}_Hand "
            "CC_Base_{L,R}_Thigh CC_Base_{L,R}_Calf CC_Base_{L,R}_Foot CC_Base_{L,R}_ToeBase",
            "Character Creator (CC_Base)",
        ),
        (" ".join(JOINTS), "Emotion Dancer"),
    ],
)
def test_rigs_of_other_tools_are_known(names: str, rig: str) -> None:
    joints: list[str] = []
    for name in names.split():
        for side in ("l", "r") if "{l,r}" in name else ("L", "R") if "{L,R}" in name else ("",):
            joints.append(name.replace("{l,r}", side).replace("{L,R}", side))
            if name.endswith("Foot") and rig.startswith("Daz"):
                joints.append(joints[-1] + " End Site")
    found, sources = recognise_rig(joints)
    assert found.name == rig
    if rig.startswith("Daz"):
        assert joints[sources["left_toe"]] == "lFoot End Site"


def test_a_recording_of_this_project_comes_back(tmp_path) -> None:  # type: ignore[no-untyped-def]
    positions = swinging_figure(40).astype(np.float32)
    write_bvh(tmp_path / "dance.bvh", positions, 30.0)
    ours, mended = skeleton_positions(read_bvh(tmp_path / "dance.bvh"))
    np.testing.assert_allclose(ours, positions, atol=2e-3)
    assert mended == ()


def test_a_daz_take_whose_feet_are_too_quick_was_captured_at_60() -> None:
    joints = [
        "head",
        "lShldr",
        "lForeArm",
        "lHand",
        "lThigh",
        "lShin",
        "lFoot",
        "lToe",
        "rShldr",
        "rForeArm",
        "rHand",
        "rThigh",
        "rShin",
        "rFoot",
        "rToe",
    ]
    _, sources = recognise_rig(joints)
    time = np.arange(600) / 60
    figure = np.repeat(FIGURE[:1], 600, axis=0)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        figure[:, INDEX[f"{side}_ankle"], 2] += (
            0.3 * np.sin(2 * np.pi * 1.1 * time) * (sign * np.sin(2 * np.pi * 1.1 * time) > 0)
        )
    positions = np.zeros((600, len(joints), 3))
    for joint, source in sources.items():
        positions[:, source] = figure[:, INDEX[joint]]
    lengths = {}
    for frame_time, fps in ((1 / 120, None), (1 / 120, 120.0), (1 / 60, None)):
        take = loose_take(" ".join(joints), positions, frame_time)
        lengths[frame_time, fps] = len(skeleton_positions(take, fps=fps)[0])
    assert lengths[1 / 120, None] == lengths[1 / 60, None] == 300 and lengths[1 / 120, 120.0] == 150
