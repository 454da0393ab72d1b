"""The VMC protocol, read by python-osc and put together again as Unity would."""

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle

from engine.osc.formats import FORMATS, OutputFrame, on_stage
from engine.osc.message import MAX_DATAGRAM
from engine.osc.vmc import BONES
from models.emotion.palette import DEFAULT_PALETTE
from models.motion.skeleton import INDEX, T_POSE, FloatArray, forward_kinematics
from tests.synthetic import swinging_figure

HUMAN_BODY_BONES = {
    *("Hips", "Chest", "Neck", "Head"),
    *(f"{side}{part}" for side in ("Left", "Right") for part in ("UpperArm", "LowerArm", "Hand")),
    *(f"{side}{part}" for side in ("Left", "Right") for part in ("UpperLeg", "LowerLeg", "Foot")),
}
CHILDREN = {
    "UpperArm": "elbow",
    "LowerArm": "wrist",
    "UpperLeg": "knee",
    "LowerLeg": "ankle",
    "Foot": "toe",
}


def sent(positions: FloatArray) -> dict[str, list[list[object]]]:
    """Address -> arguments of each message, for a dancer at positions (17, 3)."""
    found: dict[str, list[list[object]]] = {}
    for datagram in FORMATS["vmc"](OutputFrame(60, positions, DEFAULT_PALETTE.one_hot(0)), on_stage):
        assert len(datagram) < MAX_DATAGRAM
        for message in OscBundle(datagram):
            found.setdefault(message.address, []).append(list(message.params))
    return found


def turned(quaternion: list[float], vector: FloatArray) -> FloatArray:
    """A vector turned by a quaternion x y z w."""
    axis, w = np.array(quaternion[:3]), quaternion[3]
    return vector + 2 * np.cross(axis, np.cross(axis, vector) + w * vector)


def multiplied(first: list[float], second: list[float]) -> list[float]:
    """The product of two quaternions x y z w."""
    a, b = np.array(first[:3]), np.array(second[:3])
    vector = first[3] * b + second[3] * a + np.cross(a, b)
    return [*vector.tolist(), first[3] * second[3] - float(a @ b)]


@pytest.mark.parametrize("frame", [0, 7, 23])
def test_unity_puts_the_same_body_together(frame: int) -> None:
    positions = swinging_figure(40)[frame].astype(float)
    messages = sent(positions)
    assert messages["/VMC/Ext/OK"] == [[1]] and messages["/VMC/Ext/T"] == [[2.0]]
    bones = {str(name): [float(value) for value in values] for name, *values in messages["/VMC/Ext/Bone/Pos"]}
    assert set(bones) == HUMAN_BODY_BONES == {name for name, *_ in BONES}
    unity = positions * [-1, 1, 1]
    np.testing.assert_allclose(bones["Hips"][:3], unity[0], atol=1e-5)
    world: dict[str, list[float]] = {}
    for name, _, parent, _ in BONES:
        rotation = bones[name][3:]
        assert np.linalg.norm(rotation) == pytest.approx(1, abs=1e-5)
        world[name] = rotation if parent < 0 else multiplied(world[BONES[parent][0]], rotation)
    for side in ("Left", "Right"):
        for part, child in CHILDREN.items():
            end = INDEX[f"{side.lower()}_{child}"]
            joint = next(joint for name, joint, *_ in BONES if name == side + part)
            along = unity[end] - unity[INDEX[joint]]
            rest = T_POSE[end - 1] * [-1, 1, 1]
            np.testing.assert_allclose(
                turned(world[side + part], rest), along / np.linalg.norm(along), atol=1e-4
            )
    along = unity[INDEX["head"]] - unity[INDEX["neck"]]
    np.testing.assert_allclose(
        turned(world["Neck"], np.array([0.0, 1.0, 0.0])), along / np.linalg.norm(along), atol=1e-4
    )


def test_the_t_pose_has_no_rotations() -> None:
    positions = forward_kinematics(np.array([0.0, 0.9, 0.0]), T_POSE)
    for _, *values in sent(positions)["/VMC/Ext/Bone/Pos"]:
        np.testing.assert_allclose(values[3:], [0, 0, 0, 1], atol=1e-4)  # type: ignore[arg-type]
