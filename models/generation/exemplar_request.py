"""Which exemplar the dancer is asked for, and when the next one follows."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.data.kinds import KINDS
from models.generation.state import Request
from models.motion.skeleton import FRAME_RATE, FloatArray

EXEMPLAR_QUANTILES = (0.15, 0.975)
"""The calmest and the liveliest exemplars that are asked for, as ranks among those of an emotion: below are
rests between two movements, beyond single leaps."""
QUANTILE_STEP = 0.618
"""What is added to the quantile from one exemplar to the next, modulo 1: each is far from the last few."""


def next_request(
    request: Request, rng: np.random.Generator, repertoire: FloatArray, exemplar_seconds: float
) -> Request:
    """The request of the next frame: another exemplar after `exemplar_seconds` on average, or where its kind is
    no longer in the repertoire, (kinds,) or (B, kinds)."""
    count = len(request.kind)
    shares = np.cumsum(
        np.broadcast_to(repertoire / repertoire.sum(axis=-1, keepdims=True), (count, len(KINDS))), axis=1
    )
    wanted = np.take_along_axis(np.diff(shares, prepend=0.0), request.kind[:, None], axis=1)[:, 0] > 0.0
    ends = (rng.random(count) < 1.0 / (FRAME_RATE * exemplar_seconds)) | ~wanted
    drawn = (rng.random((count, 1)) * shares[:, -1:] >= shares).sum(axis=1)
    next_quantile = (request.exemplar_quantile + QUANTILE_STEP + rng.uniform(-0.1, 0.1, count)) % 1.0
    fresh = rng.standard_normal(request.descriptor_noise.shape)
    return replace(
        request,
        kind=np.where(ends, np.minimum(drawn, len(KINDS) - 1), request.kind),
        exemplar_quantile=np.where(ends, next_quantile, request.exemplar_quantile),
        descriptor_noise=np.where(ends[:, None], fresh, request.descriptor_noise),
    )


def exemplar_at(
    exemplars: FloatArray, weights: FloatArray, kind: NDArray[np.int64], quantile: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Speed in m/s (B,) and descriptor (B, 12) of exemplars (P, kinds, N, 13), the slowest first, of kinds (B,)
    at a quantile (B,): the mean over the emotions by their weights (B, P)."""
    among = EXEMPLAR_QUANTILES[0] + (EXEMPLAR_QUANTILES[1] - EXEMPLAR_QUANTILES[0]) * quantile
    chosen = exemplars[:, kind, (among * exemplars.shape[2]).astype(int)]  # (P, B, 13)
    mean = np.einsum("bp,pbw->bw", weights, chosen)
    return mean[:, 0], mean[:, 1:]
