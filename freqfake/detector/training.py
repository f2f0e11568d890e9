"""Train a detector on labelled pictures."""

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin

from .._threads import one_blas_thread, unsaid
from ..batch.extraction import Extraction, FeatureSet, iter_features, readable
from ..batch.parallel import Inputs, expand
from ..batch.simulation import MIN_SIDE, iter_with_simulated
from ..estimators.adaptation import GaussianExpectationAdapter
from ..estimators.panel import DeliveryPanelClassifier
from ..estimators.ridge import StandardizedRidgeClassifier
from ..estimators.svm import RBFSVMClassifier
from ..evidence.audit import audit_facts
from ..evidence.calibration import LikelihoodRatioCalibrator
from ..exceptions import CalibrationWarning, DatasetWarning, SeparationWarning, TrainingError
from ..features.spectrum import Spectrum
from ..pictures.facts import ImageFacts
from ..pictures.reading import ImageLike
from .cards import file_hashes, training_info
from .detector import Detector
from .model import MIN_LLR, Classifier
from .rows import TrainingTable

_MIN_PICTURES = 10  # of each class
_ENOUGH = 2000  # pictures and copies; smaller data sets get more copies of each picture
_COPIES = (2, 8)  # of each picture, at least and at most
ENOUGH_FOR_PANEL = 2000  # pictures; with fewer, its members have too little to learn from


