"""Measure dances beside real motion: `python -m models.evaluate --data clips.npz dances.npz --out report/`.

Without --rollouts the checkpoint dances first: eight seeds of each emotion, half of them prompted with another
emotion's movement. What it dances by default is measured beside real dances; gestures, also of dancers who
change their emotion every five seconds, beside the acted clips; and gestures and walks in equal parts for their
variety.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.card import CheckpointError, checkpoint_named, default_checkpoint
from models.checkpoint import read_checkpoint
from models.clips import Clips, ClipsError, join_clips, read_clips, split_clips
from models.dance_classifier import ANSWERS, classifier_error, train_dance_classifier
from models.dance_report import (
    DanceReference,
    build_dance_reference,
    measure_dances,
    show_dances,
    write_dances,
)
from models.emotion_classifier import (
    LONG,
    SHORT,
    ClassifierConfig,
    ClassifierError,
    EmotionClassifier,
    load_classifier,
    save_classifier,
    train_classifier,
    windows_of,
)
from models.evaluation_plots import draw_plots
from models.generator import Generator
from models.kinds import kind_of, repertoire_of
from models.reference import Reference, averaged, build_reference, sample_features
from models.report import LongDance, Measurements, Report, show, write
from models.restyling import Restyling
from models.rollouts import (
    SEEDS,
    SWITCH_EVERY,
    Rollouts,
    RolloutsError,
    dance_all,
    prompts_for,
    read_rollouts,
    save_rollouts,
    steady_dances,
    switches_of,
)
from models.skeleton import FRAME_RATE, FloatArray
from models.visitor_report import show_answer

ACTS = (0.0, 0.5, 0.5)
"""The repertoire whose variety is measured beside the actors'."""
LOOK_EVERY = 3
"""Frames between two looks of the classifier after a switch."""
LONGEST = 3600.0
"""Seconds that a dance may last."""


def evaluate_rollouts(rollouts: Rollouts, reference: Reference) -> Report:
    """Measure every dance; what an emotion that nobody dances would be is NaN. Raises RolloutsError if their
    palette is not the reference's, or if none keeps one emotion."""
    if rollouts.palette != reference.emotions:
        raise RolloutsError(f"these dances are of {', '.join(rollouts.palette)}, the classifier knows others")
    if not np.isfinite(rollouts.positions).all():
        raise RolloutsError("a dancer left the finite numbers; the checkpoint is broken or badly trained")
    if rollouts.positions.shape[1] <= LONG:
        raise RolloutsError(f"dances of {rollouts.positions.shape[1]} frames; expected more than {LONG}")
    steady = np.flatnonzero(rollouts.steady)
    if not len(steady):
        raise RolloutsError("no dance keeps one emotion from beginning to end, and those are measured")
    values = {
        dance: reference.values_of(rollouts.positions[dance])
        for dance in tqdm(steady.tolist(), unit="dance", desc="measures", disable=None)
    }
    mismatched = rollouts.mismatched[steady]
    parts = {}
    if mismatched.any() and not mismatched.all():
        parts = {"its own": steady[~mismatched], "another": steady[mismatched]}
    return Report(
        reference.emotions,
        reference.real,
        reference.floor,
        reference.looped,
        measured(rollouts, reference, values, steady),
        {name: measured(rollouts, reference, values, chosen) for name, chosen in parts.items()},
        responses(rollouts, reference.emotion_classifier),
    )


def measured(
    rollouts: Rollouts, reference: Reference, values: dict[int, dict[str, float]], chosen: NDArray[np.int64]
) -> Measurements:
    """The chosen dances together, by emotion; `values` holds the measures of each."""
    size = len(reference.emotions)
    generated = {name: np.full(size, np.nan) for name in reference.real}
    confusion = np.full((size, size), np.nan)
    features: list[FloatArray] = []
    rng = np.random.default_rng(0)
    for emotion in range(size):
        some = [dance for dance in chosen.tolist() if rollouts.emotions[dance, 0] == emotion]
        if not some:
            continue
        dances = [rollouts.positions[dance] for dance in some]
        lengths = [len(dance) for dance in dances]
        for name, column in generated.items():
            column[emotion] = averaged(name, [values[dance][name] for dance in some], lengths)
        confusion[emotion] = classified(reference.emotion_classifier, dances).mean(axis=0)
        features.append(sample_features(reference.emotion_classifier, dances, rng))
    distance = reference.distance(np.concatenate(features)) if features else float("nan")
    return Measurements(generated, confusion, distance)


