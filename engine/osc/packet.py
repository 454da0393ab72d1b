"""Packets that come in over OSC, taken apart. Every packet is hostile until it has proved to be OSC.

What cannot be read in a packet is left out, and the rest is taken. Time tags are ignored: the clocks of senders
differ by seconds, and a fader whose values are kept for later stops on the way.
"""

import struct
from typing import NamedTuple

from pythonosc.osc_message import OscMessage

MAX_PACKET = 8_192
MAX_DATAGRAM = 65_536
"""Bytes to receive with: where a datagram is larger than the buffer Windows reports an error."""
MAX_MESSAGES = 256
"""Messages of one packet that are heard; a control surface sends a handful."""
BUNDLE = b"#bundle\0"
KNOWN_TAGS = b"ifsbhtdrmTFScIN[]"
"""Types of arguments that are known: those of python-osc and what `_message` makes of others."""
LIKE_OTHERS = bytes.maketrans(b"Sc", b"si")
"""Types that python-osc does not know, and those that are written in the same way: a symbol, a character."""
WITHOUT_DATA = b"IN[]"
"""An impulse and nil, which a button sends and no argument is made of, and the brackets of a list."""


class BadPacket(ValueError):
    """A packet or a part of one that is not OSC, or says something that cannot be meant."""


class Message(NamedTuple):
    """One message: what it is about, and its arguments."""

    address: str
    arguments: list[object]


def messages(packet: bytes) -> list[Message]:
    """Every message in a packet, bundles within bundles included. Raises BadPacket where a part is none."""
    found, complaints = read_packet(packet)
    if complaints:
        raise complaints[0]
    return found


def read_packet(packet: bytes) -> tuple[list[Message], list[BadPacket]]:
    """Every message in a packet, in its order, and what is wrong with the parts that are none.

    Walks without recursion, so that depth costs nothing.
    """
    found: list[Message] = []
    complaints: list[BadPacket] = []
    if len(packet) > MAX_PACKET:
        return found, [BadPacket(f"more than {MAX_PACKET} bytes")]
    waiting = [packet]
    while waiting:
        part = waiting.pop()
        if part.startswith(BUNDLE):
            elements, complaint = _elements(part)
            waiting.extend(reversed(elements))
            if complaint:
                complaints.append(BadPacket(complaint))
        elif len(found) + len(complaints) >= MAX_MESSAGES:
            complaints.append(BadPacket(f"more than {MAX_MESSAGES} messages in one packet"))
            break
        else:
            try:
                found.append(_message(part))
            except BadPacket as error:
                complaints.append(error)
    return found, complaints


def _message(part: bytes) -> Message:
    """One message. Raises BadPacket."""
    end = part.find(b"\0")
    if end <= 0 or part[:1] == b"#":
        raise BadPacket("neither an OSC message nor a bundle")
    begin = (end // 4 + 1) * 4
    address = part[:end].decode("utf-8", "replace")
    if begin >= len(part):
        return Message(address, [])
    tags = part[begin : part.find(b"\0", begin)]
    if not tags.startswith(b","):
        return Message(address, _untagged(part[begin:]))
    if unknown := tags[1:].translate(None, KNOWN_TAGS):
        name = unknown[:1].decode("latin-1")
        raise BadPacket(f"{address[:60]!r}: an argument of type {name!r}, which is not known")
    plain = tags.translate(LIKE_OTHERS, WITHOUT_DATA)
    data = part[begin + (len(tags) // 4 + 1) * 4 :]
    try:
        message = OscMessage(part[:begin] + plain + b"\0" * (4 - len(plain) % 4) + data)
        return Message(address, list(message.params))
    except Exception as error:
        # python-osc raises its own errors, but also IndexError, struct.error and UnicodeDecodeError.
        raise BadPacket(f"{address[:60]!r}: not an OSC message ({type(error).__name__})") from None


def _untagged(data: bytes) -> list[object]:
    """The arguments of senders that name no types: of four bytes each, a float where that can be meant."""
    found: list[object] = []
    for at in range(0, len(data) - 3, 4):
        (real,), (whole,) = struct.unpack_from(">f", data, at), struct.unpack_from(">i", data, at)
        found.append(real if real == 0 or 1e-6 < abs(real) < 1e6 else whole)
    return found


def _elements(bundle: bytes) -> tuple[list[bytes], str]:
    """The elements of a bundle that are whole, and what is wrong with the first that is not, or nothing."""
    found: list[bytes] = []
    at = len(BUNDLE) + 8
    if len(bundle) < at:
        return found, "a bundle that is cut short"
    while at < len(bundle):
        if len(bundle) < at + 4:
            return found, "a bundle that is cut short"
        (size,) = struct.unpack_from(">i", bundle, at)
        at += 4
        if size < 0 or size % 4 or at + size > len(bundle):
            return found, "a bundle element of impossible size"
        if size:
            found.append(bundle[at : at + size])
        at += size
    return found, ""
