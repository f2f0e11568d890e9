"""Expectations of two Gaussians, and features scaled by them (Algorithm 1 of Le & Woo 2021)."""

from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from .._threads import warn
from ..exceptions import SeparationWarning
from .mixture import RealFakeMixture

Expectations = Literal["joint", "per_feature", "moments"]

_MIN_GAP = 1e-3  # standard deviations between the expectations of a feature


class GaussianExpectationScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Scale each feature by the expectations of the real and the fake Gaussian.

    .. math:: f \mapsto \frac{f - m_0}{m_1 - m_0}

    where :math:`m_0` and :math:`m_1` are the expectations of the real and the fake side, found
    without labels (Algorithm 1 of Le & Woo 2021, see
    :doc:`/method`).

    Parameters
    ----------
    expectations : {"joint", "per_feature", "moments"}
        Where the two expectations of a feature come from. ``"joint"``: one mixture of two
        Gaussians over all features, as in the published code. ``"per_feature"``: a mixture for
        each feature, the other reading of the paper. ``"moments"``: mean minus and plus one
        standard deviation, without a mixture.
    n_init, random_state
        See :class:`~freqfake.RealFakeMixture`.

    Attributes
    ----------
    real_expectation_, fake_expectation_ : ndarray of shape (n_features,)
        The :math:`m_0` and :math:`m_1`.
    mixtures_ : list of RealFakeMixture
        One for "joint", one per feature for "per_feature", none for "moments".
    separated_ : bool
        Whether every mixture separates and no pair of expectations coincides.
    n_features_in_ : int

    Warns
    -----
    SeparationWarning
        A mixture does not separate, or the expectations of a feature coincide. Such a feature
        is centred but not scaled.
    """

    def __init__(
        self,
        *,
        expectations: Expectations = "joint",
        n_init: int = 10,
        random_state: Any = 0,
    ) -> None:
        self.expectations = expectations
        self.n_init = n_init
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any = None, *, start: "GaussianExpectationScaler | None" = None
    ) -> Self:
        """Find the expectations of `X`, of shape (n_pictures, n_features).

        The mixtures start from those of `start`, a scaler fitted to other pictures with the same
        `expectations`, see :meth:`RealFakeMixture.fit`.
        """
        if self.expectations not in get_args(Expectations):
            raise ValueError(
                "`expectations` must be 'joint', 'per_feature' or 'moments'; "
                f"got {self.expectations!r}"
            )
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        deviation = X.std(axis=0)
        if self.expectations == "moments":
            self.mixtures_: list[RealFakeMixture] = []
            low, high = X.mean(axis=0) - deviation, X.mean(axis=0) + deviation
        else:
            self.mixtures_ = self._fit_mixtures(X, start)
            low, high = np.concatenate([mixture.means_ for mixture in self.mixtures_], axis=1)
        coincide = np.abs(high - low) <= _MIN_GAP * deviation
        if coincide.any():
            names = ", ".join(map(str, np.flatnonzero(coincide)))
            warn(
                f"the two expectations coincide for feature {names} (counted from 0): centred, "
                "not scaled",
                SeparationWarning,
                stacklevel=2,
            )
        self.real_expectation_ = low
        self.fake_expectation_ = np.where(coincide, low + 1, high)
        self.separated_ = bool(
            all(mixture.separated_ for mixture in self.mixtures_) and not coincide.any()
        )
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Scale features, shape (n_pictures, n_features)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        gap = self.fake_expectation_ - self.real_expectation_
        return np.asarray((X - self.real_expectation_) / gap)

    def inverse_transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Undo :meth:`transform`."""
        check_is_fitted(self)
        gap = self.fake_expectation_ - self.real_expectation_
        return np.asarray(np.asarray(X) * gap + self.real_expectation_)

    def _fit_mixtures(
        self, X: npt.NDArray[np.float64], start: "GaussianExpectationScaler | None"
    ) -> list[RealFakeMixture]:
        columns = [X] if self.expectations == "joint" else np.split(X, X.shape[1], axis=1)
        starts = [None] * len(columns) if start is None else start.mixtures_
        mixture = RealFakeMixture(n_init=self.n_init, random_state=self.random_state)
        return [
            clone(mixture).fit(column, start=other)
            for column, other in zip(columns, starts, strict=True)
        ]
