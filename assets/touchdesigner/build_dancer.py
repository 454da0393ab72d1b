"""Builds the dancer in TouchDesigner: put this into a Text DAT and run it (right click, Run Script).

It makes a Base COMP `dancer` beside the Text DAT: an OSC In CHOP, a Rename CHOP that gives its channels short
names, a Geometry COMP with a sphere for each joint, one whose Script SOP draws the bones as lines,
and a camera, a light and a render. Run it again to build it anew.

TouchDesigner knows the operator types (`oscinCHOP` and so on) without an import. Written after its
documentation; not tried in TouchDesigner yet.
"""

# ruff: noqa: F821 - the operator types and `me` are TouchDesigner's own

PORT = 9001
NAME = "dancer"
WHO = "dancer/0"
"""`visitor/0` builds the visitor in the same way."""
EMOTIONS = 8

JOINTS = (
    "pelvis",
    "neck",
    "head",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_hip",
    "left_knee",
    "left_ankle",
    "left_toe",
    "right_hip",
    "right_knee",
    "right_ankle",
    "right_toe",
)
PARENTS = (-1, 0, 1, 1, 3, 4, 1, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15)
AXES = ("tx", "ty", "tz")

# Name of a channel as the OSC In CHOP makes it -> name after the Rename CHOP.
CHANNELS = {
    f"{WHO}/{joint}{number}": f"{joint}_{axis}" for joint in JOINTS for number, axis in enumerate(AXES, start=1)
}
CHANNELS.update({f"{WHO}/emotion{number}": f"emotion{number}" for number in range(1, EMOTIONS + 1)})

BONES = """
JOINTS = {joints!r}
PARENTS = {parents!r}


def cook(scriptOp):
    scriptOp.clear()
    channels = op('../channels')
    if channels is None or channels['pelvis_tx'] is None:
        return
    places = [tuple(float(channels[joint + '_' + axis]) for axis in ('tx', 'ty', 'tz')) for joint in JOINTS]
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        line = scriptOp.appendPoly(2, closed=False, addPoints=True)
        line[0].point.P = places[parent]
        line[1].point.P = places[joint]


onCook = cook
"""


def build(network):
    """Make the Base COMP in a network and return it."""
    before = network.op(NAME)
    if before is not None:
        before.destroy()
    base = network.create(baseCOMP, NAME)

    osc = base.create(oscinCHOP, "osc")
    osc.par.port = PORT
    osc.nodeX, osc.nodeY = -400, 0

    channels = base.create(renameCHOP, "channels")
    channels.inputConnectors[0].connect(osc)
    channels.par.renamefrom = " ".join(CHANNELS)
    channels.par.renameto = " ".join(CHANNELS.values())
    channels.nodeX, channels.nodeY = -200, 0

    white = base.create(constantMAT, "white")
    white.nodeX, white.nodeY = -200, -200

    for row, joint in enumerate(JOINTS):
        geometry = _empty_geometry(base, joint, 0, -150 * row)
        geometry.par.material = white.path
        for axis in AXES:
            # None until the first packet has come.
            channel = f"op('channels')['{joint}_{axis}']"
            getattr(geometry.par, axis).expr = f"{channel} if {channel} is not None else 0"
        sphere = geometry.create(sphereSOP, "sphere")
        sphere.par.radx = sphere.par.rady = sphere.par.radz = 0.04
        sphere.display = sphere.render = True

    bones = _empty_geometry(base, "bones", 200, 0)
    bones.par.material = white.path
    callbacks = bones.create(textDAT, "callbacks")
    callbacks.text = BONES.format(joints=JOINTS, parents=PARENTS)
    lines = bones.create(scriptSOP, "lines")
    lines.par.callbacks = callbacks
    lines.display = lines.render = True

    camera = base.create(cameraCOMP, "camera")
    camera.par.ty = 1
    # It goes along: the stage is several metres wide. Give tx and tz numbers and it stays.
    camera.par.tx.expr, camera.par.tz.expr = "op('pelvis').par.tx", "op('pelvis').par.tz + 5"
    camera.nodeX, camera.nodeY = 400, 0
    light = base.create(lightCOMP, "light")
    light.par.tz = 5
    light.nodeX, light.nodeY = 400, -150
    render = base.create(renderTOP, "render")
    render.par.camera, render.par.lights = "camera", "light"
    render.par.geometry = " ".join((*JOINTS, "bones"))
    render.nodeX, render.nodeY = 600, 0
    return base


def _empty_geometry(base, name, x, y):
    """A Geometry COMP without the torus that a new one holds."""
    geometry = base.create(geometryCOMP, name)
    for child in list(geometry.children):
        child.destroy()
    geometry.nodeX, geometry.nodeY = x, y
    return geometry


if "me" in globals():
    build(me.parent())
