"""Code shared by the commands: options, and writing rows as soon as they are ready."""

import argparse
import itertools
import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .._files import PathLike
from .._text import did_you_mean
from .._version import __version__
from ..batch.tables import Row, TableWriter, files_of, open_table
from ..exceptions import FreqFakeError
from ..pictures.limits import MAX_PIXELS
from .terminal import ScreenTable, write_message, write_table
from .words import Tally

OK, SOME_UNREADABLE, WRONG_USE, OUR_MISTAKE = 0, 1, 2, 3
_MOST_HINTS, _MOST_BESIDE = 3, 10_000  # limit the time spent on file names
_BAR_FROM = 20  # pictures; fewer are done too soon for a progress bar


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    *,
    jobs: bool = True,
    examples: str = "",
) -> argparse.ArgumentParser:
    """Add a command, by default with the option ``--jobs``.

    The `examples` are command lines as typed by a user, and comment lines that begin with #.
    """
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=epilog(examples)
    )
    command.set_defaults(run=run)
    command.set_defaults(jobs=None, dask=None)
    if jobs:
        command.add_argument(
            "--jobs", type=int, metavar="N", help="processes, -1 for all cores (default: 1)"
        )
    return command


def epilog(examples: str) -> str | None:
    """Format examples for the end of a help text."""
    lines = textwrap.dedent(examples).strip()
    return f"examples:\n{textwrap.indent(lines, '  ')}" if lines else None


def add_paths(command: argparse.ArgumentParser) -> None:
    """Add the inputs."""
    text = "files, globs, or folders (searched recursively)"
    command.add_argument("paths", nargs="+", metavar="PATH", help=text)


def add_out(command: argparse.ArgumentParser, *, form: bool = False, resume: bool = True) -> None:
    """Add the options of :func:`write_rows`; ``--format`` and ``--resume`` are optional."""
    add_max_pixels(command)
    output = command.add_argument_group("output")
    text = "write row by row to this .csv, .jsonl or .parquet file, not to stdout"
    output.add_argument("--out", metavar="FILE", help=text)
    if form:
        text = "format of the rows (default: csv; on a terminal, a readable table)"
        output.add_argument("--format", choices=("csv", "jsonl"), help=text)
    if not resume:
        command.set_defaults(resume=None)
        return
    text = "continue a stopped run: keep the rows already in --out"
    output.add_argument("--resume", action="store_true", help=text)


def add_cluster(command: argparse.ArgumentParser) -> None:
    """Add ``--dask``."""
    text = "use the Dask cluster of this scheduler; paths must be the same there"
    command.add_argument("--dask", metavar="tcp://HOST:PORT", help=text)


def add_labelled(command: argparse.ArgumentParser, *, fake_required: bool = True) -> Any:
    """Add real and fake inputs, and return their group."""
    labelled = command.add_argument_group("labelled pictures")
    for side in ("real", "fake"):
        text = f"{side} pictures: files, globs, or folders"
        required = fake_required or side == "real"
        labelled.add_argument(
            f"--{side}", nargs="+", required=required, default=(), metavar="PATH", help=text
        )
    return labelled


def add_model(command: Any, default: str | None = "faces") -> None:
    """Add ``--model``, whose default may depend on the input."""
    names = "faces (default) or lewoo"
    if default is None:
        names = "faces (default for pictures), lewoo, or student (default for videos)"
    text = f"model file, or the name of an embedded model: {names}"
    command.add_argument("--model", default=default, metavar="MODEL", help=text)


def add_verdict(command: argparse.ArgumentParser, *, default: str | None = "faces") -> None:
    """Add the options that a verdict depends on, with this default of the model."""
    verdict = command.add_argument_group("verdict")
    add_model(verdict, default)
    add_operating_point(verdict, prior=0.5)


def add_operating_point(verdict: Any, *, prior: float | None) -> None:
    """Add ``--max-fpr`` and ``--prior``, whose default may be left to the command."""
    text = "upper confidence bound on the rate of real pictures called fake"
    verdict.add_argument("--max-fpr", type=float, metavar="RATE", help=text)
    text = "prior probability of fake (default: 0.5)"
    verdict.add_argument("--prior", type=float, default=prior, metavar="P", help=text)


def add_max_pixels(command: argparse.ArgumentParser) -> None:
    """Add ``--max-pixels``."""
    text = "refuse pictures with more pixels (default: %(default)s)"
    command.add_argument("--max-pixels", type=int, default=MAX_PIXELS, metavar="N", help=text)


def add_spectrum(command: argparse.ArgumentParser) -> None:
    """Add ``--spectrum``."""
    text = "log (default), as in the paper's figures; or modulus, as in its Eq. 5"
    command.add_argument("--spectrum", choices=("log", "modulus"), default="log", help=text)


def paths_of(arguments: Iterable[str]) -> list[str]:
    """Return the files that the arguments name, see :func:`freqfake.find_images`.

    If a file does not exist, a similar name is suggested. The path stays in the list, so that its
    row reports the error.
    """
    from ..pictures.finding import find_images

    paths = list(find_images(arguments))
    found = set(paths)
    missing = (Path(p) for p in arguments if p in found and not os.path.lexists(p))
    for path in itertools.islice(missing, _MOST_HINTS):
        hint = _meant_file(path)
        if hint:
            tell(f"no such file: {path}{hint}")
    return paths


