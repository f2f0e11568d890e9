"""What the commands have in common: their options, and rows that are written as they come."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .io import MAX_PIXELS

OK, SOME_UNREADABLE, WRONG_USE = 0, 1, 2
_BAR_FROM = 20  # pictures; fewer are done before a bar could be read

Row = dict[str, Any]


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    *,
    jobs: bool = True,
) -> argparse.ArgumentParser:
    """Add a command, with an option for processes where it has any."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    command.set_defaults(run=run)
    command.set_defaults(jobs=None, dask=None)
    if jobs:
        command.add_argument(
            "--jobs", type=int, metavar="N", help="processes, -1 for all cores (default: 1)"
        )
    return command


def add_paths(command: argparse.ArgumentParser) -> None:
    """Add the inputs."""
    text = "files, globs, and folders, which are searched through"
    command.add_argument("paths", nargs="+", metavar="PATH", help=text)


def add_out(command: argparse.ArgumentParser) -> None:
    """Add what :func:`write_rows` needs."""
    text = "write there instead of to stdout, row by row: .csv, .jsonl or .parquet"
    command.add_argument("--out", metavar="F", help=text)
    text = "refuse pictures with more pixels (default: %(default)s)"
    command.add_argument("--max-pixels", type=int, default=MAX_PIXELS, metavar="N", help=text)
    text = "keep the rows that are in --out already, from a run that was stopped"
    command.add_argument("--resume", action="store_true", help=text)


def add_cluster(command: argparse.ArgumentParser) -> None:
    """Add the cluster to work on."""
    text = "work on the Dask cluster of this scheduler; paths must be the same there"
    command.add_argument("--dask", metavar="tcp://HOST:PORT", help=text)


def add_labelled(command: argparse.ArgumentParser) -> None:
    """Add real and fake inputs."""
    for side in ("real", "fake"):
        command.add_argument(
            f"--{side}", nargs="+", required=True, metavar="PATH", help=f"{side} pictures"
        )


def paths_of(arguments: Iterable[str], *, also: Collection[str] = ()) -> list[str]:
    """Files that the arguments name, see :func:`freqfake.io.find_images`."""
    from .io import find_images

    return list(find_images(arguments, also=also))


def show_bar(paths: Sequence[str], *, rows_to_stdout: bool = False) -> bool:
    """Only where somebody watches, and rows do not run over the same screen."""
    on_screen = rows_to_stdout and sys.stdout.isatty()
    return sys.stderr.isatty() and not on_screen and len(paths) >= _BAR_FROM


def check_folder(path: str) -> None:
    """Find out before the work whether its result can be written."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder for --out: {folder}")
    if Path(path).is_dir():
        raise IsADirectoryError(f"--out must be a file; got a folder: {path}")


def write_rows(
    rows: Callable[[list[str], bool], Iterator[list[Row]]],
    args: argparse.Namespace,
    columns: Sequence[str],
    form: str = "csv",
    *,
    also: Collection[str] = (),
) -> int:
    """Write each picture's rows as they come; say on stderr how many could not be read."""
    from .distribution import cluster
    from .tables import open_table

    if args.out is not None:
        check_folder(args.out)
    elif args.resume:
        raise ValueError("--resume needs --out: stdout cannot be gone on with")
    paths = paths_of(args.paths, also=also)
    with open_table(args.out, columns, form, resume=args.resume) as table:
        missing = [path for path in paths if path not in table.done]
        bar = show_bar(missing, rows_to_stdout=args.out is None)
        try:
            with cluster(args.dask):
                if args.dask is None:
                    _start_processes(args.jobs)
                for picture in rows(missing, bar):
                    table.write(*picture)
        except KeyboardInterrupt:
            if args.out is not None:
                tell(f"the finished rows are on disk; add --resume to go on with {args.out}")
            raise
    if table.n_failed:
        tell(f"{table.n_failed} input(s) could not be read, see the column `error`")
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


def print_metrics(metrics: dict[str, float], as_json: bool) -> None:
    """Print figures of merit to stdout."""
    if as_json:
        print(json.dumps(metrics, indent=2))
        return
    for name, value in metrics.items():
        print(f"{name:<18}{value:>7}" if isinstance(value, int) else f"{name:<18}{value:7.3f}")


def tell(message: str) -> None:
    """Say something to whoever watches."""
    sys.stderr.write(f"freqfake: {message}\n")
