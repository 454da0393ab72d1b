"""From a switch of emotion over OSC to the first frame that dances under the new weights.

    python app.py --source none &
    python -m tests.endurance.osc_latency --switches 200

Sends `/emotion` to port 9000 and listens on 9001, as a controller and a receiver would. A tick is 33.3 ms.
"""

import argparse
import contextlib
import random
import socket
import sys
import time

import numpy as np

from engine.osc.addresses import EMOTION, EMOTIONS
from engine.osc.message import ints
from engine.osc.packet import messages


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.osc_latency", description=__doc__)
    parser.add_argument("--switches", type=int, default=200)
    parser.add_argument("--to", type=int, default=9000, help="port of the controls")
    parser.add_argument("--port", type=int, default=9001, help="port of the stream")
    given = parser.parse_args()
    took: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", given.port))
        listener.settimeout(2.0)
        chance = random.Random(0)
        for switch in range(given.switches):
            settled = _weights(listener, time.perf_counter() + 0.8)
            time.sleep(chance.random() / 30)  # a hand on a control knows of no tick
            sent_at = time.perf_counter()
            listener.sendto(ints(EMOTION, switch % 8), ("127.0.0.1", given.to))
            while time.perf_counter() < sent_at + 1.0:
                if not np.allclose(_weights(listener, 0.0), settled, atol=1e-5):
                    took.append(1000 * (time.perf_counter() - sent_at))
                    break
    if not took:
        sys.stdout.write("no switch was seen\n")
        return 1
    p50, p99 = np.percentile(took, (50, 99))
    sys.stdout.write(f"{len(took)} of {given.switches} switches seen: p50 {p50:.1f}, p99 {p99:.1f} ms\n")
    return 0


def _weights(listener: socket.socket, until: float) -> list[object]:
    """The newest weights of the dancer, after reading on until a time."""
    weights: list[object] | None = None
    while weights is None or time.perf_counter() < until:
        with contextlib.suppress(TimeoutError):
            weights = dict(messages(listener.recv(65_535))).get(EMOTIONS["dancer"], weights)
    return weights


if __name__ == "__main__":
    sys.exit(main())
