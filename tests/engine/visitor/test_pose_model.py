"""Finding, fetching and building the pose model, without a network."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import ClassVar

import pytest

from engine.visitor import pose_bundle, pose_model, pose_model_build
from engine.visitor.pose_bundle import DETECTOR, LANDMARKER, PoseModelError
from engine.visitor.pose_model import find_pose_model

NETWORK = b"\0\0\0\0TFL3" + bytes(200_000)


def bundle(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as target:
        for name, network in ({DETECTOR: NETWORK, LANDMARKER: NETWORK} | members).items():
            target.writestr(name, network)
    return content.getvalue()


def deflated_and_damaged() -> bytes:
    """A bundle whose networks cannot be unpacked, although the folder of the zip says that all is well."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as target:
        for name in (DETECTOR, LANDMARKER):
            target.writestr(name, NETWORK)
    damaged = bytearray(content.getvalue())
    damaged[60:70] = b"\xff" * 10
    return bytes(damaged)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, and no way to fetch anything. Returns the cached model's path."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(pose_model, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(pose_model_build.urllib.request, "urlopen", refuse)
    monkeypatch.setattr(pose_model_build.subprocess, "Popen", refuse)
    return tmp_path / "cache" / pose_bundle.MODEL_NAME


def test_the_model_that_is_given_is_taken(tmp_path):
    given = tmp_path / "mine.task"
    given.write_bytes(bundle())
    assert find_pose_model(given) == given


@pytest.mark.parametrize(
    "content",
    [
        b"no zip at all",
        bundle()[:1000],
        bundle(**{LANDMARKER: b"tiny"}),
        bundle(**{LANDMARKER: b"\0\0\0\0NOPE" + bytes(200_000)}),
        b"",
        deflated_and_damaged(),
    ],
)
def test_a_given_file_that_is_no_model_is_refused_with_the_remedy(tmp_path, content):
    given = tmp_path / "mine.task"
    given.write_bytes(content)
    with pytest.raises(PoseModelError) as error:
        find_pose_model(given)
    assert str(given) in str(error.value) and pose_bundle.OFFICIAL_MODEL in str(error.value)
    assert "\n" not in str(error.value)


def test_a_given_file_that_is_missing_is_not_replaced_by_another(tmp_path, no_network):
    no_network.parent.mkdir()
    no_network.write_bytes(bundle())
    with pytest.raises(PoseModelError, match="No such file"):
        find_pose_model(tmp_path / "missing.task")


def test_the_cached_model_is_taken_without_asking_anybody(no_network):
    no_network.parent.mkdir()
    no_network.write_bytes(bundle())
    assert find_pose_model() == no_network


def test_with_no_network_the_error_says_how_to_provide_a_model(no_network):
    with pytest.raises(PoseModelError) as error:
        find_pose_model()
    assert pose_bundle.OFFICIAL_MODEL in str(error.value) and "\n" not in str(error.value)
    assert not no_network.exists()


class Answer(io.BytesIO):
    headers: ClassVar[dict[str, str]] = {}


def test_the_official_model_comes_first_and_is_kept(monkeypatch, no_network):
    monkeypatch.setattr(pose_model_build.urllib.request, "urlopen", lambda *_, **__: Answer(bundle()))
    assert find_pose_model() == no_network
    assert no_network.read_bytes() == bundle()
    assert os.listdir(no_network.parent) == [pose_bundle.MODEL_NAME]


def test_a_broken_cached_model_is_got_anew(monkeypatch, no_network):
    no_network.parent.mkdir()
    no_network.write_bytes(b"half a file")
    monkeypatch.setattr(pose_model_build.urllib.request, "urlopen", lambda *_, **__: Answer(bundle()))
    assert find_pose_model() == no_network


def test_an_answer_that_is_a_login_page_leads_to_the_wheel(monkeypatch, no_network):
    def from_wheel() -> bytes:
        return bundle()

    monkeypatch.setattr(
        pose_model_build.urllib.request, "urlopen", lambda *_, **__: Answer(b"<html>log in</html>")
    )
    monkeypatch.setattr(pose_model_build, "build_from_wheel", from_wheel)
    assert find_pose_model() == no_network
    assert no_network.read_bytes() == bundle()


