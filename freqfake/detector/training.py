"""Train a detector on labelled pictures."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, clone
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from ..batch.extraction import Extraction, FeatureSet, iter_features, readable
from ..batch.parallel import Inputs, expand
from ..estimators.adaptation import GaussianExpectationAdapter
from ..estimators.ridge import StandardizedRidgeClassifier
from ..estimators.svm import RBFSVMClassifier
from ..evidence.audit import audit_facts
from ..evidence.calibration import LikelihoodRatioCalibrator
from ..evidence.domain import TrainingDomain
from ..exceptions import CalibrationWarning, DatasetWarning, SeparationWarning, TrainingError
from ..features.spectrum import Spectrum
from ..pictures.facts import ImageFacts
from .cards import file_hashes, training_info
from .detector import Detector
from .model import MIN_LLR

_MIN_PICTURES = 10  # of each class
_N_FOLDS = 5
_ENOUGH = 2000  # pictures and copies; smaller data sets get more copies of each picture
_COPIES = (2, 8)  # of each picture, at least and at most
COPY_WEIGHT = 0.5  # of a copy; its original weighs 1


def train_detector(
    real: Inputs,
    fake: Inputs,
    *,
    features: FeatureSet = "rich",
    spectrum: Spectrum = "log",
    name: str = "",
    max_fpr: float | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Detector:
    """Train a detector on labelled pictures.

    Parameters
    ----------
    real, fake, n_jobs, progress
        See :func:`freqfake.iter_features`. At least 10 pictures each. Both sides should have the
        same formats, sizes and qualities, or the detector learns these differences.
    features : {"rich", "asynchrony"}
        The rich features, with ridge regression, trained on the pictures and on two to eight
        delivered copies of each; or the six features of the paper, for full-size originals
        stored without loss, with an RBF support vector machine.
    spectrum : {"log", "modulus"}
        Of the six features, see :func:`freqfake.asynchrony_features`.
    name : str
        Name of the detector in its `info`.
    max_fpr : float, optional
        Default of the largest rate of real pictures called fake, see :meth:`Detector.threshold`.

    Returns
    -------
    Detector

    Raises
    ------
    TrainingError
        Too few pictures are readable.

    Warns
    -----
    UnreadableImageWarning
        For each picture that cannot be read.
    DatasetWarning
        The files alone separate real from fake, see :func:`freqfake.audit_files`.
    CalibrationWarning
        The pictures are too few, or too poorly separated, for a verdict of fake.
    """
    inputs = [[image for _, image in expand(side)] for side in (real, fake)]
    parts = [
        readable(
            iter_features(
                side,
                features=features,
                spectrum=spectrum,
                n_copies=copies_for(sum(map(len, inputs))) if features == "rich" else 0,
                n_jobs=n_jobs,
                progress=progress,
            )
        )
        for side in inputs
    ]
    return train_on_extractions(
        *parts, features=features, spectrum=spectrum, name=name, max_fpr=max_fpr
    )


def copies_for(n_pictures: int) -> int:
    """Choose the number of delivered copies of each training picture."""
    return int(np.clip(_ENOUGH // max(n_pictures, 1), *_COPIES))


def train_on_extractions(
    real: Sequence[Extraction],
    fake: Sequence[Extraction],
    *,
    features: FeatureSet = "asynchrony",
    spectrum: Spectrum = "log",
    name: str = "",
    max_fpr: float | None = None,
    weights: npt.ArrayLike | None = None,
) -> Detector:
    """Train on pictures whose features are known, see :func:`train_detector`.

    `weights`, real pictures first, are used for the rich features only; 1 by default.
    """
    for part, side in ((real, "real"), (fake, "generated")):
        if len(part) < _MIN_PICTURES:
            raise TrainingError(
                f"at least {_MIN_PICTURES} readable {side} pictures are needed; got {len(part)}"
            )
    _warn_of_telling_files(*([picture.facts for picture in part] for part in (real, fake)))
    table = _TrainingTable(real, fake, weights)
    six = features == "asynchrony"
    # The model must not depend on the number of threads.
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)  # `adapt` warns
        scores = table.held_out_scores(RBFSVMClassifier() if six else StandardizedRidgeClassifier())
        classifier = table.fit(
            GaussianExpectationAdapter() if six else StandardizedRidgeClassifier()
        )
        domain = TrainingDomain().fit(table.X, table.y, table.facts, table.groups, table.weights)
    held_out = [scores[(table.y == label) & table.is_chosen] for label in (0, 1)]
    hashes = [file_hashes([picture.facts for picture in part]) for part in (real, fake)]
    calibrator = LikelihoodRatioCalibrator().fit(scores, table.y)
    detector = Detector(
        classifier,
        calibrator,
        domain,
        held_out,
        features=features,
        spectrum=spectrum,
        max_fpr=max_fpr,
        training_hashes=hashes,
        info={
            "name": name,
            "n_real": len(real),
            "n_fake": len(fake),
            **training_info(hashes, held_out, calibrator),
        },
    )
    detector.threshold()  # raise an error now, not at the first score
    _warn_of_bounds(detector.calibrator)
    return detector


class _TrainingTable:
    """Features of the training pictures and their copies, one row each."""

    def __init__(
        self,
        real: Sequence[Extraction],
        fake: Sequence[Extraction],
        weights: npt.ArrayLike | None = None,
    ) -> None:
        families = [(picture, *picture.copies) for picture in (*real, *fake)]
        sizes = [len(family) for family in families]
        pictures = [picture for family in families for picture in family]
        self.X = np.array([picture.features for picture in pictures])
        self.facts = [picture.facts for picture in pictures]
        self.y = np.repeat(np.repeat([0, 1], [len(real), len(fake)]), sizes)
        self.groups = np.repeat(np.arange(len(families)), sizes)
        position = np.concatenate([np.arange(size) for size in sizes])
        given = np.ones(len(families)) if weights is None else np.asarray(weights, float)
        self.weights = np.where(position == 0, 1.0, COPY_WEIGHT) * np.repeat(given, sizes)
        # One of each family, the original or a copy in turn: independent pictures.
        self.is_chosen = position == self.groups % np.repeat(sizes, sizes)

    def fit(self, classifier: ClassifierMixin, rows: Any = slice(None)) -> Any:
        """Fit a classifier to some of the rows, by default all."""
        if isinstance(classifier, StandardizedRidgeClassifier):
            return classifier.fit(self.X[rows], self.y[rows], sample_weight=self.weights[rows])
        return classifier.fit(self.X[rows], self.y[rows])

    def held_out_scores(self, classifier: ClassifierMixin) -> npt.NDArray[np.float64]:
        """Score each row with a classifier fitted to neither the picture nor a copy of it."""
        scores = np.zeros(len(self.y))
        folds = StratifiedGroupKFold(_N_FOLDS, shuffle=True, random_state=0)
        for rows, left_out in folds.split(self.X, self.y, self.groups):
            fitted = self.fit(clone(classifier), rows)
            scores[left_out] = fitted.decision_function(self.X[left_out])
        return scores


def _warn_of_bounds(calibrator: LikelihoodRatioCalibrator) -> None:
    if calibrator.upper_bound_ < MIN_LLR:
        warnings.warn(
            "the held-out scores support likelihood ratios up to "
            f"{10**calibrator.upper_bound_:.1f} for fake, but a verdict of fake needs "
            f"{10**MIN_LLR:g}: this model will never give it. Train on more pictures, or on "
            "pictures that the features separate",
            CalibrationWarning,
            stacklevel=4,
        )


def _warn_of_telling_files(real: list[ImageFacts], fake: list[ImageFacts]) -> None:
    audit = audit_facts(real, fake)
    if not audit.passed:
        fact = next(iter(audit.auc_by_fact))
        warnings.warn(
            f"the files alone separate real from fake (AUC {audit.auc:.2f}), mainly by {fact}: "
            f"{audit.common[fact]}. The detector may learn that instead of the traces of a "
            "generator, see `freqfake audit`",
            DatasetWarning,
            stacklevel=4,
        )
