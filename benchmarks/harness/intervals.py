"""Figures of merit with 95 % bootstrap intervals, resampled by person."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

N_RESAMPLES = 1000


class Figure(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float = np.nan
    high: float = np.nan

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        if np.isnan(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.2f}-{self.high:.2f})"


MISSING = Figure(np.nan)
Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def figure(metric: Metric, y: np.ndarray, scores: np.ndarray | None, persons: np.ndarray) -> Figure:
    """Compute a metric over all pictures, and its bootstrap interval by person.

    `metric` takes labels, scores and weights of shape (n_resamples, n_pictures), and returns one
    value per resample; it is averaged over scores of shape (n_partitions, n_pictures). A person
    who is drawn twice counts twice. The interval shows how much depends on the pictures tested,
    not on those trained on.
    """
    if scores is None:
        return MISSING
    names, codes = np.unique(persons, return_inverse=True)
    n = len(names)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES)

    def average(weights: np.ndarray) -> np.ndarray:
        return np.mean([metric(y, s, weights) for s in np.atleast_2d(scores)], axis=0)

    value = average(np.ones((1, len(y))))[0]
    with np.errstate(invalid="ignore"):  # a class may be missing if pictures are few
        low, high = np.nanquantile(average(drawn[:, codes]), (0.025, 0.975))
    return Figure(float(value), float(low), float(high))


def auc(y: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve; ties count half."""
    real, fake = _per_score(y, scores, weights)
    below = np.cumsum(real, axis=1) - real / 2
    return (fake * below).sum(axis=1) / (real.sum(axis=1) * fake.sum(axis=1))


def equal_error_rate(y: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Error rate where both classes err equally often, on the linearly interpolated ROC curve."""
    real, fake = _per_score(y, scores, weights)
    zero = np.zeros((len(weights), 1))
    missed = np.hstack([zero, np.cumsum(fake, axis=1) / fake.sum(axis=1, keepdims=True)])
    cleared = np.hstack([zero, np.cumsum(real, axis=1) / real.sum(axis=1, keepdims=True)])
    difference = missed - (1 - cleared)  # from -1 to 1, growing with the threshold
    after = np.argmax(difference >= 0, axis=1)
    rows = np.arange(len(weights))
    step = difference[rows, after] - difference[rows, after - 1]
    part = difference[rows, after] / step
    return missed[rows, after] - part * (missed[rows, after] - missed[rows, after - 1])


def accuracy(y: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of pictures on the right side of score 0."""
    return _share(weights, (scores > 0) == (y == 1))


def balanced_accuracy(y: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average over both classes of the share on the right side of score 0."""
    return (recall(y, scores, weights) + specificity(y, scores, weights)) / 2


def recall(y: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of the fake pictures that are called fake."""
    return _share(weights * (y == 1), scores > 0)


def specificity(y: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of the real pictures that are called real."""
    return _share(weights * (y == 0), scores <= 0)


def precision(y: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of fake pictures among those called fake; 0 if there are none."""
    return _share(weights * (scores > 0), y == 1)


def f1(y: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall."""
    hits = (weights * ((scores > 0) & (y == 1))).sum(axis=1)
    called = (weights * (scores > 0)).sum(axis=1)
    return 2 * hits / (called + (weights * (y == 1)).sum(axis=1))


def _share(weights: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (weights * right).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-300)


def _per_score(
    y: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of the real and of the fake pictures at each distinct score, from low to high."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    sides = (weights[:, order] * (y[order] == label) for label in (0, 1))
    real, fake = (np.add.reduceat(side, starts, axis=1) for side in sides)
    return real, fake
