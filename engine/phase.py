"""When to beat: not at some time of each thirtieth of a second, but where what is waited for has just come in.

A camera and the dance both beat thirty times a second, and nothing says that they beat together: a pose may lie
there for a whole tick before anybody looks, and a frame of the dance for a whole picture. So a grid of beats is
moved, a fraction of a millisecond at a time, to where nine of ten have come in. That is stochastic
approximation of a quantile (Robbins & Monro 1951); nobody can see it in the dance.
"""

EARLIER, LATER = 0.003, 0.027
"""Shares of a beat by which the grid moves earlier for what came in time, or far too late, and later for what
just missed its beat: one of ten may."""
JUST_MISSED = 0.1
"""Share of a beat that counts as just: where things come at any phase, one of ten does, and the grid stays."""


def shift_of_grid(came_at: float, due: float, period: float) -> float:
    """Seconds to move a grid of beats by, of which one is `due`, for something that came at `came_at`."""
    waited = (due - came_at) % period
    return LATER * period if waited > (1.0 - JUST_MISSED) * period else -min(waited, EARLIER * period)
