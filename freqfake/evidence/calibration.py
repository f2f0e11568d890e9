"""Calibrate scores to likelihood ratios, and find thresholds for a false-alarm rate.

A likelihood ratio says how much more probable a score is if the picture was generated than if it
is real. Ratios are given as logarithms to base 10, positive for fake.
"""

import math
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, expit, logit

from ..exceptions import OperatingPointError

CONFIDENCE = 0.95  # of the one-sided upper bound of a false-alarm rate
# ENFSI guideline for evaluative reporting in forensic science (2015): lowest log10 LR, words
VERBAL_SCALE = (
    (6.0, "extremely strong support"),
    (4.0, "very strong support"),
    (3.0, "strong support"),
    (2.0, "moderately strong support"),
    (1.0, "moderate support"),
    (np.log10(2.0), "weak support"),
)

_LN10 = np.log(10)
_STEP = 0.01  # of the bounds, in log10


class LikelihoodRatioCalibrator:
    """Logistic calibration of scores, bounded by what the data support.

    Attributes
    ----------
    slope_ : float
        log10 LR per unit of the score, not negative. A score of 0 has an LR of 1.
    lower_bound_, upper_bound_ : float
        Empirical bounds of the log10 LR, see :func:`empirical_bounds`.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.evidence.calibration import LikelihoodRatioCalibrator
    >>> y = np.repeat([0, 1], 500)
    >>> scores = np.random.default_rng(0).normal(2.0 * y - 1)
    >>> calibrator = LikelihoodRatioCalibrator().fit(scores, y)
    >>> calibrator.predict([-100.0, 0.0, 1.0, 100.0]).round(1)
    array([-1.7,  0. ,  0.9,  1.5])
    """

    def fit(self, scores: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Fit to scores of held-out pictures.

        Parameters
        ----------
        scores : array-like of shape (n_pictures,)
        y : array-like of shape (n_pictures,)
            1 for fake, 0 for real, in any proportion.
        """
        from sklearn.linear_model import LogisticRegression

        scores, y = np.asarray(scores, float), np.asarray(y)
        regression = LogisticRegression(fit_intercept=False, class_weight="balanced")
        regression.fit(scores.reshape(-1, 1), y)
        # Scores worse than chance are not inverted: they give no evidence.
        self.slope_ = float(max(regression.coef_[0, 0], 0) / _LN10)
        self.lower_bound_, self.upper_bound_ = empirical_bounds(self.slope_ * scores, y)
        return self

    def predict(self, scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Bounded log10 likelihood ratios from scores."""
        llrs = self.slope_ * np.asarray(scores, float)
        return np.asarray(np.clip(llrs, self.lower_bound_, self.upper_bound_))


def neutral_score(scores: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Score at which a logistic regression gives a likelihood ratio of 1.

    Parameters
    ----------
    scores : array-like of shape (n_pictures,)
    y : array-like of shape (n_pictures,)
        1 for fake, 0 for real, in any proportion.

    Returns
    -------
    float
        The mean of the two classes' mean scores, where fakes do not have the larger scores.

    Examples
    --------
    >>> from freqfake.evidence.calibration import neutral_score
    >>> round(neutral_score([1.0, 2.0, 2.0, 3.0], [0, 0, 1, 1]), 3)
    2.0
    """
    from sklearn.linear_model import LogisticRegression

    scores, y = np.asarray(scores, float), np.asarray(y)
    regression = LogisticRegression(class_weight="balanced").fit(scores.reshape(-1, 1), y)
    slope = regression.coef_[0, 0]
    if slope <= 0:
        return float(scores[y == 0].mean() + scores[y == 1].mean()) / 2
    return float(-regression.intercept_[0] / slope)


def empirical_bounds(llrs: npt.ArrayLike, y: npt.ArrayLike) -> tuple[float, float]:
    r"""Empirical lower and upper bound of likelihood ratios (ELUB).

    Beyond them, one more misleading picture on either side would make it better to always answer
    LR = 1. For a threshold :math:`t`, the expected cost of the system,
    :math:`P(LR \le t | fake) + t P(LR > t | real)`, is compared with that of answering 1,
    :math:`\min(1, t)` (the normalised Bayes error rate of [1]_).

    Parameters
    ----------
    llrs : array-like of shape (n_pictures,)
        log10 likelihood ratios.
    y : array-like of shape (n_pictures,)
        1 for fake, 0 for real.

    Returns
    -------
    tuple of float
        Lower bound, at most 0, and upper bound, at least 0.

    References
    ----------
    .. [1] P. Vergeer et al., "Numerical likelihood ratios outputted by LR systems are often
       based on extrapolation: when to stop extrapolating?", Science & Justice 56 (2016).

    Examples
    --------
    >>> from freqfake.evidence.calibration import empirical_bounds
    >>> low, high = empirical_bounds([-5.0] * 99 + [5.0] * 99, [0] * 99 + [1] * 99)
    >>> round(low, 2), round(high, 2)
    (-1.99, 1.99)
    """
    llrs, y = np.asarray(llrs, float), np.asarray(y)
    fake, real = np.sort(llrs[y == 1]), np.sort(llrs[y == 0])
    low = -np.log10(len(fake) + 1)
    high = np.log10(len(real) + 1)
    below = _supported(-np.arange(0, -low + _STEP, _STEP), fake, real)
    above = _supported(np.arange(0, high + _STEP, _STEP), fake, real)
    return max(below, low, min(0.0, llrs.min())), min(above, high, max(0.0, llrs.max()))


def _supported(
    thresholds: npt.NDArray[np.float64],
    fake: npt.NDArray[np.float64],
    real: npt.NDArray[np.float64],
) -> float:
    """Last threshold, starting from 0, up to which the system costs no more than LR = 1."""
    missed = (np.searchsorted(fake, thresholds, side="right") + 1) / (len(fake) + 1)
    accused = (len(real) - np.searchsorted(real, thresholds, side="right") + 1) / (len(real) + 1)
    odds = 10**thresholds
    too_costly = missed + odds * accused > np.minimum(1, odds)
    if not too_costly.any():
        return float(thresholds[-1])
    return float(thresholds[max(int(np.argmax(too_costly)) - 1, 0)])


def posterior(llr: npt.ArrayLike, prior: float = 0.5) -> npt.NDArray[np.float64]:
    """Probability of fake from a log10 likelihood ratio and a prior probability.

    Examples
    --------
    >>> from freqfake.evidence.calibration import posterior
    >>> float(posterior(1.0).round(3)), float(posterior(1.0, prior=0.01).round(3))
    (0.909, 0.092)
    """
    return np.asarray(expit(_LN10 * np.asarray(llr, float) + logit(prior)))


def verbal_equivalent(llr: float) -> str:
    """Describe a log10 likelihood ratio in the words of the ENFSI guideline (2015).

    Examples
    --------
    >>> from freqfake.evidence.calibration import verbal_equivalent
    >>> verbal_equivalent(2.3)
    'moderately strong support for a generated picture'
    >>> verbal_equivalent(-0.1)
    'no support for either side'
    """
    for limit, words in VERBAL_SCALE:
        if abs(llr) >= limit:
            return f"{words} for a {'generated' if llr > 0 else 'real'} picture"
    return "no support for either side"


def shown_llr(llr: float) -> float:
    """Round a log10 likelihood ratio to one decimal, within its step of the verbal scale.

    Examples
    --------
    >>> from freqfake.evidence.calibration import shown_llr
    >>> shown_llr(1.31), shown_llr(-0.786), shown_llr(0.997)
    (1.3, -0.8, 0.9)
    """
    rounded = round(float(llr), 1)
    if verbal_equivalent(rounded) != verbal_equivalent(llr):
        rounded = math.trunc(llr * 10) / 10
    return rounded + 0.0  # never -0.0


def odds(llr: float) -> str:
    """Say a log10 likelihood ratio as odds of two digits, within its step of the verbal scale.

    Examples
    --------
    >>> from freqfake.evidence.calibration import odds
    >>> odds(1.31), odds(-0.46), odds(0.997), odds(4.6)
    ('about 20 to 1', 'about 2.9 to 1', 'about 9.9 to 1', 'about 40,000 to 1')
    """
    if abs(llr) > 9:
        return "over 1,000,000,000 to 1"  # no training has so many pictures
    ratio = 10 ** abs(float(llr))
    unit = 10.0 ** (math.floor(math.log10(ratio)) - 1)
    shown = round(ratio / unit) * unit
    if verbal_equivalent(math.log10(shown)) != verbal_equivalent(abs(llr)):
        shown = math.floor(ratio / unit) * unit
    return f"about {shown:,.10g} to 1"


def false_alarm_bound(n_alarms: npt.ArrayLike, n_real: int) -> npt.NDArray[np.float64]:
    """Upper bound of a rate of false alarms, with 95 % confidence.

    Parameters
    ----------
    n_alarms : array-like of int
        Real pictures called fake.
    n_real : int
        Real pictures, each independent of the others.

    Returns
    -------
    ndarray
        One-sided 95 % Clopper-Pearson bounds: quantiles of the beta distribution, and 1 where
        all are called fake.

    Examples
    --------
    >>> from freqfake.evidence.calibration import false_alarm_bound
    >>> false_alarm_bound([0, 3], 300).round(4)
    array([0.0099, 0.0256])
    """
    n_alarms = np.asarray(n_alarms)
    bounds = betaincinv(n_alarms + 1, np.maximum(n_real - n_alarms, 1), CONFIDENCE)
    return np.where(n_alarms < n_real, bounds, 1.0)


def false_alarm_threshold(real_scores: npt.ArrayLike, max_fpr: float) -> float:
    """Smallest threshold that keeps the false-alarm rate within a limit, with 95 % confidence.

    Parameters
    ----------
    real_scores : array-like of shape (n_real,)
        Scores of held-out real pictures, one for each independent picture.
    max_fpr : float
        Largest rate of real pictures called fake, in (0, 1).

    Returns
    -------
    float
        Pictures with a score above it are called fake. The one-sided 95 % Clopper-Pearson bound
        of the rate of real pictures above it is at most `max_fpr`.

    Raises
    ------
    OperatingPointError
        There are too few real pictures to support `max_fpr`.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.evidence.calibration import false_alarm_threshold
    >>> false_alarm_threshold(np.arange(1000.0), 0.01)
    995.0
    """
    if not 0 < max_fpr < 1:
        raise ValueError(f"`max_fpr` must lie between 0 and 1; got {max_fpr}")
    ordered = np.sort(np.asarray(real_scores, float))[::-1]
    n_real = len(ordered)
    # More alarms than the rate itself allows are not tried.
    bounds = false_alarm_bound(np.arange(min(int(max_fpr * n_real) + 1, n_real)), n_real)
    n_allowed = int(np.searchsorted(bounds, max_fpr, side="right"))
    if n_allowed == 0:
        best = bounds[0] if n_real else 1.0
        raise OperatingPointError(
            f"{n_real} held-out real pictures support a false-alarm rate of {best:.3g} at best; "
            f"asked for {max_fpr:g}"
        )
    return float(ordered[n_allowed - 1])
