"""What can be measured of movement without a classifier: pure functions of positions (T, 17, 3), metres at 30
fps.

Each says what it measures and in which unit; which values are good is said by real motion, beside which they
are shown. The floor is y = 0; the ball of a standing foot is at
`models.motion.foot_contact.TOE_CONTACT_HEIGHT`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.motion.features import heading, pose_positions, positions_to_features
from models.motion.foot_contact import TOE_CONTACT_HEIGHT, TOES
from models.motion.skeleton import BONE_PARENTS, FRAME_RATE, FloatArray, joint_speed

FROZEN_SPEED = 0.04
"""Metres a second of mean joint speed relative to the pelvis under which a second counts as frozen."""
FROZEN_WINDOW, FROZEN_HOP = FRAME_RATE, FRAME_RATE // 2
CONTACT_HEIGHT = TOE_CONTACT_HEIGHT + 0.02
"""Metres under which the ball of a foot is on its floor."""
QUICK = 5.0
"""Hz above which movement of a body is mostly trembling."""
BACK_ANGLE = np.radians(120.0)
CONTACT_SPEED = 0.5
"""Metres a second of the ball of a foot from which on it counts as moving altogether."""
BEAT_WINDOW = 8 * FRAME_RATE
BEAT_FRAMES = (9, 36)
"""Frames of the shortest and the longest period that counts as a beat, 0.3 and 1.2 s."""
REPEAT_WINDOW = 2 * FRAME_RATE
REPEAT_HOP = FRAME_RATE // 2
REPEAT_SHARE = 0.2
"""A window repeats another if they differ by less than this share of the movement in it (root mean squares).
A looped clip repeats in every window; of real clips one after another about one window in fifty does."""
REPEAT_FLOOR_M = 0.003
"""Metres added to that difference: who stands as still as this repeats as well."""


def running_mean(values: FloatArray, window: int) -> FloatArray:
    """Means (T - window + 1,) of `window` neighbours of values (T,)."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return (total[window:] - total[:-window]) / window


def frozen_share(positions: FloatArray) -> float:
    """Share of windows of 1 s, every half second, that are frozen; NaN for less than a second."""
    means = running_mean(joint_speed(positions), FROZEN_WINDOW)[::FROZEN_HOP]
    return float((means < FROZEN_SPEED).mean()) if len(means) else float("nan")


def longest_frozen(positions: FloatArray) -> float:
    """Seconds of the longest stretch in which every second is frozen."""
    frozen = running_mean(joint_speed(positions), FROZEN_WINDOW) < FROZEN_SPEED
    return longest_run(frozen) + (FROZEN_WINDOW - 1) / FRAME_RATE if frozen.any() else 0.0


def jerk(positions: FloatArray) -> float:
    """Mean third difference of the joints' positions, in m/s^3."""
    return float(np.linalg.norm(np.diff(positions, n=3, axis=0), axis=-1).mean()) * FRAME_RATE**3


def quick_share(positions: FloatArray) -> float:
    """Share of the power of the joints' velocity relative to the pelvis that lies above `QUICK`."""
    velocity = np.diff(positions[:, 1:] - positions[:, :1], axis=0)
    velocity = velocity - velocity.mean(axis=0)
    power = np.square(np.abs(np.fft.rfft(velocity * np.hanning(len(velocity))[:, None, None], axis=0)))
    above = np.fft.rfftfreq(len(velocity), 1 / FRAME_RATE) > QUICK
    return float(power[above].sum() / max(power.sum(), 1e-12))


def toe_slide(positions: FloatArray) -> float:
    """Mean horizontal speed in m/s of the ball of a foot while it is on its floor; NaN if it never is."""
    toes = positions[:, TOES]
    speed = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) * FRAME_RATE
    on_floor = np.maximum(toes[1:, :, 1], toes[:-1, :, 1]) < CONTACT_HEIGHT
    return float(speed[on_floor].mean()) if on_floor.any() else float("nan")


def penetration(positions: FloatArray) -> float:
    """Mean depth in metres of the lower foot's ball under where it stands."""
    return float(np.maximum(TOE_CONTACT_HEIGHT - positions[:, TOES, 1].min(axis=1), 0.0).mean())


def joint_speeds(positions: FloatArray) -> FloatArray:
    """Speed (T - 1, 17) in m/s of every joint in the world."""
    return np.linalg.norm(np.diff(positions, axis=0), axis=-1) * FRAME_RATE


def farthest(positions: FloatArray) -> float:
    """Largest horizontal distance in metres of the pelvis from the middle of the stage."""
    return float(np.linalg.norm(positions[:, 0, [0, 2]], axis=-1).max())


