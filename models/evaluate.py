"""Measure dances beside real motion: `python -m models.evaluate --data clips.npz dances.npz --out report/`.

Without --rollouts the checkpoint dances first: eight seeds of each emotion, half of them prompted with another
emotion's movement. What it dances by default is measured beside real dances; gestures, also of dancers who
change their emotion every five seconds, beside the acted clips; and gestures and walks in equal parts for their
variety.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.command_line import with_exit_status
from models.data.clips import ClipsError, join_clips, read_clips, split_clips
from models.data.dance_file import DanceFileError
from models.data.kinds import repertoire_of
from models.evaluation.comparison import (
    evaluate_rollouts,
    find_dance_reference,
    find_emotion_classifier,
    long_dances,
)
from models.evaluation.dance_report import (
    measure_dances,
    show_dances,
    write_dances,
)
from models.evaluation.emotion_classifier import (
    ClassifierError,
)
from models.evaluation.plots import draw_plots
from models.evaluation.reference import build_reference
from models.evaluation.report import Report, show, write
from models.evaluation.rollouts import (
    SEEDS,
    SWITCH_INTERVAL_S,
    RolloutsError,
    dance_all,
    prompts_for,
    read_rollouts,
    save_rollouts,
    steady_dances,
)
from models.evaluation.visitor_report import show_answer
from models.generation.generator import Generator
from models.network.card import CheckpointError, checkpoint_named, default_checkpoint
from models.network.checkpoint import read_checkpoint

ACTS = (0.0, 0.5, 0.5)
"""The repertoire whose variety is measured beside the actors'."""
MAX_DANCE_S = 3600.0
"""Seconds that a dance may last."""


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
    if not (2 * SWITCH_INTERVAL_S <= options.seconds <= MAX_DANCE_S and 1 <= options.seeds <= 64):
        raise RolloutsError(
            f"--seconds should be {2 * SWITCH_INTERVAL_S:g} to {MAX_DANCE_S:g}, --seeds 1 to 64"
        )
    if not (0 <= options.long <= MAX_DANCE_S / 60) or (options.long and options.rollouts):
        raise RolloutsError(
            f"--long should be 0 to {MAX_DANCE_S / 60:g} minutes, and there is none of --rollouts"
        )
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


@with_exit_status(
    "models.evaluate", CheckpointError, ClipsError, DanceFileError, RolloutsError, ClassifierError, OSError
)
def main(arguments: list[str] | None = None) -> None:
    """The command line; returns the exit status."""
    evaluate(parse_arguments(arguments))


if __name__ == "__main__":
    sys.exit(main())
