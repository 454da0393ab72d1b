"""OSC in: the operator's controls. Every packet is hostile until it has proved to be a control."""

import logging
import math
import socket
from collections.abc import Iterator, Sequence

from pythonosc.osc_message import OscMessage
from pythonosc.parsing import osc_types

from engine import osc_addresses as osc
from engine.faults import TemporaryFault
from engine.operator import Operator
from engine.rate_limited_log import RateLimitedLog
from engine.room import Room
from engine.statistics import Statistics

LARGEST_PACKET = 8_192
MOST_MESSAGES = 256
"""Messages of one packet that are heard; a control surface sends a handful."""
WAIT = 0.2


class BadPacket(ValueError):
    """A packet that is not OSC, or says something that cannot be meant."""


def messages(packet: bytes) -> Iterator[tuple[str, list[object]]]:
    """Address and arguments of every message in a packet, bundles within bundles included.

    Raises BadPacket. Walks without recursion, so that depth costs nothing.
    """
    waiting = [packet]
    heard = 0
    while waiting:
        part = waiting.pop()
        if part.startswith(b"#bundle\0"):
            waiting.extend(reversed(list(_elements(part))))
            continue
        heard += 1
        if heard > MOST_MESSAGES:
            raise BadPacket(f"more than {MOST_MESSAGES} messages in one packet")
        try:
            message = OscMessage(part)
            address, arguments = message.address, list(message.params)
        except Exception as error:
            # python-osc raises its own errors, but also IndexError, struct.error and UnicodeDecodeError.
            raise BadPacket(f"not an OSC message ({type(error).__name__})") from None
        yield address, arguments


def _elements(bundle: bytes) -> Iterator[bytes]:
    at = len(b"#bundle\0") + 8
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


def control(operator: Operator, address: str, arguments: Sequence[object]) -> None:  # noqa: PLR0912 - a table
    """Do what a message asks for. Raises ValueError if it asks for nothing that there is."""
    name = address.removeprefix(f"{osc.EMOTION}/")
    if address == osc.EMOTION:
        (emotion,) = _exactly(1, arguments)
        operator.set_emotion(_name_or_index(emotion))
    elif address == osc.EMOTION_PLANE:
        valence, arousal = _exactly(2, arguments)
        operator.set_valence_arousal(_number(valence), _number(arousal))
    elif address == osc.EMOTION_GLIDE:
        operator.set_glide(_number(*_exactly(1, arguments)))
    elif name != address:
        operator.set_weight(name, _number(*_exactly(1, arguments)))
    elif address == osc.INFLUENCE:
        operator.set_influence(_number(*_exactly(1, arguments)))
    elif address == osc.ENERGY:
        operator.set_energy(_number(*_exactly(1, arguments)))
    elif address == osc.MODE:
        (mode,) = _exactly(1, arguments)
        if not isinstance(mode, str):
            raise BadPacket(f"{osc.MODE} takes a name")
        operator.set_mode(mode)
    elif address == osc.SCENE:
        operator.set_scene(_name(_exactly(1, arguments)[0]) if arguments else None)
    elif address == osc.QUIT:
        operator.quit(_name(_exactly(1, arguments)[0]))
    elif address == osc.RESET:
        # Buttons of control surfaces send 1 when pressed and 0 when let go.
        if not arguments or _number(arguments[0]) != 0:
            operator.reset()
    else:
        raise BadPacket(f"no control has the address {address[:60]!r}")


def _exactly(count: int, arguments: Sequence[object]) -> Sequence[object]:
    if len(arguments) != count:
        raise BadPacket(f"{len(arguments)} arguments where {count} were expected")
    return arguments


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise BadPacket("an argument that is no name")
    return value


def _number(value: object) -> float:
    """An int, a float or a numeric string as a finite float."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadPacket("an argument that is no number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise BadPacket("an argument that is no number") from None
    if not math.isfinite(number):
        raise BadPacket("an argument that is not finite")
    return number


def _name_or_index(value: object) -> str | int:
    if isinstance(value, str) and not value.strip().lstrip("+-").replace(".", "", 1).isdecimal():
        return value
    number = _number(value)
    if number != int(number):
        raise BadPacket("an index that is not whole")
    return int(number)


class OscIn(Room):
    """Listens on one UDP port and works the operator's controls."""

    name = "osc_in"

    def __init__(self, host: str, port: int, operator: Operator, statistics: Statistics) -> None:
        super().__init__(statistics)
        self.host, self.port, self.operator = host, port, operator
        self._socket: socket.socket | None = None
        self._complaint = RateLimitedLog(logging.getLogger("engine.osc_in"))

    def open(self) -> None:
        """Bind the port. Raises TemporaryFault if it is taken."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(WAIT)
        try:
            self._socket.bind((self.host, self.port))
        except (OSError, OverflowError) as error:
            raise TemporaryFault(
                f"cannot listen on {self.host}:{self.port} ({error}); is another program using the port?"
            ) from None

    def step(self) -> None:
        """Hear one packet, or nothing for a moment."""
        assert self._socket is not None
        try:
            packet, sender = self._socket.recvfrom(LARGEST_PACKET + 1)
        except TimeoutError:
            return
        except ConnectionError:
            return  # Windows reports here that an earlier datagram of ours found nobody
        self._hear(packet, sender[0])

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _hear(self, packet: bytes, sender: str) -> None:
        try:
            if len(packet) > LARGEST_PACKET:
                raise BadPacket(f"more than {LARGEST_PACKET} bytes")
            for address, arguments in messages(packet):
                self._obey(address, arguments, sender)
        except BadPacket as error:
            self._ignore(error, sender)

    def _obey(self, address: str, arguments: Sequence[object], sender: str) -> None:
        """Do what one message asks for; one that asks for nothing does not silence its neighbours."""
        try:
            control(self.operator, address, arguments)
            self.statistics.count("osc_in.messages")
        except ValueError as error:
            self._ignore(error, sender)

    def _ignore(self, error: ValueError, sender: str) -> None:
        self.statistics.count("osc_in.ignored")
        self._complaint.warning("ignored from %s: %s", sender, error)
