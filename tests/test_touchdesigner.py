"""The script for TouchDesigner, built into a network that only remembers what was asked of it."""

import types
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from engine.osc.addresses import OUT
from engine.osc.formats import FORMATS, OutputFrame, on_stage
from models.emotion.palette import DEFAULT_PALETTE
from models.motion.skeleton import JOINTS, PARENTS
from tests.engine.osc_reader import read_bundle
from tests.synthetic import swinging_figure

SCRIPT = Path(__file__).parents[1] / "assets" / "touchdesigner" / "build_dancer.py"
TYPES = (
    "baseCOMP oscinCHOP renameCHOP constantMAT geometryCOMP sphereSOP scriptSOP textDAT cameraCOMP lightCOMP "
    "renderTOP"
)
POSITIONS = swinging_figure(1)[0]


class Parameter:
    expr = ""


class Operator:
    """An operator: children, parameters, wires."""

    def __init__(self, kind: str = "baseCOMP", name: str = "project1") -> None:
        self.kind, self.name, self.children, self.inputs = kind, name, [], []
        self.par = types.SimpleNamespace(tx=Parameter(), ty=Parameter(), tz=Parameter())
        self.path = f"/{name}"
        self.inputConnectors = [types.SimpleNamespace(connect=self.inputs.append)]
        if kind == "geometryCOMP":
            self.children.append(Operator("torusSOP", "torus1"))
        for child in self.children:
            child.destroy = lambda child=child: self.children.remove(child)

    def create(self, kind: str, name: str) -> "Operator":
        child = Operator(kind, name)
        child.destroy = lambda: self.children.remove(child)
        self.children.append(child)
        return child

    def op(self, name: str) -> "Operator | None":
        return next((child for child in self.children if child.name == name), None)

    def parent(self) -> "Operator":
        return self.network


@pytest.fixture
def built() -> tuple[dict, Operator]:
    names: dict = {kind: kind for kind in TYPES.split()}
    project = Operator()
    dat = Operator("textDAT", "text1")
    dat.network = project
    names["me"] = dat
    exec(compile(SCRIPT.read_text(encoding="utf-8"), str(SCRIPT), "exec"), names)
    return names, project


def channel_names(address: str, count: int) -> list[str]:
    """What TouchDesigner's OSC In CHOP calls the `count` arguments behind an address.

    The address without its leading slash, and numbers from 1 where there are several.
    """
    name = address.removeprefix("/")
    return [name] if count == 1 else [f"{name}{i}" for i in range(1, count + 1)]


def sent_channels() -> set[str]:
    """What the OSC In CHOP makes of the stream."""
    both = OutputFrame(0, POSITIONS, DEFAULT_PALETTE.one_hot(0), POSITIONS, DEFAULT_PALETTE.one_hot(1))
    names: set[str] = set()
    for datagram in FORMATS["channels"](both, on_stage):
        for address, (tags, _) in read_bundle(datagram)[1].items():
            names |= set(channel_names(address, len(tags)))
    return names


def test_every_channel_that_the_script_expects_is_sent(built: tuple[dict, Operator]) -> None:
    names, project = built
    base = project.op("dancer")
    assert base is not None
    rename, osc = base.op("channels"), base.op("osc")
    assert rename is not None and osc is not None and osc.par.port == 9001
    assert rename.inputs == [osc]
    before, after = rename.par.renamefrom.split(), rename.par.renameto.split()
    assert len(before) == len(after) == len(set(after)) == 17 * 3 + 8
    assert set(before) <= sent_channels()
    assert dict(zip(before, after, strict=True)) == names["CHANNELS"]


def test_the_visitors_channels_are_sent_under_the_same_rule(built: tuple[dict, Operator]) -> None:
    expected = {name.replace("dancer/0", "visitor/0") for name in built[0]["CHANNELS"]}
    assert expected <= sent_channels() and OUT["channels"]


def test_every_joint_has_a_geometry_that_follows_its_channels(built: tuple[dict, Operator]) -> None:
    names, project = built
    base = project.op("dancer")
    assert base is not None and tuple(names["JOINTS"]) == JOINTS and tuple(names["PARENTS"]) == PARENTS
    for joint in JOINTS:
        geometry = base.op(joint)
        assert geometry is not None
        assert [child.kind for child in geometry.children] == ["sphereSOP"]
        for axis in ("tx", "ty", "tz"):
            expression = getattr(geometry.par, axis).expr
            channels = {f"{joint}_{axis}": 0.25}
            assert eval(expression, {"op": lambda name, channels=channels: channels}) == 0.25
            assert eval(expression, {"op": lambda name: defaultdict(lambda: None)}) == 0


def test_the_camera_goes_along_with_the_dancer(built: tuple[dict, Operator]) -> None:
    _, project = built
    base = project.op("dancer")
    assert base is not None
    camera, pelvis = base.op("camera"), types.SimpleNamespace(par=types.SimpleNamespace(tx=3.0, tz=-2.0))
    assert camera is not None and base.op("pelvis") is not None
    found = [eval(axis.expr, {"op": {"pelvis": pelvis}.get}) for axis in (camera.par.tx, camera.par.tz)]
    assert found == [3.0, 3.0]


def test_the_bones_are_lines_from_joint_to_joint(built: tuple[dict, Operator]) -> None:
    _, project = built
    base = project.op("dancer")
    assert base is not None
    bones = base.op("bones")
    assert bones is not None
    callbacks, lines = bones.op("callbacks"), bones.op("lines")
    assert callbacks is not None and lines is not None and lines.par.callbacks is callbacks
    drawn: list = []

    def append_poly(count: int, closed: bool, addPoints: bool) -> list:
        assert (count, closed, addPoints) == (2, False, True)
        drawn.append([types.SimpleNamespace(point=types.SimpleNamespace(P=None)) for _ in range(2)])
        return drawn[-1]

    script = types.SimpleNamespace(clear=drawn.clear, appendPoly=append_poly)
    channels = {
        f"{joint}_{axis}": POSITIONS[i, k]
        for i, joint in enumerate(JOINTS)
        for k, axis in enumerate(("tx", "ty", "tz"))
    }
    scope: dict = {"op": lambda path: channels if path == "../channels" else None}
    exec(callbacks.text, scope)
    scope["onCook"](script)
    assert len(drawn) == 16
    for joint, (start, end) in enumerate(drawn, start=1):
        np.testing.assert_allclose(end.point.P, POSITIONS[joint], rtol=1e-6)
        np.testing.assert_allclose(start.point.P, POSITIONS[PARENTS[joint]], rtol=1e-6)


def test_running_it_again_builds_it_anew(built: tuple[dict, Operator]) -> None:
    names, project = built
    names["build"](project)
    assert [child.name for child in project.children] == ["dancer"]
