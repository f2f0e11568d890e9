"""The detectors that are measured: their features and classifiers."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from freqfake import RBFSVMClassifier, RealFakeMixture, StandardizedRidgeClassifier
from freqfake.detector.rows import COPY_WEIGHT
from freqfake.detector.training import copies_for
from freqfake.evidence.audit import facts_classifier
from freqfake.exceptions import SeparationWarning

from .config import Pictures
from .treatments import AS_IS, copy_names


@dataclass(frozen=True)
class BenchDetector:
    """A detector to be measured.

    `with_copies` trains on delivered copies too, as `freqfake train` does.
    """

    name: str
    kind: str
    make: Callable[[], Any]
    with_copies: bool = False

    def fit(self, X: np.ndarray, y: np.ndarray, **options: Any) -> Callable[..., np.ndarray]:
        """Fit, and return the function from features to scores, positive for fake."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)  # the figures show it
            fitted = self.make().fit(X, y, **options)
        if hasattr(fitted, "decision_function"):
            return fitted.decision_function
        return lambda X: fitted.predict_proba(X)[:, 1] - 0.5


def _scaled(classifier: Any) -> Any:
    return make_pipeline(StandardScaler(), classifier)


SIX_SVM = BenchDetector("six features, SVM", "six", RBFSVMClassifier)
SIX_GMM = BenchDetector("six features, GMM", "six", RealFakeMixture)
RICH = BenchDetector("rich, on originals", "rich", StandardizedRidgeClassifier)
RICH_COPIES = BenchDetector("rich, as `train`", "rich", StandardizedRidgeClassifier, True)
FILES = BenchDetector("files alone", "facts", facts_classifier)
DETECTORS = (
    SIX_SVM,
    SIX_GMM,
    BenchDetector("raw modulus, SVM", "modulus", RBFSVMClassifier),
    BenchDetector("Durall, SVM", "durall", lambda: _scaled(SVC(C=10))),
    BenchDetector("Durall, logistic", "durall", lambda: _scaled(LogisticRegression(max_iter=2000))),
    BenchDetector("Frank, ridge", "frank", lambda: _scaled(RidgeClassifier(alpha=1000))),
    BenchDetector("Dzanic, 5-NN", "dzanic", lambda: _scaled(KNeighborsClassifier(5))),
    BenchDetector("Dzanic, SVM", "dzanic", lambda: _scaled(SVC(C=10))),
    RICH,
    RICH_COPIES,
)
KINDS_OF_ALL = tuple(dict.fromkeys(d.kind for d in (*DETECTORS, FILES)))


def ensure(pictures: Pictures, treatments: Iterable[str]) -> None:
    """Compute the features that all detectors need after these treatments."""
    pictures.store.ensure(pictures.name, pictures.paths, treatments, KINDS_OF_ALL)
    pictures.store.ensure(pictures.name, pictures.paths, copies_of(pictures), ["rich"])


def held_out_scores(
    detector: BenchDetector,
    pictures: Pictures,
    train: str = AS_IS,
    tests: Iterable[str] | None = None,
) -> dict[str, np.ndarray | None]:
    """Score every picture, after each treatment, by a fold trained without its person.

    Parameters
    ----------
    detector : BenchDetector
    pictures : Pictures
    train : str
        Treatment of the pictures to train on.
    tests : iterable of str, optional
        Treatments of the pictures to score; that of the training by default.

    Returns
    -------
    dict of str to ndarray of shape (n_partitions, n_pictures)
        None where the pictures are too small for the features.
    """
    tests = [train] if tests is None else list(tests)
    n_features = pictures.X(detector.kind, train).shape[1]
    tables = {test: pictures.X(detector.kind, test) for test in tests}
    possible = {t: X for t, X in tables.items() if X.shape[1] == n_features and is_complete(X)}
    if not possible or not is_complete(pictures.X(detector.kind, train)):
        return dict.fromkeys(tests)
    order, tested = list(possible), np.stack(list(possible.values()))

    def score(rows: np.ndarray, left_out: np.ndarray) -> np.ndarray:
        decide = fitted(detector, pictures, rows, train)
        return np.array([decide(X[left_out]) for X in tested])

    scored = pictures.held_out(score)
    return {t: scored[:, order.index(t)] if t in possible else None for t in tests}


def fitted(
    detector: BenchDetector, pictures: Pictures, rows: np.ndarray, train: str = AS_IS
) -> Callable[..., np.ndarray]:
    """Fit to some of the pictures, and return the function from features to scores."""
    X, y = pictures.X(detector.kind, train)[rows], pictures.y[rows]
    if not detector.with_copies:
        return detector.fit(X, y)
    copies = [pictures.X(detector.kind, name)[rows] for name in copies_of(pictures)]
    weights = np.repeat([1.0, COPY_WEIGHT], [len(y), len(y) * len(copies)])
    labels = np.tile(y, 1 + len(copies))
    return detector.fit(np.concatenate([X, *copies]), labels, sample_weight=weights)


def copies_of(pictures: Pictures) -> list[str]:
    """Names of the delivered copies that `freqfake train` makes of this number of pictures."""
    return copy_names(copies_for(len(pictures.y)))


def is_complete(X: np.ndarray) -> bool:
    """Whether all pictures have these features; very small ones lack some kinds."""
    return bool(np.isfinite(X).all())
