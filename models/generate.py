"""Let dancers dance into a file: `python -m models.generate --emotion all --seconds 60 --out dances.npz`.

The file holds positions float32 (N, T, 17, 3) in metres at 30 fps, emotion str (N,), emotion_weights float32
(N, T, P), joints str (17,), palette str (P,) and fps.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from models.command_line import TORCH_ERRORS, with_exit_status
from models.data.clips import read_clips
from models.data.dance_file import Dances, write_dances
from models.data.kinds import DEFAULT_REPERTOIRE, KINDS, repertoire_of
from models.data.safe_files import has_array, open_npz, read_floats
from models.emotion.glide import DEFAULT_GLIDE_S, EmotionGlide
from models.emotion.palette import Palette
from models.generation.generator import Generator
from models.motion.features import positions_to_features
from models.motion.skeleton import FRAME_RATE, JOINT_COUNT, FloatArray
from models.network.card import checkpoint_named, default_checkpoint
from models.network.checkpoint import read_checkpoint

MAX_FRAMES = 20_000_000
"""Dancers x frames of one call: 4 GB of positions."""
MAX_PROMPT_FRAMES = 3 * FRAME_RATE
"""Frames of a prompt that are used, the last ones."""


class GenerateError(ValueError):
    """A request that cannot be danced; one line for a person."""


def emotion_names(asked: str, palette: Palette) -> list[str]:
    """The emotions of "NAME,NAME" or "all". Raises UnknownEmotion."""
    names = list(palette.names) if asked.strip().casefold() == "all" else asked.split(",")
    for name in names:
        if note := palette.resolve(name).note:
            print(f"models.generate: {note}", file=sys.stderr)
    return [name.strip() for name in names]


def schedule(
    names: list[str], palette: Palette, frames: int, switch_every: float | None
) -> tuple[list[str], FloatArray]:
    """Who dances what: one name a dancer, and weights (names, T, P).

    Without switching each dancer keeps one emotion. With it, dancer i begins with the i-th and moves on to the
    next every so many seconds, in a glide; its name lists them in its order.
    """
    targets = [palette.resolve(name).weights for name in names]
    weights = np.empty((len(names), frames, len(palette)), dtype=np.float32)
    for first, name_weights in enumerate(targets):
        if switch_every is None:
            weights[first] = name_weights
            continue
        glide = EmotionGlide.at(name_weights)
        for frame in range(frames):
            time = frame / FRAME_RATE
            current = targets[(first + int(time / switch_every + 1e-9)) % len(targets)]
            glide = glide.toward(current, time, DEFAULT_GLIDE_S)
            weights[first, frame] = glide.weights_at(time)
    if switch_every is None:
        return names, weights
    return [",".join(names[i:] + names[:i]) for i in range(len(names))], weights


def dance(
    generator: Generator,
    weights: FloatArray,
    prompts: list[FloatArray] | None,
    seed: int,
    energy: float,
    repertoire: FloatArray,
) -> FloatArray:
    """Positions (N, T, 17, 3) of N dancers under weights (N, T, P) and a repertoire (3,), from prompts (T', 52)
    or from standing."""
    count, frames = weights.shape[:2]
    state = generator.initial_state(count, seed)
    if prompts:
        shortest = min(len(prompt) for prompt in prompts)
        chosen = [prompts[i % len(prompts)][-shortest:] for i in range(count)]
        state = generator.prompt(state, np.stack(chosen), seamless=False)
    else:
        state = generator.warm_up(state, weights[:, 0], repertoire=repertoire)
    positions = np.empty((count, frames, JOINT_COUNT, 3), dtype=np.float32)
    for frame in tqdm(range(frames), unit="frame", disable=None):
        state = generator.step(state, weights[:, frame], energy, repertoire=repertoire)
        positions[:, frame] = state.positions
    return _finite(positions)


def read_prompts(path: Path) -> list[FloatArray]:
    """The last features (T, 52) of each movement in a file of this program or of clips. Raises
    GenerateError."""
    return [positions_to_features(movement[-MAX_PROMPT_FRAMES:]) for movement in read_movements(path)]


def read_movements(path: Path) -> list[FloatArray]:
    """Positions (T, 17, 3) of each movement in a file of this program or of clips. Raises GenerateError."""
    try:
        with open_npz(path) as file:
            positions = read_floats(file, "positions") if has_array(file, "positions") else None
        if positions is not None:
            movements = list(_checked(positions))
        else:
            clips = read_clips(path)
            movements = [clips.clip(i) for i in range(len(clips))]
    except Exception as error:  # damaged bytes raise nearly every kind there is
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise GenerateError(
            f"{path}: expected movement from models.generate or models.prepare: {reason}"
        ) from None
    long = [movement for movement in movements if len(movement) >= 2]
    if not long:
        raise GenerateError(f"{path}: no movement of two frames or more in it")
    return long


def read_visitor(path: Path, frames: int) -> FloatArray:
    """Positions (frames, 17, 3) of the first movement in a file as for `read_prompts`, again and again where it
    is shorter. Raises GenerateError."""
    movement = read_movements(path)[0]
    return np.resize(movement, (frames, *movement.shape[1:])).astype(np.float32)


def answer(
    generator: Generator,
    weights: FloatArray,
    visitor: FloatArray,
    seed: int,
    influence: float,
    energy: float,
    repertoire: FloatArray,
) -> FloatArray:
    """Positions (N, T, 17, 3) of dancers under the first of weights (N, T, P) and a repertoire (3,) before a
    visitor (T, 17, 3)."""
    from models.evaluation.visitor_report import VisitorStream, danced_before

    stream = VisitorStream(visitor, np.ones(visitor.shape[:2]), np.zeros(len(visitor), dtype=bool))
    first = weights[:, 0]
    return _finite(danced_before(generator, stream, influence, seed, first, energy, repertoire))


def _finite(positions: FloatArray) -> FloatArray:
    if not np.isfinite(positions).all():
        raise GenerateError("the network left the finite numbers; the checkpoint is broken or badly trained")
    return positions.astype(np.float32)


def _checked(positions: FloatArray) -> FloatArray:
    """Positions of movements (N, T, 17, 3), of which a file may hold one without N. Raises GenerateError."""
    if positions.ndim not in (3, 4) or positions.shape[-2:] != (JOINT_COUNT, 3):
        raise GenerateError(f"positions should be float (N, T, {JOINT_COUNT}, 3), not {positions.shape}")
    if not np.isfinite(positions).all():
        raise GenerateError("positions should be finite")
    return positions.reshape(-1, *positions.shape[-3:])


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command line; what cannot be one ends the program with status 2."""
    parser = argparse.ArgumentParser(prog="python -m models.generate", description=__doc__)
    default = ", ".join(f"{kind} {weight:g}" for kind, weight in zip(KINDS, DEFAULT_REPERTOIRE, strict=True))
    parser.add_argument("--emotion", required=True, metavar="NAME[,NAME…]|all", help="what to dance")
    parser.add_argument(
        "--repertoire",
        metavar="NAME",
        default=DEFAULT_REPERTOIRE,
        help=f"what kind of movement: {', '.join(KINDS)} (default: {default})",
    )
    parser.add_argument(
        "--switch-every", type=float, metavar="S", help="go on to the next of the emotions every S seconds"
    )
    parser.add_argument("--seconds", type=float, required=True, metavar="S", help="how long")
    parser.add_argument(
        "--count", type=int, default=1, metavar="N", help="dancers for each emotion (default: 1)"
    )
    parser.add_argument("--prompt", type=Path, metavar="FILE.npz", help="movement to go on from")
    parser.add_argument(
        "--visitor", type=Path, metavar="FILE.npz", help="movement of a visitor, whom all of them answer"
    )
    parser.add_argument(
        "--influence", type=float, default=0.6, help="how much the visitor draws them, 0 to 1 (default: 0.6)"
    )
    parser.add_argument("--energy", type=float, default=1.0, help="how much they move (default: 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed, the same dance")
    parser.add_argument("--checkpoint", type=checkpoint_named, default=default_checkpoint(), metavar="FILE")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    return parser.parse_args(arguments)


def generate(options: argparse.Namespace) -> None:
    """Everything the command does. Raises ValueError with one line."""
    if not math.isfinite(options.seconds):
        raise GenerateError("--seconds should be a number")
    frames = round(options.seconds * FRAME_RATE)
    if frames < 1 or options.count < 1 or options.seed < 0:
        raise GenerateError("--seconds and --count should be positive, --seed not negative")
    if not (math.isfinite(options.energy) and options.energy >= 0):
        raise GenerateError("--energy should be a number from 0 on")
    if not options.out.parent.is_dir():
        raise GenerateError(f"{options.out.parent}: no such folder to write --out to")
    if options.switch_every is not None and options.switch_every <= 0:
        raise GenerateError("--switch-every should be positive")
    if not 0 <= options.influence <= 1:
        raise GenerateError("--influence should be a number from 0 to 1")
    if options.visitor and (options.switch_every or options.prompt):
        raise GenerateError("--visitor goes with neither --switch-every nor --prompt")
    repertoire = repertoire_of(options.repertoire)
    checkpoint = read_checkpoint(options.checkpoint, options.device)
    names = emotion_names(options.emotion, checkpoint.palette)
    if len(names) * options.count * frames > MAX_FRAMES:
        raise GenerateError(f"more than {MAX_FRAMES} frames in all; ask for less at once")
    emotions, weights = schedule(names, checkpoint.palette, frames, options.switch_every)
    emotions = [emotion for emotion in emotions for _ in range(options.count)]
    weights = np.repeat(weights, options.count, axis=0)
    prompts = read_prompts(options.prompt) if options.prompt else None
    torch.manual_seed(options.seed)
    generator = Generator(checkpoint)
    visitor = read_visitor(options.visitor, frames) if options.visitor else None
    if visitor is not None:
        positions = answer(
            generator, weights, visitor, options.seed, options.influence, options.energy, repertoire
        )
    else:
        positions = dance(generator, weights, prompts, options.seed, options.energy, repertoire)
    write_dances(
        options.out, Dances(positions, tuple(emotions), weights, checkpoint.palette.names, visitor=visitor)
    )
    dances = f"{len(emotions)} dances" if len(emotions) > 1 else "a dance"
    print(f"wrote {options.out}: {dances} of {options.seconds:g} s")


@with_exit_status("models.generate", ValueError, OSError, *TORCH_ERRORS)
def main(arguments: list[str] | None = None) -> None:
    """The command line; returns the exit status."""
    generate(parse_arguments(arguments))


if __name__ == "__main__":
    sys.exit(main())
