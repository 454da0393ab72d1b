"""Packets that come in over OSC, taken apart. Every packet is hostile until it has proved to be OSC."""

from collections.abc import Iterator

from pythonosc.osc_message import OscMessage
from pythonosc.parsing import osc_types

MAX_PACKET = 8_192
MAX_DATAGRAM = 65_536
"""Bytes to receive with: where a datagram is larger than the buffer Windows reports an error."""
MAX_MESSAGES = 256
"""Messages of one packet that are heard; a control surface sends a handful."""
BUNDLE = b"#bundle\0"
KNOWN_TAGS = b"ifsbhtdrmTFN[]"
"""Types of arguments that python-osc reads."""
IMMEDIATELY = 1
"""The time tag of a bundle that is to be obeyed at once (OSC 1.0)."""
SECONDS_TO_1970 = 2_208_988_800
"""Time tags count from 1900."""


class BadPacket(ValueError):
    """A packet that is not OSC, or says something that cannot be meant."""


def messages(packet: bytes) -> Iterator[tuple[str, list[object]]]:
    """Address and arguments of every message in a packet, bundles within bundles included. Raises BadPacket."""
    return ((address, arguments) for _, address, arguments in timed_messages(packet))


def timed_messages(packet: bytes) -> Iterator[tuple[int, str, list[object]]]:
    """Time tag, address and arguments of every message in a packet. Raises BadPacket.

    A message outside of bundles has the tag `IMMEDIATELY`; within bundles of bundles the latest tag counts, for
    an inner bundle may not come before the one around it. Walks without recursion, so that depth costs nothing.
    """
    if len(packet) > MAX_PACKET:
        raise BadPacket(f"more than {MAX_PACKET} bytes")
    if len(packet) % 4 or packet[:1] not in (b"/", b"#"):
        raise BadPacket("neither an OSC message nor a bundle")
    waiting = [(IMMEDIATELY, packet)]
    heard = 0
    while waiting:
        time_tag, part = waiting.pop()
        if part.startswith(BUNDLE):
            elements = list(_elements(part))
            time_tag = max(time_tag, int.from_bytes(part[8:16], "big"))
            waiting.extend((time_tag, element) for element in reversed(elements))
            continue
        heard += 1
        if heard > MAX_MESSAGES:
            raise BadPacket(f"more than {MAX_MESSAGES} messages in one packet")
        _check_tags(part)
        try:
            message = OscMessage(part)
            address, arguments = message.address, list(message.params)
        except Exception as error:
            # python-osc raises its own errors, but also IndexError, struct.error and UnicodeDecodeError.
            raise BadPacket(f"not an OSC message ({type(error).__name__})") from None
        yield time_tag, address, arguments


def _check_tags(message: bytes) -> None:
    """Refuse type tags that python-osc does not know: it would skip them with a line in the log for each, as
    many as the sender likes, and read the wrong arguments."""
    begin = (message.find(b"\0") // 4 + 1) * 4
    tags = message[begin : message.find(b"\0", begin)]
    if tags[:1] == b"," and tags[1:].translate(None, KNOWN_TAGS):
        raise BadPacket("an argument of a type that is not known")


def seconds_of(time_tag: int) -> float:
    """The time of a tag in seconds since 1970, on the clock of `time.time`; 0 for immediately."""
    return 0.0 if time_tag <= IMMEDIATELY else time_tag / 2**32 - SECONDS_TO_1970


def _elements(bundle: bytes) -> Iterator[bytes]:
    at = len(BUNDLE) + 8
    if len(bundle) < at:
        raise BadPacket("a bundle that is cut short")
    while at < len(bundle):
        try:
            size, at = osc_types.get_int(bundle, at)
        except osc_types.ParseError:
            raise BadPacket("a bundle that is cut short") from None
        if size <= 0 or size % 4 or at + size > len(bundle):
            raise BadPacket("a bundle element of impossible size")
        yield bundle[at : at + size]
        at += size
