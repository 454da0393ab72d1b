"""What each control message asks of the operator."""

import math
from collections.abc import Callable, Sequence

from engine.control.controls import MODES
from engine.control.operator import Operator
from engine.osc import addresses as osc
from engine.osc.packet import BadPacket
from engine.osc.pattern import is_pattern, matches
from models.data.kinds import KINDS

Arguments = Sequence[object]
ON, OFF = ("on", "true", "yes"), ("off", "false", "no")


class OscControls:
    """Does what messages ask for. Addresses count in any case, because names of emotions do."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self._controls: dict[str, Callable[[Arguments], None]] = {
            osc.EMOTION: lambda given: operator.set_emotion(_name_or_index(_one(given))),
            osc.EMOTION_WEIGHTS: lambda given: operator.set_weights([number(value) for value in given]),
            osc.EMOTION_PLANE: lambda given: operator.set_valence_arousal(*_numbers(2, given)),
            osc.EMOTION_GLIDE: lambda given: operator.set_glide(*_numbers(1, given)),
            osc.EMOTION_INTENSITY: lambda given: operator.set_intensity(*_numbers(1, given)),
            osc.AUTOMATIC: lambda given: operator.set_automatic(_switch(_one(given))),
            osc.REPERTOIRE: lambda given: operator.set_repertoire(_name_or_index(_one(given))),
            osc.INFLUENCE: lambda given: operator.set_influence(*_numbers(1, given)),
            osc.ENERGY: lambda given: operator.set_energy(*_numbers(1, given)),
            osc.MODE: lambda given: operator.set_mode(_mode(_one(given))),
            osc.SCENE: lambda given: operator.set_scene(_name_or_index(_one(given)) if given else None),
            osc.QUIT: lambda given: operator.quit(_text(_one(given))),
            # Buttons of control surfaces send 1 when pressed and 0 when let go.
            osc.RESET: lambda given: operator.reset() if _pressed(given) else None,
            osc.NEXT_SCENE: lambda given: operator.set_scene(None) if _pressed(given) else None,
        }
        self._weights = {osc.EMOTION: operator.set_weight, osc.REPERTOIRE: operator.set_repertoire_weight}
        for parent, names in ((osc.EMOTION, operator.palette.names), (osc.REPERTOIRE, KINDS)):
            for index, name in enumerate(names):
                self._controls.setdefault(f"{parent}/{name.casefold()}", self._weight(parent, index))

    def dispatch(self, address: str, arguments: Arguments) -> int:
        """Do what a message asks for; the number of controls that it meant.

        Raises ValueError if it asks for nothing that there is. A pattern that means several controls works
        those that take such arguments, and is refused if none does.
        """
        address = "/" + address.casefold().strip("/")
        if not is_pattern(address):
            self._control(address)(arguments)
            return 1
        meant = [control for known, control in self._controls.items() if matches(address, known)]
        if not meant:
            raise BadPacket("no control is meant by this pattern")
        refused: list[ValueError] = []
        for control in meant:
            try:
                control(arguments)
            except ValueError as error:
                refused.append(error)
        if len(refused) == len(meant):
            raise refused[0]
        return len(meant) - len(refused)

    def _control(self, address: str) -> Callable[[Arguments], None]:
        if address in self._controls:
            return self._controls[address]
        parent, _, name = address.rpartition("/")
        if parent not in self._weights:
            raise BadPacket("no control has this address")
        # An index, or one of the seven names of the data sets.
        return self._weight(parent, int(name) if name.isdecimal() and len(name) < 4 else name)

    def _weight(self, parent: str, entry: str | int) -> Callable[[Arguments], None]:
        """The control of one weight of the emotion or of the repertoire."""
        # a button that sends nothing, or an impulse, wants all of it
        return lambda given: self._weights[parent](entry, *_numbers(1, given or [1.0]))


def number(value: object) -> float:
    """An int, a float, true, false or a numeric string, also with a decimal comma, as a finite float. Raises
    BadPacket."""
    if not isinstance(value, int | float | str):
        raise BadPacket("an argument that is no number")
    try:
        found = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        raise BadPacket("an argument that is no number") from None
    if not math.isfinite(found):
        raise BadPacket("an argument that is not finite")
    return found


def _one(arguments: Arguments) -> object:
    """The first argument: what some surfaces send besides, such as a row of a grid, is not meant."""
    if not arguments:
        raise BadPacket("no argument where 1 was expected")
    return arguments[0]


def _numbers(count: int, arguments: Arguments) -> list[float]:
    """The first `count` arguments as numbers."""
    if len(arguments) < count:
        raise BadPacket(f"{len(arguments)} arguments where {count} were expected")
    return [number(argument) for argument in arguments[:count]]


def _switch(value: object) -> bool:
    """Whether something is on: a number but 0, true, or a word for it."""
    if isinstance(value, str) and (word := value.strip().casefold()) in (*ON, *OFF):
        return word in ON
    return number(value) != 0


def _pressed(arguments: Arguments) -> bool:
    return not arguments or _switch(_one(arguments))


def _mode(value: object) -> str:
    """A name, or its place in `MODES` as a toggle sends it."""
    named = int(value) if isinstance(value, bool) else _name_or_index(value)
    if isinstance(named, str):
        return named
    if not 0 <= named < len(MODES):
        raise BadPacket(f"there are the modes 0 to {len(MODES) - 1}")
    return MODES[named]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadPacket("an argument that is no name")
    return value


def _name_or_index(value: object) -> str | int:
    if isinstance(value, str) and not value.strip().lstrip("+-").replace(".", "", 1).isdecimal():
        return value
    if isinstance(value, bool):
        raise BadPacket("an argument that is neither a name nor an index")
    index = number(value)
    if index != int(index):
        raise BadPacket("an index that is not whole")
    return int(index)
