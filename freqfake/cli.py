"""The command line: each command calls the public functions and writes what they return.

Data go to stdout or ``--out``, messages to stderr. Exit status: 0; 1 when some input could not
be read, or an audit fails; 2 for wrong use.
"""

import argparse
import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ._cli import (
    OK,
    SOME_UNREADABLE,
    WRONG_USE,
    Row,
    add_cluster,
    add_command,
    add_labelled,
    add_out,
    add_paths,
    check_folder,
    paths_of,
    print_metrics,
    show_bar,
    tell,
    write_rows,
)
from ._version import __version__
from .cli_deep import add_deep
from .exceptions import FreqFakeError, UnreadableImageWarning


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process by default.
    """
    args = _parser().parse_args(argv)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            status = int(args.run(args))
        except BrokenPipeError:  # the reader, say `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        except KeyboardInterrupt:
            tell("interrupted")
            return 130
        except (FreqFakeError, OSError, ValueError) as error:
            _report(caught)
            tell(f"error: {error}")
            return WRONG_USE
    return max(status, _report(caught))


def _features(args: argparse.Namespace) -> int:
    from .extraction import feature_row, iter_features
    from .features import FEATURE_NAMES

    def rows(paths: list[str], bar: bool) -> Iterator[list[Row]]:
        options = {"spectrum": args.spectrum, "max_pixels": args.max_pixels}
        done = iter_features(paths, **options, n_jobs=args.jobs, progress=bar)
        return ([feature_row(extraction)] for extraction in done)

    return write_rows(rows, args, ["path", *FEATURE_NAMES, "error"])


def _score(args: argparse.Namespace) -> int:
    from .detector import FACE_COLUMNS, SCORE_COLUMNS, load_detector

    if args.margin is not None and not args.faces:
        raise ValueError("--margin needs --faces: a picture as a whole has none")
    detector = load_detector(args.model)
    options = {name: getattr(args, name) for name in ("max_fpr", "prior", "faces", "max_pixels")}
    if args.margin is not None:
        options["margin"] = args.margin

    def rows(paths: list[str], bar: bool) -> Iterator[list[Row]]:
        return detector.iter_pictures(paths, **options, n_jobs=args.jobs, progress=bar)

    rows([], False)  # wrong options are told before a file is written over
    return write_rows(rows, args, FACE_COLUMNS if args.faces else SCORE_COLUMNS, args.format)


def _train(args: argparse.Namespace) -> int:
    from .training import train_detector

    check_folder(args.out)
    real, fake = paths_of(args.real), paths_of(args.fake)
    detector = train_detector(
        real,
        fake,
        features=args.features,
        spectrum=args.spectrum,
        name=Path(args.out).stem,
        n_jobs=args.jobs,
        progress=show_bar(real + fake),
    )
    detector.save(args.out)
    tell(
        f"trained on {detector.info['n_real']} real and {detector.info['n_fake']} generated "
        f"pictures: {args.out}"
    )
    return OK


def _adapt(args: argparse.Namespace) -> int:
    from .detector import load_detector

    check_folder(args.out)
    paths = paths_of(args.paths)
    detector = load_detector(args.model).adapt(
        paths, expectations=args.expectations, n_jobs=args.jobs, progress=show_bar(paths)
    )
    detector.save(args.out)
    tell(f"{detector.info['adapted_to']} pictures looked at, model written: {args.out}")
    return OK


def _evaluate(args: argparse.Namespace) -> int:
    from .detector import load_detector

    real, fake = paths_of(args.real), paths_of(args.fake)
    metrics = load_detector(args.model).evaluate(
        real, fake, n_jobs=args.jobs, progress=show_bar(real + fake)
    )
    print_metrics(metrics, args.json)
    return OK


def _audit(args: argparse.Namespace) -> int:
    from .audit import audit_files

    audit = audit_files(paths_of(args.real), paths_of(args.fake))
    for reason in audit.errors.values():
        tell(f"warning: left out: {reason}")
    if args.json:
        print(json.dumps({**dataclasses.asdict(audit), "passed": audit.passed}, indent=2))
    else:
        print(audit)
    return OK if audit.passed and not audit.errors else SOME_UNREADABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="freqfake",
        description="Was this face made by a GAN? Scores pictures by the frequencies and the noise "
        "of their pixels, and says inconclusive where it cannot know.",
        epilog="Exit status: 0; 1 when some input could not be read (the others are done all the "
        "same) or an audit fails; 2 for wrong use.",
    )
    parser.add_argument("--version", action="version", version=f"freqfake {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    _add_features(commands)
    _add_score(commands)
    _add_train(commands)
    _add_adapt(commands)
    _add_evaluate(commands)
    _add_audit(commands)
    add_deep(commands)
    return parser


def _add_features(commands: Any) -> None:
    features = add_command(commands, "features", _features, "write the six features of pictures")
    add_paths(features)
    _add_spectrum(features)
    add_out(features)
    add_cluster(features)


def _add_score(commands: Any) -> None:
    score = add_command(commands, "score", _score, "score pictures: real, fake or inconclusive")
    add_paths(score)
    _add_model(score)
    add_out(score)
    add_cluster(score)
    score.add_argument(
        "--max-fpr",
        type=float,
        metavar="R",
        help="call fake only what lies beyond the score that real pictures exceed at a rate "
        "surely below R",
    )
    score.add_argument(
        "--prior", type=float, default=0.5, help="probability of fake beforehand (default: 0.5)"
    )
    score.add_argument(
        "--faces", action="store_true", help="score each face found in a picture, one row a face"
    )
    score.add_argument(
        "--margin",
        type=float,
        metavar="M",
        help="what to score around a face, in parts of its size (default: 0.3)",
    )
    score.add_argument("--format", choices=("csv", "jsonl"), default="csv")


def _add_train(commands: Any) -> None:
    train = add_command(commands, "train", _train, "train a model on real and generated pictures")
    add_labelled(train)
    train.add_argument(
        "--features",
        choices=("rich", "asynchrony"),
        default="rich",
        help="the rich features, trained on delivered copies too (default); or the six of the "
        "paper, for full-size lossless originals",
    )
    _add_spectrum(train)
    train.add_argument("--out", metavar="M", required=True, help="model file to write")


def _add_adapt(commands: Any) -> None:
    adapt = add_command(commands, "adapt", _adapt, "adapt a model to unlabelled pictures")
    add_paths(adapt)
    _add_model(adapt)
    adapt.add_argument(
        "--expectations",
        choices=("joint", "per_feature", "moments"),
        default="joint",
        help="how the two expectations of a feature are found (default: joint)",
    )
    adapt.add_argument("--out", metavar="M2", required=True, help="model file to write")


def _add_evaluate(commands: Any) -> None:
    evaluate = add_command(commands, "evaluate", _evaluate, "measure a model on labelled pictures")
    _add_model(evaluate)
    add_labelled(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print JSON")


def _add_audit(commands: Any) -> None:
    audit = add_command(
        commands, "audit", _audit, "tell whether files alone separate real from fake"
    )
    add_labelled(audit)
    audit.add_argument("--json", action="store_true", help="print JSON")


def _add_model(command: argparse.ArgumentParser) -> None:
    text = "model file, or the name of an embedded model: faces (default) or lewoo"
    command.add_argument("--model", default="faces", metavar="M", help=text)


def _add_spectrum(command: argparse.ArgumentParser) -> None:
    text = "the paper's figures belong to log, the default; its Eq. 5 prints modulus"
    command.add_argument("--spectrum", choices=("log", "modulus"), default="log", help=text)


def _report(caught: Iterable[warnings.WarningMessage]) -> int:
    """Pass warnings on to stderr; whether some input could not be read."""
    status = OK
    for warning in caught:
        tell(f"warning: {warning.message}")
        if issubclass(warning.category, UnreadableImageWarning):
            status = SOME_UNREADABLE
    return status
