"""Nothing leaves this machine by itself, and no picture of a camera is kept."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.osc.target import parse_address, parse_target
from engine.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "app.py", *sorted((ROOT / "engine").rglob("*.py"))]

SEE_PICTURES = {
    "visitor/capture.py",
    "visitor/camera.py",
    "visitor/video_file.py",
    "visitor/pose_service.py",
    "visitor/pose_detector.py",
    "visitor/camera_health.py",
    "streams/values.py",
}
"""Modules that may know what a camera's picture looks like."""
HANDLE_FRAMES = SEE_PICTURES | {
    "installation.py",
    "visitor/sources.py",
    "runtime/run_report.py",
    "visitor/landmark_error.py",
}
"""Modules that may know of camera frames: these hand their mailbox on, count what it dropped, and measure the
detector on a video."""
WRITE = {
    "screen/recorder.py",  # what is seen and danced, while somebody records
    "runtime/run_report.py",  # figures
    "runtime/bounded_log.py",
    "visitor/pose_model.py",  # MediaPipe's model
    "render/contact_sheet.py",  # pictures of a rollout
    "settings.py",  # --print-settings, to standard output
}
SEND = {
    "osc/output.py",
    "osc/server.py",
    "osc/input.py",  # the answer to /status
    "osc/status.py",
    "osc/monitor.py",
    "osc/sender_limits.py",
    "runtime/heartbeat.py",  # to systemd's socket
    "visitor/pose_model_build.py",  # fetches MediaPipe's model
}


def relative(path: Path) -> str:
    """Where a module is in engine/; app.py by its name."""
    folder = ROOT / "engine"
    return path.relative_to(folder).as_posix() if folder in path.parents else path.name


def names_of(path: Path) -> set[str]:
    """Every name and attribute that a module uses."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names


def users(wanted: set[str]) -> set[str]:
    found = {relative(path) for path in SOURCES if names_of(path) & wanted}
    assert found, wanted
    return found


def test_a_cameras_picture_is_seen_by_the_capture_and_the_detector_alone() -> None:
    assert users({"CameraFrame"}) <= HANDLE_FRAMES
    pictures = re.compile(r"\bframe\.image\b|\bprepared\(")
    guilty = {relative(path) for path in SOURCES if pictures.search(path.read_text(encoding="utf-8"))}
    assert guilty and guilty <= SEE_PICTURES


def test_whoever_sees_the_camera_neither_writes_nor_sends() -> None:
    writing = {"write_bytes", "write_text", "imwrite", "imencode", "tofile", "save", "savez"}
    sending = {"socket", "sendto", "send", "urlopen", "requests", "httpx", "http"}
    for name in SEE_PICTURES:
        names = names_of(ROOT / "engine" / name)
        assert not (names & writing), name
        assert not (names & sending), name
        calls = re.findall(r"(?<![\w.])(?<!def )open\(", (ROOT / "engine" / name).read_text(encoding="utf-8"))
        assert not calls, name


def test_files_are_written_and_packets_sent_in_few_places() -> None:
    assert users({"write_bytes", "write_text", "imwrite", "imencode", "savez", "savez_compressed"}) <= WRITE
    assert users({"sendto", "urlopen", "socket"}) <= SEND


@pytest.mark.skipif(sys.platform == "win32", reason="core dumps are not known there")
def test_a_crash_leaves_no_memory_behind() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import app, resource; app.write_no_cores(); print(resource.getrlimit(resource.RLIMIT_CORE))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "(0, 0)"


def test_everything_stays_on_this_machine_by_default() -> None:
    settings = Settings()
    hosts = [parse_target(target).host for target in settings.osc_targets]
    hosts.append(parse_address(settings.osc_in)[0])
    assert hosts and set(hosts) == {"127.0.0.1"}
    assert settings.stats is None
