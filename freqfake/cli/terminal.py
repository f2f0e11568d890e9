"""Output on a terminal: tables and colours, by rich, which is imported only for a terminal.

File names may contain anything: control characters are shown escaped, and markup is not read.
"""

import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TextIO

from .._text import printable
from ..batch.tables import Row
from .words import Tally, short_reason

STYLES = {
    "fake": "bold red",
    "real": "bold green",
    "inconclusive": "yellow",
    "error": "bold red",
    "warning": "yellow",
}
_DECIMALS = {"llr": 1, "p_fake": 2}
_HIDDEN = frozenset(
    {"path", "face", "left", "top", "right", "bottom", "score", "verdict", "reason", "error"}
    | {"n_frames", "n_real", "n_fake"}
)
_VERDICT_WIDTH = len("inconclusive")
_GAP = 2
_MIN_TEXT = 20  # columns for names and reasons; if there are fewer, the numbers go below the name
_MIN_REASON = 44  # columns for a reason beside the name; if there are fewer, it goes below
_SEP = re.escape(os.sep)
_IN_FULL = "Reasons are shortened; --format csv and freqfake report give them in full."


def coloured(stream: TextIO) -> bool:
    """Whether to use colours: NO_COLOR, FORCE_COLOR and TERM decide, in this order."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def console(stream: TextIO) -> Any:
    """Make a rich console for a stream, with colours or without any escape sequence."""
    from rich.console import Console

    return Console(
        file=stream,
        force_terminal=coloured(stream),
        color_system="standard" if coloured(stream) else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def write_message(message: str) -> None:
    """Write a line to stderr; on a terminal, "error" and "warning" are coloured."""
    try:
        _write_message(message, sys.stderr)
        sys.stderr.flush()
    except OSError:  # closed, as after `2>&1 | head`
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115


def _write_message(message: str, stream: TextIO) -> None:
    if not stream.isatty() and not coloured(stream):
        stream.write(f"{message}\n")
        return
    message = printable(message)
    kind = re.match(r"[\w ]+: (error|warning):", message)
    if kind is None or not coloured(stream):
        stream.write(f"{message}\n")
        return
    from rich.text import Text

    text = Text(message)
    text.stylize(STYLES[kind[1]], kind.start(1), kind.end())
    console(stream).print(text, soft_wrap=True)


def write_table(
    columns: Mapping[str, Literal["left", "right"]],
    rows: Iterable[Sequence[str]],
    styles: Iterable[str] = (),
) -> None:
    """Write a table to the terminal at stdout.

    Parameters
    ----------
    columns : mapping of str to {"left", "right"}
        Headers, and the alignment of their cells.
    rows : iterable of sequences of str
    styles : iterable of str, optional
        One for each row; none by default.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name, side in columns.items():
        table.add_column(name, justify=side, overflow="fold")
    marks = iter(styles)
    for row in rows:
        table.add_row(*map(printable, row), style=next(marks, ""))
    console(sys.stdout).print(table)


def write_line(text: str, *marks: tuple[str, str]) -> None:
    """Write a line to the terminal at stdout, after words with their styles."""
    from rich.text import Text

    console(sys.stdout).print(Text.assemble(*marks, printable(text)))


