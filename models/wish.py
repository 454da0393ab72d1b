"""What a dancer is asked for beside its emotion: how much to move, and in what manner.

A wish is the vector (16,) that the network hears: the speed of the coming second (`models.activity`), then the
manner (`models.manner`), then the kind of movement (`models.kinds`),
one-hot; NaN is "any". A phrase is a wish as some actor would have had it: the speed in m/s of a second of
movement, then its manner. Live, a dancer is asked for one phrase of its emotion and kind after the other.
"""

from models.kinds import KINDS
from models.manner import MANNERS

MANNER = slice(1, 1 + MANNERS)
WISH_COUNT = MANNER.stop + len(KINDS)
PHRASES = 128
"""Phrases of each emotion and kind that a checkpoint knows, the slowest first."""
PHRASE_COUNT = 1 + MANNERS
