"""From the score of a classifier to a probability."""

from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression


class LogisticCalibrator(BaseEstimator):
    """Logistic curve through the scores of pictures that the classifier was not fitted to.

    The curve is 0.5 at a score of 0, so a score and its probability lie on the same side.

    Attributes
    ----------
    slope_ : float
        Log odds (natural logarithm) for each unit of the score.

    Examples
    --------
    >>> from freqfake.calibration import LogisticCalibrator
    >>> calibrator = LogisticCalibrator().fit([-2, -1, 1, 2, -1, 1], [0, 0, 1, 1, 1, 0])
    >>> float(calibrator.predict([0.0])[0])
    0.5
    """

    def fit(self, scores: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Fit to `scores`, shape (n_pictures,), and labels `y`, 1 for fake and 0 for real."""
        regression = LogisticRegression(fit_intercept=False, class_weight="balanced")
        regression.fit(np.reshape(scores, (-1, 1)), y)
        self.slope_ = float(regression.coef_[0, 0])
        return self

    def predict(self, scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Probability of fake, if real and fake are equally likely beforehand."""
        return np.asarray(expit(self.slope_ * np.asarray(scores)))
