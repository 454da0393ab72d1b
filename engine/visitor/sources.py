"""Which services find the visitor: a camera or a video with the detector, poses over OSC, or none."""

import os

from engine.osc.sender_limits import any_beyond_loopback
from engine.osc.target import parse_address
from engine.runtime.faults import StartError
from engine.runtime.metrics import Metrics
from engine.runtime.service import Service
from engine.settings import Settings
from engine.streams.mailbox import Mailbox
from engine.streams.values import CameraFrame, Pose
from engine.visitor.camera import Capture, check_source
from engine.visitor.osc_source import OscSource, osc_port
from engine.visitor.pose_service import PoseService


def visitor_services(
    settings: Settings, camera: Mailbox[CameraFrame], poses: Mailbox[Pose], metrics: Metrics
) -> list[Service]:
    """The services that find the visitor in the source that is set. Raises StartError."""
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
    capture = Capture(settings.source, camera, metrics, loop=settings.loop, mirror=settings.mirror)
    return [capture, PoseService(camera, poses, metrics, model=settings.pose_model)]
