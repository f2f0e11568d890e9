"""Tables that are written row by row, so that whatever ends a run, the finished rows are there."""

import contextlib
import csv
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ._optional import extra
from .exceptions import TableError

Row = dict[str, Any]

_FORMS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "jsonl"}
_WORDS = frozenset({"path", "verdict", "reason", "error"})
_WHOLE_NUMBERS = frozenset(
    {"face", "left", "top", "right", "bottom", "n_frames", "n_real", "n_fake"}
)
_GROUP = 10_000  # rows of a Parquet file that are in memory at a time


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
        self, send: Callable[[str], object], columns: Sequence[str], form: str, before: list[Row]
    ) -> None:
        self._send, self._columns = send, columns
        self._encode: Callable[[Row], str] = self._as_csv if form == "csv" else _as_json
        self.done = frozenset(row["path"] for row in before)
        self.n_failed = sum(bool(row["error"]) for row in before)
        if form == "csv" and not before:
            send(self._as_csv(dict(zip(columns, columns, strict=True))))

    def write(self, *rows: Row) -> None:
        """Add the rows of a picture. In a file they survive whatever ends the process after this.

        They are written all at once: a run that goes on later leaves out the paths that are there.
        """
        self._send("".join(map(self._encode, rows)))
        self.n_failed += sum(bool(row["error"]) for row in rows)

    def _as_csv(self, row: Row) -> str:
        line = io.StringIO()
        csv.DictWriter(line, self._columns, lineterminator="\n").writerow(_without_nan(row))
        return line.getvalue()


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
    resume : bool
        Keep the finished rows of a run that was stopped; a row that was being written is dropped.

    Raises
    ------
    TableError
        What is to be resumed is not such a table.
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
        yield TableWriter(lambda line: file.write(_encoded(line)), columns, form, before)
    if as_parquet:
        _to_parquet(target, path, columns)


def _stdout() -> Callable[[str], object]:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape")
    return sys.stdout.write


def _finished_rows(path: Path, columns: Sequence[str], form: str) -> list[Row]:
    """Read the complete rows; what follows the last of them is cut off."""
    with path.open("r+b") as file:
        data = file.read()
        complete = data[: data.rfind(b"\n") + 1]
        lines = io.StringIO(complete.decode("utf-8", "surrogateescape"), newline="")
        reader = csv.DictReader(lines)
        try:
            rows = list(reader if form == "csv" else map(json.loads, lines))
        except ValueError:
            rows = [{}]
        headers = [*rows, *([reader.fieldnames] if form == "csv" and complete else [])]
        if any(list(header) != list(columns) for header in headers):
            raise TableError(
                f"{path} is no table of this command: its columns are not {', '.join(columns)}; "
                "leave out --resume to write it anew"
            )
        file.truncate(len(complete))
    return rows


def _from_parquet(path: Path, lines: Path) -> None:
    """Take a complete table apart, to add to it."""
    import pandas as pd

    rows = pd.read_parquet(path).to_dict("records")
    lines.write_bytes(b"".join(_encoded(_as_json({str(k): v for k, v in r.items()})) for r in rows))


def _to_parquet(lines: Path, out: Path, columns: Sequence[str]) -> None:
    """Make the Parquet file of the rows, and remove them; it is complete or not there at all."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    types = dict.fromkeys(columns, pa.float64())
    types |= dict.fromkeys(_WORDS & types.keys(), pa.string())
    types |= dict.fromkeys(_WHOLE_NUMBERS & types.keys(), pa.int64())
    schema = pa.schema(types)
    with pq.ParquetWriter(unfinished, schema) as writer:
        for rows in pd.read_json(lines, lines=True, chunksize=_GROUP, dtype=False):
            writer.write_table(pa.Table.from_pandas(rows[list(columns)], schema))
    unfinished.replace(out)
    lines.unlink()


def _require_pyarrow() -> None:
    with extra("parquet", "pyarrow"):
        import pyarrow  # noqa: F401


def _encoded(line: str) -> bytes:
    return line.encode("utf-8", "surrogateescape")


def _as_json(row: Row) -> str:
    return json.dumps(_without_nan(row)) + "\n"


def _without_nan(row: Row) -> Row:
    """Missing numbers as null and empty cells: there is no NaN in JSON."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
