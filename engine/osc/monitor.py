"""See what the installation streams, without TouchDesigner: `python -m engine.osc.monitor --seconds 10`.

Checks what a receiver of `channels` in metres at 30 a second relies on: only int32 and float32, all 17 joints,
bones of constant length, datagrams that are not fragmented. Exit status 1 if something is not so.
"""

import argparse
import contextlib
import select
import socket
import sys
import time

import numpy as np

from engine.osc.addresses import FRAME, JOINT_ADDRESSES
from engine.osc.message import MAX_DATAGRAM
from engine.osc.packet import BadPacket, messages
from models.motion.skeleton import BONE_PARENTS

FIRST_DATAGRAM_TIMEOUT_S = 30.0
"""Seconds to wait for the first datagram: the installation may be starting."""
MAX_BONE_CHANGE = 1e-3
"""Share of its length by which a bone may differ from frame to frame."""


class StreamCheck:
    """Takes in datagrams and remembers what was wrong with them, one line each."""

    def __init__(self) -> None:
        self.bundles = 0
        self.addresses: set[str] = set()
        self.complaints: dict[str, None] = {}
        self._lengths: list[np.ndarray] = []

    def take(self, datagram: bytes) -> None:
        """Check one datagram."""
        if len(datagram) >= MAX_DATAGRAM:
            self.complaints[f"a datagram of {len(datagram)} bytes will be fragmented"] = None
        try:
            heard = list(messages(datagram))
        except BadPacket as error:
            self.complaints[str(error)] = None
            return
        values = dict(heard)
        self.addresses |= set(values)
        for address, arguments in heard:
            if not all(type(argument) in (int, float) for argument in arguments):
                self.complaints[f"{address} carries something other than int32 and float32"] = None
        if FRAME not in values:
            return
        self.bundles += 1
        if missing := [address for address in JOINT_ADDRESSES["dancer"] if address not in values]:
            self.complaints[f"missing {missing[0]}"] = None
            return
        positions = np.array([values[address] for address in JOINT_ADDRESSES["dancer"]], dtype=np.float64)
        lengths = np.linalg.norm(positions[1:] - positions[BONE_PARENTS], axis=1)
        self._lengths = (
            [np.minimum(lengths, self._lengths[0]), np.maximum(lengths, self._lengths[1])]
            if (self._lengths)
            else [lengths, lengths]
        )

    @property
    def bone_change(self) -> float:
        """Largest relative difference between a bone's shortest and longest length."""
        return float((self._lengths[1] / self._lengths[0]).max() - 1) if self._lengths else 0.0

    def verdict(self) -> list[str]:
        """What is wrong, nothing if all is well."""
        wrong = list(self.complaints)
        if self.bundles == 0:
            wrong.append("no bundle of a dancer came")
        if self.bone_change > MAX_BONE_CHANGE:
            wrong.append(f"a bone changes its length by {self.bone_change:.2%}")
        return wrong


def main(arguments: list[str] | None = None) -> int:
    """Listen, print a line a second, and a verdict."""
    parser = argparse.ArgumentParser(prog="python -m engine.osc.monitor", description=__doc__)
    parser.add_argument("--port", type=int, default=9001, help="UDP port to listen on (default: 9001)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long from the first datagram on (default: 10)"
    )
    options = parser.parse_args(arguments)
    check = StreamCheck()
    say = sys.stdout.write
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        try:
            listener.bind(("127.0.0.1", options.port))
        except (OSError, OverflowError) as error:
            say(f"cannot listen on port {options.port}: {error}\n")
            return 2
        listener.settimeout(0.1)
        _await(listener)
        end = time.perf_counter() + options.seconds
        told, before = time.perf_counter() + 1.0, 0
        while (now := time.perf_counter()) < end:
            with contextlib.suppress(TimeoutError):
                check.take(listener.recv(65_535))
            if now >= told:
                say(f"{check.bundles - before} bundles/s, {len(check.addresses)} addresses\n")
                told, before = now + 1.0, check.bundles
    if wrong := check.verdict():
        say("Not well: " + "; ".join(wrong) + "\n")
        return 1
    say(
        f"All is well: {check.bundles} bundles in {options.seconds:g} s, {len(check.addresses)} addresses, "
        f"int32 and float32 only, 17 joints, bones constant to {check.bone_change:.4%}.\n"
    )
    return 0


def _await(listener: socket.socket) -> None:
    """Let time pass until something comes, but not for ever; what came is read again."""
    end = time.perf_counter() + FIRST_DATAGRAM_TIMEOUT_S
    while time.perf_counter() < end and not select.select([listener], [], [], 0.1)[0]:
        pass


if __name__ == "__main__":
    sys.exit(main())
