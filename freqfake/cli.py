"""The command line: each command calls the public functions and writes what they return.

Data go to stdout or ``--out``, messages to stderr. Exit status: 0; 1 when some input could not
be read, or an audit fails; 2 for wrong use.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ._version import __version__
from .exceptions import FreqFakeError, UnreadableImageWarning
from .io import MAX_PIXELS

OK, SOME_UNREADABLE, WRONG_USE = 0, 1, 2
_BAR_FROM = 20  # pictures; fewer are done before a bar could be read

Row = dict[str, Any]


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
            _tell("interrupted")
            return 130
        except (FreqFakeError, OSError, ValueError) as error:
            _report(caught)
            _tell(f"error: {error}")
            return WRONG_USE
    return max(status, _report(caught))


def _features(args: argparse.Namespace) -> int:
    from .extraction import feature_row, iter_features
    from .features import FEATURE_NAMES

    def rows(paths: list[str], bar: bool) -> Iterator[list[Row]]:
        options = {"spectrum": args.spectrum, "max_pixels": args.max_pixels}
        done = iter_features(paths, **options, n_jobs=args.jobs, progress=bar)
        return ([feature_row(extraction)] for extraction in done)

    return _write(rows, args, ["path", *FEATURE_NAMES, "error"])


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
    return _write(rows, args, FACE_COLUMNS if args.faces else SCORE_COLUMNS, args.format)


def _train(args: argparse.Namespace) -> int:
    from .training import train_detector

    _check_folder(args.out)
    real, fake = _paths(args.real), _paths(args.fake)
    detector = train_detector(
        real,
        fake,
        features=args.features,
        spectrum=args.spectrum,
        name=Path(args.out).stem,
        n_jobs=args.jobs,
        progress=_show_bar(real + fake),
    )
    detector.save(args.out)
    _tell(
        f"trained on {detector.info['n_real']} real and {detector.info['n_fake']} generated "
        f"pictures: {args.out}"
    )
    return OK


def _adapt(args: argparse.Namespace) -> int:
    from .detector import load_detector

    _check_folder(args.out)
    paths = _paths(args.paths)
    detector = load_detector(args.model).adapt(
        paths, expectations=args.expectations, n_jobs=args.jobs, progress=_show_bar(paths)
    )
    detector.save(args.out)
    _tell(f"{detector.info['adapted_to']} pictures looked at, model written: {args.out}")
    return OK


def _evaluate(args: argparse.Namespace) -> int:
    from .detector import load_detector

    real, fake = _paths(args.real), _paths(args.fake)
    metrics = load_detector(args.model).evaluate(
        real, fake, n_jobs=args.jobs, progress=_show_bar(real + fake)
    )
    if args.json:
        print(json.dumps(metrics, indent=2))
    else:
        for name, value in metrics.items():
            print(f"{name:<18}{value:>7}" if isinstance(value, int) else f"{name:<18}{value:7.3f}")
    return OK


def _audit(args: argparse.Namespace) -> int:
    from .audit import audit_files

    audit = audit_files(_paths(args.real), _paths(args.fake))
    for reason in audit.errors.values():
        _tell(f"warning: left out: {reason}")
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

    features = _command(commands, "features", _features, "write the six features of pictures")
    _add_paths(features)
    _add_spectrum(features)
    _add_out(features)
    _add_cluster(features)

    score = _command(commands, "score", _score, "score pictures: real, fake or inconclusive")
    _add_paths(score)
    _add_model(score)
    _add_out(score)
    _add_cluster(score)
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

    train = _command(commands, "train", _train, "train a model on real and generated pictures")
    _add_labelled(train)
    train.add_argument(
        "--features",
        choices=("rich", "asynchrony"),
        default="rich",
        help="the rich features, trained on delivered copies too (default); or the six of the "
        "paper, for full-size lossless originals",
    )
    _add_spectrum(train)
    train.add_argument("--out", metavar="M", required=True, help="model file to write")

    adapt = _command(commands, "adapt", _adapt, "adapt a model to unlabelled pictures")
    _add_paths(adapt)
    _add_model(adapt)
    adapt.add_argument(
        "--expectations",
        choices=("joint", "per_feature", "moments"),
        default="joint",
        help="how the two expectations of a feature are found (default: joint)",
    )
    adapt.add_argument("--out", metavar="M2", required=True, help="model file to write")

    evaluate = _command(commands, "evaluate", _evaluate, "measure a model on labelled pictures")
    _add_model(evaluate)
    _add_labelled(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print JSON")

    audit = _command(commands, "audit", _audit, "tell whether files alone separate real from fake")
    _add_labelled(audit)
    audit.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text.capitalize() + "."
    )
    command.set_defaults(run=run)
    command.add_argument(
        "--jobs", type=int, metavar="N", help="processes, -1 for all cores (default: 1)"
    )
    return command


def _add_paths(command: argparse.ArgumentParser) -> None:
    text = "files, globs, and folders, which are searched through"
    command.add_argument("paths", nargs="+", metavar="PATH", help=text)


def _add_out(command: argparse.ArgumentParser) -> None:
    text = "write there instead of to stdout, row by row: .csv, .jsonl or .parquet"
    command.add_argument("--out", metavar="F", help=text)
    text = "refuse pictures with more pixels (default: %(default)s)"
    command.add_argument("--max-pixels", type=int, default=MAX_PIXELS, metavar="N", help=text)
    text = "keep the rows that are in --out already, from a run that was stopped"
    command.add_argument("--resume", action="store_true", help=text)


def _add_cluster(command: argparse.ArgumentParser) -> None:
    text = "work on the Dask cluster of this scheduler; paths must be the same there"
    command.add_argument("--dask", metavar="tcp://HOST:PORT", help=text)


def _add_labelled(command: argparse.ArgumentParser) -> None:
    for side in ("real", "fake"):
        command.add_argument(
            f"--{side}", nargs="+", required=True, metavar="PATH", help=f"{side} pictures"
        )


def _add_model(command: argparse.ArgumentParser) -> None:
    text = "model file, or the name of an embedded model: faces (default) or lewoo"
    command.add_argument("--model", default="faces", metavar="M", help=text)


def _add_spectrum(command: argparse.ArgumentParser) -> None:
    text = "the paper's figures belong to log, the default; its Eq. 5 prints modulus"
    command.add_argument("--spectrum", choices=("log", "modulus"), default="log", help=text)


def _paths(arguments: Iterable[str]) -> list[str]:
    from .io import find_images

    return list(find_images(arguments))


def _show_bar(paths: Sequence[str], *, rows_to_stdout: bool = False) -> bool:
    """Only where somebody watches, and rows do not run over the same screen."""
    on_screen = rows_to_stdout and sys.stdout.isatty()
    return sys.stderr.isatty() and not on_screen and len(paths) >= _BAR_FROM


def _check_folder(path: str) -> None:
    """Find out before the work whether its result can be written."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder for --out: {folder}")
    if Path(path).is_dir():
        raise IsADirectoryError(f"--out must be a file; got a folder: {path}")


