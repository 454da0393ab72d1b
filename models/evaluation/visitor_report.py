"""Does the dancer answer? One visitor in front of a dancer of each emotion, measured from outside.

The visitor does everyday acts, dances and stands still in turn; their poses carry a camera's noise and go
through the same code as live (`models.generation.answer`). A measure compares the dancer with the visitor at
that time and at other times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.data.clips import Clips
from models.data.kinds import DEFAULT_REPERTOIRE, kind_of
from models.evaluation import measures
from models.evaluation.dance_classifier import dance_share
from models.evaluation.dance_reference import DanceReference
from models.generation.answer import (
    TrackedMovement,
    answering_energy,
    answering_pose,
    answering_tempo,
    draw_share,
)
from models.generation.generator import Generator
from models.motion.features import features_to_positions, heading, positions_to_features, turn
from models.motion.skeleton import (
    BONE_COUNT,
    FRAME_RATE,
    INDEX,
    STANDING_POSE,
    FloatArray,
    bone_directions,
    joint_speed,
    mirror_positions,
    unit_vectors,
)

CAMERA_NOISE_M = 0.006
"""Deviation of each coordinate of a joint, as the pose detector's after its filter."""
PART_S, PAUSE_S = 4.0, 2.5
JOIN_FRAMES = 15
MAX_LAG_FRAMES = 15
"""An answer later than half a second is none."""
OTHER_TIMES_FRAMES = (150, 240, 330, 450)
"""Frames by which the visitor is shifted to be the visitor at another time."""
SMOOTH_FRAMES = 15
MIRRORED_BONES = np.array(
    [INDEX[name] - 1 for name in ("neck", "head", "left_elbow", "left_wrist", "right_elbow", "right_wrist")]
)
"""Trunk, head and arms."""

CRITERIA = {
    0.6: {
        "mirror": (0.45, np.inf),
        "energy": (0.75, np.inf),
        "lively_still": (1.8, np.inf),
        "arms_up_s": (0.0, 0.6),
        "profile_named": (6, np.inf),
        "profile_match": (0.75, np.inf),
        "dance_share": (0.6, 1.0),
        "jerk_at_speed": (0.8, 1.25),
        "toe_slide": (0.0, 1.3),
        "off_manifold": (0.0, 0.03),
    },
    1.0: {
        "mirror": (0.6, np.inf),
        "energy": (0.85, np.inf),
        "lively_still": (2.1, np.inf),
        "arms_up_s": (0.0, 0.4),
        "profile_named": (6, np.inf),
        "profile_match": (0.75, np.inf),
        "dance_share": (0.4, 1.0),
        "jerk_at_speed": (0.8, 1.3),
        "toe_slide": (0.0, 1.5),
        "off_manifold": (0.0, 0.05),
    },
}
"""Between what each figure should lie, by influence; the dance share is that before everyday acts."""


@dataclass(frozen=True, eq=False)
class VisitorStream:
    """What a visitor shows: positions (T, 17, 3), confidence (T, 17), when they stand still (T,), and every how
    many frames a pose comes."""

    positions: FloatArray
    confidence: FloatArray
    still: NDArray[np.bool_]
    pose_every: int = 1


