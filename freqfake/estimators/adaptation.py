"""Unsupervised domain adaptation by Gaussian expectations (Algorithm 1 of Le & Woo 2021)."""

from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from sklearn.base import (
    clone,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .._threads import one_blas_thread, unsaid, warn
from ..exceptions import AdaptationError, AdaptationWarning, SeparationWarning
from .binary import BinaryClassifier
from .expectations import Expectations, GaussianExpectationScaler
from .svm import RBFSVMClassifier

_MAX_LEFT = 0.5  # share of the distance to the source that may remain
_MAX_DISTANCE = 0.1  # distance to the source that may remain
_NEAR = 0.07  # distance to the source below which a target needs no adaptation
_N_STARTS = 10  # source mixtures from which the target's mixtures start
_SAMPLE = 1000  # most pictures that a distance is computed from


class GaussianExpectationAdapter(BinaryClassifier):
    """Classifier fitted to labelled source pictures, for unlabelled target ones (Algorithm 1).

    Source and target features are each scaled by their own Gaussian expectations. The classifier
    is fitted to the scaled source and applied to the scaled target (Algorithm 1 of [1]_).

    Parameters
    ----------
    estimator : classifier, optional
        With ``decision_function``; :class:`~freqfake.RBFSVMClassifier` by default.
    expectations : {"joint", "per_feature", "moments"}
        See :class:`GaussianExpectationScaler`.
    start : {"source", "random"}
        Where the target's mixtures start. ``"source"``: from the source's, shifted and scaled
        to the target, so that the components correspond. The likelihood has several maxima, so
        several mixtures of the source are tried, and the pair that brings the target closest to
        the source is kept. ``"random"``: both anew, each the most likely of ten starts, as in
        the published code.
    random_state
        See :class:`~freqfake.RealFakeMixture`.

    Attributes
    ----------
    estimator_ : classifier
        Fitted to the scaled source.
    source_scaler_, target_scaler_ : GaussianExpectationScaler
        The same object before :meth:`adapt`, which may replace both.
    source_ : ndarray of shape (n_pictures, n_features)
    source_labels_ : ndarray of shape (n_pictures,)
        The data of the fit.
    distance_before_, distance_after_ : float
        Distance of the target from the source, without and with the adaptation: the energy
        coefficient of [2]_, 0 (same distribution) to 1.
    agrees_ : bool
        Whether the adaptation can be trusted: for every feature, the target's expectations are
        in the same order as the source's, and the adaptation removes at least half of the
        distance and leaves at most 0.1.
    classes_ : ndarray of shape (2,)
    n_features_in_ : int

    Warns
    -----
    AdaptationWarning
        `agrees_` is False after :meth:`adapt`. The target's two Gaussians are then probably not
        real and fake (any two kinds of pictures give two), and the adapted classifier can be far
        worse than the unadapted one.
    SeparationWarning
        `agrees_` is True, but a mixture of the target does not separate.

    Notes
    -----
    The default classifier standardises its input, so before :meth:`adapt` the adapter predicts
    the same as the classifier alone.

    References
    ----------
    .. [1] B. M. Le and S. S. Woo, "Exploring the Asynchronous of the Frequency Spectra of
       GAN-generated Facial Images", IJCAI 2021 workshop, arXiv:2112.08050.
    .. [2] G. J. Szekely and M. L. Rizzo, "Energy statistics: A class of statistics based on
       distances", Journal of Statistical Planning and Inference 143 (2013).

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake import GaussianExpectationAdapter
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (50, 2)), rng.normal(6, 1, (50, 2))])
    >>> y = np.repeat([0, 1], 50)
    >>> adapter = GaussianExpectationAdapter().fit(X, y)
    >>> float(adapter.score(X / 3 - 5, y))
    0.5
    >>> float(adapter.adapt(X / 3 - 5).score(X / 3 - 5, y))
    1.0
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        expectations: Expectations = "joint",
        start: Literal["source", "random"] = "source",
        random_state: Any = 0,
    ) -> None:
        self.estimator = estimator
        self.expectations = expectations
        self.start = start
        self.random_state = random_state

    def fit(self, X: Any, y: Any, *, X_target: Any = None) -> Self:
        """Fit to labelled source features, and adapt to `X_target` if given."""
        if self.start not in ("source", "random"):
            raise ValueError(f"`start` must be 'source' or 'random'; got {self.start!r}")
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        self.source_scaler_ = self._scaler().fit(X)
        self.target_scaler_ = self.source_scaler_
        self.source_, self.source_labels_ = X, y
        self._fit_estimator()
        self.classes_ = self.estimator_.classes_
        return self if X_target is None else self.adapt(X_target)

    def adapt(self, X_target: Any) -> Self:
        """Adapt to unlabelled target features; the source features are not needed again."""
        check_is_fitted(self)
        X_target = validate_data(self, X_target, dtype=np.float64, reset=False)
        self.distance_before_ = energy_coefficient(self.source_, X_target)
        self.distance_after_ = np.inf
        with one_blas_thread(), unsaid(SeparationWarning):
            for source, target in self._scaler_pairs(X_target):
                as_source = source.inverse_transform(target.transform(X_target))
                distance = energy_coefficient(self.source_, as_source)
                if distance < self.distance_after_:
                    self.distance_after_ = distance
                    self.source_scaler_, self.target_scaler_ = source, target
        self._fit_estimator()
        self._judge()
        return self

    def _scaler_pairs(
        self, X_target: npt.NDArray[np.float64]
    ) -> Iterator[tuple[GaussianExpectationScaler, GaussianExpectationScaler]]:
        if self.start == "random" or self.expectations == "moments":
            yield self._scaler().fit(self.source_), self._scaler().fit(X_target)
            return
        for seed in check_random_state(self.random_state).randint(1 << 31, size=_N_STARTS):
            source = self._scaler().set_params(n_init=1, random_state=seed).fit(self.source_)
            yield source, self._scaler().fit(X_target, start=source)

    def _fit_estimator(self) -> None:
        estimator = RBFSVMClassifier() if self.estimator is None else clone(self.estimator)
        scaled = self.source_scaler_.transform(self.source_)
        self.estimator_ = estimator.fit(scaled, self.source_labels_)

    def _judge(self) -> None:
        gaps = [
            scaler.fake_expectation_ - scaler.real_expectation_
            for scaler in (self.source_scaler_, self.target_scaler_)
        ]
        self.agrees_ = bool(
            (gaps[0] * gaps[1] > 0).all()
            and self.distance_after_ <= min(_MAX_LEFT * self.distance_before_, _MAX_DISTANCE)
        )
        if not self.agrees_:
            warn(
                "the adaptation does not bring the target close to the source (distance "
                f"{self.distance_before_:.3f} before, {self.distance_after_:.3f} after): the two "
                "Gaussians of the target are probably not real and fake, or it needs no adaptation",
                AdaptationWarning,
                stacklevel=3,
            )
        elif not self.target_scaler_.separated_:
            warn(
                "the Gaussians of the target do not separate: too few pictures, or hardly any "
                "real or hardly any fake ones",
                SeparationWarning,
                stacklevel=3,
            )

    def to_source(self, X: Any) -> npt.NDArray[np.float64]:
        """Map target features to the scale of the source."""
        check_is_fitted(self)
        return self.source_scaler_.inverse_transform(self.target_scaler_.transform(X))

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Decision values of target pictures, shape (n_pictures,), positive for ``classes_[1]``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.estimator_.decision_function(self.target_scaler_.transform(X)))

    def _scaler(self) -> GaussianExpectationScaler:
        return GaussianExpectationScaler(
            expectations=self.expectations, random_state=self.random_state
        )


def adapt_or_keep(adapter: GaussianExpectationAdapter, X: npt.NDArray[np.float64]) -> bool:
    """Adapt, and return whether to use the result.

    A target already distributed like the source needs no adaptation: warn and return False. Raise
    an error for a target that the adaptation does not bring close to the source.
    """
    with unsaid(AdaptationWarning, SeparationWarning):
        adapter.adapt(X)
    before, after = adapter.distance_before_, adapter.distance_after_
    if before <= _NEAR:
        warn(
            f"the features already have the distribution of the training (distance {before:.3f}; "
            f"{after:.3f} if adapted): the scores stay as they are",
            AdaptationWarning,
            stacklevel=3,
        )
        return False
    if adapter.agrees_:
        if not adapter.target_scaler_.separated_:
            warn(
                "the Gaussians of the pictures hardly separate: too few pictures, or nearly all "
                "of them real or nearly all generated; check the result on labelled ones",
                SeparationWarning,
                stacklevel=3,
            )
        return True
    raise AdaptationError(
        "the pictures do not allow an adaptation: their two Gaussians are not the real and the "
        f"generated ones (distance from the training {before:.3f}, {after:.3f} if adapted); "
        "label some and train on them instead"
    )


def energy_coefficient(X: Any, Y: Any) -> float:
    """Compute the distance between two sets of features, from 0 (the same distribution) to 1.

    The energy distance of Szekely and Rizzo (2013), divided by its largest value. Features are
    in units of their standard deviation in `X`. Large sets are sampled.

    Parameters
    ----------
    X, Y : array-like of shape (n_pictures, n_features)

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.estimators.adaptation import energy_coefficient
    >>> energy_coefficient([[0.0], [1.0]], [[0.0], [1.0]])
    0.0
    """
    X, Y = _sample(np.asarray(X, float)), _sample(np.asarray(Y, float))
    scale = X.std(axis=0)
    scale[scale == 0] = 1.0
    X, Y = X / scale, Y / scale
    between = 2 * cdist(X, Y).mean()
    distance = between - cdist(X, X).mean() - cdist(Y, Y).mean()
    return float(max(distance, 0.0) / between) if between > 0 else 0.0


def _sample(X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if len(X) <= _SAMPLE:
        return X
    return X[np.random.default_rng(0).choice(len(X), _SAMPLE, replace=False)]
