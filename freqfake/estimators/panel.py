"""A panel of linear classifiers for the rich features, by delivery and by kind of generator."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .binary import BinaryClassifier
from .distances import distances
from .panel_scores import DeliveryPanel
from .ridge import balanced

_LEAST = 0.01  # weight of the most distant pictures
_SMALL = 1e-9  # added to sums of weights and to variances, which are divided by
_Array = npt.NDArray[Any]
_Products = dict[tuple[int, int], _Array]  # by delivery and kind


class DeliveryPanelClassifier(DeliveryPanel, BinaryClassifier):
    """Ridge regressions of the labels, each for one delivery and one kind of generator.

    Each regression is fitted to all real pictures and to the generated pictures of one kind, with
    weights that fall with the distance of their delivery from its own. If there are several kinds,
    one more is fitted to all of them. Scores are in standard deviations of the real pictures. The
    delivery of a new picture is predicted from its features; of each kind, the scores of all
    deliveries are averaged, weighted by their distance from it. The decision value is the score
    for all kinds plus the largest score for one. So it is a sum over the features, like that of
    :class:`StandardizedRidgeClassifier`.

    Parameters
    ----------
    alpha : float
        Penalty on the squared coefficients of the standardised features.
    reach : float
        Distance of deliveries over which a weight falls to 1/e.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    mean_, scale_ : ndarray of shape (n_features,)
        Standardised features are clipped at 4 standard deviations.
    centers_ : ndarray of shape (n_deliveries, n_coordinates)
        Deliveries of the regressions.
    coef_ : ndarray of shape (n_regressions, n_deliveries, n_features), float32
        The first for all kinds, then one for each kind if there are several.
    intercept_ : ndarray of shape (n_regressions, n_deliveries)
    delivery_coef_, delivery_intercept_ : ndarray of shape (n_coordinates, n_features) \
