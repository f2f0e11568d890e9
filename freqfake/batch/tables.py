"""Tables that are written row by row, so that whatever ends a run, the finished rows are there."""

import contextlib
import csv
import functools
import io
import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .._files import whole_file
from .._optional import extra
from .._text import shown
from ..exceptions import TableError
from .cells import csv_line, paths_of_cell

Row = dict[str, Any]

_FORMS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "jsonl"}
_WORDS = frozenset({"path", "verdict", "reason", "error", "sha256", "model_sha256", "versions"})
_WHOLE_NUMBERS = frozenset(
    {"face", "left", "top", "right", "bottom", "n_frames", "n_real", "n_fake"}
)
_GROUP = 10_000  # rows of a Parquet file that are in memory at a time
# Names that are no Unicode: on Linux any bytes, on Windows any halves of surrogate pairs.
_ERRORS = sys.getfilesystemencodeerrors()


class TableWriter:
    """Writes rows to a CSV, JSON lines or Parquet file as soon as it gets them.

    Made by :func:`open_table`. A Parquet file cannot be added to, so its rows are collected in a
    file of JSON lines beside it, named ``.partial``, until it is complete.

    Attributes
    ----------
    done : frozenset of str
        Paths of the rows that were there before.
    n_failed : int
        Number of rows that carry an error, those from before included.
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
        """Add the rows of a picture. In a file they survive whatever ends the process after this.

        They are written all at once: a run that goes on later leaves out the paths that are there.
        """
        self._send(*map(self._encode, rows))
        self.n_failed += sum(bool(row["error"]) for row in rows)


@contextlib.contextmanager
def open_table(
    out: str | None, columns: Sequence[str], form: str = "csv", *, resume: bool = False
) -> Iterator[TableWriter]:
    """Open a table to write rows to.

    Parameters
    ----------
    out : str, optional
        File to write; stdout by default. A name that ends in ``.parquet`` makes it a Parquet file,
        one in ``.csv`` or ``.jsonl`` a file of that format.
    columns : sequence of str
        With ``path`` and ``error`` among them.
    form : {"csv", "jsonl"}
        Where the name does not say.
        Text is in UTF-8, and the bytes of a name that are not stay as they are. A name that a
        terminal would obey is escaped on one.
    resume : bool
        Keep the finished rows of a run that was stopped; a row that was being written is dropped.

    Raises
    ------
    TableError
        What is to be resumed is not such a table.
    OSError
        The file cannot be written; those rows for which there was room are there.
    MissingExtraError
        A Parquet file is asked for, and pyarrow is not installed.
    """
    if out is None:
        yield TableWriter(_stdout(), columns, form, [])
        return
    path = Path(out)
    as_parquet = path.suffix.lower() == ".parquet"
    if as_parquet:
        _require_pyarrow()
    form = _FORMS.get(path.suffix.lower(), form)
    target = path.with_name(path.name + ".partial") if as_parquet else path
    if resume and as_parquet and path.exists() and not target.exists():
        _from_parquet(path, target)
    before = _finished_rows(target, columns, form) if resume and target.exists() else []
    with target.open("ab" if before else "wb", buffering=0) as file:
        yield TableWriter(functools.partial(_append, file), columns, form, before)
    if as_parquet:
        _to_parquet(target, path, columns)


def _append(file: io.FileIO, *lines: str) -> None:
    """Add lines to a file, or nothing of them."""
    size = os.fstat(file.fileno()).st_size
    left = "".join(lines).encode("utf-8", _ERRORS)
    try:
        while left:  # a disk that is nearly full takes a part
            left = left[os.write(file.fileno(), left) :]
    except OSError as error:
        with contextlib.suppress(OSError):  # a device has no size
            file.truncate(size)
        raise OSError(error.errno, error.strerror, os.fspath(file.name)) from None


def _stdout() -> Callable[..., object]:
    stream = sys.stdout
    watched = stream.isatty()
    if hasattr(stream, "reconfigure"):
        names = {"errors": "backslashreplace"} if watched else {"errors": _ERRORS}
        stream.reconfigure(**names, **({} if watched else {"encoding": "utf-8"}))

    def send(*lines: str) -> None:
        try:
            for line in lines:
                stream.write(f"{shown(line[:-1])}\n" if watched else line)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "stdout") from None

    return send


def _finished_rows(path: Path, columns: Sequence[str], form: str) -> list[Row]:
    """Read the complete rows; what follows the last of them is cut off."""
    if not path.is_file():
        raise TableError(f"only a file can be gone on with; got a device or a pipe: {path}")
    with path.open("r+b") as file:
        data = file.read()
        complete = data[: _end_of_rows(data, form)]
        lines = io.StringIO(complete.decode("utf-8", _ERRORS), newline="")
        reader = csv.DictReader(lines, strict=True)
        try:
            rows = list(reader if form == "csv" else map(json.loads, lines))
        except (ValueError, csv.Error):
            rows = [{}]
        headers = [*rows, *([reader.fieldnames] if form == "csv" and complete else [])]
        if any(list(header) != list(columns) for header in headers):
            raise TableError(
                f"{path} is no table of this command: its columns are not {', '.join(columns)}; "
                "leave out --resume to write it anew"
            )
        file.truncate(len(complete))
    return rows


def _end_of_rows(data: bytes, form: str) -> int:
    """Where the last complete row ends: not at a line break in a name, which is quoted."""
    end = data.rfind(b"\n") + 1
    while form == "csv" and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _from_parquet(path: Path, lines: Path) -> None:
    """Take a complete table apart, to add to it."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as table, lines.open("wb") as file:
        for rows in table.iter_batches(_GROUP):
            for row in rows.to_pylist():
                path_as_text = {"path": os.fsdecode(row["path"])} if "path" in row else {}
                file.write(_as_json({**row, **path_as_text}).encode())