class ScreenTable:
    """Show rows of scores or features on a terminal as soon as they are ready.

    The methods are those of :class:`freqfake.batch.tables.TableWriter`. Each row begins with the
    verdict and the numbers. The name takes the remaining width, with a short reason, or the
    error, below it, or beside it where all names leave enough room.

    Parameters
    ----------
    columns : sequence of str
        Columns of the rows; not all are shown.
    paths : iterable of str
        The inputs.

    Attributes
    ----------
    done : frozenset of str
        Empty: output to a screen cannot be continued.
    n_failed : int
        Number of rows with an error.
    """

    done: frozenset[str] = frozenset()

    def __init__(self, columns: Sequence[str], paths: Iterable[str] = ()) -> None:
        from rich.cells import cell_len

        self._verdicts, self._reasons = "verdict" in columns, "reason" in columns
        self._widths = {
            name: max(len(name), 5 if name in _DECIMALS else 6)
            for name in columns
            if name not in _HIDDEN
        }
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        self._console = console(sys.stdout)
        self._tally = Tally(columns)
        self._longest = max((cell_len(printable(path)) for path in paths), default=0)
        self._shortened = False

    @property
    def n_failed(self) -> int:
        """Number of rows with an error."""
        return self._tally.n_failed

    def __enter__(self) -> "ScreenTable":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._console.print(f"\n{self._tally}")
        if kind is None and self._shortened:
            self._console.print(_IN_FULL, style="dim")

    def write(self, *rows: Row) -> None:
        """Show the rows of one input."""
        if not self._tally.n_inputs and self._room() >= _MIN_TEXT:
            self._write_header()
        self._tally.add(rows)
        for row in rows:
            wide = self._room() >= _MIN_TEXT  # the window may have been resized
            self._console.print(self._beside(row) if wide else self._below(row))

    def _room(self) -> int:
        """Columns for names and reasons, beside the numbers."""
        widths = [*self._widths.values(), *([_VERDICT_WIDTH] if self._verdicts else [])]
        return int(self._console.width) - sum(widths) - _GAP * len(widths)

    def _in_one_line(self) -> bool:
        """Whether a short reason fits beside each name."""
        return self._reasons and 0 < self._longest <= self._room() - _GAP - _MIN_REASON

    def _grid(self) -> Any:
        from rich.table import Table

        grid = Table.grid(padding=(0, _GAP, 0, 0))
        if self._verdicts:
            grid.add_column(width=_VERDICT_WIDTH)
        for width in self._widths.values():
            grid.add_column(width=width, justify="right", no_wrap=True)
        if self._in_one_line():
            grid.add_column(width=self._longest, overflow="fold")
        grid.add_column(overflow="fold")
        return grid

    def _write_header(self) -> None:
        grid = self._grid()
        names = [*(["verdict"] if self._verdicts else []), *self._widths, self._tally.noun]
        grid.add_row(*names, *(["reason"] if self._in_one_line() else []), style="bold")
        self._console.print(grid)
        self._console.rule(characters="─", style="none")

    def _beside(self, row: Row) -> Any:
        from rich.text import Text

        grid = self._grid()
        cells = [self._verdict(row)] if self._verdicts else []
        cells += [Text(_number(name, row[name])) for name in self._widths]
        if self._in_one_line():
            grid.add_row(*cells, *self._texts(row, self._longest))
        else:
            grid.add_row(*cells, Text("\n").join(self._texts(row, self._room())))
        return grid

    def _below(self, row: Row) -> Any:
        from rich.console import Group
        from rich.padding import Padding
        from rich.text import Text

        name, *texts = self._texts(row, int(self._console.width))
        # A line break must not separate a name from its number.
        pairs = (f"{name}\N{NO-BREAK SPACE}{_number(name, row[name])}" for name in self._widths)
        numbers = [] if row["error"] else [Text("  ".join(pairs))]
        verdict = [self._verdict(row)] if self._verdicts else []
        head = [Text("  ").join([*verdict, *numbers])] if verdict or numbers else []
        return Group(name, Padding(Group(*head, *texts), (0, 0, 0, _GAP)))

    def _verdict(self, row: Row) -> Any:
        from rich.text import Text

        word = "error" if row["error"] else row["verdict"]
        return Text(word, STYLES[word])

    def _texts(self, row: Row, width: int) -> list[Any]:
        """Return the name, and the short reason or the error."""
        from rich.text import Text

        name = _folded(printable(row["path"]), width)
        if row.get("face") is not None:
            left, top, right, bottom = (row[side] for side in ("left", "top", "right", "bottom"))
            name += f"\nface {row['face']}: ({left}, {top}) to ({right}, {bottom})"
        if row["error"]:
            word = "" if self._verdicts else "error: "
            return [Text(name), Text(word + printable(row["error"]), STYLES["error"])]
        reason = short_reason(row)
        self._shortened |= reason != (row.get("reason") or "")
        return [Text(name), *([Text(printable(reason), "dim")] if reason else [])]


def _folded(path: str, width: int) -> str:
    """Break a path that is too wide after a separator, so that the parts stay readable."""
    from rich.cells import cell_len

    lines = [""]
    for part in re.findall(rf"[^{_SEP}]*{_SEP}|[^{_SEP}]+", path):
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _number(name: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    if name == "p_fake" and not 0.005 <= value < 0.995:  # never shown as certain
        return "<0.01" if value < 0.5 else ">0.99"
    if name == "llr":
        from ..evidence.calibration import shown_llr

        value = shown_llr(value)
    if name not in _DECIMALS:
        return f"{value:.4f}" if abs(value) < 9.99 else f"{value:.4g}"
    return f"{round(value, _DECIMALS[name]) + 0.0:.{_DECIMALS[name]}f}"  # never "-0.0"
