"""Tables that are written row by row, so that finished rows survive however a run ends."""

import contextlib
import csv
import functools
import io
import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .._text import printable
from ..exceptions import TableError
from .cells import csv_line, paths_of_cell
from .parquet import about_table, require_pyarrow, to_lines, to_parquet
from .runs import RunFile, only_run, run_file

Row = dict[str, Any]

_FORMS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "jsonl"}
# For names that are not Unicode: any bytes on Linux, unpaired surrogates on Windows.
_ERRORS = sys.getfilesystemencodeerrors()


class TableWriter:
    """Writes rows to a CSV, JSON lines or Parquet file as soon as it gets them.

    Made by :func:`open_table`. Rows cannot be added to a Parquet file, so they are collected in a
    JSON lines file beside it, named ``.partial``, until it is complete.

    Attributes
    ----------
    done : frozenset of str
        Paths of the rows from an earlier run.
    n_failed : int
        Number of rows with an error, including those of the earlier run.
    """

    def __init__(
        self, send: Callable[..., object], columns: Sequence[str], form: str, before: list[Row]
    ) -> None:
        self._send = send
        self._encode = functools.partial(_as_csv, columns) if form == "csv" else _as_json
        paths = (paths_of_cell(row["path"]) if form == "csv" else {row["path"]} for row in before)
        self.done = frozenset(itertools.chain.from_iterable(paths))
        self.n_failed = sum(bool(row["error"]) for row in before)
        if form == "csv" and not before:
            send(",".join(columns) + "\n")

    def write(self, *rows: Row) -> None:
        """Add the rows of a picture. In a file they then survive however the process ends.

        They are written all at once, since a resumed run skips the paths that are there.
        """
        self._send(*map(self._encode, rows))
        self.n_failed += sum(bool(row["error"]) for row in rows)


@contextlib.contextmanager
def open_table(
    out: str | None,
    columns: Sequence[str],
    form: str = "csv",
    *,
    resume: bool = False,
    made_by: Mapping[str, Any] | None = None,
) -> Iterator[TableWriter]:
    """Open a table to write rows to.

    Parameters
    ----------
    out : str, optional
        File to write; stdout by default. The ending ``.parquet``, ``.csv`` or ``.jsonl`` chooses
        the format. See :func:`files_of` for the files beside it.
    columns : sequence of str
        They must include ``path`` and ``error``.
    form : {"csv", "jsonl"}
        Format if the ending does not choose one. Text is in UTF-8; bytes of a name that are not
        UTF-8 stay as they are. On a terminal, what would control it is escaped.
    resume : bool
        Keep the finished rows of a stopped run; an incomplete row is dropped.
    made_by : mapping, optional
        What the rows depend on, as JSON: the version, a model's digest, options. A table can be
        resumed only with the same.

    Raises
    ------
    TableError
        The file to resume is not such a table, or its rows were made differently.
    OutputInUseError
        Another run is writing the table.
    OSError
        The file cannot be written; the rows that fitted are there.
    MissingExtraError
        A Parquet file is requested, and pyarrow is not installed.
    """
    if out is None:
        yield TableWriter(_stdout(), columns, form, [])
        return
    as_parquet = _is_parquet(out)
    if as_parquet:
        require_pyarrow()
    form = _FORMS.get(Path(out).suffix.lower(), form)
    path, rows = _places(out)
    if _is_stream(rows):
        if resume:
            raise TableError(f"only a file can be resumed; got a device or a pipe: {out}")
        with rows.open("wb", buffering=0) as file:
            yield TableWriter(functools.partial(_append, file, None), columns, form, [])
        return
    made: Row = json.loads(json.dumps(made_by or {}))
    with only_run(path) as run:
        if as_parquet:
            _check_partial(rows, run)
        before = _earlier_rows(path, rows, columns, form, made, run) if resume else []
        with rows.open("ab" if before else "wb", buffering=0) as file:
            run.note(made_by=made, unfinished=None)  # now that no other rows are there
            yield TableWriter(functools.partial(_append, file, run), columns, form, before)
        if as_parquet:
            to_parquet(rows, path, columns, made)
            run.note(made_by=None)  # it is in the Parquet file


def files_of(out: str) -> list[Path]:
    """Files that writing a table makes or changes; none if it goes to a device or a pipe.

    They are the table F, ``F.run`` (see :func:`freqfake.batch.runs.only_run`), and
    ``F.partial``, which has the rows of a Parquet file until it is complete.

    Examples
    --------
    >>> from freqfake.batch.tables import files_of
    >>> [path.name for path in files_of("t.csv")], len(files_of("t.parquet"))
    (['t.csv', 't.csv.run'], 3)
    """
    path, rows = _places(out)
    return [] if _is_stream(rows) else [*dict.fromkeys((path, rows)), run_file(path)]


def _is_parquet(out: str) -> bool:
    return Path(out).suffix.lower() == ".parquet"


def _places(out: str) -> tuple[Path, Path]:
    """Return the paths of the table and of the file that rows are added to, without links."""
    path = Path(out)
    if path.is_symlink() and not _is_stream(path):
        path = Path(os.path.realpath(path))
    return path, path.with_name(f"{path.name}.partial") if _is_parquet(out) else path


