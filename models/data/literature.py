"""Emotion set by hand from what studies of movement found, for data in which nobody acted.

Directions come from the studies. How far each goes is set by hand, and was corrected once (elbows and stance)
after a look at the profile that `models.evaluate` measures. Postures and amplitudes are shown at 1.6 times
their size, as those of `Restyling.fit` are; tempo is not.

- Happy: quick, wide swinging arms that open, head up, bouncing (Montepare et al. 1987, doi:10.1007/BF00999605;
  Wallbott 1998, doi:10.1002/(SICI)1099-0992(1998110)28:6<879::AID-EJSP901>3.0.CO;2-W; Melzer et al. 2019,
  doi:10.3389/fpsyg.2019.01389).
- Sad: slow, small, slumped, head down (Michalak et al. 2009, doi:10.1097/PSY.0b013e3181a2515c; Roether et al.
  2009, doi:10.1167/9.6.15).
- Angry: quick, large and sharp, leaning forward, elbows bent, arms before the body (Wallbott 1998; Roether et
  al. 2009; Coulson 2004, doi:10.1023/B:JONB.0000023655.25550.be).
- Timid, as fear and shame: drawn together, small, head down, elbows bent and close (Wallbott 1998; Roether et
  al. 2009; Halovic & Kroos 2018, doi:10.1016/j.humov.2017.11.008).
- Proud: head tilted back, chest out, arms away from the body, unhurried (Tracy & Robins 2007,
  doi:10.1037/1528-3542.7.4.789).
- Tired: trunk collapsed, head down (Wallbott 1998, of boredom), slack, on a wider stance (Helbostad et al.
  2007, doi:10.1093/gerona/62.9.1010).
- Energetic: fast with high acceleration, by which arousal is read (Pollick et al. 2001,
  doi:10.1016/S0010-0277(01)00147-0).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from models.data.restyling import Restyling
from models.motion.features import HEIGHT
from models.motion.skeleton import BONE_LENGTHS, INDEX, FloatArray


@dataclass(frozen=True)
class Findings:
    """What an emotion changes against neutral; angles in radians."""

    tempo: float = 1.0
    arms: float = 1.0
    """factor of how far the arms move"""
    body: float = 1.0
    """factor of how far everything else moves"""
    sharpness: float = 0.0
    """as `Restyling.accent`"""
    head: float = 0.0
    """inclination forward"""
    trunk: float = 0.0
    """inclination forward"""
    open: float = 0.0
    """upper arms away from the body"""
    reach: float = 0.0
    """upper arms forward"""
    elbows: float = 0.0
    """bend"""
    knees: float = 0.0
    """bend"""
    stance: float = 0.0
    """legs apart, each"""


FINDINGS = {
    "happy": Findings(
        tempo=1.2, arms=1.25, body=1.15, sharpness=0.15, head=-0.15, trunk=-0.03, open=0.2, elbows=0.6
    ),
    "sad": Findings(tempo=0.65, arms=0.65, body=0.75, sharpness=-0.1, head=0.25, trunk=0.08, open=-0.08),
    "angry": Findings(
        tempo=1.25,
        arms=1.2,
        body=1.15,
        sharpness=0.4,
        trunk=0.08,
        reach=0.2,
        elbows=0.2,
        knees=0.15,
        stance=0.03,
    ),
    "timid": Findings(
        tempo=0.75, arms=0.6, body=0.7, head=0.2, trunk=0.06, open=-0.12, elbows=0.9, knees=0.2, stance=-0.04
    ),
    "proud": Findings(tempo=0.85, body=1.05, head=-0.25, trunk=-0.08, open=0.2, stance=0.03),
    "tired": Findings(
        tempo=0.9, body=0.95, sharpness=-0.15, head=0.25, trunk=0.1, open=-0.05, knees=0.2, stance=0.05
    ),
    "energetic": Findings(tempo=1.4, arms=1.3, body=1.25, sharpness=0.25, open=0.1, elbows=0.15, knees=0.05),
}


def from_literature(restyling: Restyling, emotions: Sequence[str], unseen: Collection[str]) -> Restyling:
    """A restyling of emotions in which those that are `unseen` in the data are `FINDINGS`; what these do not
    name stays as it is."""
    shift, amplitude, tempo, accent = (
        part.copy() for part in (restyling.shift, restyling.amplitude, restyling.tempo, restyling.accent)
    )
    for row, name in enumerate(emotions):
        if name not in unseen or name not in FINDINGS:
            continue
        found = FINDINGS[name]
        shift[row], amplitude[row] = _shift(found), found.body
        for side in ("left", "right"):
            for joint in ("elbow", "wrist"):
                amplitude[row, _bone(f"{side}_{joint}")] = found.arms
        tempo[row], accent[row] = found.tempo, found.sharpness
    return Restyling(shift, amplitude, tempo, accent)


def _shift(found: Findings) -> FloatArray:
    """(49,) of the pose of somebody who stands upright, arms hanging; other poses change by as much."""
    shift = np.zeros(HEIGHT + 1)
    shift[_bone("neck")][2] = np.sin(found.trunk)
    shift[_bone("head")][2] = np.sin(found.trunk + found.head)
    for side, outwards in (("left", 1.0), ("right", -1.0)):
        upper, lower = shift[_bone(f"{side}_elbow")], shift[_bone(f"{side}_wrist")]
        upper[:] = outwards * np.sin(found.open), 0.0, np.sin(found.reach)
        lower[:] = outwards * np.sin(found.open), 1.0 - np.cos(found.elbows), np.sin(found.reach + found.elbows)
        thigh, shin = shift[_bone(f"{side}_knee")], shift[_bone(f"{side}_ankle")]
        thigh[:] = outwards * np.sin(found.stance), 0.0, np.sin(found.knees / 2)
        shin[:] = outwards * np.sin(found.stance), 0.0, -np.sin(found.knees / 2)
    leg = BONE_LENGTHS[INDEX["left_knee"] - 1] + BONE_LENGTHS[INDEX["left_ankle"] - 1]
    shift[HEIGHT] = leg * (np.cos(found.knees / 2) * np.cos(found.stance) - 1.0)
    return shift.astype(np.float32)


def _bone(joint: str) -> slice:
    """The features of the bone that ends in a joint."""
    first = 3 * (INDEX[joint] - 1)
    return slice(first, first + 3)
