"""The command line: each command calls the public functions and writes what they return.

Data go to stdout or ``--out``, messages to stderr. Exit status: 0; 1 when some input could not
be read, or an audit fails; 2 for wrong use.
"""

import argparse
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
    epilog,
    load_model,
    paths_of,
    print_metrics,
    show_bar,
    tell,
    write_rows,
)
from ._parser import Parser
from ._version import __version__
from .cli_audit import add_audit
from .cli_completion import add_completion
from .cli_deep import add_deep
from .cli_report import add_report
from .exceptions import FreqFakeError, UnreadableImageWarning

_FREQFAKE = """
    freqfake score face.jpg
    freqfake score pictures/ --out scores.csv
    # whether a data set gives the answer away by its files
    freqfake audit --real photographs/ --fake generated/
    # more about a command
    freqfake score --help
"""
_FEATURES = """
    freqfake features face.png
    # a folder with all processor cores, into a table for later
    freqfake features pictures/ --jobs -1 --out features.parquet
"""
_SCORE = """
    freqfake score face.jpg 'more/*.png'
    # each face of a group by itself
    freqfake score group.jpg --faces
    # call fewer than 1 in 200 real pictures fake; 1 in 10 is thought to be fake
    freqfake score pictures/ --max-fpr 0.005 --prior 0.1
    # many pictures: all processor cores, and go on where a run was stopped
    freqfake score pictures/ --jobs -1 --out scores.csv --resume
    # full-size originals that were stored without loss
    freqfake score original.png --model lewoo
"""
_TRAIN = """
    freqfake train --real photographs/ --fake generated/ --out my.npz
    freqfake score face.jpg --model my.npz
"""
_ADAPT = """
    freqfake adapt --model my.npz unlabelled/ --out adapted.npz
    freqfake score face.jpg --model adapted.npz
"""
_EVALUATE = """
    freqfake evaluate --real photographs/ --fake generated/
    # another model, for a program to read
    freqfake evaluate --model my.npz --real a/ b/ --fake c/ --json
"""
_EXIT_STATUS = """\
exit status:
  0  done
  1  some input could not be read (the others are done all the same), or an
     audit fails
  2  wrong use"""


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
    from .detector import FACE_COLUMNS, SCORE_COLUMNS

    if args.margin is not None and not args.faces:
        raise ValueError("--margin needs --faces: a picture as a whole has none")
    detector = load_model(args.model)
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
    check_folder(args.out)
    paths = paths_of(args.paths)
    detector = load_model(args.model).adapt(
        paths, expectations=args.expectations, n_jobs=args.jobs, progress=show_bar(paths)
    )
    detector.save(args.out)
    tell(f"{detector.info['adapted_to']} pictures looked at, model written: {args.out}")
    return OK


def _evaluate(args: argparse.Namespace) -> int:
    real, fake = paths_of(args.real), paths_of(args.fake)
    metrics = load_model(args.model).evaluate(
        real, fake, n_jobs=args.jobs, progress=show_bar(real + fake)
    )
    print_metrics(metrics, args.json)
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="freqfake",
        description="Was this face made by a GAN? Its frequencies and its noise may tell.",
        epilog=f"{epilog(_FREQFAKE)}\n\n{_EXIT_STATUS}",
    )
    parser.add_argument("--version", action="version", version=f"freqfake {__version__}")
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", prog="freqfake"
    )

    _add_features(commands)
    _add_score(commands)
    _add_train(commands)
    _add_adapt(commands)
    _add_evaluate(commands)
    add_report(commands)
    add_audit(commands)
    add_deep(commands)
    add_completion(commands, _parser)
    return parser


def _add_features(commands: Any) -> None:
    text = "write the six features of pictures"
    features = add_command(commands, "features", _features, text, examples=_FEATURES)
    add_paths(features)
    _add_spectrum(features)
    add_cluster(features)
    add_out(features)


def _add_score(commands: Any) -> None:
    text = "score pictures: real, fake or inconclusive"
    score = add_command(commands, "score", _score, text, examples=_SCORE)
    add_paths(score)
    add_cluster(score)
    verdict = score.add_argument_group("verdict")
    _add_model(verdict)
    text = "call fake only what lies beyond the score that real pictures exceed at a rate surely "
    verdict.add_argument("--max-fpr", type=float, metavar="RATE", help=f"{text}below RATE")
    text = "probability of fake beforehand (default: %(default)s)"
    verdict.add_argument("--prior", type=float, default=0.5, metavar="P", help=text)
    faces = score.add_argument_group("faces")
    text = "score each face found in a picture, one row a face"
    faces.add_argument("--faces", action="store_true", help=text)
    text = "what to score around a face, in parts of its size (default: 0.3)"
    faces.add_argument("--margin", type=float, metavar="PART", help=text)
    add_out(score, form=True)


def _add_train(commands: Any) -> None:
    text = "train a model on real and generated pictures"
    train = add_command(commands, "train", _train, text, examples=_TRAIN)
    train.add_argument(
        "--features",
        choices=("rich", "asynchrony"),
        default="rich",
        help="the rich features, trained on delivered copies too (default); or the six of the "
        "paper, for full-size lossless originals",
    )
    _add_spectrum(train)
    add_labelled(train)
    output = train.add_argument_group("output")
    output.add_argument("--out", metavar="MODEL", required=True, help="model file to write")


def _add_adapt(commands: Any) -> None:
    text = "adapt a model to unlabelled pictures"
    adapt = add_command(commands, "adapt", _adapt, text, examples=_ADAPT)
    add_paths(adapt)
    _add_model(adapt)
    adapt.add_argument(
        "--expectations",
        choices=("joint", "per_feature", "moments"),
        default="joint",
        help="how the two expectations of a feature are found (default: joint)",
    )
    adapt.add_argument("--out", metavar="MODEL", required=True, help="model file to write")


def _add_evaluate(commands: Any) -> None:
    text = "measure a model on labelled pictures"
    evaluate = add_command(commands, "evaluate", _evaluate, text, examples=_EVALUATE)
    _add_model(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    add_labelled(evaluate)


def _add_model(command: Any) -> None:
    text = "model file, or the name of an embedded model: faces (default) or lewoo"
    command.add_argument("--model", default="faces", metavar="MODEL", help=text)


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
