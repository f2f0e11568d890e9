"""Data frames of rows whose text may be any bytes."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd


def columns_of(rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> dict[str, pd.Series]:
    r"""Return the columns of a data frame of these rows.

    Examples
    --------
    >>> from freqfake.batch.frames import columns_of
    >>> columns_of([{"path": "\udcff.png", "score": 1.5}], ["path", "score"])["path"][0]
    '\udcff.png'
    """
    rows = list(rows)
    return {name: _column([row[name] for row in rows]) for name in names}


def _column(values: list[Any]) -> pd.Series:
    try:
        return pd.Series(values)
    except UnicodeEncodeError:  # pandas' own type of text refuses names that are not UTF-8
        return pd.Series(values, dtype=object)
