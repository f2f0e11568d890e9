"""The linear classifier for the rich features."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .binary import BinaryClassifier
from .panel_scores import CLIP


class StandardizedRidgeClassifier(BinaryClassifier):
    """Ridge regression of the labels on standardised features.

    The fit uses scikit-learn's :class:`~sklearn.linear_model.Ridge`; the result is kept as plain
    arrays. With as many features as pictures this is Fisher's discriminant with a shrunken
    covariance, the usual classifier of rich models in steganalysis.

    Parameters
    ----------
    alpha : float
        Penalty on the squared coefficients.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    mean_, scale_ : ndarray of shape (n_features,)
        Standardised features are clipped at 4 standard deviations.
    coef_ : ndarray of shape (n_features,)
        For standardised features.
    intercept_ : float
    n_features_in_ : int

    Notes
    -----
    Both classes have the same weight, whatever their sizes.

    Examples
    --------
    >>> from freqfake import StandardizedRidgeClassifier
    >>> classifier = StandardizedRidgeClassifier(alpha=1.0)
    >>> classifier.fit([[0.0], [1.0], [8.0], [9.0]], [0, 0, 1, 1]).predict([[2.0], [7.0]])
    array([0, 1])
    """

    def __init__(self, *, alpha: float = 300.0) -> None:
        self.alpha = alpha

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to features `X` of shape (n_pictures, n_features) and labels `y` of two classes."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        is_second = self._fit_classes(y) == 1
        weights = balanced(_check_sample_weight(sample_weight, X), is_second)
        scaler = StandardScaler().fit(X, sample_weight=weights)
        ridge = Ridge(alpha=self.alpha)
        sides = np.where(is_second, 1.0, -1.0)
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        ridge.fit(self._standardised(X), sides, sample_weight=weights)
        self.coef_ = ridge.coef_
        self.intercept_ = float(ridge.intercept_)
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Decision values, shape (n_pictures,): near -1 and 1, positive for ``classes_[1]``."""
        # Not a matrix product: its sums depend on the numbers of pictures and of threads.
        return np.asarray(self.contributions(X).sum(axis=1) + self.intercept_)

    def contributions(self, X: Any) -> npt.NDArray[np.float64]:
        """Split the decision value by feature, shape (n_pictures, n_features).

        The parts and :meth:`offsets` add up to the decision value. The part of a feature at its
        training mean is 0.
        """
        return np.ascontiguousarray(self._standardised(self._checked(X)) * self.coef_)

    def offsets(self, X: Any) -> npt.NDArray[np.float64]:
        """Decision values of pictures with the mean features, shape (n_pictures,): the same."""
        return np.full(len(self._checked(X)), self.intercept_)

    def _checked(self, X: Any) -> npt.NDArray[np.float64]:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=np.float64, reset=False))

    def _standardised(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(np.clip((X - self.mean_) / self.scale_, -CLIP, CLIP))


def balanced(weights: npt.NDArray[Any], is_second: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Scale the weights to the same sum for both classes; the total does not change.

    Parameters
    ----------
    weights : ndarray of shape (n_pictures,)
    is_second : ndarray of bool of shape (n_pictures,)

    Returns
    -------
    ndarray of shape (n_pictures,)
    """
    shares = np.where(is_second, weights[is_second].sum(), weights[~is_second].sum())
    return np.asarray(weights / np.maximum(shares, np.finfo(float).tiny) * weights.sum() / 2)
