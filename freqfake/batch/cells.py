r"""Cells of CSV files: any text is read back unchanged, and none becomes a spreadsheet formula.

Spreadsheets treat text as a formula if it begins with a sign, even after blanks; Excel also accepts
the full-width signs of East Asian keyboards. In languages with a decimal comma they split lines at
semicolons and interpret quotes at the beginning of the parts. A path, which comes first in a line,
is therefore quoted if it contains a semicolon, and gets ``./`` before such a sign: the same file.
In other texts an apostrophe is put before the sign.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_PATHS = frozenset({"path", "file"})
_SIGNS = "=+@\uff1d\uff0b\uff0d\uff20-"
_UNSEEN = "'\"\\s\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\udc80-\udcff"
_FORMULA = re.compile(f"[{_UNSEEN}]*[{_SIGNS}]")
_LATER_FORMULA = re.compile(f"(^|[;\t\n\r\v\f\x85\u2028\u2029])([{_UNSEEN}]*)(?=[{_SIGNS}])")
_TO_QUOTE = re.compile('[",\n\r]')
_PATH_TO_QUOTE = re.compile('[",;\x00-\x1f\x7f-\x9f\u2028\u2029]')


def csv_line(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    r"""Make a line of CSV; missing values and None become empty cells.

    Python's own writer quotes neither semicolons nor, before 3.13, carriage returns.

    Examples
    --------
    >>> from freqfake.batch.cells import csv_line
    >>> csv_line({"path": "=1;2.png", "score": -0.5, "error": ""}, ["path", "score", "error"])
    '"./=1;2.png",-0.5,\n'
    """
    return ",".join(_cell(name, row.get(name)) for name in columns) + "\n"


def paths_of_cell(cell: str) -> set[str]:
    """Find the paths that give this cell: ``./`` may belong to the path or may have been added.

    Examples
    --------
    >>> from freqfake.batch.cells import paths_of_cell
    >>> sorted(paths_of_cell("./=1.png")), paths_of_cell("./1.png")
    (['./=1.png', '=1.png'], {'./1.png'})
    """
    bare = cell.removeprefix("./")
    return {cell, bare} if bare != cell and _FORMULA.match(bare) else {cell}


def _cell(name: str, value: Any) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    if name in _PATHS:
        text, to_quote = f"./{value}" if _FORMULA.match(value) else value, _PATH_TO_QUOTE
    else:
        text, to_quote = _LATER_FORMULA.sub(r"\1\2'", value), _TO_QUOTE
    if not to_quote.search(text):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
