"""What a dancer is asked for beside its emotion: how much to move, and in what manner.

A wish is the vector (8,) that the network hears: the speed of the coming second and of the coming quarter of a
second (`models.activity`), then the manner (`models.manner`); NaN is "any". A phrase is a wish as some actor
would have had it: the speed in m/s of a second of movement, then its manner. Live, a dancer is asked for one
phrase of its emotion after the other.
"""

from models.activity import WINDOWS
from models.manner import MANNERS

WISH_COUNT = len(WINDOWS) + MANNERS
PHRASES = 128
"""Phrases of each emotion that a checkpoint knows, the slowest first."""
PHRASE_COUNT = 1 + MANNERS
