"""When to tick: not at some time of each thirtieth of a second, but where poses have just come in.

A camera and the dance both beat thirty times a second, and nothing says that they beat together: a pose may lie
there for a whole tick before anybody looks. So the grid of ticks is moved, a fraction of a millisecond at a
time, to where nine of ten poses have come in. That is stochastic approximation of a quantile (Robbins & Monro
1951); nobody can see it in the dance.
"""

EARLIER, LATER = 0.0001, 0.0009
"""Seconds by which the grid moves earlier for a pose that came in time, or far too late, and later for one that
just missed its tick: one of ten may."""
JUST_MISSED = 0.1
"""Share of a tick that counts as just: where poses come at any phase, one of ten does, and the grid stays."""


def shift_of_ticks(came_at: float, due: float, period: float) -> float:
    """Seconds to move a grid of ticks by, of which one is `due`, for a pose that came at `came_at`."""
    waited = (due - came_at) % period
    return LATER if waited > (1.0 - JUST_MISSED) * period else -min(waited, EARLIER)
