"""The scores of a fitted panel; scikit-learn is needed to fit one, not to apply it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from .distances import distances

CLIP = 4  # standard deviations; limits the weight of one odd feature
_Array = npt.NDArray[Any]


class DeliveryPanel:
    """What :class:`freqfake.DeliveryPanelClassifier` has fitted, and the scores that it gives.

    A model that is loaded from a file holds this, so that scoring a picture does not have to wait
    until scikit-learn is imported.

    Attributes
    ----------
    reach : float
    classes_, mean_, scale_, centers_, coef_, intercept_ : ndarray
    delivery_coef_, delivery_intercept_ : ndarray
        See :class:`freqfake.DeliveryPanelClassifier`.
    """

    reach: float
    mean_: _Array
    scale_: _Array
    centers_: _Array
    coef_: _Array
    intercept_: _Array
    delivery_coef_: _Array
    delivery_intercept_: _Array

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Decision values, shape (n_pictures,), positive for ``classes_[1]``."""
        judged = self._judged(self._checked(X))
        return np.array([scores[0] + max(scores[1:], default=0.0) for _, scores in judged])

    def contributions(self, X: Any) -> npt.NDArray[np.float64]:
        """Split the decision value by feature, shape (n_pictures, n_features).

        The parts and :meth:`offsets` add up to the decision value.
        """
        standard = self._checked(X)
        coefs = [
            np.einsum("jd,jdn->n", weights, self.coef_)
            for weights in self._weights_of_regressions(standard)
        ]
        return np.asarray(standard * np.reshape(coefs, standard.shape))

    def offsets(self, X: Any) -> npt.NDArray[np.float64]:
        """Decision values of pictures with the mean features, shape (n_pictures,)."""
        weights = self._weights_of_regressions(self._checked(X))
        return np.array([(each * self.intercept_).sum() for each in weights])

    def nearest(self, X: Any) -> npt.NDArray[np.int64]:
        """Find the delivery that is nearest to each picture's, shape (n_pictures,)."""
        return np.asarray(self.nearness(X).argmax(axis=1))

    def nearness(self, X: Any) -> npt.NDArray[np.float64]:
        """Weights of the deliveries, shape (n_pictures, n_deliveries), which add up to 1."""
        return self._nearness(self._checked(X))

    def _judged(self, standard: _Array) -> Iterator[tuple[_Array, _Array]]:
        """Yield, for each picture, the weights of the deliveries and the score for each kind."""
        for row, near in zip(standard, self._nearness(standard), strict=True):
            # Not matrix products: their sums depend on the numbers of pictures and of threads.
            scores = np.einsum("n,jdn->jd", row, self.coef_) + self.intercept_
            yield near, np.einsum("jd,d->j", scores, near)

    def _weights_of_regressions(self, standard: _Array) -> Iterator[_Array]:
        """Yield, for each picture, the weight of each regression in its decision value."""
        for near, scores in self._judged(standard):
            counts = np.zeros(len(scores))
            counts[0] = 1
            if len(scores) > 1:
                counts[1 + scores[1:].argmax()] = 1
            yield np.outer(counts, near)

    def _checked(self, X: Any) -> _Array:
        """Standardise features, after a check that they are those of pictures."""
        features, n = np.asarray(X, float), len(self.mean_)
        if features.ndim != 2 or features.shape[1] != n or not np.isfinite(features).all():
            raise ValueError(
                f"`X` must be a matrix of finite numbers with {n} columns; got the shape "
                f"{features.shape}"
            )
        return np.ascontiguousarray(self._standardised(features))  # the order of sums depends on it

    def _nearness(self, standard: _Array) -> _Array:
        parts = [(standard * coef).sum(axis=1) for coef in self.delivery_coef_]
        places = np.column_stack(parts) + self.delivery_intercept_
        return np.asarray(softmax(-distances(places, self.centers_) / self.reach, axis=1))

    def _standardised(self, X: _Array) -> _Array:
        return np.asarray(np.clip((X - self.mean_) / self.scale_, -CLIP, CLIP))