def visitor_stream(
    clips: Clips, rng: np.random.Generator, seconds: float = 28.0, *, dances: bool = True
) -> VisitorStream:
    """A visitor who does neutral acts, dances (or, without, acts again) and pauses in turn, joined without
    steps and with a camera's noise. Raises ValueError where there are no neutral acts of two seconds."""
    acts = [i for i in range(len(clips)) if clips.labels[i] == "1/normal" and len(clips.clip(i)) > 60]
    dancing = [i for i in range(len(clips)) if dances and kind_of(clips.contents[i]) == "dance"] or acts
    if not acts:
        raise ValueError("no neutral acts of two seconds for a visitor to show")
    length, pause = int(PART_S * FRAME_RATE), int(PAUSE_S * FRAME_RATE)
    features = np.empty((0, 52), dtype=np.float32)
    still: list[bool] = []
    while len(features) < seconds * FRAME_RATE:
        for chosen in (acts, dancing):
            clip = clips.clip(int(rng.choice(chosen)))
            first = int(rng.integers(max(len(clip) - length, 0) + 1))
            part = positions_to_features(clip[first : first + length])
            if len(features):
                fade = 0.5 + 0.5 * np.cos(np.pi * np.arange(min(JOIN_FRAMES, len(part))) / JOIN_FRAMES)
                part[: len(fade)] += fade[:, None] * (features[-1] - part[0])
            features = np.concatenate([features, part])
            still += [False] * len(part)
        rest = np.repeat(features[-1:], pause, axis=0)
        rest[:, 49:] = 0.0
        features = np.concatenate([features, rest])
        still += [True] * pause
    frames = int(seconds * FRAME_RATE)
    directions = unit_vectors(features[:, : 3 * BONE_COUNT].reshape(-1, BONE_COUNT, 3))
    features[:, : 3 * BONE_COUNT] = directions.reshape(len(features), -1)
    positions = features_to_positions(features[:frames])
    positions = positions + rng.normal(0.0, CAMERA_NOISE_M, positions.shape)
    return VisitorStream(positions, np.ones(positions.shape[:2]), np.array(still[:frames]))


def with_errors(stream: VisitorStream, rng: np.random.Generator) -> dict[str, VisitorStream]:
    """The same visitor as other cameras and bodies show them."""
    arm = [INDEX["left_elbow"], INDEX["left_wrist"]]
    lost = stream.positions.copy()
    lost[:, arm] = lost[:, [INDEX["left_shoulder"]]] + rng.normal(0.0, 0.2, lost[:, arm].shape)
    unsure = stream.confidence.copy()
    unsure[:, arm] = 0.0
    seated = stream.positions.copy()
    legs = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("knee", "ankle", "toe")]
    seated[:, legs] = seated[:1, legs] + (seated[:, :1] - seated[:1, :1])
    return {
        "as is": stream,
        "10 fps": replace(stream, pose_every=3),
        "an arm lost": replace(stream, positions=lost, confidence=unsure),
        "seated": replace(stream, positions=seated),
        "a child": replace(stream, positions=0.5 * stream.positions),
    }


def danced_before(
    generator: Generator,
    stream: VisitorStream,
    influence: float,
    seed: int = 5,
    weights: FloatArray | None = None,
    energy: float = 1.0,
    repertoire: FloatArray | Sequence[float] = DEFAULT_REPERTOIRE,
) -> FloatArray:
    """Positions (B, T, 17, 3) of dancers in emotions of weights (B, P), by default one of each, in front of the
    visitor."""
    weights = np.eye(len(generator.checkpoint.palette), dtype=np.float32) if weights is None else weights
    restyling = generator.checkpoint.restyling
    state = generator.warm_up(generator.initial_state(len(weights), seed), weights, repertoire=repertoire)
    track, shown = TrackedMovement(), []
    for frame, positions in enumerate(stream.positions):
        if frame % stream.pose_every == 0:
            track.see(positions, stream.confidence[frame], frame / FRAME_RATE)
        visitor = track.movement
        assert visitor is not None
        asked, tempo = energy * answering_energy(visitor, influence), answering_tempo(visitor, influence)
        toward = np.stack([answering_pose(visitor, own, restyling) for own in weights])
        drawn = draw_share(visitor, influence)
        state = generator.step(state, weights, asked, toward, drawn, repertoire, tempo)
        shown.append(state.positions)
    return np.stack(shown, axis=1)


def mirror(dance: FloatArray, visitor: FloatArray) -> tuple[float, float]:
    """How much nearer the dancer's trunk and arms (T, 17, 3) are to the visitor's than to the visitor's at
    another time (0 no nearer, 1 the same), side for side or left for right and at the best lag, and that lag in
    seconds."""
    own = _bones(dance)
    found: list[tuple[float, float]] = []
    for version in (visitor, mirror_positions(visitor)):
        shown = _bones(version)
        for lag in range(MAX_LAG_FRAMES + 1):
            late, now = own[lag:], shown[: len(shown) - lag]
            near = _distance(late, now)
            apart = np.mean([_distance(late, np.roll(now, shift, axis=0)) for shift in OTHER_TIMES_FRAMES])
            found.append((1.0 - near / float(apart), lag / FRAME_RATE))
    return max(found)


