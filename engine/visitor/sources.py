"""Which services find the visitor: a camera or a video with the detector, poses over OSC, or none."""

import os
from collections.abc import Callable
from pathlib import Path

from engine.osc.sender_limits import any_beyond_loopback
from engine.osc.target import parse_address
from engine.runtime.faults import StartError
from engine.runtime.metrics import Metrics
from engine.runtime.service import Service
from engine.settings import Settings
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame, Pose
from engine.visitor.camera import Camera, camera_index
from engine.visitor.capture import Capture, usable
from engine.visitor.osc_source import OscSource, osc_port
from engine.visitor.pose_service import PoseService
from engine.visitor.video_file import VideoFile, open_video


def visitor_services(
    settings: Settings,
    camera: Mailbox[CameraFrame],
    poses: Mailbox[Pose],
    metrics: Metrics,
    begun: Callable[[], bool],
) -> list[Service]:
    """The services that find the visitor in the source that is set; a film begins when `begun` says so. Raises
    StartError."""
    if settings.pose_model is not None and not os.path.isfile(settings.pose_model):
        raise StartError(f"--pose-model: {settings.pose_model}: not a file; give a pose_landmarker .task file")
    if settings.source == "none":
        return []
    if (port := osc_port(settings.source)) is not None:
        if settings.osc_in == "off" and any_beyond_loopback(settings.osc_senders):
            raise StartError(
                "--source: osc is heard where --osc-in is, and without it from this machine alone, but "
                "osc_senders names others; give --osc-in HOST:PORT"
            )
        host, controls = ("127.0.0.1", None) if settings.osc_in == "off" else parse_address(settings.osc_in)
        if port == controls:
            raise StartError(f"--source: port {port} is that of --osc-in; give one of them another port")
        return [
            OscSource(
                host,
                port,
                poses,
                metrics,
                allowed=settings.osc_senders,
                mirror=bool(settings.mirror),
            )
        ]
    check_source(settings.source)
    capture = capture_of(
        settings.source, camera, metrics, loop=settings.loop, mirror=settings.mirror, begun=begun
    )
    return [capture, PoseService(camera, poses, metrics, model=settings.pose_model)]


def capture_of(
    source: str,
    frames: Mailbox[CameraFrame],
    metrics: Metrics,
    *,
    loop: bool = False,
    mirror: bool | None = None,
    begun: Callable[[], bool] = lambda: True,
) -> Capture:
    """The service of a camera or a video file. `mirror` None means cameras yes, files no."""
    if camera_index(source) is not None:
        return Camera(source, frames, metrics, mirror=mirror is not False)
    return VideoFile(source, frames, metrics, loop=loop, mirror=bool(mirror), begun=begun)


def check_source(source: str) -> None:
    """Raises StartError unless `source` is a camera, a readable video file, or "none".

    Whether the camera is there is not asked: it may be plugged in later.
    """
    if source == "none" or camera_index(source) is not None:
        return
    path = Path(source)
    if not os.path.exists(path):  # other than that of pathlib, it is False for what lies behind a locked door
        raise StartError(
            f"--source {source}: neither a source nor a file that is there; expected camera, camera:N, the "
            "path of a video file, osc, osc:PORT, or none"
        )
    if not os.path.isfile(path):
        raise StartError(f"--source {source}: not a file; give the path of a video file")
    try:
        source.encode()
    except UnicodeEncodeError:  # OpenCV would end the process
        raise StartError(f"--source {source!r}: its name is not UTF-8; rename the file") from None
    video = open_video(source)
    readable = video is not None and usable(video.read()[1])
    if video is not None:
        video.release()
    if not readable:
        raise StartError(
            f"--source {source}: no picture can be read from it; give a video file that plays, for example MP4"
        )