def _meant_file(path: Path) -> str:
    """Suggest a file of a similar name in the same folder; empty if there is none."""
    try:
        beside = [file.name for file in itertools.islice(path.parent.iterdir(), _MOST_BESIDE)]
    except OSError:  # no such folder, or no permission to list it
        return ""
    return did_you_mean(path.name, beside)


def show_bar(paths: Sequence[str], *, rows_to_stdout: bool = False) -> bool:
    """Whether a progress bar is useful: on a terminal that shows no rows, for many pictures."""
    on_screen = rows_to_stdout and sys.stdout.isatty()
    return sys.stderr.isatty() and not on_screen and len(paths) >= _BAR_FROM


def check_folder(path: str, option: str = "--out") -> None:
    """Check before the work whether the result can be written."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder for {option}: {folder}")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{option} must be a file; got a folder: {path}")
    if not os.access(path if Path(path).exists() else folder, os.W_OK):
        raise PermissionError(f"no permission to write {option}: {path}")


def check_not_read(
    written: Iterable[PathLike], inputs: Iterable[PathLike], option: str = "--out"
) -> None:
    """Refuse to overwrite an input file, even under another name."""
    targets = {_identity(path): path for path in map(Path, written) if path.is_file()}
    if not targets:  # they do not exist yet, or are devices
        return
    for found in filter(None, map(_identity, inputs)):
        if found in targets:
            raise ValueError(
                f"{option} must not be one of the inputs; got {targets[found]}, which would be "
                "overwritten"
            )


def _identity(path: PathLike) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  (faster)
    except (OSError, ValueError):  # reported when it is read
        return None
    return found.st_dev, found.st_ino


def write_rows(
    rows: Callable[[list[str], bool], Iterator[list[Row]]],
    args: argparse.Namespace,
    columns: Sequence[str],
    form: str | None = None,
    **made_by: Any,
) -> int:
    """Write each picture's rows as soon as they are ready; report how many could not be read.

    They go to ``--out``, or to stdout in the requested format: by default a table on a terminal,
    CSV elsewhere. With ``--resume``, `made_by` (the command and the options that rows depend on)
    must be the same as before; a command without it has None there.
    """
    from ..batch.parallel import cluster

    if args.out is not None:
        check_folder(args.out)
    elif args.resume:
        raise ValueError("--resume needs --out: output to stdout cannot be continued")
    paths = paths_of(args.paths)
    if args.out is not None:
        read = [getattr(args, name, None) for name in ("model", "weights")]
        check_not_read(files_of(args.out), [*paths, *filter(None, read)])
    tally = Tally(columns)
    with _open_rows(args, columns, form, made_by, paths) as table:
        missing = [path for path in paths if path not in table.done]
        bar = show_bar(missing, rows_to_stdout=args.out is None)
        try:
            with cluster(args.dask):
                for picture in rows(missing, bar):
                    table.write(*picture)
                    tally.add(picture)
        except (KeyboardInterrupt, OSError) as end:
            can_go_on = args.resume is not None and _has_rows(args.out)
            if can_go_on and not isinstance(end, FreqFakeError):
                tell(f"the finished rows are on disk; add --resume to continue {args.out}")
            raise
    status = status_of(table)
    if args.out is not None and sys.stderr.isatty():
        before = f"; {len(table.done)} more were there before" if table.done else ""
        wrote(args.out, f"{tally}{before}")
    return status


def _has_rows(out: str | None) -> bool:
    """Whether written rows are kept: not in a pipe or device."""
    return out is not None and (Path(out).is_file() or not Path(out).exists())


def _open_rows(
    args: argparse.Namespace,
    columns: Sequence[str],
    form: str | None,
    made_by: dict[str, Any],
    paths: list[str],
) -> AbstractContextManager[TableWriter | ScreenTable]:
    if args.out is None and form is None and sys.stdout.isatty():
        return ScreenTable(columns, paths)
    made_by = {"freqfake": __version__, "max_pixels": args.max_pixels, **made_by}
    return open_table(args.out, columns, form or "csv", resume=args.resume, made_by=made_by)


def status_of(table: TableWriter | ScreenTable) -> int:
    """Return the exit status; report unreadable inputs unless the table has shown them."""
    if table.n_failed and isinstance(table, TableWriter):
        tell(f"{table.n_failed} input(s) could not be read, see the column `error`")
    return SOME_UNREADABLE if table.n_failed else OK


def print_metrics(metrics: dict[str, float], as_json: bool) -> None:
    """Print performance figures to stdout."""
    if as_json:
        print(json.dumps(metrics, indent=2))
        return
    figures = {n: str(v) if isinstance(v, int) else f"{v:.3f}" for n, v in metrics.items()}
    if sys.stdout.isatty():
        write_table({"measure": "left", "value": "right"}, figures.items())
        return
    for name, figure in figures.items():
        print(f"{name:<18}{figure:>7}")


def wrote(path: PathLike, what: str) -> None:
    """Say on stderr which file was written, and what is in it."""
    write_message(f"wrote {path}: {what}")


def tell(message: str) -> None:
    """Write a message to stderr."""
    write_message(f"freqfake: {message}")
