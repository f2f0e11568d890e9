"""Tables of scores, and how notebooks display them."""

import html
from typing import Any

import pandas as pd

from ..evidence.calibration import odds, shown_llr

_SHOWN_COLUMNS = ("path", "verdict", "llr", "p_fake", "reason", "error")

_MAX_LLR = 3.0  # fills half the bar; models of a few thousand pictures support no more
_STYLE = """
<style>
.freqfake-scores td, .freqfake-scores th {text-align: left; vertical-align: top;}
.freqfake-scores .verdict {border: 2px solid #888; border-radius: 4px; padding: 0 .4em;
  font-weight: bold; white-space: nowrap;}
.freqfake-scores .fake {border-color: #D55E00;}
.freqfake-scores .real {border-color: #0072B2;}
.freqfake-scores .number {white-space: nowrap;}
.freqfake-scores .bar {display: inline-block; width: 5em; height: .6em;
  background: linear-gradient(to right, #8884 49%, #888 49% 51%, #8884 51%);}
.freqfake-scores .bar i {display: block; height: 100%;}
</style>
"""


class ScoreTable(pd.DataFrame):
    """Scores and verdicts of pictures: a DataFrame that is easy to read in a notebook.

    Made by :meth:`freqfake.Detector.score`; see there for the columns. A selection that lacks
    some of the displayed columns is shown as a plain DataFrame.

    Examples
    --------
    >>> import numpy as np
    >>> import freqfake
    >>> table = freqfake.load_detector("lewoo").score([np.zeros((64, 64, 3), np.uint8)])
    >>> "inconclusive</span>" in table._repr_html_()
    True
    """

    @property
    def _constructor(self) -> type["ScoreTable"]:
        return ScoreTable

    def _repr_html_(self) -> str | None:
        if not set(_SHOWN_COLUMNS) <= set(self.columns):
            return super()._repr_html_()  # type: ignore[no-any-return]
        extra = ["face"] if "face" in self.columns else []
        heads = "".join(
            f'<th scope="col">{name}</th>'
            for name in ("picture", *extra, "verdict", "evidence (log10 LR)", "p(fake)", "reason")
        )
        limit = pd.get_option("display.max_rows") or len(self)
        rows = [_as_html(row, extra) for row in self.head(limit).to_dict("records")]
        left = len(self) - len(rows)
        more = f"<p>and {left} more</p>" if left > 0 else ""
        caption = f"<caption>{html.escape(_counted(self))}</caption>"
        return (
            f'{_STYLE}<table class="freqfake-scores">{caption}<thead><tr>{heads}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table>{more}"
        )


def _as_html(row: dict[Any, Any], extra: list[str]) -> str:
    verdict = html.escape(str(row["verdict"]))
    cells = [f"<td>{html.escape(str(row['path']))}</td>"]
    cells += [f"<td>{'' if pd.isna(row[name]) else row[name]}</td>" for name in extra]
    if row["error"]:
        return f'<tr>{"".join(cells)}<td colspan="4">error: {html.escape(row["error"])}</td></tr>'
    cells.append(f'<td><span class="verdict {verdict}">{verdict}</span></td>')
    cells += [f'<td class="number">{_bar(row["llr"])}</td>', f"<td>{_number(row['p_fake'])}</td>"]
    cells.append(f"<td>{html.escape(row['reason'])}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _bar(llr: float) -> str:
    """Draw the ratio from the middle of a bar, to the right for fake."""
    if pd.isna(llr):
        return "not calibrated"
    width = 50 * min(abs(llr) / _MAX_LLR, 1)
    start, colour = (50, "#D55E00") if llr > 0 else (50 - width, "#0072B2")
    style = f"margin-left:{start:.0f}%;width:{width:.0f}%;background:{colour}"
    bar = f'<span class="bar" aria-hidden="true"><i style="{style}"></i></span>'
    return f"{bar} {shown_llr(llr):+.1f}{f'<br>{odds(llr)}' if llr else ''}"


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2f}"


def _counted(table: pd.DataFrame) -> str:
    """Count each verdict, in words."""
    counts = table["verdict"].replace("", "not read").value_counts()
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return words or "no pictures"
