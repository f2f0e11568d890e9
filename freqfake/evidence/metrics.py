"""Figures of merit of scores, given the true labels."""

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)


def equal_error_rate(y: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Error rate at the threshold where real and fake pictures are misclassified equally often.

    Parameters
    ----------
    y : array-like of shape (n_pictures,)
        1 for fake, 0 for real.
    scores : array-like of shape (n_pictures,)
        Higher for fake.

    Returns
    -------
    float
        0 to 1; interpolated linearly between two points of the ROC curve.

    Examples
    --------
    >>> from freqfake.evidence.metrics import equal_error_rate
    >>> equal_error_rate([0, 0, 0, 0, 1, 1, 1, 1], [1, 2, 3, 6, 4, 7, 8, 9])
    0.25
    """
    false_alarms, hits, _ = roc_curve(y, scores)
    return float(np.interp(0.0, false_alarms - (1 - hits), false_alarms))


def cllr(y: npt.ArrayLike, llrs: npt.ArrayLike) -> float:
    """Cost of likelihood ratios in bits: 0 is perfect, 1 that of always answering LR = 1.

    Parameters
    ----------
    y : array-like of shape (n_pictures,)
        1 for fake, 0 for real; both sides have the same weight, whatever their numbers.
    llrs : array-like of shape (n_pictures,)
        Likelihood ratios as logarithms to base 10, positive for fake; infinite ones are allowed.

    Returns
    -------
    float
        Infinite if an infinite likelihood ratio is on the wrong side.

    References
    ----------
    .. [1] N. Bruemmer and J. du Preez, "Application-independent evaluation of speaker
       detection", Computer Speech and Language 20 (2006).

    Examples
    --------
    >>> from freqfake.evidence.metrics import cllr
    >>> cllr([0, 1], [0.0, 0.0])
    1.0
    """
    y, natural = np.asarray(y), np.asarray(llrs, float) * np.log(10)
    costs = np.logaddexp(0, np.where(y == 1, -natural, natural)) / np.log(2)
    return float((costs[y == 0].mean() + costs[y == 1].mean()) / 2)


def pav_llrs(y: npt.ArrayLike, scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Compute the best log10 likelihood ratios that keep the order of the scores.

    Pools adjacent violators (isotonic regression) on the pictures themselves; infinite at the
    ends if all pictures there have one label.
    """
    y, scores = np.asarray(y), np.asarray(scores, float)
    share = IsotonicRegression().fit_transform(scores, y)
    with np.errstate(divide="ignore"):
        odds = np.log10(share) - np.log10(1 - share)
    return np.asarray(odds - np.log10(np.sum(y == 1) / np.sum(y == 0)))


def cllr_min(y: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Part of :func:`cllr` that no calibration can remove: how well the scores separate.

    Examples
    --------
    >>> from freqfake.evidence.metrics import cllr_min
    >>> cllr_min([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])
    0.0
    """
    return cllr(y, pav_llrs(y, scores))


def detection_metrics(y: npt.ArrayLike, scores: npt.ArrayLike) -> dict[str, float]:
    """Figures of merit with fake as the positive class and 0 as the threshold of the scores.

    Parameters
    ----------
    y, scores
        See :func:`equal_error_rate`.

    Returns
    -------
    dict
        ``n_real``, ``n_fake``, ``accuracy``, ``balanced_accuracy``, ``precision``, ``recall``,
        ``f1``, ``auc`` (area under the ROC curve) and ``eer`` (equal error rate). Le & Woo 2021
        use real as the positive class in most of their tables: do not compare precision, recall
        and F1 with theirs directly.

    Raises
    ------
    ValueError
        There are no real or no fake pictures.

    Examples
    --------
    >>> from freqfake.evidence.metrics import detection_metrics
    >>> detection_metrics([0, 0, 1, 1], [-2.0, 1.0, 0.5, 3.0])["accuracy"]
    0.75
    """
    y, scores = np.asarray(y), np.asarray(scores)
    n_fake = int(np.sum(y == 1))
    n_real = int(np.sum(y == 0))
    if not (n_real and n_fake):
        raise ValueError(
            f"real and fake pictures are both needed; got {n_real} real and {n_fake} fake"
        )
    called = (scores > 0).astype(int)
    return {
        "n_real": n_real,
        "n_fake": n_fake,
        "accuracy": float(accuracy_score(y, called)),
        "balanced_accuracy": float(balanced_accuracy_score(y, called)),
        "precision": float(precision_score(y, called, zero_division=0)),
        "recall": float(recall_score(y, called)),
        "f1": float(f1_score(y, called)),
        "auc": float(roc_auc_score(y, scores)),
        "eer": equal_error_rate(y, scores),
    }
