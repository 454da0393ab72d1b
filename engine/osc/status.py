"""How the installation is doing, for control surfaces: whoever works a control gets it back for a minute."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.control.controls import Controls
from engine.osc import addresses as osc
from engine.osc.message import bundles, floats, ints, strings
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import DancerFrame
from models.data.kinds import KINDS


@dataclass(frozen=True, eq=False)
class Status:
    """Names of the palette and the weights (P,) of the dancer now, the controls, and frames per second."""

    palette: tuple[str, ...]
    emotion: NDArray[np.floating]
    controls: Controls
    fps: float


class StatusReader:
    """Reads the status from the mailboxes of the other services."""

    def __init__(
        self,
        palette: tuple[str, ...],
        controls: Mailbox[Controls],
        frames: Mailbox[DancerFrame],
        metrics: Metrics,
    ) -> None:
        self._palette, self._controls, self._frames, self._metrics = palette, controls, frames, metrics
        self._pictures, self._read_at = 0, time.perf_counter()

    def read(self) -> Status | None:
        """The status now, None before the controls are set."""
        controls, frame, now = self._controls.latest(), self._frames.latest(), time.perf_counter()
        if controls is None:
            return None
        pictures = self._metrics.counted("render.frames")
        fps = max(pictures - self._pictures, 0) / max(now - self._read_at, 1e-3)
        self._pictures, self._read_at = pictures, now
        weights = controls.emotion_target if frame is None else frame.emotion_weights
        return Status(self._palette, weights, controls, fps)


def status_datagrams(status: Status) -> list[bytes]:
    """The status in bundles. Names that have no place in an address keep to the list."""
    controls = status.controls
    single = [
        floats(f"{osc.STATUS_EMOTION}/{name.casefold()}", [float(weight)])
        for name, weight in zip(status.palette, status.emotion, strict=True)
        if all("!" <= letter <= "~" and letter not in "#*,/?[]{}" for letter in name)
    ]
    repertoire = [
        floats(f"{osc.STATUS_REPERTOIRE}/{kind}", [float(weight)])
        for kind, weight in zip(KINDS, controls.repertoire, strict=True)
    ]
    return bundles(
        [
            strings(osc.STATUS_PALETTE, status.palette),
            floats(osc.STATUS_EMOTION, status.emotion),
            *single,
            floats(osc.STATUS_INTENSITY, [controls.intensity]),
            ints(osc.STATUS_AUTOMATIC, int(controls.automatic)),
            floats(osc.STATUS_REPERTOIRE, controls.repertoire),
            *repertoire,
            floats(osc.STATUS_INFLUENCE, [controls.influence]),
            floats(osc.STATUS_ENERGY, [controls.energy]),
            strings(osc.STATUS_MODE, [controls.mode]),
            strings(osc.STATUS_SCENE, [controls.scene]),
            floats(osc.STATUS_FPS, [status.fps]),
        ]
    )
