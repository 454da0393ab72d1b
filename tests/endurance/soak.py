"""A long run of the real piece, watched from outside: does it last?

python -m tests.endurance.soak --minutes 60                        as it is
python -m tests.endurance.soak --minutes 60 --chaos 7              with faults at random times that the seed
decides python -m tests.endurance.soak --minutes 60 --chaos 7 --kills 10   and killed hard and started again ten
times

Everything is sent to 127.0.0.1. Exit status 1 if one of the bars is missed.
"""

import argparse
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engine.osc.addresses import FRAME, HEARTBEAT, JOINT_ADDRESSES
from engine.osc.message import floats, ints, message_head, strings
from engine.osc.packet import messages
from engine.render.emotion_lights import colours_path
from engine.render.scenes import SCENES
from models.emotion.palette import DATASET_EMOTIONS, DEFAULT_PALETTE
from models.motion.skeleton import FRAME_RATE

MEDIA = Path(__file__).resolve().parents[3] / "shared" / "media" / "pose_1.mp4"
MAX_GAP = 1.0
"""Seconds without a picture or a frame over OSC."""
STEEPEST = 1.0
"""MB an hour that the memory may grow, once it has warmed up."""
WARM_UP = 0.25
"""Share of the run that is not counted in the slope, nor compared in threads and files."""
MAX_STILL = 2.0
"""Seconds for which no joint of the dancer may move by less than `STILL` metres: longer is a statue."""
STILL = 0.005
FURTHEST_STEP = 0.5
"""Metres that a joint may move between two frames: 15 m/s, faster than any hand, is a jump."""
MIN_RUN = 0.97
"""Share of the time for which the installation has to have been there."""
MAX_SILENCE = 5.0
"""Seconds without a frame or a heartbeat at the end of a run that the end itself explains."""
MAX_PAUSE = 2.5
"""Seconds between two heartbeats."""
KILLED = 9
"""The exit status of a life that ends hard."""
RECORDED = {
    "the camera is gone": ("capture", "no picture"),
    "the camera is frozen": ("capture", "same picture"),
    "the camera blocks": ("capture", "hangs"),
    "the detector raises": ("pose", "failed on a frame"),
    "the detector hangs": ("pose", "hangs"),
    "the network gives NaN": ("inference", "left the range"),
    "the network gives infinity": ("inference", "left the range"),
    "the network explodes": ("inference", "left the range"),
    "the network leaps": ("inference", "left the range"),
    "the network raises": ("inference", "out of memory"),
    "an OSC target is unreachable": ("osc", "unreachable"),
    "the display is lost": ("display", "lost"),
    "the disk is full": ("recorder", ""),
}
"""Faults that are always long enough for a service to have them, which service, and what it says. The others
nobody need notice: what is checked of them is that the dance goes on."""
LONG_ENOUGH = 30.0
"""Minutes under which a slope by the hour says nothing."""
FEWEST_FRAMES = 0.75
"""Share of 30 frames a second that has to be heard: a dancer who now and then gets one through leaves no gap of
a second, and does not dance."""
SPARE = 2
"""Threads and files more at the end than in the middle that are chance and no growth."""
GROWN = ("recorder",)
"""Rooms whose faults end what they did, and are over with that."""
LOADING = 25.0
"""Seconds at the start of each life that count for no gap: the longest that a piece takes until it dances."""
SHORT_GAP = 0.25
"""Seconds of a gap over OSC that is worth noting."""
BUSY = 8.0
"""Seconds at the start for which another program has the port for controls."""


class Receiver:
    """What a show controller hears: frames, heartbeats and the times without them."""

    def __init__(self, port: int, out: Path) -> None:
        self._out = out
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._socket.settimeout(0.2)
        self._counts: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._gaps: list[tuple[str, float, float]] = []
        self._by_second: Counter[int] = Counter()
        """frames of each second since 1970"""
        self._movement = Movement()

    def run(self) -> None:
        """Listen until somebody ends the process; write what was heard once a second."""
        told = 0.0
        frame, beat = message_head(FRAME, "i"), message_head(HEARTBEAT, "i")
        while True:
            try:
                packet = self._socket.recv(65_535)
            except TimeoutError:
                packet = b""
            if frame in packet[:64]:
                self._heard("frames", SHORT_GAP)
                self._by_second[int(time.time())] += 1
                self._movement.see(packet)
            elif packet.startswith(beat):
                self._heard("heartbeats", MAX_PAUSE)
            if (now := time.time()) > told + 1.0:
                told = now
                unfinished = self._out.with_suffix(".partial")
                heard = {"counts": self._counts, "gaps": self._gaps, "by_second": self._by_second}
                moved = {"still": self._movement.still, "step": self._movement.step}
                unfinished.write_text(json.dumps({**heard, **moved, "last": self._last}))
                unfinished.replace(self._out)

    def _heard(self, name: str, worth_noting: float) -> None:
        now = time.time()
        gap = now - self._last.get(name, now)
        if gap > worth_noting:
            self._gaps = [*self._gaps[-5000:], (name, now, gap)]
        self._counts[name] += 1
        self._last[name] = now


