"""Percentiles of a symmetric plane from half of it, without a full sort."""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

_SAMPLE = 4096  # values that show roughly where a rank lies
_DEVIATIONS = 5  # standard deviations of the sample rank; outside them, all values are sorted


def full_plane_percentiles(
    half: npt.NDArray[Any], n_cols: int, percentiles: Sequence[float]
) -> list[tuple[Any, Any, float]]:
    """Locate the percentiles of a full plane, given the half plane of an rfft2.

    Parameters
    ----------
    half : ndarray of shape (n_rows, n_cols // 2 + 1)
        The inner columns count twice.
    n_cols : int
        Width of the full plane.
    percentiles : sequence of float

    Returns
    -------
    list of (low, high, fraction)
        For each percentile the two neighbouring values of the full plane, the smaller one first,
        and its position between them (the linear definition of :func:`numpy.percentile`). An
        increasing function can thus be applied to the values before interpolation.
    """
    n = half.shape[0] * n_cols
    once = [0, n_cols // 2] if n_cols % 2 == 0 else [0]
    sample = np.sort(half.ravel()[_sampled(half.size)])
    neighbours = []
    for percentile in percentiles:
        position = (n - 1) * percentile / 100
        rank = int(position)
        bracket = _bracket(sample, percentile / 100)
        values, below, up_to = _between(half, once, *bracket)
        if not below <= rank < min(rank + 1, n - 1) < up_to[-1]:  # the bracket failed
            values, below, up_to = _between(half, once, -np.inf, np.inf)
        low, high = (np.searchsorted(up_to, min(r, n - 1), side="right") for r in (rank, rank + 1))
        neighbours.append((values[low], values[high], position - rank))
    return neighbours


@lru_cache(maxsize=8)
def _sampled(size: int) -> npt.NDArray[np.intp]:
    """Draw random positions, the same ones for every plane of that size."""
    return np.random.default_rng(0).integers(size, size=_SAMPLE)


def _bracket(sample: npt.NDArray[Any], share: float) -> tuple[Any, Any]:
    """Choose two values that almost certainly enclose the quantile `share`."""
    margin = 1 + _DEVIATIONS * sqrt(len(sample) * share * (1 - share))
    low, high = len(sample) * share - margin, len(sample) * share + margin
    return (
        sample[int(low)] if low >= 0 else -np.inf,
        sample[int(high)] if high < len(sample) else np.inf,
    )


def _between(
    half: npt.NDArray[Any], once: list[int], low: Any, high: Any
) -> tuple[npt.NDArray[Any], int, npt.NDArray[np.int64]]:
    """Sort the values of a range; count the full plane's values below it and up to each value."""
    smaller = half < low
    below = int(2 * np.count_nonzero(smaller) - np.count_nonzero(smaller[:, once]))
    inside = np.flatnonzero((half <= high) & ~smaller)
    column = inside % half.shape[1]
    counts = np.where((column == once[0]) | (column == once[-1]), 1, 2)
    values = half.ravel()[inside]
    order = np.argsort(values)
    return values[order], below, below + np.cumsum(counts[order])
