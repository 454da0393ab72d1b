"""Hostile datagrams: random, cut short, huge counts, NaN, deep bundles, wrong tags, nasty patterns.

python -m tests.endurance.osc_fuzz --count 1000000        into the services that listen, as fast as it goes
python -m tests.endurance.osc_fuzz --flood 60             5,000 a second over the network at a running piece,
compared
                                                with a run of the same length that nobody floods
"""

import argparse
import json
import logging
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from engine.control.controls import Controls
from engine.control.operator import Operator
from engine.osc.input import OscIn
from engine.osc.message import floats, ints, padded, strings
from engine.render.scenes import SCENES
from engine.runtime.metrics import Metrics
from engine.streams.mailbox import Mailbox
from engine.streams.values import Pose
from engine.visitor.osc_source import OscSource
from models.emotion.palette import DEFAULT_PALETTE

ADDRESSES = (
    *(
        "/emotion",
        "/emotion/happy",
        "/emotion/va",
        "/emotion/glide",
        "/influence",
        "/energy",
        "/repertoire",
        "/repertoire/walk",
        "/mode",
        "/reset",
        "/scene",
        "/quit",
    ),
    *("/visitor/0/head", "/visitor/0/present", "/dancer/0/array", "/poses/arr", "/poses/0/leftWrist/position"),
    *(
        "/mocap/0/joint/pos_world",
        "/nPoses",
        "/*",
        "/emotion/*",
        "/{a,b,c}*",
        "/[!a-z]?*",
        "/no/such/thing",
        "/",
    ),
)
NUMBERS = (0.0, -1.0, 0.5, 1e30, -1e30, float("nan"), float("inf"), 1e-40)


