"""The unit and the upward axis of a sender that names neither: told by the lengths of bones, and by standing
bodies."""

import numpy as np

from engine.visitor.landmarks import FEET
from models.motion.skeleton import BONE_LENGTHS, BONE_PARENTS, INDEX, FloatArray

UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001}
UP_AXES = {
    # name -> rows that give x, y up and z of the project from the sender's axes, always right-handed
    "y up": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z up": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "y down": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "z down": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "x up": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
}
UPRIGHT = 0.8
"""Share of the line from feet to neck along one axis from which on a body stands along it."""
DECISION_S = 0.5
"""Seconds that bodies stand along an axis before it is taken to be the sender's."""


class SenderUnits:
    """Turns a sender's joints into metres with y up. `found` says in words what they are, "" until it is known.

    What a body stands along for half a second is the sender's upward axis, and stays it: a visitor who lies
    down later lies. Until then bodies that do not stand along y are not shown.
    """

    def __init__(self) -> None:
        self.found = ""
        self._axes: str | None = None
        self._stood = dict.fromkeys(UP_AXES, 0.0)
        self._at: float | None = None

    def __call__(self, joints: FloatArray, now: float) -> FloatArray | None:
        """Joints (17, 3), NaN where unknown, in metres with y up; None where it is not known yet what is up."""
        unit = unit_of(joints)
        joints = joints * UNITS[unit]
        if self._axes is None:
            axes = upright_axes(joints)
            step = 0.0 if self._at is None else min(now - self._at, 0.1)
            self._at = now
            if axes is None:
                return None
            self._stood[axes] += step
            if self._stood[axes] >= DECISION_S:
                self._axes, self.found = axes, f"{unit}, {axes}"
            elif axes != "y up":
                return None
        return joints @ np.array(UP_AXES[self._axes or "y up"], dtype=joints.dtype).T


def unit_of(joints: FloatArray) -> str:
    """The name of the unit in which bones of joints (17, 3) are about as long as they should be."""
    bones = np.linalg.norm(joints[1:] - joints[BONE_PARENTS], axis=1)
    known = np.isfinite(bones)
    if not known.any():
        return "metres"
    size = float(bones[known].sum() / BONE_LENGTHS[known].sum())
    return min(UNITS, key=lambda unit: abs(np.log(max(size * UNITS[unit], 1e-9))))


def upright_axes(joints: FloatArray) -> str | None:
    """The name of the axis along which a body of joints (17, 3) stands, None where it does not."""
    low = joints[FEET] if np.isfinite(joints[FEET]).any() else joints[[INDEX["left_hip"], INDEX["right_hip"]]]
    low = low[np.isfinite(low).all(axis=1)]
    if not len(low):
        return None
    line = joints[INDEX["neck"]] - low.mean(axis=0)
    length = np.linalg.norm(line)
    if not np.isfinite(length) or length == 0:
        return None
    ups = {name: float(np.dot(rows[1], line)) / length for name, rows in UP_AXES.items()}
    best = max(ups, key=ups.__getitem__)
    return best if ups[best] >= UPRIGHT else None