def test_an_endless_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr(pose_model_build, "MAX_NETWORK", 100_000)
    monkeypatch.setattr(pose_model_build.urllib.request, "urlopen", lambda *_, **__: Answer(bytes(10**6)))
    with pytest.raises(PoseModelError, match="too large"):
        pose_model_build.download_official()


def wheel_with(path: Path, member: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        target.writestr(member, content)
    return path


def test_only_the_network_with_the_right_checksum_leaves_the_wheel(tmp_path):
    right = hashlib.sha256(NETWORK).hexdigest()
    wheel = wheel_with(tmp_path / "a.whl", "folder/net.tflite", NETWORK)
    assert pose_model_build.read_network(wheel, "folder/net.tflite", len(NETWORK), right) == NETWORK
    for member, size, sha256 in (
        ("folder/net.tflite", len(NETWORK), "0" * 64),
        ("folder/net.tflite", len(NETWORK) - 1, right),
        ("other.tflite", len(NETWORK), right),
    ):
        with pytest.raises(PoseModelError):
            pose_model_build.read_network(wheel, member, size, sha256)


def test_pip_is_asked_for_one_wheel_without_running_anything_in_it(monkeypatch, tmp_path):
    asked: list[str] = []

    def download(command: list[str], **_: object) -> object:
        asked.extend(command)
        (tmp_path / "mediapipe.whl").touch()
        return real_popen([sys.executable, "-c", ""], stderr=subprocess.PIPE)

    monkeypatch.undo()
    real_popen = subprocess.Popen
    monkeypatch.setattr(pose_model_build.subprocess, "Popen", download)
    assert pose_model_build.download_wheel(tmp_path) == tmp_path / "mediapipe.whl"
    assert asked[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", pose_model_build.WHEEL} <= set(asked)


def test_pip_that_fails_says_why(monkeypatch, tmp_path):
    monkeypatch.undo()
    real_popen = subprocess.Popen
    failing = [sys.executable, "-c", "import sys; sys.exit('ERROR: no such wheel')"]
    monkeypatch.setattr(
        pose_model_build.subprocess, "Popen", lambda *_, **__: real_popen(failing, stderr=subprocess.PIPE)
    )
    with pytest.raises(PoseModelError, match="no such wheel"):
        pose_model_build.download_wheel(tmp_path)


def test_the_landmark_network_says_that_it_takes_pixels_over_255():
    flatbuffers = pytest.importorskip("flatbuffers")
    metadata_schema = pytest.importorskip("mediapipe.tasks.metadata.metadata_schema_py_generated")
    schema = pytest.importorskip("mediapipe.tasks.metadata.schema_py_generated")
    model = schema.ModelT(subgraphs=[schema.SubGraphT(inputs=[0], outputs=[1, 2])], buffers=[schema.BufferT()])
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    described = schema.ModelT.InitFromPackedBuf(pose_model_build.with_pixel_range(bytes(builder.Output())), 0)
    entry = described.metadata[-1]
    assert entry.name == b"TFLITE_METADATA"
    content = bytes(described.buffers[entry.buffer].data)
    graph = metadata_schema.ModelMetadataT.InitFromPackedBuf(content, 0).subgraphMetadata[0]
    options = graph.inputTensorMetadata[0].processUnits[0].options
    assert (list(options.mean), list(options.std)) == ([0.0], [255.0])
    assert len(graph.outputTensorMetadata) == 2


@pytest.mark.parametrize("before", range(0, 130, 7))
def test_padding_starts_a_member_at_a_multiple_of_64(before):
    assert (before + len(pose_model_build.zip_padding(before))) % 64 == 0


@pytest.mark.parametrize(
    ("platform", "variable"), [("linux", "XDG_CACHE_HOME"), ("win32", "LOCALAPPDATA"), ("darwin", "HOME")]
)
def test_the_cache_is_where_the_platform_keeps_such_things(monkeypatch, tmp_path, platform, variable):
    monkeypatch.undo()
    monkeypatch.setattr(pose_bundle.sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    folder = pose_bundle.cache_folder()
    assert folder.name == "emotion-dancer" and folder.is_relative_to(tmp_path)
