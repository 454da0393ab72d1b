"""What the overlay says: the state of every service in words and figures."""

import math

from engine.control.controls import MAX_ENERGY, Controls
from engine.control.repertoire import describe
from engine.render.overlay import Overlay
from engine.runtime.metrics import Metrics
from engine.settings import Settings
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame, Pose, VisitorEmotion
from models.emotion.palette import Palette

SILENT_S = 2.0
"""Seconds after which a source that sends nothing is said to."""
NEWEST = 120
"""Durations that the figures are of: what is shown is how it goes now."""


def read(
    settings: Settings,
    metrics: Metrics,
    palette: Palette,
    controls: Controls,
    frame: DancerFrame | None,
    pose: Pose | None,
    shown: VisitorEmotion | None,
) -> Overlay:
    """The values of this moment; `shown` is what the visitor's movement shows.

    What the frame itself knows is added by whoever draws it.
    """
    weights = controls.emotion_target if frame is None else frame.emotion_weights

    def median(name: str) -> str:
        values = metrics.percentiles(name, NEWEST)
        return "-" if values is None else f"{values['p50']:.1f} ms"

    rendered = metrics.percentiles("render.frame", NEWEST)
    errors = metrics.counted("osc.send_errors")
    ignored = metrics.counted("osc_in.ignored")
    lines = (
        ("repertoire", describe(controls.repertoire)),
        ("scene", controls.scene),
        ("mode", controls.mode),
        ("picture", "-" if rendered is None else f"{1000 / max(rendered['p50'], 0.1):.0f} fps"),
        ("step", median("inference.step")),
        ("detection", median("pose.detect")),
        ("visitor to OSC", median("latency.visitor_to_osc")),
        ("visitor to picture", median("latency.visitor_to_picture")),
        ("emotion to OSC", median("latency.emotion_to_osc")),
        ("source", f"{settings.source}, {_source_state(metrics, settings)}"),
        ("visitor", "here" if pose is not None and pose.present else "nobody"),
        ("visitor shows", "-" if shown is None else palette.describe(shown.weights)),
        ("automatic", "on" if controls.automatic else "off"),
        ("OSC to", ", ".join(settings.osc_targets) + (f", {errors} errors" if errors else "")),
        ("OSC from", settings.osc_in + (f", {ignored} ignored" if ignored else "")),
    )
    levels = (
        ("intensity", controls.intensity, 1.0),
        ("influence", controls.influence, 1.0),
        ("energy", controls.energy, MAX_ENERGY),
    )
    faults = metrics.faults()
    last = None
    if faults:
        mended = faults[-1]["recovered_after_s"]
        last = f"{faults[-1]['room']}: {faults[-1]['what']}" + ("" if mended is None else " (works again)")
    return Overlay(tuple(zip(palette.names, map(float, weights), strict=True)), lines, levels, last)


def _source_state(metrics: Metrics, settings: Settings) -> str:
    if settings.source == "none":
        return "no visitor"
    silent = metrics.since("pose.frames" if settings.source.startswith("osc") else "capture.frames")
    if silent < SILENT_S:
        return "frames come"
    return "no frame yet" if silent == math.inf else f"no frame for {silent:.0f} s"


class AttractMode:
    """Whether nobody has come for so many seconds that the stage waits for a visitor; 0 seconds: never."""

    def __init__(self, after: float) -> None:
        self._after = after
        self._seen_at: float | None = None

    def at(self, time: float, poses: Mailbox[Pose]) -> bool:
        """Whether the stage waits at a time in seconds."""
        pose = poses.latest()
        if self._seen_at is None or (pose is not None and pose.present):
            self._seen_at = time
        return self._after > 0 and time - self._seen_at > self._after
