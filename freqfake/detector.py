"""The whole detector: pictures in, scores and verdicts out."""

import copy
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from ._version import __version__
from .adaptation import Expectations, GaussianExpectationAdapter
from .calibration import LogisticCalibrator
from .domain import SUBSAMPLED, TrainingDomain
from .exceptions import (
    AdaptationError,
    AdaptationWarning,
    DatasetWarning,
    ModelFileError,
    SeparationWarning,
    TrainingError,
    UnreadableImageWarning,
)
from .extraction import Extraction, Inputs, iter_features
from .io import ImageFacts, PathLike
from .metrics import detection_metrics
from .persistence import load_state, save_state
from .spectrum import Spectrum
from .svm import RBFSVMClassifier

SCORE_COLUMNS = ("path", "score", "p_fake", "verdict", "reason", "error")
MIN_P_FAKE, MAX_P_REAL = 0.9, 0.1  # between them a picture is too close to call

_MIN_TRAINING = 10  # pictures of either class
_MIN_TARGET = 30  # unlabelled pictures for an adaptation
_NEAR = 0.07  # energy coefficient below which a target needs no adaptation
_REASONS = {
    "fake": (
        "the colour channels' spectra disagree as in the generated training pictures; a real "
        "picture that never was a 4:2:0 JPEG can look like this too"
    ),
    "real": (
        "the colour channels' spectra agree as in the real training pictures; a generated "
        "picture that once was a 4:2:0 JPEG looks like this too"
    ),
}


