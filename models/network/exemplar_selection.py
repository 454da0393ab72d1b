"""Which exemplars show their emotion: those that are unlike the exemplars of other emotions.

Actors stand before and after a movement, and standing looks alike in all emotions. So each exemplar is weighted
by the class posterior of its own emotion among similar exemplars (a Parzen window: Parzen 1962). Mirrored clips
count; exemplars of the same clip do not, since they are always similar.

The exemplars with the largest posterior are often the liveliest, and a dancer that used them alone would be
faster than any actor. An exponential tilt keeps their mean speed (`tilt_to_mean`).
"""

import numpy as np
from numpy.typing import NDArray

from models.motion.skeleton import FloatArray
from models.network.speed_encoding import encode_speed

BANDWIDTH = 0.8
"""Deviations of speed and descriptor over which exemplars are alike."""
SPEED_WEIGHT = 1.5
"""What a difference of one in the activity input counts; one deviation of a number of the descriptor counts
1."""
DENSE_SPACING = 0.6
"""Deviations from an exemplar to the next one of its emotion where there are as many as one could want."""
MAX_TILT = 50.0
"""The strongest tilt, over the range of the speeds."""
PRIOR_DENSITY = 1e-12
"""What each emotion counts everywhere, so that far from everything all are as likely."""


def class_posterior(exemplars: FloatArray, clips: NDArray[np.int64]) -> FloatArray:
    """The share (P, N), 0 to 1, of each exemplar's own emotion among those alike, of exemplars (P, N, 13) as in
    `models.network.conditioning`, N of each of P emotions, that come from the clips (P, N)."""
    emotions, count = exemplars.shape[:2]
    told = _standardized(exemplars)
    everyone, sources = told.reshape(emotions * count, -1), clips.reshape(-1)
    lengths = 0.5 * np.square(told).sum(axis=2)  # half the square of each
    shares = np.empty((emotions, count))
    for emotion in range(emotions):
        apart = lengths[emotion][:, None] + lengths.reshape(-1) - told[emotion] @ everyone.T
        alike = np.exp(-np.maximum(apart, 0.0) / BANDWIDTH**2)
        alike[clips[emotion][:, None] == sources] = 0.0
        by_emotion = alike.reshape(count, emotions, count).sum(axis=2)
        shares[emotion] = (by_emotion[:, emotion] + PRIOR_DENSITY) / (
            by_emotion.sum(axis=1) + PRIOR_DENSITY * emotions
        )
    return shares


def sparsity(exemplars: FloatArray) -> FloatArray:
    """How few different exemplars each emotion has, (P,) in 0..1, of exemplars (P, N, 13): the nearer each is
    to another of its own, the fewer there are."""
    sparse = np.zeros(len(exemplars))
    for emotion, own in enumerate(_standardized(exemplars)):
        apart = np.sqrt(np.square(own[:, None] - own[None]).sum(axis=-1))
        apart[apart < 1e-6] = np.inf  # itself, and the same again
        if np.isfinite(nearest := apart.min(axis=1)).any():
            sparse[emotion] = max(1.0 - float(np.median(nearest[np.isfinite(nearest)])) / DENSE_SPACING, 0.0)
    return sparse


def _standardized(exemplars: FloatArray) -> FloatArray:
    return np.concatenate([SPEED_WEIGHT * encode_speed(exemplars[..., :1]), exemplars[..., 1:]], axis=-1)


def tilt_to_mean(shares: FloatArray, speeds: FloatArray, livelier: float = 1.0) -> FloatArray:
    """Probabilities (N,) as `shares` (N,), tilted until the mean of `speeds` (N,) is what it is without them,
    times `livelier`.

    Of all distributions with that mean it is the nearest to the shares (Kullback 1959): each is multiplied by
    exp(tilt x speed).
    """
    spread = float(np.ptp(speeds))
    if spread == 0.0:
        return shares / shares.sum()
    aimed, apart = livelier * speeds.mean(), (speeds - speeds.mean()) / spread
    low, high = -MAX_TILT, MAX_TILT
    for _ in range(60):
        tilt = (low + high) / 2
        tilted = shares * np.exp(tilt * apart)
        tilted = tilted / tilted.sum()
        low, high = (low, tilt) if tilted @ speeds > aimed else (tilt, high)
    return tilted
