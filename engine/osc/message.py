"""OSC 1.0 messages and bundles as bytes. Values are int32, float32 and, where the receiver is no TouchDesigner,
strings."""

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BUNDLE_HEAD = b"#bundle\0" + struct.pack(">Q", 1)
"""A bundle whose time tag is 1, "immediately" (OSC 1.0): a receiver's clock need not agree with ours."""
MAX_DATAGRAM = 1_472
"""Bytes of UDP that fit into an Ethernet frame of 1,500 with IPv4."""
MAX_INT = 0x7FFFFFFF


@lru_cache(maxsize=1024)
def message_head(address: str, tags: str) -> bytes:
    """Address and type tags of an OSC message, each ended with a zero and padded to four bytes."""
    return padded(address) + padded(f",{tags}")


def padded(text: str) -> bytes:
    """An OSC string."""
    data = text.encode("ascii", "replace")
    return data + b"\0" * (4 - len(data) % 4)


def ints(address: str, *values: int) -> bytes:
    """A message of int32; a number that is too large begins again from 0."""
    kept = [value & MAX_INT for value in values]
    return message_head(address, "i" * len(kept)) + struct.pack(f">{len(kept)}i", *kept)


def floats(address: str, values: Sequence[float] | NDArray[np.floating]) -> bytes:
    """A message of float32."""
    data = np.asarray(values, dtype=">f4")
    return message_head(address, "f" * data.size) + data.tobytes()


def strings(address: str, values: Sequence[str]) -> bytes:
    """A message of strings."""
    return message_head(address, "s" * len(values)) + b"".join(map(padded, values))


def bundles(messages: Iterable[bytes]) -> list[bytes]:
    """The messages in as few bundles as there can be with each under `MAX_DATAGRAM`, in order."""
    packed: list[list[bytes]] = []
    size = MAX_DATAGRAM
    for message in messages:
        element = struct.pack(">i", len(message)) + message
        if size + len(element) >= MAX_DATAGRAM:
            packed.append([BUNDLE_HEAD])
            size = len(BUNDLE_HEAD)
        packed[-1].append(element)
        size += len(element)
    return [b"".join(parts) for parts in packed]