class Movement:
    """Whether the dancer that is heard moves and never jumps: `still` (seconds, when) and `step` (metres, when)
    are the longest of both."""

    def __init__(self) -> None:
        self.still, self.delta = (0.0, 0.0), (0.0, 0.0)
        self._index: object = None
        self._before: np.ndarray | None = None
        self._pose: np.ndarray | None = None
        self._moved_at = 0.0

    def see(self, packet: bytes) -> None:
        """Take in a frame."""
        now, values = time.time(), dict(messages(packet))
        index = values[FRAME][0]
        positions = np.array([values[address] for address in JOINT_ADDRESSES["dancer"]], dtype=np.float64)
        follows = isinstance(index, int) and isinstance(self._index, int) and index == self._index + 1
        if self._before is not None and follows:
            self.delta = max(self.delta, (float(np.linalg.norm(positions - self._before, axis=1).max()), now))
        if self._pose is None or not follows or np.linalg.norm(positions - self._pose, axis=1).max() > STILL:
            self._pose, self._moved_at = positions, now
        self.still = max(self.still, (now - self._moved_at, now))
        self._index, self._before = index, positions


def controls(seed: int, ending: threading.Event, port: int) -> None:
    """Work every control at random."""
    rng = random.Random(seed)
    number = rng.random
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while not ending.wait(rng.uniform(0.05, 2.0)):
            word = rng.choice((*DEFAULT_PALETTE.names, *DATASET_EMOTIONS))
            packet = rng.choice(
                (
                    strings("/emotion", [word]),
                    ints("/emotion", rng.randrange(8)),
                    floats(f"/emotion/{rng.choice(DEFAULT_PALETTE.names)}", [number()]),
                    floats("/emotion/va", [2 * number() - 1, 2 * number() - 1]),
                    floats("/emotion/glide", [2 * number()]),
                    floats("/emotion/intensity", [number()]),
                    floats("/influence", [number()]),
                    floats("/energy", [2 * number()]),
                    ints("/automatic", rng.randrange(2)),
                    strings("/mode", [rng.choice(("follow", "solo"))]),
                    strings("/scene", [rng.choice(tuple(SCENES))]),
                    ints("/reset"),
                    rng.randbytes(rng.randrange(200)),
                )
            )
            sender.sendto(packet, ("127.0.0.1", port))


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses just now."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def made_video(path: Path) -> Path:
    """A video where there is none: a bright figure that walks to and fro."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (640, 360))
    rng = np.random.default_rng(1)
    for number in range(150):
        picture = rng.integers(20, 60, (360, 640, 3), dtype=np.uint8)
        x = 320 + int(150 * np.sin(number / 25))
        cv2.ellipse(picture, (x, 180), (30, 110), 0, 0, 360, (180, 170, 200), -1)
        cv2.circle(picture, (x, 50), 24, (190, 180, 210), -1)
        writer.write(picture)
    writer.release()
    return path


class Soak:
    """One run: the installation, a receiver and somebody at the controls, and what they saw."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.folder, self.seconds = given, folder, 60.0 * given.minutes
        self.notes, self.heard, self.stats = folder / "notes", folder / "heard.json", folder / "stats.json"
        self.ports = free_ports(4)
        video = given.seed_video or (MEDIA if MEDIA.is_file() else made_video(folder / "video.avi"))
        lights, show = folder / "emotions.toml", folder / "show.toml"
        shutil.copyfile(colours_path(), lights)
        shutil.copyfile(colours_path().with_name("show.toml"), show)
        (folder / "full").write_text("no folder can be made in here")
        hear, *others = self.ports[:3]
        self._piece = [
            *("--headless", "--hold", "5", "--show", str(show), "--osc-in", f"127.0.0.1:{self.ports[3]}"),
            *(
                "--osc-targets",
                f"127.0.0.1:{hear}",
                f"127.0.0.1:{others[0]}",
                f"soak.invalid:{others[1]},array,60",
            ),
            *("--stats", str(self.stats), "--recordings", str(folder / "full" / "disk")),
            *(["--source", "camera"] if given.chaos is not None else ["--source", str(video), "--loop"]),
            *(["--checkpoint", given.checkpoint] if given.checkpoint else []),
        ]
        if given.chaos is None:
            at = self._piece.index(f"soak.invalid:{others[1]},array,60")
            self._piece[at] = f"127.0.0.1:{others[1]},array,60"
        self._chaos = ["--notes", str(self.notes), "--video", str(video), "--lights", str(lights)]
        self.lives = 0
        self.statuses: list[int] = []
        """with what each life ended"""

    def run(self) -> None:
        """Run it to its end."""
        receiver = subprocess.Popen(
            [sys.executable, "-m", "tests.endurance.soak", "--receive", str(self.ports[0]), str(self.heard)]
        )
        ending = threading.Event()
        seed = self.given.chaos or 0
        threading.Thread(target=controls, args=(seed, ending, self.ports[3]), daemon=True).start()
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as busy:
                if self.given.chaos is not None:
                    busy.bind(("127.0.0.1", self.ports[3]))
                    threading.Timer(BUSY, busy.close).start()
                self._live()
        finally:
            ending.set()
            time.sleep(1.5)
            receiver.terminate()
            receiver.wait()

    def _live(self) -> None:
        """One life after the other, until the time is over."""
        rng = random.Random(self.given.chaos)
        over = time.perf_counter() + self.seconds
        kills = self.given.kills
        only = ["--only", *self.given.only] if self.given.only else []
        while (left := over - time.perf_counter()) > 0 and self.lives <= kills:
            last = self.lives == kills
            dies = (
                [] if last else ["--kill-after", str(rng.uniform(0.5, 1.0) * left / (kills - self.lives + 1))]
            )
            chaos = [] if self.given.chaos is None else ["--seed", str(self.given.chaos + self.lives), *only]
            self.lives += 1
            command = [
                sys.executable,
                "-m",
                "tests.endurance.chaos",
                *self._chaos,
                *chaos,
                *dies,
                "--",
                *self._piece,
            ]
            life = subprocess.run([*command, "--seconds", f"{max(left, 1.0):.1f}"], check=False)
            self.statuses.append(life.returncode)