def _bones(positions: FloatArray) -> FloatArray:
    """Directions (T, 6, 3) of trunk, head and arms of a body that faces +z."""
    return turn(bone_directions(positions), -heading(positions)[:, None])[:, MIRRORED_BONES]


def _distance(one: FloatArray, other: FloatArray) -> float:
    return float(np.linalg.norm(one - other, axis=-1).mean())


def energy_answer(dance: FloatArray, stream: VisitorStream) -> tuple[float, float]:
    """The correlation of the dancer's speed with the visitor's, at the best lag up to a second, and how many
    times faster the dancer moves while the visitor moves than while they have stood for half a second."""
    lag_frames = 6
    body = stream.positions - stream.positions[:, :1]
    moved = np.linalg.norm(body[lag_frames:] - body[:-lag_frames], axis=-1).mean(axis=-1)
    visitor = _smooth(np.concatenate([np.full(lag_frames, moved[0]), moved]))
    dancer = _smooth(np.concatenate([joint_speed(dance)[:1], joint_speed(dance)]))
    alike = [np.corrcoef(visitor[: len(visitor) - lag], dancer[lag:])[0, 1] for lag in range(FRAME_RATE)]
    settled = np.convolve(stream.still, np.ones(SMOOTH_FRAMES), "full")[: len(stream.still)] >= SMOOTH_FRAMES
    return float(max(alike)), float(dancer[~stream.still].mean() / dancer[settled].mean())