class Detector:
    """A trained detector.

    Made by :func:`train_detector` or :func:`load_detector`, not by hand.

    Attributes
    ----------
    adapter : GaussianExpectationAdapter
        The classifier.
    calibrator : LogisticCalibrator
        From its scores to probabilities.
    domain : TrainingDomain
        What it can speak about.
    spectrum : {"log", "modulus"}
    info : dict
        What it was trained on, in plain values.

    Examples
    --------
    >>> import numpy as np
    >>> import freqfake
    >>> detector = freqfake.load_detector()
    >>> table = detector.score([np.zeros((64, 64, 3), np.uint8)])
    >>> table.verdict[0], table.reason[0].split(":")[0]
    ('inconclusive', 'equal colour channels')
    """

    def __init__(
        self,
        adapter: GaussianExpectationAdapter,
        calibrator: LogisticCalibrator,
        domain: TrainingDomain,
        *,
        spectrum: Spectrum = "log",
        info: dict[str, Any] | None = None,
    ) -> None:
        self.adapter = adapter
        self.calibrator = calibrator
        self.domain = domain
        self.spectrum = spectrum
        self.info = info or {}

    def __repr__(self) -> str:
        about = ", ".join(f"{key}={value!r}" for key, value in self.info.items())
        return f"<freqfake.Detector: {about}>"

    @classmethod
    def from_extractions(
        cls,
        real: Sequence[Extraction],
        fake: Sequence[Extraction],
        *,
        spectrum: Spectrum = "log",
        name: str = "",
    ) -> Self:
        """Train on pictures whose features are there already, see :func:`train_detector`."""
        for part, side in ((real, "real"), (fake, "generated")):
            if len(part) < _MIN_TRAINING:
                raise TrainingError(
                    f"at least {_MIN_TRAINING} readable {side} pictures are needed; got {len(part)}"
                )
        facts = [[_facts(extraction) for extraction in part] for part in (real, fake)]
        _warn_of_different_files(*facts)
        X = np.array([extraction.features for extraction in (*real, *fake)])
        y = np.repeat([0, 1], [len(real), len(fake)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)  # told when it matters: adapting
            adapter = GaussianExpectationAdapter().fit(X, y)
        return cls(
            adapter,
            LogisticCalibrator().fit(_held_out_scores(X, y), y),
            TrainingDomain().fit(X, y, facts[0] + facts[1]),
            spectrum=spectrum,
            info={
                "name": name,
                "n_real": len(real),
                "n_fake": len(fake),
                "freqfake": __version__,
            },
        )

    def score(
        self, inputs: Inputs, *, n_jobs: int | None = None, progress: bool = False
    ) -> pd.DataFrame:
        """Score pictures.

        Parameters
        ----------
        inputs, n_jobs, progress
            See :func:`freqfake.iter_features`.

        Returns
        -------
        DataFrame
            One row for each picture, also for those that cannot be read:

            - ``path``;
            - ``score``: decision value of the classifier, not calibrated, positive for fake;
            - ``p_fake``: probability of fake if real and fake are equally likely beforehand;
              0.5, which is to say no evidence, for a picture that the model cannot speak about;
            - ``verdict``: ``real``, ``fake`` or ``inconclusive``; empty where nothing was read;
            - ``reason``: for the verdict, in words;
            - ``error``: empty, or why the picture cannot be read.
        """
        rows = self.iter_scores(inputs, n_jobs=n_jobs, progress=progress)
        return pd.DataFrame(list(rows), columns=list(SCORE_COLUMNS))

    def iter_scores(
        self, inputs: Inputs, *, n_jobs: int | None = None, progress: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Rows of :meth:`score`, one after the other as they get ready."""
        done = iter_features(inputs, spectrum=self.spectrum, n_jobs=n_jobs, progress=progress)
        return map(self.row, done)

    def evaluate(
        self,
        real: Inputs,
        fake: Inputs,
        *,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> dict[str, float]:
        """Figures of merit on labelled pictures.

        Parameters
        ----------
        real, fake, n_jobs, progress
            See :func:`freqfake.iter_features`.

        Returns
        -------
        dict
            See :func:`freqfake.metrics.detection_metrics`: from the score of every picture that
            can be read, whatever its verdict. ``inconclusive`` is the share of that verdict.

        Warns
        -----
        UnreadableImageWarning
            For each picture that cannot be read.
        """
        options: dict[str, Any] = {"n_jobs": n_jobs, "progress": progress}
        done = [
            _readable(iter_features(p, spectrum=self.spectrum, **options)) for p in (real, fake)
        ]
        rows = [self.row(extraction) for part in done for extraction in part]
        y = np.repeat([0, 1], [len(part) for part in done])
        metrics = detection_metrics(y, [row["score"] for row in rows])
        unsure = [row["verdict"] == "inconclusive" for row in rows]
        return {**metrics, "inconclusive": float(np.mean(unsure))}

    def adapt(
        self,
        inputs: Inputs,
        *,
        expectations: Expectations = "joint",
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> "Detector":
        """Adapt to pictures from another source, without labels.

        Both real and fake pictures must be among them, best in about equal numbers.

        Parameters
        ----------
        inputs, n_jobs, progress
            See :func:`freqfake.iter_features`. At least 30 pictures.
        expectations : {"joint", "per_feature", "moments"}
            See :class:`freqfake.GaussianExpectationScaler`.

        Returns
        -------
        Detector
            For pictures of the new source. Its probabilities are those of the old source's
            scores: nothing without labels can check them.

        Raises
        ------
        AdaptationError
            The pictures are too few, or their two Gaussians are not real and fake.

        Warns
        -----
        AdaptationWarning
            The features are distributed as at the training: the scores stay as they are, and
            only the sizes and deliveries become known.
        UnreadableImageWarning
            For each picture that cannot be read.
        SeparationWarning
            The two Gaussians of the pictures overlap.
        """
        done = iter_features(inputs, spectrum=self.spectrum, n_jobs=n_jobs, progress=progress)
        return self.adapt_to(_readable(done), expectations=expectations)

    def adapt_to(
        self, pictures: Sequence[Extraction], *, expectations: Expectations = "joint"
    ) -> "Detector":
        """Adapt to pictures whose features are there already, see :meth:`adapt`."""
        if len(pictures) < _MIN_TARGET:
            raise AdaptationError(
                f"at least {_MIN_TARGET} readable pictures are needed to adapt; got {len(pictures)}"
            )
        facts = [_facts(picture) for picture in pictures]
        _warn_of_subsampling(facts)
        adapter = copy.copy(self.adapter)
        if expectations != adapter.expectations:
            adapter.set_params(expectations=expectations)
            adapter.fit(adapter.source_, adapter.source_labels_)
        keep = not _adapt_or_keep(adapter, np.array([p.features for p in pictures]))
        return Detector(
            self.adapter if keep else adapter,
            self.calibrator,
            self.domain.moved_to(facts, keep_sizes=keep),
            spectrum=self.spectrum,
            info={**self.info, "adapted_to": len(pictures)},
        )

    def save(self, path: PathLike) -> None:
        """Write the detector to a file that :func:`load_detector` reads.

        The file holds arrays and JSON, no code. It is complete or not there at all.
        """
        save_state(path, vars(self))

    def row(self, extraction: Extraction) -> dict[str, Any]:
        """Row of :meth:`score` for a picture whose features are there already."""
        if extraction.features is None:
            values: tuple[Any, ...] = (np.nan, np.nan, "", "", extraction.error)
            return dict(zip(SCORE_COLUMNS, (extraction.path, *values), strict=True))
        features = extraction.features[np.newaxis]
        score = float(self.adapter.decision_function(features)[0])
        p_fake = float(self.calibrator.predict(score))
        as_source = self.adapter.to_source(features)[0]
        objections = self.domain.objections(as_source, _facts(extraction))
        if objections:
            p_fake, verdict, reason = 0.5, "inconclusive", "; ".join(objections)
        else:
            verdict, reason = _verdict(p_fake)
        values = (score, p_fake, verdict, reason, "")
        return dict(zip(SCORE_COLUMNS, (extraction.path, *values), strict=True))


def train_detector(
    real: Inputs,
    fake: Inputs,
    *,
    spectrum: Spectrum = "log",
    name: str = "",
    n_jobs: int | None = None,
    progress: bool = False,
) -> Detector:
    """Train a detector on pictures whose truth is known.

    Parameters
    ----------
    real, fake, n_jobs, progress
        See :func:`freqfake.iter_features`. At least 10 pictures each. They should come in the
        same formats, sizes and qualities on both sides, or the detector learns the difference
        in these.
    spectrum : {"log", "modulus"}
        See :func:`freqfake.asynchrony_features`.
    name : str
        What the detector is called in its `info`.

    Returns
    -------
    Detector

    Raises
    ------
    TrainingError
        Too few pictures can be read.

    Warns
    -----
    UnreadableImageWarning
        For each picture that cannot be read.
    DatasetWarning
        The two sides differ in size or coding.
    """
    options: dict[str, Any] = {"spectrum": spectrum, "n_jobs": n_jobs, "progress": progress}
    parts = [_readable(iter_features(inputs, **options)) for inputs in (real, fake)]
    return Detector.from_extractions(*parts, spectrum=spectrum, name=name)


def load_detector(model: PathLike = "lewoo") -> Detector:
    """Load a detector.

    Parameters
    ----------
    model : str or path-like
        A file that :meth:`Detector.save` wrote, or the name of an embedded model. ``"lewoo"``:
        the six features for full-size, losslessly stored faces, see its model card.

    Returns
    -------
    Detector

    Raises
    ------
    ModelFileError
        No such model, or the file is damaged, or not a model. No code of the file is ever run.
    """
    embedded = resources.files("freqfake") / "models" / f"{model}.npz"
    if isinstance(model, str) and model.isidentifier() and embedded.is_file():
        with resources.as_file(embedded) as path:
            return _from_state(load_state(path), str(model))
    return _from_state(load_state(model), str(model))


def _from_state(state: dict[str, Any], name: str) -> Detector:
    try:
        detector = Detector(**state)
        detector.row(Extraction("", np.full(6, 0.1), ImageFacts(64, 64, "RGB", "pixels")))
    except Exception as error:
        raise ModelFileError(f"{name} holds no working freqfake detector: {error}") from error
    return detector


def _verdict(p_fake: float) -> tuple[str, str]:
    if p_fake >= MIN_P_FAKE:
        return "fake", _REASONS["fake"]
    if p_fake <= MAX_P_REAL:
        return "real", _REASONS["real"]
    return (
        "inconclusive",
        f"too close to call: p_fake lies between {MAX_P_REAL} and {MIN_P_FAKE}",
    )


def _readable(done: Iterable[Extraction]) -> list[Extraction]:
    good = []
    for extraction in done:
        if extraction.features is None:
            warnings.warn(
                f"left out {extraction.path}: {extraction.error}",
                UnreadableImageWarning,
                stacklevel=3,
            )
        else:
            good.append(extraction)
    return good


def _facts(extraction: Extraction) -> ImageFacts:
    assert extraction.facts is not None  # every readable picture has them
    return extraction.facts


def _held_out_scores(
    X: npt.NDArray[np.float64], y: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(RBFSVMClassifier(), X, y, cv=folds, method="decision_function")
    return np.asarray(scores)


def _adapt_or_keep(adapter: GaussianExpectationAdapter, X: npt.NDArray[np.float64]) -> bool:
    """Adapt, and say whether to use the result; an error where neither way will do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (AdaptationWarning, SeparationWarning))
        adapter.adapt(X)
    before, after = adapter.distance_before_, adapter.distance_after_
    if before <= _NEAR:
        warnings.warn(
            f"the features are distributed as at the training already (distance {before:.3f}; "
            f"{after:.3f} if adapted): the scores stay as they are",
            AdaptationWarning,
            stacklevel=3,
        )
        return False
    if adapter.agrees_:
        if not adapter.target_scaler_.separated_:
            warnings.warn(
                "the Gaussians of the pictures hardly separate: too few pictures, or nearly all "
                "of them real or nearly all generated; check the result on labelled ones",
                SeparationWarning,
                stacklevel=3,
            )
        return True
    raise AdaptationError(
        "the pictures do not allow an adaptation: their two Gaussians are not the real and the "
        f"generated ones (distance to the training {before:.3f}, {after:.3f} if adapted); "
        "label some and train on them instead"
    )


def _warn_of_subsampling(facts: list[ImageFacts]) -> None:
    share = np.mean([fact.delivery in SUBSAMPLED for fact in facts])
    if share:
        warnings.warn(
            f"{share:.0%} of the pictures are JPEGs with chroma subsampling, which removes what "
            "the six features read: the verdict on such pictures stays inconclusive",
            AdaptationWarning,
            stacklevel=3,
        )


def _warn_of_different_files(real: list[ImageFacts], fake: list[ImageFacts]) -> None:
    for what, facts in (
        ("coding", [{fact.delivery for fact in side} for side in (real, fake)]),
        ("size", [{(fact.width, fact.height) for fact in side} for side in (real, fake)]),
    ):
        if not facts[0] & facts[1]:
            shown = [", ".join(sorted(map(str, side))[:3]) for side in facts]
            warnings.warn(
                f"real and generated pictures differ in {what} ({shown[0]} against {shown[1]}): "
                "the detector may learn that difference instead of the traces of a generator",
                DatasetWarning,
                stacklevel=3,
            )