def train_detector(
    real: Inputs,
    fake: Inputs = (),
    *,
    simulate: bool = False,
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
    simulate : bool
        Add a simulated fake of each real picture to the fakes, which may then be missing. For the
        rich features only. Of which pictures, see
        :func:`freqfake.batch.simulation.simulated_picture`.
    features : {"rich", "asynchrony", "student"}
        The rich features, with ridge regression, trained on the pictures and on two to eight
        delivered copies of each; the six features of the paper, for full-size originals
        stored without loss, with an RBF support vector machine; or those of the embedded network,
        of crops of faces, trained like the rich ones.
    spectrum : {"log", "modulus"}
        Of the six features, see :func:`freqfake.asynchrony_features`.
    name : str
        Name of the detector in its `info`.
    max_fpr : float, optional
        Default of the largest rate of real pictures called fake, see :meth:`Detector.threshold`.

    Returns
    -------
    Detector
        Its `info` has the number of fakes as ``n_fake``, and how many of them were simulated as
        ``n_simulated``.

    Raises
    ------
    TrainingError
        Too few pictures are readable, or none can have a simulated fake.
    ValueError
        `simulate` is set, but not for the rich features.

    Warns
    -----
    UnreadableImageWarning
        For each picture that cannot be read.
    DatasetWarning
        The files alone separate real from fake, see :func:`freqfake.audit_files`. Simulated fakes
        are not counted.
    CalibrationWarning
        The pictures are too few, or too poorly separated, for a verdict of fake.
    """
    if simulate and features != "rich":
        raise ValueError(f"`simulate` needs features='rich'; got features={features!r}")
    inputs = [[image for _, image in expand(side)] for side in (real, fake)]
    if not (inputs[1] or simulate):
        _check_enough(0, "generated")  # before the work
    n_pictures = sum(map(len, inputs)) + simulate * len(inputs[0])
    n_copies = 0 if features == "asynchrony" else copies_for(n_pictures)

    def extracted(side: list[ImageLike], *, with_simulated: bool) -> list[Extraction]:
        if with_simulated:
            return readable(
                iter_with_simulated(side, n_copies=n_copies, n_jobs=n_jobs, progress=progress)
            )
        return readable(
            iter_features(
                side,
                features=features,
                spectrum=spectrum,
                n_copies=n_copies,
                n_jobs=n_jobs,
                progress=progress and bool(side),
            )
        )

    photographs = extracted(inputs[0], with_simulated=simulate)
    if simulate and photographs and not any(picture.simulated for picture in photographs):
        raise TrainingError(
            "no real picture can have a simulated fake: colour pictures of at least "
            f"{MIN_SIDE} pixels a side, stored without loss, as JPEG or as WebP, are needed"
        )
    return train_on_extractions(
        photographs,
        extracted(inputs[1], with_simulated=False),
        features=features,
        spectrum=spectrum,
        name=name,
        max_fpr=max_fpr,
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
    kinds: npt.ArrayLike | None = None,
    scores: npt.NDArray[np.float64] | None = None,
) -> Detector:
    """Train on pictures whose features are known, see :func:`train_detector`.

    Parameters
    ----------
    real, fake : sequence of Extraction
        The simulated fake of a real picture joins the fakes. It has the weight of that picture,
        and is on the same side of every fold; where there are other fakes, it has no part in the
        evidence.
    features, spectrum, name, max_fpr
        See :func:`train_detector`.
    weights : array-like of shape (n_real + n_fake,), optional
        For the rich features only; 1 by default.
    kinds : array-like of int of shape (n_fake,), optional
        Kinds of generators; used for large data sets only.
    scores : ndarray of shape (n_rows,), optional
        Held-out scores, see :meth:`freqfake.detector.rows.TrainingTable.held_out_scores`; by
        default from five random parts left out in turn. Pictures whose score is NaN have no part
        in the evidence.
    """
    n_simulated = sum(picture.simulated is not None for picture in real)
    n_fake = len(fake) + n_simulated
    _check_enough(len(real), "real")
    _check_enough(n_fake, "generated")
    _warn_of_telling_files(*([picture.facts for picture in part] for part in (real, fake)))
    table = TrainingTable(real, fake, weights, kinds)
    classifier, judge = _classifiers(features, len(real) + n_fake)
    # The model must not depend on the number of threads; `adapt` warns.
    with one_blas_thread(), unsaid(SeparationWarning):
        scores = table.held_out_scores(judge) if scores is None else scores
        table.fit(classifier)
        if len(fake):
            scores = np.where(table.is_simulated, np.nan, scores)
        if isinstance(classifier, DeliveryPanelClassifier):
            scores, zeros = table.centred(classifier, scores)
            classifier.shift(zeros)
        domain = table.domain()
    scored = np.isfinite(scores)
    held_out = [scores[(table.y == label) & table.is_chosen & scored] for label in (0, 1)]
    hashes = [file_hashes([picture.facts for picture in part]) for part in (real, fake)]
    calibrator = LikelihoodRatioCalibrator().fit(scores[scored], table.y[scored])
    detector = Detector(
        classifier,
        calibrator,
        domain,
        held_out,
        features=features,
        spectrum=spectrum,
        max_fpr=max_fpr,
        by_delivery=table.evidence_by_delivery(classifier, scores),
        training_hashes=hashes,
        info={
            "name": name,
            "n_real": len(real),
            "n_fake": n_fake,
            "n_simulated": n_simulated,
            **training_info(hashes, held_out, calibrator),
        },
    )
    detector.threshold()  # raise an error now, not at the first score
    _warn_of_bounds(detector.calibrator)
    return detector


def _check_enough(n_pictures: int, side: str) -> None:
    if n_pictures < _MIN_PICTURES:
        raise TrainingError(
            f"at least {_MIN_PICTURES} readable {side} pictures are needed; got {n_pictures}"
        )


def _classifiers(features: FeatureSet, n_pictures: int) -> tuple[Classifier, ClassifierMixin]:
    """Make the classifier of the detector, and the one that scores the held-out pictures."""
    if features == "asynchrony":
        return GaussianExpectationAdapter(), RBFSVMClassifier()
    if features == "student" or n_pictures < ENOUGH_FOR_PANEL:
        return StandardizedRidgeClassifier(), StandardizedRidgeClassifier()
    return DeliveryPanelClassifier(), DeliveryPanelClassifier()


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
    if len(fake) < _MIN_PICTURES:  # most fakes are simulated
        return
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
