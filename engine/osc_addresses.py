"""Every OSC address, in and out: the one table that sender, receiver and README agree on."""

from dataclasses import dataclass

from models.skeleton import JOINTS


@dataclass(frozen=True)
class Address:
    """One address pattern, the arguments behind it and what they mean."""

    address: str
    arguments: str
    meaning: str


DANCER_FRAME = "/dancer/0/frame"
DANCER_JOINTS = tuple(f"/dancer/0/{joint}" for joint in JOINTS)
DANCER_EMOTION = "/dancer/0/emotion"
VISITOR_PRESENT = "/visitor/0/present"
VISITOR_JOINTS = tuple(f"/visitor/0/{joint}" for joint in JOINTS)

EMOTION = "/emotion"
EMOTION_PLANE = "/emotion/va"
EMOTION_GLIDE = "/emotion/glide"
INFLUENCE = "/influence"
ENERGY = "/energy"
MODE = "/mode"
RESET = "/reset"
SCENE = "/scene"
QUIT = "/quit"

OUT = (
    Address(DANCER_FRAME, "int32", "number of the generated frame, 30 a second"),
    Address(
        "/dancer/0/<joint>", "3 float32: x y z", "metres on the stage: y up, +z to the audience, floor at 0"
    ),
    Address(DANCER_EMOTION, "float32 for each palette entry", "weights that sum to 1"),
    Address(VISITOR_PRESENT, "int32", "1 while a visitor is seen, else 0"),
    Address("/visitor/0/<joint>", "3 float32: x y z", "metres before the camera; only while a visitor is seen"),
)
IN = (
    Address(EMOTION, "name or index", "glide to an emotion; indices count from 0 in the palette's order"),
    Address("/emotion/<name>", "float 0 to 1", "weight of one emotion; the others share the rest"),
    Address(EMOTION_PLANE, "2 floats, -1 to 1", "a point in the plane of valence and arousal"),
    Address(EMOTION_GLIDE, "float, 0 to 60", "seconds that a change takes"),
    Address(INFLUENCE, "float 0 to 1", "how much the visitor draws the dancer"),
    Address(ENERGY, "float 0 to 2", "how much the dancer moves; 1 is as the actors did"),
    Address(MODE, "follow or solo", "answer the visitor, or dance alone"),
    Address(RESET, "none", "begin a new dance"),
    Address(SCENE, "name, or none for the next", "figure, ribbons, chorus or constellation"),
    Address(QUIT, "the word of `quit_word`", "end the piece; without a word in the settings it is ignored"),
)


def channel_names(address: str, count: int) -> list[str]:
    """What TouchDesigner's OSC In CHOP calls the `count` arguments behind an address.

    The address without its leading slash, and numbers from 1 where there are several.
    """
    name = address.removeprefix("/")
    return [name] if count == 1 else [f"{name}{i}" for i in range(1, count + 1)]