class Hostile:
    """Makes datagrams; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def datagram(self) -> bytes:
        """One datagram of up to 9,000 bytes."""
        make = self._rng.choice(
            (self._noise, self._message, self._damaged, self._damaged, self._bundle, self._deep)
        )
        return make()[:9000]

    def _noise(self) -> bytes:
        data = self._rng.randbytes(self._rng.choice((0, 1, 3, 4, 8, 16, 64, 256, 1500)))
        return self._rng.choice((b"", b"/", b"#bundle\0")) + data

    def _message(self) -> bytes:
        rng = self._rng
        address, count = rng.choice(ADDRESSES), rng.choice((0, 1, 1, 2, 3, 51, 54))
        kind = rng.randrange(5)
        if kind == 0:
            return floats(address, [rng.choice(NUMBERS) for _ in range(count)])
        if kind == 1:
            return ints(address, *(rng.randrange(-(2**31), 2**31) for _ in range(count)))
        if kind == 2:
            words = ("sad", "nan", "1e999", "9" * 300, "-0", "", "\x7f", "party", "ribbons")
            return strings(address, [rng.choice(words) for _ in range(min(count, 4))])
        if kind == 3:  # tags and data that do not belong together
            tags = "".join(rng.choice("ifsbhtdScrmTFNI[]xyz") for _ in range(rng.randrange(12)))
            return padded(address) + padded(f",{tags}") + rng.randbytes(4 * rng.randrange(8))
        size = rng.choice((-1, 2**31 - 1, 2**30, 5))  # a blob that claims to be large
        return padded(address) + padded(",b") + struct.pack(">i", size) + rng.randbytes(8)

    def _damaged(self) -> bytes:
        data = bytearray(self._message() if self._rng.random() < 0.7 else self._bundle())
        for _ in range(self._rng.randrange(4)):
            if data:
                data[self._rng.randrange(len(data))] = self._rng.randrange(256)
        cut = self._rng.random() < 0.3
        return bytes(data[: self._rng.randrange(len(data) + 1)] if cut else data)

    def _bundle(self) -> bytes:
        tag = self._rng.choice((0, 1, 2**64 - 1, int((time.time() + 2_208_988_800 + 5) * 2**32)))
        parts = [self._message() for _ in range(self._rng.randrange(6))]
        elements = b"".join(struct.pack(">i", self._claimed(part)) + part for part in parts)
        return b"#bundle\0" + struct.pack(">Q", tag) + elements

    def _claimed(self, part: bytes) -> int:
        wrong = self._rng.random() < 0.1
        return self._rng.choice((0, -4, 2**31 - 1, 3)) if wrong else len(part)

    def _deep(self) -> bytes:
        data = self._message()
        for _ in range(self._rng.choice((3, 50, 300))):
            data = b"#bundle\0" + bytes(7) + b"\1" + struct.pack(">i", len(data)) + data
        return data


class Rooms:
    """The services that listen, fed without a network."""

    def __init__(self) -> None:
        self.controls: Mailbox[Controls] = Mailbox()
        self.poses: Mailbox[Pose] = Mailbox()
        self.metrics = Metrics()
        self.operator = Operator(DEFAULT_PALETTE, self.controls, scenes=tuple(SCENES), quit_word="curtain")
        self.control = OscIn("127.0.0.1", 0, self.operator, self.metrics)
        self.source = OscSource("127.0.0.1", 0, self.poses, self.metrics)
        # What is read is to be tried, not how it is rationed.
        self.control.senders._most_packets = self.source.senders._most_packets = 10**9

    def feed(self, data: bytes) -> None:
        """One datagram into both; raises AssertionError if anything came of it that is not fit to be danced."""
        for service in (self.control, self.source):
            service._take(data, ("127.0.0.1", 5000))
        controls, pose = self.controls.latest(), self.poses.latest()
        assert controls is not None
        weights = controls.emotion_target
        assert abs(float(weights.sum()) - 1) < 1e-3 and float(weights.min()) >= 0, weights
        repertoire = controls.repertoire
        assert abs(float(repertoire.sum()) - 1) < 1e-3 and float(repertoire.min()) >= 0, repertoire
        assert 0 <= controls.influence <= 1 and 0 <= controls.energy <= 2 and 0 <= controls.glide_s <= 60
        assert controls.scene in SCENES and not controls.quitting
        assert pose is None or pose.positions is None or np.isfinite(pose.positions).all()


def fuzz(count: int, seed: int = 0) -> Rooms:
    """So many datagrams. Whatever is raised is a fault that they found."""
    services, hostile = Rooms(), Hostile(seed)
    for _ in range(count):
        services.feed(hostile.datagram())
    return services


def flood(seconds: float, rate: float, checkpoint: str | None) -> tuple[dict, dict, int]:
    """Figures of a run that nobody floods, of one that is flooded, and the number of packets sent."""
    calm, _ = _run(seconds, 0.0, checkpoint)
    flooded, sent = _run(seconds, rate, checkpoint)
    return calm, flooded, sent


def _run(seconds: float, rate: float, checkpoint: str | None) -> tuple[dict, int]:
    folder = Path(tempfile.mkdtemp(prefix="flood-"))
    port = _free_port()
    command = [sys.executable, "app.py", "--source", "none", "--headless", "--seconds", str(seconds)]
    command += ["--osc-in", f"127.0.0.1:{port}", "--osc-targets", f"127.0.0.1:{_free_port()}"]
    command += ["--stats", str(folder / "stats.json"), *(["--checkpoint", checkpoint] if checkpoint else [])]
    hostile, sent = Hostile(1), 0
    # Nothing that changes the dance: what is understood would rightly be seen.
    packets = [
        data for data in (hostile.datagram() for _ in range(4000)) if len(data) <= 1472 and _is_junk(data)
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    began = time.perf_counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while process.poll() is None and time.perf_counter() - began < seconds + 90:
            due = int((time.perf_counter() - began) * rate)
            for _ in range(min(due - sent, 200)):
                sender.sendto(packets[sent % len(packets)], ("127.0.0.1", port))
                sent += 1
            time.sleep(0.002 if rate else 0.1)
    process.wait(30)
    return json.loads((folder / "stats.json").read_text(encoding="utf-8")), sent


def _is_junk(data: bytes) -> bool:
    services = Rooms()
    before = services.controls.version
    services.feed(data)
    return services.controls.version == before


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> int:
    """Do what is asked and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.osc_fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=0, help="datagrams into the listening rooms")
    parser.add_argument("--flood", type=float, default=0.0, help="seconds of flood at a running piece")
    parser.add_argument("--rate", type=float, default=5000.0, help="packets a second of the flood")
    parser.add_argument("--checkpoint", default=None)
    given = parser.parse_args()
    logging.disable(
        logging.WARNING
    )  # of the services that sort out what is junk; the installation logs for itself
    say = sys.stdout.write
    if given.count:
        process = psutil.Process()
        fuzz(2000)
        before, began = process.memory_info().rss, time.perf_counter()
        services = fuzz(given.count)
        counted = services.metrics.counted
        say(
            f"{given.count} datagrams in {time.perf_counter() - began:.0f} s: "
            f"{counted('osc_in.messages')} messages understood, {counted('osc_in.ignored')} ignored, "
            f"nothing raised, memory {(process.memory_info().rss - before) / 2**20:+.1f} MiB\n"
        )
    if given.flood:
        calm, flooded, sent = flood(given.flood, given.rate, given.checkpoint)
        for name, figures in (("calm", calm), ("flooded", flooded)):
            frame, memory = figures["render"]["frame_ms"], figures["memory"]
            say(
                f"{name:8s} picture p50 {frame['p50']:.1f} p99 {frame['p99']:.1f} ms, "
                f"late ticks {figures['inference']['late_ticks']} of {figures['inference']['ticks']}, "
                f"memory {memory['rss_mb_end'] - memory['rss_mb_start']:+.1f} MiB, "
                f"ignored {figures['osc']['ignored_in']}, faults {len(figures['faults'])}\n"
            )
        say(f"{sent} packets sent\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
