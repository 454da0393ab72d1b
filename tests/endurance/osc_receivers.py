"""Every format received by programs that we did not write: liblo's oscdump, Pure Data, the osc package of node.

    python -m tests.endurance.osc_receivers --seconds 60

Needs `oscdump` (liblo-tools), `pd` (puredata-core) and `node` with `osc` where NODE_PATH points; what is not
there is named and left out. Counts the messages that each receiver took in, and everything it complained of.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.osc.formats import FORMATS, FRAMES, OutputFrame
from engine.osc.packet import messages
from models.emotion.palette import DEFAULT_PALETTE
from tests.synthetic import swinging_figure

PATCH = """#N canvas 0 0 450 300 12;
#X obj 10 10 netreceive -u -b {port};
#X obj 10 40 oscparse;
#X obj 10 70 print OSC;
#X connect 0 0 1 0;
#X connect 1 0 2 0;
"""
SCRIPT = """const osc = require('osc');
const port = new osc.UDPPort({{localAddress: '127.0.0.1', localPort: {port}, metadata: true}});
port.on('message', m => console.log('OSC: ' + m.address + ' ' + m.args.map(a => a.type + a.value).join(' ')));
port.on('error', e => console.log('ERROR ' + e.message));
port.on('ready', () => console.log('READY'));
port.open();
"""


@dataclass
class Receiver:
    """A foreign program that listens on `port` and prints a line for each message."""

    name: str
    port: int
    process: subprocess.Popen
    output: Path
    is_message: Callable[[str], bool]
    folder: Path
    complaints: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """What it has printed of messages so far."""
        text = self.output.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in text if line.strip()]
        # Pure Data folds long lists; what follows is not a message of its own.
        self.complaints = [line for line in said if "rror" in line or "nvalid" in line or "ERROR" in line]
        return [line for line in said if self.is_message(line)]

    def stop(self) -> None:
        """End it and clean up."""
        self.process.terminate()
        self.process.wait(5)
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    """A UDP port that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def why_absent(name: str) -> str | None:
    """Why a receiver cannot run here, None if it can."""
    program = {"oscdump": "oscdump", "puredata": "pd", "node": "node"}[name]
    if shutil.which(program) is None:
        return f"{program} is not installed"
    asked = ["node", "-e", "require('osc')"]
    if name == "node" and subprocess.run(asked, check=False, capture_output=True).returncode:
        return "node has no package osc; npm install osc, and let NODE_PATH point there"
    return None


def start(name: str) -> Receiver:
    """Start a receiver and wait until it listens."""
    folder, port = Path(tempfile.mkdtemp(prefix="receiver-")), free_port()
    output = folder / "output.txt"
    if name == "oscdump":
        command = ["oscdump", "-L", str(port)]
    elif name == "puredata":
        (folder / "dump.pd").write_text(PATCH.format(port=port), encoding="ascii")
        command = ["pd", "-nogui", "-noaudio", "-nomidi", "-nrt", "-open", str(folder / "dump.pd")]
    else:
        (folder / "dump.js").write_text(SCRIPT.format(port=port), encoding="ascii")
        command = ["node", str(folder / "dump.js")]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    is_message = (lambda line: " /" in line) if name == "oscdump" else (lambda line: line.startswith("OSC:"))
    receiver = Receiver(name, port, process, output, is_message, folder)
    _wait_until_it_listens(receiver)
    return receiver


def _wait_until_it_listens(receiver: Receiver) -> None:
    """Until the port is taken: nothing is sent before, so that every message counts."""
    end = time.perf_counter() + 20
    while time.perf_counter() < end:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", receiver.port))
            except OSError:
                return
        time.sleep(0.05)
    receiver.stop()
    raise TimeoutError(f"{receiver.name} did not begin to listen")


def stream(receivers: list[Receiver], name: str, frames: int, rate: float) -> int:
    """Send so many frames of a format to each receiver; the number of messages sent to each."""
    figure = swinging_figure(frames + 1)
    count, began = 0, time.perf_counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for frame in range(frames):
            now = OutputFrame(
                frame,
                figure[frame],
                DEFAULT_PALETTE.one_hot(frame % 8),
                figure[frame + 1],
                DEFAULT_PALETTE.one_hot(0),
            )
            for datagram in FORMATS[name](now, FRAMES["stage"]):
                count += len(messages(datagram))
                for receiver in receivers:
                    sender.sendto(datagram, ("127.0.0.1", receiver.port))
            time.sleep(max(began + (frame + 1) / rate - time.perf_counter(), 0.0))
    return count


def main() -> int:
    """Stream each format for a while and print what came of it; exit status 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.osc_receivers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each format (default: 60)")
    seconds, well = parser.parse_args().seconds, True
    names = []
    for name in ("oscdump", "puredata", "node"):
        if (absent := why_absent(name)) is None:
            names.append(name)
        else:
            sys.stdout.write(f"left out: {absent}\n")
    for format_name in FORMATS:
        receivers = [start(name) for name in names]
        sent = stream(receivers, format_name, round(30 * seconds), 30.0)
        time.sleep(1.0)
        for receiver in receivers:
            got = len(receiver.lines())
            well &= got == sent and not receiver.complaints
            sys.stdout.write(
                f"{format_name:10s} {receiver.name:9s} {got} of {sent} messages, "
                f"{len(receiver.complaints)} complaints {receiver.complaints[:1] or ''}\n"
            )
            receiver.stop()
    return 0 if well and names else 1


if __name__ == "__main__":
    sys.exit(main())
