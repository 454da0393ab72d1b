"""When to tick: not at some time of each thirtieth of a second, but where poses have just come in.

A camera and the dance both beat thirty times a second, and nothing says that they beat together: a pose may lie
there for a whole tick before anybody looks. So the grid of ticks is moved, a fraction of a millisecond at a
time, to where nine of ten poses have come in. That is stochastic approximation of a quantile (Robbins & Monro
1951); nobody can see it in the dance.
"""

EARLIER, LATER = 0.0001, 0.0009
"""Seconds by which the grid moves for a pose that came in time, and for one that just missed its tick: one of
ten may miss."""


def shift_of_ticks(came_at: float, due: float, period: float) -> float:
    """Seconds to move a grid of ticks by, of which one is `due`, for a pose that came at `came_at`."""
    waited = (due - came_at) % period
    return -min(waited, EARLIER) if waited < period / 2 else LATER