def _write(
    rows: Callable[[list[str], bool], Iterator[list[Row]]],
    args: argparse.Namespace,
    columns: Sequence[str],
    form: str = "csv",
) -> int:
    """Write each picture's rows as they come; say on stderr how many could not be read."""
    from .distribution import cluster
    from .tables import open_table

    if args.out is not None:
        _check_folder(args.out)
    elif args.resume:
        raise ValueError("--resume needs --out: stdout cannot be gone on with")
    paths = _paths(args.paths)
    with open_table(args.out, columns, form, resume=args.resume) as table:
        missing = [path for path in paths if path not in table.done]
        bar = _show_bar(missing, rows_to_stdout=args.out is None)
        try:
            with cluster(args.dask):
                if args.dask is None:
                    _start_processes(args.jobs)
                for picture in rows(missing, bar):
                    table.write(*picture)
        except KeyboardInterrupt:
            if args.out is not None:
                _tell(f"the finished rows are on disk; add --resume to go on with {args.out}")
            raise
    if table.n_failed:
        _tell(f"{table.n_failed} input(s) could not be read, see the column `error`")
    return SOME_UNREADABLE if table.n_failed else OK


def _start_processes(n_jobs: int | None) -> None:
    """Start the processes with Ctrl-C blocked, as they then stay: it is for this one to handle."""
    if n_jobs in (None, 1) or not hasattr(signal, "pthread_sigmask"):
        return
    import joblib

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        joblib.Parallel(n_jobs=n_jobs)([joblib.delayed(abs)(0)] * 2)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _report(caught: Iterable[warnings.WarningMessage]) -> int:
    """Pass warnings on to stderr; whether some input could not be read."""
    status = OK
    for warning in caught:
        _tell(f"warning: {warning.message}")
        if issubclass(warning.category, UnreadableImageWarning):
            status = SOME_UNREADABLE
    return status


def _tell(message: str) -> None:
    sys.stderr.write(f"freqfake: {message}\n")
