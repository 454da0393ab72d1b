"""Every OSC address, in and out: the one table that sender, receiver and docs/osc.md agree on.

`<joint>` stands for each name of `models.motion.skeleton.JOINTS`, `<part>` for each of `KEYPOINTS`, `<name>`
for a name of the palette, or behind `/repertoire` of `models.data.kinds.KINDS`, `<axis>` for tx, ty and tz; P
is the number of palette entries. `python -m engine.osc.addresses` prints the tables of docs/osc.md.
"""

import sys
from dataclasses import dataclass

from models.motion.skeleton import JOINTS


@dataclass(frozen=True)
class Address:
    """One address pattern, the arguments behind it and what they mean."""

    address: str
    arguments: str
    meaning: str


KEYPOINTS = (
    *("nose", "leftEye", "rightEye", "leftEar", "rightEar"),
    *(
        f"{side}{part}"
        for part in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")
        for side in ("left", "right")
    ),
)
"""The 17 keypoints of PoseNet in its order (those of COCO)."""

PEOPLE = ("dancer", "visitor")
"""Who is streamed, in the order in which the formats of other programs number them."""

FRAME, PRESENT = "/dancer/0/frame", "/visitor/0/present"
JOINT_ADDRESSES = {person: tuple(f"/{person}/0/{joint}" for joint in JOINTS) for person in PEOPLE}
EMOTIONS = {person: f"/{person}/0/emotion" for person in PEOPLE}
ARRAYS = {person: f"/{person}/0/array" for person in PEOPLE}
POSE_COUNT, VIDEO_WIDTH, VIDEO_HEIGHT, POSE_ARRAY = "/nPoses", "/videoWidth", "/videoHeight", "/poses/arr"
POSITIONS_WORLD = "/mocap/{}/joint/pos_world"
ROTATIONS_LOCAL, ROTATIONS_WORLD = "/mocap/{}/joint/rot_local", "/mocap/{}/joint/rot_world"

VMC_OK, VMC_TIME = "/VMC/Ext/OK", "/VMC/Ext/T"
VMC_ROOT, VMC_BONE = "/VMC/Ext/Root/Pos", "/VMC/Ext/Bone/Pos"

EMOTION = "/emotion"
EMOTION_WEIGHTS = "/emotion/weights"
EMOTION_PLANE = "/emotion/va"
EMOTION_GLIDE = "/emotion/glide"
EMOTION_INTENSITY = "/emotion/intensity"
AUTOMATIC = "/automatic"
REPERTOIRE = "/repertoire"
INFLUENCE = "/influence"
ENERGY = "/energy"
MODE = "/mode"
RESET = "/reset"
SCENE = "/scene"
NEXT_SCENE = "/scene/next"
QUIT = "/quit"

HEARTBEAT = "/heartbeat"
STATUS_PALETTE = "/status/palette"
STATUS_EMOTION = "/status/emotion"
STATUS_INTENSITY = "/status/intensity"
STATUS_AUTOMATIC = "/status/automatic"
STATUS_REPERTOIRE = "/status/repertoire"
STATUS_INFLUENCE = "/status/influence"
STATUS_ENERGY = "/status/energy"
STATUS_MODE = "/status/mode"
STATUS_SCENE = "/status/scene"
STATUS_FPS = "/status/fps"

OUT = {
    "channels": (
        Address(FRAME, "int32", "number of the frame, counted at the rate of the target"),
        Address("/dancer/0/<joint>", "3 float32: x y z", "where the joint is, in the target's frame"),
        Address(EMOTIONS["dancer"], "P float32", "weights that sum to 1"),
        Address(PRESENT, "int32", "1 while a visitor is seen, else 0"),
        Address(
            "/visitor/0/<joint>", "3 float32: x y z", "where the visitor's joint is; only while one is seen"
        ),
        Address(EMOTIONS["visitor"], "P float32", "what the visitor's movement shows; only while one is seen"),
    ),
    "flat": (
        Address(FRAME, "int32", "number of the frame, counted at the rate of the target"),
        Address("/dancer/0/<joint>/<axis>", "float32", "one coordinate of the joint; axes are tx, ty and tz"),
        Address("/dancer/0/emotion/<index>", "float32", "weight of one emotion, counted from 0"),
        Address(PRESENT, "int32", "1 while a visitor is seen, else 0"),
        Address("/visitor/0/<joint>/<axis>", "float32", "the visitor's; only while one is seen"),
        Address("/visitor/0/emotion/<index>", "float32", "what the visitor's movement shows, likewise"),
    ),
    "array": (
        Address(
            ARRAYS["dancer"],
            "2 int32, 51 + P float32",
            "frame number, 1 while a visitor is seen, x y z of each joint in order, emotion weights",
        ),
        Address(
            ARRAYS["visitor"], "51 float32", "x y z of each of the visitor's joints; only while one is seen"
        ),
    ),
    "poseosc": (
        Address(POSE_COUNT, "int32", "people: 1, the dancer; 2 while a visitor is seen"),
        Address(VIDEO_WIDTH, "int32", "pixels that the picture is wide: 1280"),
        Address(VIDEO_HEIGHT, "int32", "pixels that the picture is high: 720"),
        Address("/poses/<n>/score", "float32", "0 to 1; pose 0 is the dancer, 1 the visitor"),
        Address("/poses/<n>/keypoints/<part>/x", "float32", "pixels to the right, 0 to 1280"),
        Address("/poses/<n>/keypoints/<part>/y", "float32", "pixels down, 0 to 720"),
        Address(
            "/poses/<n>/keypoints/<part>/score",
            "float32",
            "0 to 1; 0.5 where eyes, ears and nose share a point",
        ),
    ),
    "aitoolbox": (
        Address(
            "/mocap/<n>/joint/pos_world",
            "51 float32",
            "x y z of each joint in order; 0 is the dancer, 1 the visitor",
        ),
        Address(
            "/mocap/<n>/joint/rot_local",
            "68 float32",
            "w x y z of each joint, a unit quaternion relative to its parent joint",
        ),
        Address(
            "/mocap/<n>/joint/rot_world",
            "68 float32",
            "w x y z of each joint, a unit quaternion relative to the T-pose in the world",
        ),
    ),
    "vmc": (
        Address(VMC_OK, "int32", "1: the dancer is there"),
        Address(VMC_TIME, "float32", "number of the frame over 30"),
        Address(VMC_ROOT, "string, 7 float32", "root, at the origin"),
        Address(
            VMC_BONE,
            "string, 7 float32",
            "Unity's name of the bone, x y z from its parent, quaternion x y z w relative to it",
        ),
    ),
}
"""Format -> what it sends."""

