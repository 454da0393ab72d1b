"""When to beat: not at some time of each thirtieth of a second, but where what is waited for has just come in.

A camera and the dance both beat thirty times a second, and nothing says that they beat together: a pose may lie
there for a whole tick before anybody looks, and a frame of the dance for a whole frame. So a grid of beats is
moved, a fraction of a millisecond at a time, to where nineteen of twenty have come in, and again where a camera
that is opened anew, or a film at its seam, comes at another phase. That is stochastic approximation of a
quantile (Robbins & Monro 1951) with a bounded, redescending influence (Huber 1964); nobody can see it in the
dance.
"""

LATE_GAIN = 0.027
"""Share of a beat by which the grid moves later for what just missed its beat."""
EARLY_GAIN = LATE_GAIN / 19
"""… and earlier for what came in time: one of twenty may miss its beat."""

JUST_MISSED, IN_TIME = 0.2, 0.6
"""Shares of a beat after one, and before the next, that count as just missed and as in time."""
FAR_GAIN = (JUST_MISSED * LATE_GAIN - IN_TIME * EARLY_GAIN) / (1.0 - JUST_MISSED - IN_TIME)
"""Share of a beat by which it moves earlier for what is far from both. Where things come at any phase, the
three keep each other's balance, and the grid its pace."""


def phase_correction(came_at: float, due: float, period: float) -> float:
    """Seconds to move a grid of beats by, of which one is `due`, for something that came at `came_at`."""
    waited = (due - came_at) / period % 1.0
    if waited > 1.0 - JUST_MISSED:
        return LATE_GAIN * period
    return -min(waited, EARLY_GAIN if waited < IN_TIME else FAR_GAIN) * period
