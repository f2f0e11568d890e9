"""Tables in Parquet files, from JSON lines and back."""

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._files import whole_file
from .._optional import extra
from ..exceptions import TableError

Row = dict[str, Any]

_WORDS = frozenset({"path", "verdict", "reason", "error", "sha256", "model_sha256", "versions"})
_WHOLE_NUMBERS = frozenset(
    {"face", "left", "top", "right", "bottom", "n_frames", "n_real", "n_fake"}
)
_GROUP = 10_000  # rows in memory at a time
_MADE_BY = b"freqfake"  # key in the metadata of the file


def require_pyarrow() -> None:
    """Raise :class:`MissingExtraError` if pyarrow is not installed."""
    with extra("parquet", "pyarrow"):
        import pyarrow  # noqa: F401


def about_table(path: Path) -> tuple[list[str], dict[str, Any] | None]:
    """Read the columns of a table, and what made it if the file says so."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        made_by = json.loads((schema.metadata or {}).get(_MADE_BY, b"null"))
    except (pa.ArrowException, ValueError) as error:
        raise TableError(f"{path} is not a Parquet file, or is damaged: {error}") from None
    return list(schema.names), made_by if isinstance(made_by, dict) else None


def to_lines(path: Path, lines: Path) -> None:
    """Turn a complete table into JSON lines, to add to it; they are there completely or not."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as table, whole_file(lines) as file:
        for rows in table.iter_batches(_GROUP):
            for row in rows.to_pylist():
                text = json.dumps({**row, "path": os.fsdecode(row["path"])})
                file.write(f"{text}\n".encode())


def to_parquet(lines: Path, out: Path, columns: Sequence[str], made_by: Mapping[str, Any]) -> None:
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
    about = {_MADE_BY: json.dumps(made_by)}
    schema = pa.schema(types | ({"path": pa.binary()} if as_bytes else {}), metadata=about)
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
