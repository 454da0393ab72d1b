"""Where a stream goes and how: `HOST:PORT`, then in any order and all optional a format, a rate and a frame.

127.0.0.1:9001                            channels, native rate, metres on the stage
192.168.0.20:9001,aitoolbox,60,pelvis     60 a second, interpolated
239.0.0.1:9001 or 192.168.0.255:9001      to a multicast group, to everybody in a network
"""

from dataclasses import dataclass

from engine.osc.formats import FORMATS, FRAMES, OutputFrame
from models.motion.skeleton import FRAME_RATE

MIN_RATE, MAX_RATE = 1.0, 120.0


@dataclass(frozen=True)
class Target:
    """One receiver: names of `FORMATS` and `FRAMES`, and frames a second."""

    host: str
    port: int
    format: str = "channels"
    rate: float = FRAME_RATE
    frame: str = "stage"

    @property
    def native(self) -> bool:
        """Whether it gets each generated frame as it is, at once."""
        return self.rate == FRAME_RATE

    def datagrams(self, now: OutputFrame) -> list[bytes]:
        """A frame as this receiver wants it."""
        return FORMATS[self.format](now, FRAMES[self.frame])


def parse_target(text: str) -> Target:
    """A target from its text. Raises ValueError with what was expected."""
    address, *words = (word.strip() for word in text.split(","))
    host, port = parse_address(address)
    chosen: dict[str, object] = {}
    for word in words:
        kind = "format" if word in FORMATS else "frame" if word in FRAMES else "rate"
        if kind in chosen:
            raise ValueError(f"{word!r}: a second {kind}")
        chosen[kind] = word if kind != "rate" else _rate(word)
    if chosen.get("format") == "poseosc" and chosen.setdefault("frame", "screen") != "screen":
        raise ValueError("poseosc knows no frame but screen")
    if port == 0:
        raise ValueError("nothing can be sent to port 0")
    return Target(host, port, **chosen)  # type: ignore[arg-type]


def parse_address(text: str) -> tuple[str, int]:
    """(host, port) of HOST:PORT. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or ":" in host or any(letter.isspace() for letter in host) or len(host) > 253:
        raise ValueError(f"{text[:60]!r}: expected HOST:PORT")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ValueError(f"{text[:60]!r}: a port is a number up to 65535")
    return host, int(port)


def _rate(word: str) -> float:
    try:
        rate = float(word)
    except ValueError:
        known = ", ".join([*FORMATS, *FRAMES])
        raise ValueError(f"{word[:40]!r}: expected a rate or one of {known}") from None
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ValueError(f"a rate is {MIN_RATE:g} to {MAX_RATE:g} frames a second, not {word[:40]}")
    return rate
