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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .._files import whole_file
from .._optional import extra
from .._text import printable
from ..exceptions import TableError
from .cells import csv_line, paths_of_cell

Row = dict[str, Any]

_FORMS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "jsonl"}
_WORDS = frozenset({"path", "verdict", "reason", "error", "sha256", "model_sha256", "versions"})
_WHOLE_NUMBERS = frozenset(
    {"face", "left", "top", "right", "bottom", "n_frames", "n_real", "n_fake"}
)
_GROUP = 10_000  # rows of a Parquet file in memory at a time
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
    out: str | None, columns: Sequence[str], form: str = "csv", *, resume: bool = False
) -> Iterator[TableWriter]:
    """Open a table to write rows to.

    Parameters
    ----------
    out : str, optional
        File to write; stdout by default. The ending ``.parquet``, ``.csv`` or ``.jsonl`` chooses
        the format.
    columns : sequence of str
        They must include ``path`` and ``error``.
    form : {"csv", "jsonl"}
        Format if the ending does not choose one. Text is in UTF-8; bytes of a name that are not
        UTF-8 stay as they are. On a terminal, what would control it is escaped.
    resume : bool
        Keep the finished rows of a stopped run; an incomplete row is dropped.

    Raises
    ------
    TableError
        The file to resume is not such a table.
    OSError
        The file cannot be written; the rows that fitted are there.
    MissingExtraError
        A Parquet file is requested, and pyarrow is not installed.
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
    """Add all of these lines to a file, or none."""
    size = os.fstat(file.fileno()).st_size
    left = "".join(lines).encode("utf-8", _ERRORS)
    try:
        while left:  # a nearly full disk accepts only a part
            left = left[os.write(file.fileno(), left) :]
    except OSError as error:
        with contextlib.suppress(OSError):  # a device cannot be truncated
            file.truncate(size)
        raise OSError(error.errno, error.strerror, os.fspath(file.name)) from None


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


def _finished_rows(path: Path, columns: Sequence[str], form: str) -> list[Row]:
    """Read the complete rows, and cut off what follows them."""
    if not path.is_file():
        raise TableError(f"only a file can be resumed; got a device or a pipe: {path}")
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
                f"{path} is not a table of this command: its columns are not {', '.join(columns)}; "
                "leave out --resume to overwrite it"
            )
        file.truncate(len(complete))
    return rows


def _end_of_rows(data: bytes, form: str) -> int:
    """Find the end of the last complete row; line breaks in names are quoted and do not count."""
    end = data.rfind(b"\n") + 1
    while form == "csv" and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _from_parquet(path: Path, lines: Path) -> None:
    """Turn a complete table into JSON lines, to add to it."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as table, lines.open("wb") as file:
        for rows in table.iter_batches(_GROUP):
            for row in rows.to_pylist():
                path_as_text = {"path": os.fsdecode(row["path"])} if "path" in row else {}
                file.write(_as_json({**row, **path_as_text}).encode())


def _to_parquet(lines: Path, out: Path, columns: Sequence[str]) -> None:
    """Write the Parquet file, complete or not at all, and remove the JSON lines.

    Parquet allows text in UTF-8 only. If any path is not, the column has the bytes of all paths.
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
    """Make the path bytes, if it has to be, and escape what is not UTF-8 in other texts."""
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
    """Replace NaN and infinite numbers by None: JSON does not allow them.

    A spreadsheet also takes ``-inf`` for a formula.
    """
    missing = (k for k, v in row.items() if isinstance(v, float) and not math.isfinite(v))
    return {**row, **dict.fromkeys(missing)}