ALWAYS = (
    Address(
        HEARTBEAT,
        "int32",
        "seconds since the start, once a second while pictures are drawn and the dancer dances",
    ),
)
"""What every target gets beside its format."""

IN = (
    Address(EMOTION, "name or index", "glide to an emotion; indices count from 0 in the palette's order"),
    Address("/emotion/<name>", "float 0 to 1", "weight of one emotion; the others share the rest"),
    Address(
        EMOTION_WEIGHTS,
        "P floats 0 to 1",
        "all weights at once, in the palette's order, scaled to sum to 1; all 0: neutral",
    ),
    Address(EMOTION_PLANE, "2 floats, -1 to 1", "a point in the plane of valence and arousal"),
    Address(EMOTION_GLIDE, "float, 0 to 60", "seconds that a change takes"),
    Address(EMOTION_INTENSITY, "float 0 to 1", "how far from neutral the emotion goes"),
    Address(AUTOMATIC, "0 or 1", "whether the visitor's movement sets the emotion"),
    Address(REPERTOIRE, "name or index", "what is danced: 0 dance, 1 gesture or 2 walk"),
    Address("/repertoire/<name>", "float 0 to 1", "weight of one of them; the others share the rest"),
    Address(INFLUENCE, "float 0 to 1", "how much the visitor draws the dancer"),
    Address(ENERGY, "float 0 to 2", "how much the dancer moves; 1 is as the actors did"),
    Address(MODE, "follow or solo", "answer the visitor, or dance alone"),
    Address(RESET, "none, or 1", "begin a new dance"),
    Address(SCENE, "name or index", "0 figure, 1 ribbons, 2 chorus or 3 constellation; with none the next"),
    Address(NEXT_SCENE, "none, or 1", "the next scene"),
    Address(
        QUIT, "the word of `quit_word`", "end the installation; without a word in the settings it is ignored"
    ),
)

STATUS = (
    Address(STATUS_PALETTE, "P strings", "names of the palette in order"),
    Address(STATUS_EMOTION, "P float32", "weights of the dancer now"),
    Address("/status/emotion/<name>", "float32", "the same one by one, for a button or a fader each"),
    Address(STATUS_INTENSITY, "float32", "how far from neutral the emotion goes, 0 to 1"),
    Address(STATUS_AUTOMATIC, "int32", "1 while the visitor's movement sets the emotion"),
    Address(STATUS_REPERTOIRE, "3 float32", "weights of dance, gesture and walk that are asked for"),
    Address("/status/repertoire/<name>", "float32", "the same one by one"),
    Address(STATUS_INFLUENCE, "float32", "0 to 1"),
    Address(STATUS_ENERGY, "float32", "0 to 2"),
    Address(STATUS_MODE, "string", "follow or solo"),
    Address(STATUS_SCENE, "string", "name of the scene"),
    Address(STATUS_FPS, "float32", "frames per second"),
)

SOURCE = (
    Address(
        "/visitor/0/<joint>",
        "3 floats: x y z",
        "metres, centimetres or millimetres, y or z up: it shows; a joint that never comes is guessed",
    ),
    Address("/dancer/0/<joint>", "3 floats: x y z", "the stream of another dancer, who is the visitor here"),
    Address("/visitor/0/<joint>/<axis>", "float", "one coordinate; also left_wrist:tx, and pelvis1 to pelvis3"),
    Address("/visitor/0/array", "51 floats", "x y z of each joint in order"),
    Address("/dancer/0/array", "53 numbers or more", "as another dancer sends it, who is the visitor here"),
    Address(PRESENT, "int", "0: nobody is there"),
    Address(HEARTBEAT, "int", "this is another dancer's stream: of its people the first is followed"),
    Address("/poses/<n>/<part>/position", "2 floats: x y", "pixels, y down, as PoseOSC's page has it"),
    Address("/poses/<n>/keypoints/<part>/x", "float", "pixels, as PoseOSC sends it; y and score too"),
    Address(
        "/poses/arr", "3 ints, then 52 floats a person", "width, height, people; score and 17 times x y score"
    ),
    Address("/mocap/0/joint/pos_world", "51 floats", "the same for all joints in order"),
)
"""What `--source osc` understands."""


def table(entries: tuple[Address, ...]) -> str:
    """A table in Markdown."""
    rows = "".join(f"| `{entry.address}` | {entry.arguments} | {entry.meaning} |\n" for entry in entries)
    return f"| address | arguments | meaning |\n|---|---|---|\n{rows}"


if __name__ == "__main__":
    parts = {f"out, {name}": entries for name, entries in OUT.items()}
    parts["out, every format"] = ALWAYS
    for title, entries in (parts | {"in": IN, "status": STATUS, "source": SOURCE}).items():
        sys.stdout.write(f"{title}\n\n{table(entries)}\n")