def bone_change(positions: FloatArray) -> float:
    """Largest difference in metres of a bone's length from its mean."""
    bones = np.linalg.norm(positions[:, 1:] - positions[:, BONE_PARENTS], axis=-1)
    # Summed over minutes in float32 the mean itself would be off by more than the bar.
    return float(np.abs(bones - bones.mean(axis=0, dtype=np.float64)).max())


def back_turned(positions: FloatArray) -> NDArray[np.bool_]:
    """Whether the body looks past the audience (+z) by more than `BACK_ANGLE`, (T,) bool."""
    return np.abs(heading(positions)) > BACK_ANGLE


def longest_run(flags: NDArray[np.bool_]) -> float:
    """Seconds of the longest stretch of frames (T,) that are set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return float((edges[1::2] - edges[::2]).max()) / FRAME_RATE if len(edges) else 0.0


def rhythm_strength(positions: FloatArray) -> float:
    """How strongly the contacts of the feet repeat after the best of the periods of `BEAT_FRAMES`: the mean
    over windows of 8 s of the largest autocorrelation, 1 for a metronome; NaN for less than 8 s."""
    speed = np.linalg.norm(np.diff(positions[:, TOES], axis=0), axis=-1) * FRAME_RATE
    contact = np.clip(1.0 - speed / CONTACT_SPEED, 0.0, 1.0).sum(axis=1)
    strengths = []
    for first in range(0, len(contact) - BEAT_WINDOW + 1, BEAT_WINDOW // 2):
        window = contact[first : first + BEAT_WINDOW]
        window = window - window.mean()
        power = float(np.square(window).mean())
        lags = range(BEAT_FRAMES[0], BEAT_FRAMES[1] + 1)
        alike = [float((window[lag:] * window[:-lag]).mean()) for lag in lags]
        strengths.append(max(alike) / max(power, 1e-6))
    return float(np.mean(strengths)) if strengths else float("nan")


@dataclass(frozen=True, eq=False)
class Plausible:
    """What real bodies do: `speed` (17,) m/s that each joint exceeds in one frame of a thousand, and the range
    of the pelvis' height in metres that it leaves in two frames of a thousand."""

    speed: FloatArray
    height: tuple[float, float]

    @classmethod
    def of(cls, clips: list[FloatArray]) -> "Plausible":
        """Measurements on real clips."""
        speed = np.concatenate([joint_speeds(clip) for clip in clips])
        height = np.concatenate([clip[:, 0, 1] for clip in clips])
        low, high = np.percentile(height, [0.1, 99.9])
        return cls(np.percentile(speed, 99.9, axis=0), (float(low), float(high)))

    def too_fast(self, positions: FloatArray) -> float:
        """Share of joint speeds that are beyond."""
        return float((joint_speeds(positions) > self.speed).mean())

    def out_of_height(self, positions: FloatArray) -> float:
        """Share of frames in which the pelvis is out of its range."""
        low, high = self.height
        return float(((positions[:, 0, 1] < low) | (positions[:, 0, 1] > high)).mean())


def facing_poses(positions: FloatArray) -> FloatArray:
    """Poses (T, 17, 3) float32 of bodies of one size that face +z above the origin, pelvis at its height.

    Neither where a body is, nor which way it faces, nor its size is left in them.
    """
    features = positions_to_features(positions)
    return pose_positions(features, np.zeros((len(features), 2)), np.zeros(len(features))).astype(np.float32)


def near_enough(windows: FloatArray) -> FloatArray:
    """Mean squared difference in m² under which another window repeats each of windows (N, T, J)."""
    return REPEAT_SHARE**2 * windows.var(axis=1).mean(axis=-1) + REPEAT_FLOOR_M**2


def repetition_share(positions: FloatArray) -> float:
    """Share of windows of 2 s that nearly repeat an earlier one which does not overlap; NaN without any."""
    poses = facing_poses(positions).reshape(len(positions), -1)
    starts = np.arange(0, len(poses) - REPEAT_WINDOW + 1)
    if len(starts) <= REPEAT_WINDOW:
        return float("nan")
    views = np.lib.stride_tricks.sliding_window_view(poses, REPEAT_WINDOW, axis=0).transpose(0, 2, 1)
    windows = views.reshape(len(starts), -1)  # copies
    square = np.square(windows).sum(axis=1)
    queries = starts[REPEAT_WINDOW::REPEAT_HOP]
    distance = (square[queries, None] + square - 2 * windows[queries] @ windows.T) / windows.shape[1]
    distance[starts > queries[:, None] - REPEAT_WINDOW] = np.inf
    return float((distance.min(axis=1) < near_enough(views[queries])).mean())