def _to_parquet(lines: Path, out: Path, columns: Sequence[str]) -> None:
    """Make the Parquet file of the rows, and remove them; it is complete or not there at all.

    Parquet has text in UTF-8 only. Where a path is not, the column has the bytes of all of them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    words, as_bytes = set(_WORDS), False
    with lines.open("rb") as file:
        for row in map(json.loads, file):
            words |= {name for name, value in row.items() if isinstance(value, str)}
            as_bytes = as_bytes or not _is_unicode(row["path"])
    types = dict.fromkeys(columns, pa.float64())
    types |= dict.fromkeys(words & types.keys(), pa.string())
    types |= dict.fromkeys(_WHOLE_NUMBERS & types.keys(), pa.int64())
    schema = pa.schema(types | ({"path": pa.binary()} if as_bytes else {}))
    with lines.open("rb") as file, whole_file(out) as whole, pq.ParquetWriter(whole, schema) as to:
        rows = map(json.loads, file)
        while group := [_for_parquet(row, as_bytes) for row in itertools.islice(rows, _GROUP)]:
            to.write_table(pa.Table.from_pylist(group, schema))
    lines.unlink()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _for_parquet(row: Row, as_bytes: bool) -> Row:
    """Row with the path as bytes, if it has to be, and such bytes in other texts written out."""
    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    valid = {n: text.encode("utf-8", "backslashreplace").decode() for n, text in texts.items()}
    return {**row, **valid, "path": os.fsencode(row["path"]) if as_bytes else row["path"]}


def _require_pyarrow() -> None:
    with extra("parquet", "pyarrow"):
        import pyarrow  # noqa: F401


def _as_csv(columns: Sequence[str], row: Row) -> str:
    return csv_line(_finite(row), columns)


def _as_json(row: Row) -> str:
    return json.dumps(_finite(row)) + "\n"


def _finite(row: Row) -> Row:
    """Missing and infinite numbers as null and empty cells: there are none in JSON.

    And a spreadsheet takes ``-inf`` for a formula.
    """
    missing = (k for k, v in row.items() if isinstance(v, float) and not math.isfinite(v))
    return {**row, **dict.fromkeys(missing)}