def _is_stream(path: Path) -> bool:
    """Whether this is a device or a pipe (or a folder, which cannot be opened)."""
    return path.exists() and not path.is_file()


def _append(file: io.FileIO, run: RunFile | None, *lines: str) -> None:
    """Add all of these lines to a file, or none."""
    size = os.fstat(file.fileno()).st_size
    left = "".join(lines).encode("utf-8", _ERRORS)
    together = run if len(lines) > 1 else None
    if together:
        together.note(unfinished=size)  # a kill may leave some of the lines
    try:
        while left:  # a nearly full disk accepts only a part
            left = left[os.write(file.fileno(), left) :]
    except OSError as error:
        with contextlib.suppress(OSError):  # a device cannot be truncated
            file.truncate(size)
        raise OSError(error.errno, error.strerror, os.fspath(file.name)) from None
    if together:
        together.note(unfinished=None)


def _stdout() -> Callable[..., object]:
    stream = sys.stdout
    on_terminal = stream.isatty()
    if hasattr(stream, "reconfigure"):
        errors = "backslashreplace" if on_terminal else _ERRORS
        stream.reconfigure(errors=errors, **({} if on_terminal else {"encoding": "utf-8"}))

    def send(*lines: str) -> None:
        try:
            for line in lines:
                stream.write(f"{printable(line[:-1])}\n" if on_terminal else line)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "stdout") from None

    return send


def _check_partial(rows: Path, run: RunFile) -> None:
    """Refuse to use or to replace a ``.partial`` file that is not ours."""
    ours = rows.is_file() and not rows.is_symlink() and "made_by" in run.about
    if os.path.lexists(rows) and not ours and (rows.is_symlink() or rows.stat().st_size):
        raise TableError(
            f"{rows} is needed for this table, and no run of freqfake says that it left it: "
            "remove it, or choose another output"
        )


def _earlier_rows(
    path: Path, rows: Path, columns: Sequence[str], form: str, made_by: Row, run: RunFile
) -> list[Row]:
    """Read the rows to keep, after checking that this run would make them alike."""
    if path != rows and path.is_file() and not rows.exists():
        found, before = about_table(path)
        _check_columns(path, [found], columns)
        _check_made_by(path, before, made_by)
        run.note(made_by=before)  # before its rows are there, lest a kill leave them without
        to_lines(path, rows)
    return _finished_rows(rows, columns, form, made_by, run) if rows.exists() else []


def _finished_rows(
    path: Path, columns: Sequence[str], form: str, made_by: Row, run: RunFile
) -> list[Row]:
    """Read the complete rows, and cut off what follows them."""
    with path.open("r+b") as file:
        data = file.read()[: run.about.get("unfinished")]
        complete = data[: _end_of_rows(data, form)]
        lines = io.StringIO(complete.decode("utf-8", _ERRORS), newline="")
        reader = csv.DictReader(lines, strict=True)
        try:
            rows = list(reader if form == "csv" else map(json.loads, lines))
        except (ValueError, csv.Error):
            rows = [{}]
        header = [reader.fieldnames or []] if form == "csv" and complete else []
        _check_columns(path, [*rows, *header], columns)
        if rows:
            _check_made_by(path, run.about.get("made_by"), made_by)
        file.truncate(len(complete))
    return rows


def _check_columns(path: Path, headers: Iterable[Iterable[str]], columns: Sequence[str]) -> None:
    if any(list(header) != list(columns) for header in headers):
        raise TableError(
            f"{path} is not a table of this command: its columns are not {', '.join(columns)}; "
            "leave out --resume to overwrite it"
        )


def _check_made_by(path: Path, before: Row | None, now: Row) -> None:
    """Refuse to mix rows that were made differently."""
    mend = "leave out --resume to overwrite it, or choose another output"
    if before is None:
        raise TableError(
            f"{path} cannot be continued, because it is not known what made its rows: {mend}"
        )
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if names:
        changes = "; ".join(f"{n} was {_shown(before, n)}, is now {_shown(now, n)}" for n in names)
        raise TableError(
            f"{path} cannot be continued, because its rows were made differently ({changes}): "
            f"{mend}"
        )


def _shown(made_by: Row, name: str) -> str:
    value = made_by.get(name)
    return "not set" if value is None else str(value)


def _end_of_rows(data: bytes, form: str) -> int:
    """Find the end of the last complete row; line breaks in names are quoted and do not count."""
    end = data.rfind(b"\n") + 1
    while form == "csv" and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _as_csv(columns: Sequence[str], row: Row) -> str:
    return csv_line(_finite(row), columns)


def _as_json(row: Row) -> str:
    return json.dumps(_finite(row)) + "\n"


def _finite(row: Row) -> Row:
    """Replace NaN and infinite numbers by None: JSON does not allow them.

    A spreadsheet also takes ``-inf`` for a formula.
    """
    missing = (k for k, v in row.items() if isinstance(v, float) and not math.isfinite(v))
    return {**row, **dict.fromkeys(missing)}