and (n_coordinates,)
        Ridge regression of the delivery.
    n_features_in_ : int

    Notes
    -----
    Both classes have the same weight in each regression, whatever their sizes.

    Examples
    --------
    >>> from freqfake.estimators.panel import DeliveryPanelClassifier
    >>> X, y = [[0.0, 0.0], [1.0, 0.0], [1.0, 9.0], [0.0, 9.0]], [0, 1, 0, 1]
    >>> panel = DeliveryPanelClassifier(alpha=0.01, reach=0.2)
    >>> panel.fit(X, y, deliveries=[[0], [0], [1], [1]]).predict(X)
    array([0, 1, 0, 1])
    """

    def __init__(self, *, alpha: float = 300.0, reach: float = 0.7) -> None:
        self.alpha = alpha
        self.reach = reach

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        deliveries: Any = None,
        kinds: Any = None,
    ) -> Self:
        """Fit to pictures of known delivery and kind.

        Parameters
        ----------
        X : array-like of shape (n_pictures, n_features)
        y : array-like of shape (n_pictures,)
            Labels of two classes; the second is that of generated pictures.
        sample_weight : array-like of shape (n_pictures,), optional
        deliveries : array-like of shape (n_pictures, n_coordinates), optional
            Numbers in units in which a difference of 1 matters. There is a regression for each
            combination that occurs after rounding to whole numbers; without deliveries, one.
        kinds : array-like of shape (n_pictures,), optional
            Kind of generator; of real pictures, it is not used. All the same by default.
        """
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        labels = self._fit_classes(y)
        weights = _check_sample_weight(sample_weight, X)
        places = np.zeros((len(X), 1)) if deliveries is None else check_array(deliveries)
        names = np.zeros(len(X)) if kinds is None else column_or_1d(kinds)
        check_consistent_length(X, places, names)
        scaler = StandardScaler().fit(X, sample_weight=balanced(weights, labels == 1))
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        self.centers_, cells = np.unique(np.rint(places), axis=0, return_inverse=True)
        cells = cells.reshape(-1)  # NumPy 2.0 gives a column
        numbers = np.zeros(len(X), int)  # 0 is real
        numbers[labels == 1] = np.unique(names[labels == 1], return_inverse=True)[1] + 1
        products = {
            (cell, kind): self._products(X, places, weights, (cells == cell) & (numbers == kind))
            for cell, kind in np.unique(np.column_stack([cells, numbers]), axis=0).tolist()
        }
        self._fit_regressions(products, n_kinds=numbers.max(), total=weights.sum())
        self._fit_delivery(_sum_of([*products.values()]), places.shape[1])
        return self

    def _products(self, X: _Array, places: _Array, weights: _Array, rows: _Array) -> _Array:
        """Weighted sums of the products of all pairs of features, 1 and coordinates."""
        standard = self._standardised(X[rows])
        known = np.column_stack([standard, np.ones(len(standard)), places[rows]])
        known *= np.sqrt(weights[rows])[:, np.newaxis]
        known = known.astype(X.dtype, copy=False)
        return np.asarray(known.T @ known)

    def _fit_regressions(self, products: _Products, *, n_kinds: int, total: float) -> None:
        n = self.n_features_in_ + 1
        apart = distances(self.centers_, self.centers_) / self.reach
        fitted = []
        for near in np.maximum(np.exp(-apart), _LEAST):
            sums = np.zeros((n_kinds + 1, n, n))
            for (cell, kind), product in products.items():
                sums[kind] += near[cell] * product[:n, :n]
            sides = [sums[1:].sum(axis=0), *(sums[1:] if n_kinds > 1 else ())]
            fitted.append([self._regression(sums[0], fake, total) for fake in sides])
        made, middles = (np.array(part) for part in zip(*map(_unzipped, fitted), strict=True))
        made = np.swapaxes(made, 0, 1)
        self.coef_, self.intercept_ = made[..., :-1].astype(np.float32), made[..., -1].copy()
        # For real pictures, the largest of the others is about that of normal numbers.
        self.shift(middles[:, 0] + np.sqrt(2 * np.log(n_kinds)))

    def _regression(self, real: _Array, fake: _Array, total: float) -> tuple[_Array, float]:
        """Regression in standard deviations of the real pictures, and the middle of the classes."""
        real, fake = (side / (side[-1, -1] + _SMALL) for side in (real, fake))
        coef = self._ridge((real + fake) * (total / 2), (fake - real)[:, -1] * (total / 2))
        mean, middle = real[-1] @ coef, (real + fake)[-1] @ coef / 2
        deviation = np.sqrt(max(coef @ real @ coef - mean**2, _SMALL))
        coef[-1] -= mean
        return coef / deviation, (middle - mean) / deviation

    def _fit_delivery(self, products: _Array, n_coordinates: int) -> None:
        n = len(products) - n_coordinates
        fitted = self._ridge(products[:n, :n], products[:n, n:]).T
        self.delivery_coef_, self.delivery_intercept_ = fitted[:, :-1], fitted[:, -1]

    def _ridge(self, products: _Array, targets: _Array) -> _Array:
        """Solve for the coefficients and, last, the intercept, which has no penalty."""
        penalty = np.full(len(products), self.alpha)
        penalty[-1] = _SMALL
        return np.asarray(solve(products + np.diag(penalty), targets, assume_a="pos"))

    def shift(self, zeros: npt.ArrayLike) -> Self:
        """Subtract from the decision value a number for each delivery, shape (n_deliveries,)."""
        self.intercept_[0] -= np.asarray(zeros, float)
        return self

    def _checked(self, X: Any) -> _Array:
        check_is_fitted(self)
        return super()._checked(validate_data(self, X, dtype=np.float64, reset=False))


def _sum_of(arrays: list[_Array]) -> _Array:
    total = np.zeros(arrays[0].shape)
    for array in arrays:
        total += array
    return total


def _unzipped(pairs: list[tuple[_Array, float]]) -> tuple[list[_Array], list[float]]:
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
