"""Which phrases tell their emotion: those that no other emotion shows too.

Actors come from standing and go back to it, and pause between two movements; whoever stands still is sad,
proud or happy alike. A dancer that is asked for such a phrase shows what it was asked for, and nobody sees the
emotion. So a phrase counts by the share that its own emotion has among the phrases that are like it (a Parzen
window: Parzen 1962), a mirrored clip's among them, but not those of its own clip, which would vouch for itself.
"""

import numpy as np
from numpy.typing import NDArray

from models.activity import activity_input
from models.skeleton import FloatArray

ALIKE = 0.5
"""Deviations of speed and manner over which phrases are alike."""
SPEED_WEIGHT = 1.5
"""What a difference of one in the activity input counts; one deviation of a number of the manner counts 1."""
LEAST = 1e-12
"""What each emotion counts everywhere, so that far from everything all are as likely."""


def telling(phrases: FloatArray, clips: NDArray[np.int64]) -> FloatArray:
    """The share (P, N), 0 to 1, of each phrase's own emotion among those alike, of phrases (P, N, 7) as in
    `models.wish`, N of each of P emotions, that come from the clips (P, N)."""
    emotions, count = phrases.shape[:2]
    told = np.concatenate([SPEED_WEIGHT * activity_input(phrases[..., :1]), phrases[..., 1:]], axis=-1)
    everyone, sources = told.reshape(emotions * count, -1), clips.reshape(-1)
    lengths = 0.5 * np.square(told).sum(axis=2)  # half the square of each
    shares = np.empty((emotions, count))
    for emotion in range(emotions):
        apart = lengths[emotion][:, None] + lengths.reshape(-1) - told[emotion] @ everyone.T
        alike = np.exp(-np.maximum(apart, 0.0) / ALIKE**2)
        alike[clips[emotion][:, None] == sources] = 0.0
        by_emotion = alike.reshape(count, emotions, count).sum(axis=2)
        shares[emotion] = (by_emotion[:, emotion] + LEAST) / (by_emotion.sum(axis=1) + LEAST * emotions)
    return shares