def classified(emotion_classifier: EmotionClassifier, dances: Sequence[FloatArray]) -> FloatArray:
    """Shares (N, P) of the windows of 2 s of each dance that the classifier takes for each emotion."""
    rows = []
    for dance in dances:
        said = emotion_classifier.look(windows_of(dance, LONG, FRAME_RATE).astype(np.float32))[0].argmax(axis=1)
        rows.append(np.bincount(said, minlength=len(emotion_classifier.emotions)) / max(len(said), 1))
    return np.array(rows)


def responses(rollouts: Rollouts, emotion_classifier: EmotionClassifier) -> FloatArray:
    """Seconds from each switch of emotion until the classifier, who sees the second before, says the new one.

    A switch that is never recognised counts as the time until the next one.
    """
    times = []
    for positions, weights in zip(rollouts.positions, rollouts.emotion_weights, strict=True):
        if not (switches := switches_of(weights)):
            continue
        windows = windows_of(positions, SHORT, LOOK_EVERY).astype(np.float32)
        said = emotion_classifier.look(windows)[0].argmax(axis=1)
        ends = np.arange(len(said)) * LOOK_EVERY + SHORT - 1  # the last frame of each window
        for frame, emotion, until in switches:
            right = np.flatnonzero((ends > frame) & (ends <= until) & (said == emotion))
            times.append(((ends[right[0]] if len(right) else until) - frame) / FRAME_RATE)
    return np.array(times)


def find_emotion_classifier(
    path: Path, clips: Clips, emotions: Sequence[str], train_config: ClassifierConfig | None = None
) -> EmotionClassifier:
    """The classifier in the file, or a new one, trained and kept there. Raises ClassifierError."""
    if path.exists():
        return load_classifier(path, emotions)
    train_config = train_config or ClassifierConfig()
    emotion_classifier = train_classifier(clips, split_clips(clips)[0].tolist(), emotions, train_config)
    save_classifier(path, emotion_classifier, train_config)
    return emotion_classifier


def find_dance_reference(path: Path, clips: Clips, emotions: Sequence[str]) -> DanceReference | None:
    """Real dances to measure against, with the classifier in the file or a new one that is kept there; None
    where the clips hold no dances or nothing acted to compare emotions with. Raises ClassifierError."""
    training, held_out = (half.tolist() for half in split_clips(clips))
    if not any(kind_of(content) == "dance" for content in clips.contents):
        return None
    restyling = Restyling.fit(clips, training, emotions)
    try:
        if path.exists():
            classifier = load_classifier(path, ANSWERS)
        else:
            classifier = train_dance_classifier(clips, training, restyling)
            save_classifier(path, classifier, ClassifierConfig())
        error = classifier_error(classifier, clips, held_out, restyling, range(0, len(emotions), 3))
        return build_dance_reference(clips, emotions, classifier, restyling, error)
    except ClassifierError:
        raise
    except ValueError as error:
        print(f"models.evaluate: dances are not measured: {error}", file=sys.stderr)
        return None


