"""What a dancer is asked for beside its emotion: how much to move, and in what descriptor.

A conditioning is the vector (16,) that the network hears: the speed of the coming second
(`models.network.speed_encoding`), then the descriptor (`models.network.motion_descriptor`), then the kind of
movement (`models.data.kinds`), one-hot; NaN is "any". An exemplar is a conditioning as some actor would have
had it: the speed in m/s of a second of movement, then its descriptor. Live, a dancer is asked for one exemplar
of its emotion and kind after the other.
"""

from models.data.kinds import KINDS
from models.network.motion_descriptor import DESCRIPTOR_SIZE

DESCRIPTOR = slice(1, 1 + DESCRIPTOR_SIZE)
CONDITIONING_SIZE = DESCRIPTOR.stop + len(KINDS)
EXEMPLARS = 128
"""Phrases of each emotion and kind that a checkpoint knows, the slowest first."""
EXEMPLAR_SIZE = 1 + DESCRIPTOR_SIZE
