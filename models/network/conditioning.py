"""The conditioning vector: what the network is told beside the emotion.

(16,): the encoded mean speed of the coming second (`models.network.speed_encoding`), the motion descriptor
(`models.network.motion_descriptor`), and the kind of movement (`models.data.kinds`) one-hot. NaN means "not
given". An exemplar holds the speed in m/s and the descriptor measured on one second of a real clip. When
dancing, the generator asks for one exemplar of the emotion and kind after the other.
"""

from models.data.kinds import KINDS
from models.network.motion_descriptor import DESCRIPTOR_SIZE

DESCRIPTOR = slice(1, 1 + DESCRIPTOR_SIZE)
CONDITIONING_SIZE = DESCRIPTOR.stop + len(KINDS)
EXEMPLARS = 128
"""Exemplars of each emotion and kind that a checkpoint knows, the slowest first."""
EXEMPLAR_SIZE = 1 + DESCRIPTOR_SIZE