class Report:
    """What came of a run, from its notes."""

    def __init__(self, soak: Soak) -> None:
        self.soak = soak
        lines = [json.loads(line) for line in soak.notes.read_text(encoding="utf-8").splitlines()]
        self.seconds = [line for line in lines if line["kind"] == "second"]
        self.put_in = [line for line in lines if line["kind"] == "fault"]
        self.injected = Counter(line["name"] for line in self.put_in)
        self.detector = next((line["real"] for line in lines if line["kind"] == "detector"), True)
        self.begins = [line["at"] for line in lines if line["kind"] == "began"]
        self.heard: dict[str, Any] = json.loads(soak.heard.read_text(encoding="utf-8"))
        whole = soak.stats.is_file()
        self.stats: dict[str, Any] = (
            json.loads(soak.stats.read_text(encoding="utf-8")) if whole else {"faults": []}
        )
        self.missed: list[str] = (
            [] if whole else ["the installation did not come to its end, there are no figures"]
        )
        self._classifier_lives(len([line for line in lines if line["kind"] == "ended"]))

    def rows(self) -> list[tuple[str, str]]:
        """The table; what misses a bar is noted in `missed`."""
        frames = sum(second["frames"] for second in self.seconds)
        counts = self.heard["counts"]
        return [
            (
                "minutes, seed, lives",
                f"{self.soak.given.minutes:g}, {self.soak.given.chaos}, {self.soak.lives}",
            ),
            ("detector", "MediaPipe" if self.detector else "a stand-in, for there is no model here"),
            ("pictures", str(frames)),
            ("longest gap on screen", self._gap(self._screen_gap())),
            ("frames and heartbeats over OSC", f"{counts.get('frames', 0)}, {counts.get('heartbeats', 0)}"),
            ("share of 30 frames a second", self._share_of_frames()),
            ("longest gap over OSC", self._gap(self._osc_gap())),
            ("longest time without movement; furthest step of a joint", self._movement()),
            ("restarts of the process", f"{self.soak.lives - 1}{self._absence()}"),
            ("faults put in", str(sum(self.injected.values()))),
            *self._memory(),
            ("threads: middle, end", self._growth("threads")),
            ("open files: middle, end", self._growth("files")),
        ]

    def faults(self) -> list[tuple[str, str, str, str]]:
        """(what, how often, seconds to recover at the median, at most) of each kind of recorded fault."""
        by_kind: dict[str, list[float | None]] = {}
        for fault in self.stats["faults"]:
            by_kind.setdefault(f"{fault['room']}: {_in_short(fault['what'])}", []).append(
                fault["recovered_after_s"]
            )
            if fault["recovered_after_s"] is None and fault["room"] not in GROWN:
                self.missed.append(f"not over: {fault['room']}: {fault['what'][:60]}")
        rows = []
        for kind, times in sorted(by_kind.items()):
            known = [seconds for seconds in times if seconds is not None]
            middle = f"{np.median(known):.2f}" if known else "-"
            rows.append((kind, str(len(times)), middle, f"{max(known):.2f}" if known else "-"))
        return rows

    def _classifier_lives(self, ended: int) -> None:
        """Whether each life came to the end that was meant for it, and the last one to that of the run."""
        meant = [*[KILLED] * (self.soak.lives - 1), 0]
        if self.soak.statuses != meant or ended != 1:
            self.missed.append(f"exit statuses {self.soak.statuses}, not {meant}; {ended} came to an end")
        lasted = max((second["at"] for second in self.seconds), default=0.0) - min(self.begins, default=0.0)
        if lasted < MIN_RUN * self.soak.seconds - LOADING:
            self.missed.append(f"it lasted for {lasted:.0f} s of {self.soak.seconds:.0f}")
        end = max((second["at"] for second in self.seconds), default=0.0)
        for name in ("frames", "heartbeats"):
            if (silent := end - self.heard["last"].get(name, 0.0)) > MAX_SILENCE:
                self.missed.append(f"no {name} over OSC for the last {silent:.0f} s")
        for name, at, gap in self.heard["gaps"]:
            if name == "heartbeats" and not self._across(at, gap) and self._is_settled(at):
                self.missed.append(f"no heartbeat for {gap:.1f} s")
        if not self.soak.given.kills:
            for name in sorted(set(self.injected) & set(RECORDED)):
                service, words = RECORDED[name]
                if not any(
                    fault["room"] == service and words in fault["what"] for fault in self.stats["faults"]
                ):
                    self.missed.append(f"{name}, and the room {service} recorded nothing of it")

    def _movement(self) -> str:
        (still, _), (step, _) = self.heard["still"], self.heard["step"]
        if still > MAX_STILL:
            self.missed.append(f"the dancer stood still for {still:.1f} s")
        if step > FURTHEST_STEP:
            self.missed.append(f"a joint jumped by {step:.2f} m")
        return f"{still:.2f} s; {step:.2f} m"

    def _gap(self, longest: tuple[float, float]) -> str:
        seconds, at = longest
        said = f"{seconds:.3f} s, {at - self.begins[0]:.0f} s after the start{self._during(at, seconds)}"
        if seconds > MAX_GAP:
            self.missed.append(f"a gap of {said}")
        return said

    def _during(self, at: float, seconds: float) -> str:
        """The faults that were put in while a gap lasted."""
        names = {
            fault["name"]
            for fault in self.put_in
            if fault["at"] < at and fault["at"] + fault["lasts"] > at - seconds - 1.0
        }
        return f" ({', '.join(sorted(names))})" if names else ""

    def _screen_gap(self) -> tuple[float, float]:
        return max((second["gap"], second["at"]) for second in self.settled())

    def _osc_gap(self) -> tuple[float, float]:
        """The longest that lies within one life of the installation, and when; short ones are not noted one by
        one."""
        gaps = [
            (gap, at)
            for name, at, gap in self.heard["gaps"]
            if name == "frames" and not self._across(at, gap) and self._is_settled(at)
        ]
        return max(gaps, default=(SHORT_GAP, self.begins[0]))

    def _share_of_frames(self) -> str:
        """Of the seconds that count alone: the frames of the others would make up for some that are missing."""
        seconds = [int(at) for at in self.heard["by_second"] if self._is_settled(float(at))]
        heard = sum(self.heard["by_second"][str(second)] for second in seconds)
        share = heard / (FRAME_RATE * max(len(self.settled()), 1))
        if share < FEWEST_FRAMES:
            self.missed.append(f"{share:.0%} of the frames over OSC")
        return f"{share:.0%}"

    def _across(self, at: float, gap: float) -> bool:
        return any(at - gap < began <= at for began in self.begins)

    def _absence(self) -> str:
        gaps = [gap for name, at, gap in self.heard["gaps"] if name == "frames" and self._across(at, gap)]
        return f", away for up to {max(gaps):.1f} s" if gaps else ""

    def settled(self) -> list[dict[str, Any]]:
        """The seconds of the installation but for the first few of each life, in which it loads."""
        return [second for second in self.seconds if self._is_settled(second["at"])]

    def _is_settled(self, at: float) -> bool:
        return at - max((began for began in self.begins if began <= at), default=at) > LOADING

    def _last_life(self) -> list[dict[str, Any]]:
        lived = [second for second in self.settled() if second["at"] >= self.begins[-1]]
        return lived[int(WARM_UP * len(lived)) :]

    def _memory(self) -> list[tuple[str, str]]:
        lived = self._last_life()
        if len(lived) < 10:
            return [("memory", "too short to say")]
        hours = np.array([second["at"] for second in lived]) / 3600.0
        sizes = np.array([second["rss"] for second in lived]) / 2**20
        slope = float(np.polyfit(hours - hours[0], sizes, 1)[0])
        long_enough = (hours[-1] - hours[0]) * 60.0 >= LONG_ENOUGH * (1 - WARM_UP) * 0.9
        if long_enough and slope > STEEPEST:
            self.missed.append(f"memory grows by {slope:.1f} MB an hour")
        said = f"{slope:+.2f} MB an hour" + ("" if long_enough else ", too short a run to classifier by")
        return [
            ("memory: after warm-up, end, most", f"{sizes[0]:.0f}, {sizes[-1]:.0f}, {sizes.max():.0f} MB"),
            # a slope alone does not tell growth from coming and going
            ("memory: middle of each quarter of that time", _quarters(lived, "rss")),
            ("memory that malloc has lent: the same", _quarters(lived, "in_use")),
            ("memory slope", said),
        ]

    def _growth(self, name: str) -> str:
        values = [second[name] for second in self._last_life() if second[name] is not None]
        if len(values) < 10:
            return "not known"
        third = len(values) // 3
        middle, end = float(np.median(values[:third])), float(np.median(values[-third:]))
        if end > middle + SPARE:
            self.missed.append(f"{name} grow from {middle:g} to {end:g}")
        return f"{middle:g}, {end:g}"


