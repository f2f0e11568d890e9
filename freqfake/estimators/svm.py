"""The RBF support vector machine on the features."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted, validate_data

from .binary import BinaryClassifier


class RBFSVMClassifier(BinaryClassifier):
    """Support vector machine with a Gaussian kernel on standardised features.

    The fit uses scikit-learn's :class:`~sklearn.svm.SVC`. The result is kept as plain arrays, so
    that a model can be stored and loaded without code in its file.

    Parameters
    ----------
    C : float
        Penalty for a training picture on the wrong side.
    gamma : float, optional
        In the kernel ``exp(-gamma |x - x'|^2)`` of standardised features; 1 / n_features by
        default.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    mean_, scale_ : ndarray of shape (n_features,)
        Mean and standard deviation of the training features.
    support_vectors_ : ndarray of shape (n_support, n_features)
        Standardised.
    dual_coef_ : ndarray of shape (n_support,)
    intercept_, gamma_ : float
    n_features_in_ : int

    Notes
    -----
    Both classes have the same weight, whatever their sizes.

    Examples
    --------
    >>> from freqfake import RBFSVMClassifier
    >>> X = [[0.05, 0.10], [0.06, 0.09], [0.09, 0.20], [0.10, 0.22]]
    >>> RBFSVMClassifier().fit(X, [0, 0, 1, 1]).predict([[0.055, 0.1], [0.1, 0.2]])
    array([0, 1])
    """

    def __init__(self, *, C: float = 10.0, gamma: float | None = None) -> None:
        self.C = C
        self.gamma = gamma

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to features `X` of shape (n_pictures, n_features) and labels `y` of two classes."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        labels = self._fit_classes(y)
        self.gamma_ = 1 / X.shape[1] if self.gamma is None else self.gamma
        scaler = StandardScaler().fit(X)
        svc = SVC(C=self.C, gamma=self.gamma_, class_weight="balanced")
        svc.fit(scaler.transform(X), labels)
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        self.support_vectors_ = svc.support_vectors_
        self.dual_coef_ = svc.dual_coef_[0]
        self.intercept_ = float(svc.intercept_[0])
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Signed distance from the boundary in units of the margin, positive for ``classes_[1]``.

        Returns
        -------
        ndarray of shape (n_pictures,)
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        squared = cdist((X - self.mean_) / self.scale_, self.support_vectors_, "sqeuclidean")
        # Not a matrix product: its sums depend on the numbers of pictures and of threads.
        parts = np.exp(-self.gamma_ * squared) * self.dual_coef_
        return np.asarray(parts.sum(axis=1) + self.intercept_)
