"""Figures of merit of scores against the truth."""

import numpy as np
import numpy.typing as npt
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
    """Error rate at the threshold where real and fake pictures are mistaken equally often.

    Parameters
    ----------
    y : array-like of shape (n_pictures,)
        1 for fake, 0 for real.
    scores : array-like of shape (n_pictures,)
        Higher for fake.

    Returns
    -------
    float
        0 to 1; between two thresholds, where the straight line between their points on the ROC
        curve has equal rates.

    Examples
    --------
    >>> from freqfake.metrics import equal_error_rate
    >>> equal_error_rate([0, 0, 0, 0, 1, 1, 1, 1], [1, 2, 3, 6, 4, 7, 8, 9])
    0.25
    """
    false_alarms, hits, _ = roc_curve(y, scores)
    return float(np.interp(0.0, false_alarms - (1 - hits), false_alarms))


def detection_metrics(y: npt.ArrayLike, scores: npt.ArrayLike) -> dict[str, float]:
    """Figures of merit, fake being the positive class and 0 the threshold of the scores.

    Parameters
    ----------
    y, scores
        See :func:`equal_error_rate`.

    Returns
    -------
    dict
        ``n_real``, ``n_fake``, ``accuracy``, ``balanced_accuracy``, ``precision``, ``recall``,
        ``f1``, ``auc`` (area under the ROC curve) and ``eer`` (equal error rate). Le & Woo 2021
        count real as the positive class in most of their tables: precision, recall and F1 are
        not to be compared without turning them round.

    Raises
    ------
    ValueError
        There are no real or no fake pictures.

    Examples
    --------
    >>> from freqfake.metrics import detection_metrics
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