def _quarters(seconds: list[dict[str, Any]], name: str) -> str:
    sizes = [second[name] / 2**20 for second in seconds if second[name] is not None]
    middles = [f"{np.median(part):.0f}" for part in np.array_split(sizes, 4) if len(part)]
    return f"{', '.join(middles)} MB" if middles else "not known"


def _in_short(what: str) -> str:
    """What a fault is, without the numbers that differ."""
    return "".join("N" if letter.isdigit() else letter for letter in what.partition(";")[0])[:64]


def main() -> int:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.endurance.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--chaos", type=int, default=None, metavar="SEED", help="put in faults")
    parser.add_argument(
        "--kills", type=int, default=0, help="how often the process is killed hard and started anew"
    )
    parser.add_argument("--seed-video", type=Path, default=None, metavar="FILE", help="what the camera sees")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="FAULT", help="of the faults, as they are printed"
    )
    parser.add_argument("--checkpoint", default=None)
    parser.add_argument("--receive", nargs=2, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.receive is not None:
        Receiver(int(given.receive[0]), Path(given.receive[1])).run()
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        soak = Soak(given, Path(folder))
        soak.run()
        if not soak.notes.is_file():
            sys.stderr.write("the installation did not start; its own words stand above\n")
            return 1
        report = Report(soak)
        if not (report.settled() and report.heard["counts"].get("frames")):
            sys.stderr.write(f"too short: the first {LOADING:g} s of a piece do not count\n")
            return 1
    say = sys.stdout.write
    for row in (("figure", "measured"), ("---", "---"), *report.rows()):
        say("| " + " | ".join(row) + " |\n")
    say("\n| fault recorded | times | over after, median s | longest s |\n|---|---|---|---|\n")
    for fault in report.faults():
        say("| " + " | ".join(fault) + " |\n")
    if report.injected:
        say("\n| fault put in | times |\n|---|---|\n")
        for name, count in sorted(report.injected.items()):
            say(f"| {name} | {count} |\n")
    for missed in report.missed:
        say(f"missed: {missed}\n")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