def long_dances(generator: Generator, minutes: float) -> LongDance:
    """Let one dancer of each emotion dance for long, and see whether the last minute is like the first."""
    size = len(generator.checkpoint.palette)
    weights = np.eye(size, dtype=np.float32)
    state = generator.initial_state(size, seed=3)
    frames = round(minutes * 60 * FRAME_RATE)
    minute = 60 * FRAME_RATE
    speed, heights = np.empty((frames, size)), np.empty((frames, size))
    for frame in tqdm(range(frames), unit="frame", desc=f"{minutes:g} minutes", disable=None):
        before = state.positions
        state = generator.step(state, weights)
        moved = (state.positions[:, 1:] - state.positions[:, :1]) - (before[:, 1:] - before[:, :1])
        speed[frame] = np.linalg.norm(moved, axis=-1).mean(axis=-1) * FRAME_RATE
        heights[frame] = state.positions[:, 0, 1]
    ratio = speed[-minute:].mean(axis=0) / speed[:minute].mean(axis=0)
    finite = bool(np.isfinite(speed).all())
    heights_found = (float(heights.min()), float(heights.max()))
    return LongDance(minutes, finite, heights_found, (float(ratio.min()), float(ratio.max())))


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command line; what cannot be one ends the program with status 2."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluate", description=__doc__)
    parser.add_argument("--checkpoint", type=checkpoint_named, default=default_checkpoint(), metavar="FILE")
    parser.add_argument("--rollouts", type=Path, metavar="FILE.npz", help="dances that are there already")
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="FILE.npz", help="real clips")
    parser.add_argument("--out", type=Path, default=Path("report"), metavar="FOLDER")
    parser.add_argument(
        "--classifier", type=Path, metavar="FILE", help="default: classifier.safetensors in --out"
    )
    parser.add_argument("--seconds", type=float, default=120.0, metavar="S", help="of each dance")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="dances of each emotion")
    parser.add_argument("--visitor", action="store_true", help="also how it answers a visitor")
    parser.add_argument("--long", type=float, default=0.0, metavar="MINUTES", help="and one long dance of each")
    return parser.parse_args(arguments)


def evaluate(options: argparse.Namespace) -> Report:
    """Everything the command does. Raises ValueError with one line."""
    if not (2 * SWITCH_EVERY <= options.seconds <= LONGEST and 1 <= options.seeds <= 64):
        raise RolloutsError(f"--seconds should be {2 * SWITCH_EVERY:g} to {LONGEST:g}, --seeds 1 to 64")
    if not (0 <= options.long <= LONGEST / 60) or (options.long and options.rollouts):
        raise RolloutsError(f"--long should be 0 to {LONGEST / 60:g} minutes, and there is none of --rollouts")
    clips = join_clips([read_clips(path) for path in options.data])
    rollouts = read_rollouts(options.rollouts) if options.rollouts else None
    generator = None if rollouts else Generator(read_checkpoint(options.checkpoint))
    emotions = rollouts.palette if rollouts else generator.checkpoint.palette.names  # type: ignore[union-attr]
    emotion_classifier = find_emotion_classifier(
        options.classifier or options.out / "classifier.safetensors", clips, emotions
    )
    dances = acts = rollouts
    if generator is not None:
        prompts = prompts_for(clips, split_clips(clips)[1].tolist(), emotions)
        seconds, seeds = options.seconds, options.seeds
        rollouts = dance_all(generator, prompts, seconds, seeds, repertoire_of("gesture").tolist())
        rng = np.random.default_rng(0)
        dances = steady_dances(generator, prompts, seconds, seeds, rng)
        acts = steady_dances(generator, prompts, seconds, seeds, rng, repertoire=ACTS)
        for name, some in {"rollouts": dances, "gestures": rollouts, "acts": acts}.items():
            save_rollouts(options.out / f"{name}.npz", some)
    assert rollouts is not None and dances is not None and acts is not None
    dance_reference = find_dance_reference(options.out / "dance_classifier.safetensors", clips, emotions)
    reference = build_reference(clips, emotions, emotion_classifier)
    report = evaluate_rollouts(rollouts, reference)
    if options.long and generator is not None:
        report = replace(report, long=long_dances(generator, options.long))
    options.out.mkdir(parents=True, exist_ok=True)
    write(report, reference, options.out)
    draw_plots(report, rollouts, reference, options.out)
    show(report, reference)
    if dance_reference is not None:
        danced = measure_dances(dances, acts, dance_reference)
        write_dances(danced, options.out)
        show_dances(danced)
        if options.visitor and generator is not None:
            answers = show_answer(clips, generator, dance_reference)
            (options.out / "visitor.json").write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
    return report


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    try:
        evaluate(parse_arguments(arguments))
    except (CheckpointError, ClipsError, RolloutsError, ClassifierError, OSError) as error:
        print(f"models.evaluate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