def _smooth(values: FloatArray) -> FloatArray:
    padded = np.pad(values, (SMOOTH_FRAMES // 2, SMOOTH_FRAMES // 2), mode="edge")
    return np.convolve(padded, np.ones(SMOOTH_FRAMES) / SMOOTH_FRAMES, "valid")


def arms_up_seconds(generator: Generator, influence: float, seeds: Sequence[int] = range(4)) -> float:
    """The median over emotions and seeds of the time from when a resting visitor raises both arms, within a
    third of a second, until the dancer's hands are above its shoulders; infinite where they never are within
    two seconds."""
    rest = features_to_positions(np.repeat(_resting()[None], 2, axis=0))[-1]
    raised = rest.copy()
    for side in ("left", "right"):
        shoulder = rest[INDEX[f"{side}_shoulder"]]
        for joint, length in (("elbow", 0.24), ("wrist", 0.46)):
            raised[INDEX[f"{side}_{joint}"]] = shoulder + np.array([0.0, length, 0.0])
    before, after, rising = 4 * FRAME_RATE, 2 * FRAME_RATE, FRAME_RATE // 3
    share = np.clip((np.arange(before + after) - before) / rising, 0.0, 1.0)[:, None, None]
    features = positions_to_features(((1 - share) * rest + share * raised).astype(np.float32))
    positions = features_to_positions(features)
    stream = VisitorStream(positions, np.ones(positions.shape[:2]), np.zeros(len(positions), dtype=bool))
    times = []
    wrists = [INDEX["left_wrist"], INDEX["right_wrist"]]
    shoulders = [INDEX["left_shoulder"], INDEX["right_shoulder"]]
    for seed in seeds:
        for dance in danced_before(generator, stream, influence, seed):
            above = (dance[before:, wrists, 1] > dance[before:, shoulders, 1]).all(axis=1)
            times.append(np.argmax(above) / FRAME_RATE if above.any() else np.inf)
    return float(np.median(times))


def standing_share(generator: Generator, influence: float) -> float:
    """How fast the dancer moves before a visitor who has stood still for ten seconds, of its speed alone: means
    over the emotions and 20 s. A dancer that pauses as long as the visitor does would be frozen by who looks
    on."""
    rest = features_to_positions(np.repeat(_resting()[None], 2, axis=0))[-1]
    frames, settled = 30 * FRAME_RATE, 10 * FRAME_RATE
    noise = np.random.default_rng(0).normal(0.0, CAMERA_NOISE_M, (frames, *rest.shape))
    stream = VisitorStream(rest + noise, np.ones((frames, len(rest))), np.ones(frames, dtype=bool))
    watched, alone = (
        np.mean([joint_speed(dance[settled:]).mean() for dance in danced_before(generator, stream, share)])
        for share in (influence, 0.0)
    )
    return float(watched / alone)


def _resting() -> FloatArray:
    """A standing body with hanging arms as features (52,)."""
    return np.concatenate([unit_vectors(STANDING_POSE).ravel(), [0.88, 0.0, 0.0, 0.0]]).astype(np.float32)


def answer_figures(
    generator: Generator, stream: VisitorStream, influence: float, reference: DanceReference
) -> dict[str, float]:
    """The measures of an answer, means over the emotions."""
    return answer_of(danced_before(generator, stream, influence), stream, reference)


def answer_of(dances: FloatArray, stream: VisitorStream, reference: DanceReference) -> dict[str, float]:
    """The measures of what was danced (P, T, 17, 3), in each emotion, before the same visitor."""
    mirrors = np.array([mirror(dance, stream.positions) for dance in dances])
    energies = np.array([energy_answer(dance, stream) for dance in dances])
    cosines = [reference.profiles.compare([dances[0]], [dance])[1:] for dance in dances[1:]]
    speed = [float(joint_speed(dance).mean()) for dance in dances]
    jerk = np.array([measures.jerk(dance) for dance in dances]) / speed
    real = reference.real["jerk_m_s3"] / reference.real["speed_m_s"]
    return {
        "mirror": float(mirrors[:, 0].mean()),
        "mirror_lag_s": float(np.median(mirrors[:, 1])),
        "energy": float(energies[:, 0].mean()),
        "lively_still": float(energies[:, 1].mean()),
        "profile_named": float(sum(int(c.argmax()) == i for i, c in enumerate(cosines))),
        "profile_match": float(np.mean([c[i] for i, c in enumerate(cosines)])),
        "dance_share": float(np.mean([dance_share(reference.classifier, dance) for dance in dances])),
        "jerk_at_speed": float((jerk / real).mean()),
        "toe_slide": float(
            np.mean([measures.toe_slide(dance) for dance in dances]) / reference.real["toe_slide_m_s"][0]
        ),
        "off_manifold": float(np.mean([reference.manifold.off_share(dance) for dance in dances])),
        "longest_frozen_s": max(measures.longest_frozen(dance) for dance in dances),
    }


def show_answer(clips: Clips, generator: Generator, reference: DanceReference) -> dict[str, dict[str, float]]:
    """Measure and print the answer to one visitor, at the default influence and at 1, and with a camera's
    errors."""
    rng = np.random.default_rng(4)
    stream = visitor_stream(clips, rng)
    acts = visitor_stream(clips, rng, dances=False)
    rows: dict[str, dict[str, float]] = {}
    for influence in (0.0, 0.3, 0.6, 1.0):
        rows[f"influence {influence:g}"] = answer_figures(generator, stream, influence, reference)
        rows[f"influence {influence:g}"]["dance_share"] = answer_figures(generator, acts, influence, reference)[
            "dance_share"
        ]
    for name, other in with_errors(stream, rng).items():
        if name != "as is":
            rows[f"0.6, {name}"] = answer_figures(generator, other, 0.6, reference)
    for influence in (0.6, 1.0):
        rows[f"influence {influence:g}"]["arms_up_s"] = arms_up_seconds(generator, influence)
        rows[f"influence {influence:g}"]["standing"] = standing_share(generator, influence)
    names = list(rows["influence 0.6"])
    print(f"{'visitor':18s}" + "".join(f"{name:>17s}" for name in names))
    for row, figures in rows.items():
        print(f"{row:18s}" + "".join(f"{figures.get(name, float('nan')):>17.2f}" for name in names))
    for influence, bars in CRITERIA.items():
        for line in missed_bars(rows[f"influence {influence:g}"], bars):
            print(f"SHORT  influence {influence:g}: {line}")
    return rows


def missed_bars(figures: dict[str, float], bars: dict[str, tuple[float, float]]) -> list[str]:
    """What to say of each figure that is not within its bar. Raises KeyError for a figure that is not there."""
    return [
        f"{name} {figures[name]:.2f} (bar: {low:g} to {high:g})"
        for name, (low, high) in bars.items()
        if not low <= figures[name] <= high
    ]
