"""Two Gaussians over the features: one for real pictures, one for generated ones."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from scipy.special import expit, logsumexp
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from .._threads import warn
from ..exceptions import SeparationWarning

MIN_SEPARATION = 2.0  # Ashman et al. 1994: D > 2 for two groups to be told apart
_REG_COVAR = 1e-6  # added to the variances of the standardised features


class _QuietMixture(GaussianMixture):
    """Expectation maximisation that may end early: it shows later, as no separation."""

    converged_ = property(lambda self: True, lambda self, value: None)  # else it would warn


class RealFakeMixture(DensityMixin, BaseEstimator):
    """Two full-covariance Gaussians, fitted by expectation maximisation without labels.

    The component with the smaller expectation is taken as the real one, because the channels of
    a real picture agree better (Sec. 3.3 of Le & Woo 2021, see
    :doc:`/method`).

    Parameters
    ----------
    n_init : int
        Number of starts; the most likely result is kept.
    random_state : int, RandomState instance or None
        Seeds the starts.

    Attributes
    ----------
    weights_ : ndarray of shape (2,)
        Shares of the real and the fake component, always in this order.
    means_ : ndarray of shape (2, n_features)
        Their expectations.
    covariances_ : ndarray of shape (2, n_features, n_features)
    separation_ : float
        Distance of the expectations in units of the average covariance, Ashman's D.
    separated_ : bool
        Whether the two components are two groups: D is above 2, and the Bayesian information
        criterion prefers two Gaussians to one.
    n_features_in_ : int

    Warns
    -----
    SeparationWarning
        `fit` did not find two groups; its labels real and fake are then meaningless.

    Notes
    -----
    The features are standardised before the fit, so their units do not matter. The expectations
    are compared by their average over these. All attributes are in the units of `X`.

    Groups that separate need not be real and fake: any two kinds of pictures can.

    References
    ----------
    .. [1] K. M. Ashman, C. M. Bird and S. E. Zepf, "Detecting Bimodality in Astronomical
       Datasets", Astronomical Journal 108 (1994).

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake import RealFakeMixture
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (50, 2)), rng.normal(6, 1, (50, 2))])
    >>> RealFakeMixture().fit(X).predict([[0, 1], [5, 6]])
    array([0, 1])
    """

    def __init__(self, *, n_init: int = 10, random_state: Any = 0) -> None:
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, start: "RealFakeMixture | None" = None) -> Self:
        """Fit the two Gaussians.

        Parameters
        ----------
        X : array-like of shape (n_pictures, n_features)
        y : None
            Ignored.
        start : RealFakeMixture, optional
            A fitted mixture of other pictures to start from, shifted and scaled to `X`, instead
            of `n_init` random starts. The components then correspond to those of `start`.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        scaler = StandardScaler().fit(X)
        standard = scaler.transform(X)
        mixture = _QuietMixture(
            2,
            n_init=self.n_init if start is None else 1,
            max_iter=500,
            reg_covar=_REG_COVAR,
            random_state=self.random_state,
            **({} if start is None else start._standardised_start()),
        )
        mixture.fit(standard)
        swapped = start is None and mixture.means_[1].mean() < mixture.means_[0].mean()
        order = [1, 0] if swapped else [0, 1]
        self.weights_ = mixture.weights_[order]
        self.means_ = scaler.inverse_transform(mixture.means_[order])
        self.covariances_ = mixture.covariances_[order] * np.outer(scaler.scale_, scaler.scale_)
        self.separation_ = _ashman_distance(mixture.means_, mixture.covariances_)
        one = GaussianMixture(1, reg_covar=_REG_COVAR).fit(standard)
        self.separated_ = bool(
            self.separation_ > MIN_SEPARATION and mixture.bic(standard) < one.bic(standard)
        )
        if not self.separated_:
            warn(
                "the two Gaussians do not separate two groups of pictures "
                f"(distance {self.separation_:.2f}, at least {MIN_SEPARATION:g} is needed, and "
                "two must explain the features better than one): this mixture cannot distinguish "
                "real from fake",
                SeparationWarning,
                stacklevel=2,
            )
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Compute the natural log odds of the fake component against the real one.

        Returns
        -------
        ndarray of shape (n_pictures,)
            Positive for fake.
        """
        real, fake = self._weighted_log_densities(X)
        return np.asarray(fake - real)

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """Return 1 for pictures of the fake component, 0 for those of the real one."""
        return (self.decision_function(X) > 0).astype(np.int64)

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Compute the probabilities of the real and the fake component, shape (n_pictures, 2)."""
        log_odds = self.decision_function(X)
        return np.stack([expit(-log_odds), expit(log_odds)], axis=1)

    def score_samples(self, X: Any) -> npt.NDArray[np.float64]:
        """Compute the log density of each picture under the mixture, shape (n_pictures,)."""
        return np.asarray(logsumexp(self._weighted_log_densities(X), axis=0))

    def score(self, X: Any, y: Any = None) -> float:
        """Average the log densities of the pictures."""
        return float(self.score_samples(X).mean())

    def _weighted_log_densities(self, X: Any) -> npt.NDArray[np.float64]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.stack(
            [
                np.log(weight) + _log_gaussian(X, mean, covariance)
                for weight, mean, covariance in zip(
                    self.weights_, self.means_, self.covariances_, strict=True
                )
            ]
        )

    def _standardised_start(self) -> dict[str, npt.NDArray[np.float64]]:
        """Standardise the mixture's parameters, as start values for other standardised pictures."""
        center = self.weights_ @ self.means_
        offsets = self.means_ - center
        variances = np.diagonal(self.covariances_, axis1=1, axis2=2) + np.square(offsets)
        scale = np.sqrt(self.weights_ @ variances)
        return {
            "weights_init": self.weights_,
            "means_init": offsets / scale,
            "precisions_init": np.linalg.inv(self.covariances_) * np.outer(scale, scale),
        }


def _log_gaussian(
    X: npt.NDArray[np.float64], mean: npt.NDArray[np.float64], covariance: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    factor = np.linalg.cholesky(covariance)
    whitened = solve_triangular(factor, (X - mean).T, lower=True)
    log_determinant = 2 * np.log(np.diag(factor)).sum()
    squared = np.square(whitened).sum(axis=0)
    return np.asarray(-0.5 * (len(mean) * np.log(2 * np.pi) + log_determinant + squared))


def _ashman_distance(means: npt.NDArray[np.float64], covariances: npt.NDArray[np.float64]) -> float:
    gap = means[1] - means[0]
    return float(np.sqrt(gap @ np.linalg.solve(covariances.mean(axis=0), gap)))
