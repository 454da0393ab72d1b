"""Who of the people in view is the visitor, and which of the visitor's sides is left.

One person is the visitor: the largest and most central one at first, who then stays the visitor until gone for
a second. Everybody in view is followed, not only the visitor, so that two people who cross do not swap.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from engine.visitor.landmarks import BodyLandmarks
from models.motion.skeleton import FloatArray

GONE_AFTER_S = 1.0
"""Seconds without a detection after which a person is gone."""
MAX_PREDICTION_S = 0.5
"""Seconds over which somebody unseen is thought to walk on; after that they are expected where they got to."""
MATCH_RADIUS = 1.0
MATCH_RADIUS_GROWTH = 1.5
"""Farthest a detection may be from where a person was expected, in torso lengths, and its growth per second."""
VELOCITY_SHARE = 0.3
"""How far one detection moves the velocity of a person: less noise, and a wrong match does little harm."""

MAX_SWAP_S = 0.3
"""Seconds for which sides that seem swapped are swapped back; what lasts longer is a body that turned."""
FLIP_SHARE = 0.5
"""Sides are swapped when that halves the distance to the frame before."""

TORSO = (11, 12, 23, 24)
LIMBS = slice(11, 33)


@dataclass(frozen=True)
class Detection:
    """Where one person is in one frame: `x` right of its middle and `y` down, and the length of the torso,
    all in heights of the frame."""

    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Person:
    """Somebody who is followed through the frames: the last detection and the velocity in heights/s."""

    number: int
    detection: Detection
    seen_at: float
    velocity: tuple[float, float] = (0.0, 0.0)

    def expected(self, time: float) -> Detection:
        """Where this person should be at `time`."""
        ahead = min(time - self.seen_at, MAX_PREDICTION_S)
        x, y = self.detection.x + self.velocity[0] * ahead, self.detection.y + self.velocity[1] * ahead
        return replace(self.detection, x=x, y=y)

    def detected(self, detection: Detection, time: float) -> "Person":
        """This person after a new detection."""
        seconds = max(time - self.seen_at, 1e-3)
        measured = (detection.x - self.detection.x) / seconds, (detection.y - self.detection.y) / seconds
        velocity = tuple(
            old + VELOCITY_SHARE * (new - old) for old, new in zip(self.velocity, measured, strict=True)
        )
        return Person(self.number, detection, time, (velocity[0], velocity[1]))


class PersonTracker:
    """Follows everybody in view and says who is the visitor.

    `visitor` is the number of the current one, None while there is none; every arrival has a new number.
    """

    def __init__(self) -> None:
        self.visitor: int | None = None
        self._people: list[Person] = []
        self._arrivals = 0

    def choose(
        self, detections: Sequence[Detection], time: float, gone_after: float = GONE_AFTER_S
    ) -> int | None:
        """Index of the visitor in `detections`, None when the visitor is not among them.

        `time` in seconds grows from call to call; who has not been seen for `gone_after` seconds is gone.
        """
        self._people = [person for person in self._people if time - person.seen_at <= gone_after]
        if self.visitor not in {person.number for person in self._people}:
            self.visitor = None
        indices = self._follow(detections, time)
        if self.visitor is None and detections:
            here = [person for person in self._people if person.number in indices]
            self.visitor = max(here, key=lambda person: salience(person.detection)).number
        return None if self.visitor is None else indices.get(self.visitor)

    def _follow(self, detections: Sequence[Detection], time: float) -> dict[int, int]:
        """Take in the detections. Returns the number of each person in view -> index of the detection."""
        matches = match(self._people, detections, time)
        self._people = [
            person.detected(detections[matches[person.number]], time) if person.number in matches else person
            for person in self._people
        ]
        for index in sorted(set(range(len(detections))) - set(matches.values())):
            self._arrivals += 1
            self._people.append(Person(self._arrivals, detections[index], time))
            matches[self._arrivals] = index
        return matches


def salience(detection: Detection) -> float:
    """How much somebody who arrives looks like the visitor: large, and near the middle of the frame."""
    return detection.size * max(1.0 - abs(detection.x), 0.1)


def match_cost(person: Person, detection: Detection, time: float) -> float:
    """How unlike the person a detection is: torso lengths from where expected, plus the logarithm of the ratio
    of the sizes."""
    expected = person.expected(time)
    distance = math.hypot(detection.x - expected.x, detection.y - expected.y) / max(expected.size, 1e-3)
    return distance + abs(math.log(max(detection.size, 1e-3) / max(expected.size, 1e-3)))


def match(people: Sequence[Person], detections: Sequence[Detection], time: float) -> dict[int, int]:
    """Number of a person -> index of their detection, the likest pair first and each at most once."""
    pairs = sorted(
        (match_cost(person, detection, time), person.number, index, time - person.seen_at)
        for person in people
        for index, detection in enumerate(detections)
    )
    matches: dict[int, int] = {}
    for cost, number, index, unseen_for in pairs:
        near = cost <= MATCH_RADIUS + MATCH_RADIUS_GROWTH * unseen_for
        if near and number not in matches and index not in matches.values():
            matches[number] = index
    return matches


def detection_of(body: BodyLandmarks, width: int, height: int) -> Detection:
    """Where a body is in a frame of `width` x `height` pixels: the middle and the length of its torso."""
    torso = body.picture[list(TORSO)]
    x, y = torso.mean(axis=0)
    return Detection(float(x - width / 2) / height, float(y) / height, torso_length(body.picture) / height)


def torso_length(picture: FloatArray) -> float:
    """The longest line between shoulders and hips in landmarks (33, 2): hardly shorter when the body turns."""
    return max(float(np.linalg.norm(picture[a] - picture[b])) for a, b in combinations(TORSO, 2))


class SideSwapFilter:
    """Swaps left and right back where the network took one for the other in a few frames."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the frame before."""
        self._before: FloatArray | None = None
        self._time = 0.0
        self._flipped_since: float | None = None

    def __call__(self, body: BodyLandmarks, time: float) -> BodyLandmarks:
        """The body, with its sides swapped if they have been the wrong way round for `MAX_SWAP_S` at most."""
        if self._before is None or time - self._time > MAX_PREDICTION_S or not self._flipped(body):
            self._flipped_since = None
        else:
            self._flipped_since = time if self._flipped_since is None else self._flipped_since
            if time - self._flipped_since <= MAX_SWAP_S:
                body = body.with_sides_swapped()
            else:
                self._flipped_since = None
        self._before, self._time = body.picture, time
        return body

    def _flipped(self, body: BodyLandmarks) -> bool:
        """Whether the limbs are much nearer to where they were once left and right are swapped."""
        assert self._before is not None
        before, swapped = self._before[LIMBS], body.with_sides_swapped().picture[LIMBS]
        as_is = float(np.linalg.norm(body.picture[LIMBS] - before, axis=-1).mean())
        other = float(np.linalg.norm(swapped - before, axis=-1).mean())
        return as_is > 0.2 * torso_length(body.picture) and other < FLIP_SHARE * as_is
