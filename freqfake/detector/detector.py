"""The whole detector: pictures in, scores and verdicts out."""

import copy
import functools
import itertools
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .._files import PathLike
from ..batch.extraction import (
    Extraction,
    FeatureSet,
    extract,
    feature_function,
    iter_features,
    known_facts,
    readable,
)
from ..batch.parallel import Inputs, map_pictures
from ..crops.faces import MARGIN, check_margin
from ..crops.mtcnn import require_nets
from ..estimators.adaptation import GaussianExpectationAdapter, adapt_or_keep
from ..estimators.expectations import Expectations
from ..estimators.ridge import StandardizedRidgeClassifier
from ..evidence.calibration import (
    LikelihoodRatioCalibrator,
    false_alarm_threshold,
    posterior,
    shown_llr,
    verbal_equivalent,
)
from ..evidence.domain import SUBSAMPLED, TrainingDomain
from ..evidence.metrics import detection_metrics
from ..exceptions import AdaptationError, AdaptationWarning, ModelFileError, SeparationWarning
from ..features.rich import rich_feature_groups, rich_features
from ..features.spectrum import Spectrum
from ..model_files.state import load_state, save_state, state_digest
from ..pictures.facts import ImageFacts
from ..pictures.limits import MAX_PIXELS
from ..pictures.reading import ImageLike
from .cards import ModelCard, model_card
from .results import FACE_NUMBERS, ScoreTable, as_row, score_columns
from .scoring import Terms, score_faces, score_picture

MIN_LLR = 1.0  # log10; closer to 0 a picture is too close to call

_MIN_TARGET = 30  # unlabelled pictures for an adaptation
_CAVEATS = {
    ("asynchrony", "fake"): (
        "; the colour channels' spectra disagree as in the generated training pictures, but a "
        "real picture that never was a 4:2:0 JPEG can look like this too"
    ),
    ("asynchrony", "real"): (
        "; the colour channels' spectra agree as in the real training pictures, but a generated "
        "picture that once was a 4:2:0 JPEG looks like this too"
    ),
}


class Detector:
    """A trained detector.

    Made by :func:`freqfake.train_detector` or :func:`load_detector`, not by hand.

    Attributes
    ----------
    classifier : GaussianExpectationAdapter or StandardizedRidgeClassifier
        The first for the six asynchrony features, the second for the rich ones.
    calibrator : LikelihoodRatioCalibrator
        From scores to likelihood ratios.
    domain : TrainingDomain
        What it can speak about.
    held_out : list of two ndarrays of shape (n_real,) and (n_fake,)
        Scores of real and of fake pictures by classifiers that were not fitted to them, one for
        each picture.
    features : {"asynchrony", "rich"}
    spectrum : {"log", "modulus"}
    max_fpr : float or None
        Largest rate of real pictures called fake, where no other is asked for.
    score_adapter : GaussianExpectationAdapter or None
        Of a detector on the rich features that was adapted: Algorithm 1 on its scores.
    training_hashes : list of two ndarrays of shape (n_real_files, 32) and (n_fake_files, 32)
        SHA-256 of the files it was trained on, as bytes, sorted; none of pictures in memory.
    info : dict
        What it was trained on and with, and how good it was on held-out pictures, in plain values.

    Examples
    --------
    >>> import numpy as np
    >>> import freqfake
    >>> detector = freqfake.load_detector("lewoo")
    >>> table = detector.score([np.zeros((64, 64, 3), np.uint8)])
    >>> table.verdict[0], table.reason[0].split(":")[0]
    ('inconclusive', 'equal colour channels')
    """

    def __init__(
        self,
        classifier: GaussianExpectationAdapter | StandardizedRidgeClassifier,
        calibrator: LikelihoodRatioCalibrator,
        domain: TrainingDomain,
        held_out: list[npt.NDArray[np.float64]],
        *,
        features: FeatureSet = "asynchrony",
        spectrum: Spectrum = "log",
        max_fpr: float | None = None,
        score_adapter: GaussianExpectationAdapter | None = None,
        training_hashes: list[npt.NDArray[np.uint8]] | None = None,
        info: dict[str, Any] | None = None,
    ) -> None:
        self.classifier = classifier
        self.calibrator = calibrator
        self.domain = domain
        self.held_out = held_out
        self.features = features
        self.spectrum = spectrum
        self.max_fpr = max_fpr
        self.score_adapter = score_adapter
        self.training_hashes = training_hashes or [np.empty((0, 32), np.uint8)] * 2
        self.info = info or {}

    def __repr__(self) -> str:
        plain = {k: v for k, v in self.info.items() if not isinstance(v, dict)}
        about = ", ".join(f"{key}={value!r}" for key, value in plain.items())
        return f"<freqfake.Detector: {about}>"

    def _repr_html_(self) -> str:
        return self.card()._repr_html_()

    @property
    def sha256(self) -> str:
        """What the detector is, in 64 hexadecimal digits.

        The SHA-256 of all that it holds, the same before and after saving, see
        :func:`freqfake.model_files.state.state_digest`; two detectors that can differ in any score differ
        in it.
        """
        return state_digest(vars(self))

    def card(self) -> ModelCard:
        """Model card: what it was trained on, what it can speak about, how good it was.

        Returns
        -------
        ModelCard
            Shows itself in a notebook; ``str`` of it is Markdown. From what the detector holds;
            those of the embedded models in the documentation tell more.
        """
        return model_card(self)

    def score(
        self,
        inputs: Inputs,
        *,
        max_fpr: float | None = None,
        prior: float = 0.5,
        faces: bool = False,
        margin: float = MARGIN,
        provenance: bool = False,
        max_pixels: int = MAX_PIXELS,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> ScoreTable:
        """Score pictures.

        Parameters
        ----------
        inputs, max_pixels, n_jobs, progress
            See :func:`freqfake.iter_features`.
        max_fpr : float, optional
            Largest rate of real pictures called fake, see :meth:`threshold`.
        prior : float
            Probability of fake before the picture was looked at.
        faces : bool
            Score each face that is found in a picture (:func:`freqfake.crops.faces.find_faces`), instead
            of the picture as a whole.
        margin : float
            Of a face, see :func:`freqfake.crops.faces.crop_face`.
        provenance : bool
            Add what it takes to repeat each score, see :doc:`/repeat`.

        Returns
        -------
        ScoreTable
            A DataFrame with one row for each picture, also for those that cannot be read:

            - ``path``;
            - ``score``: decision value of the classifier, not calibrated, positive for fake;
            - ``llr``: calibrated likelihood ratio as a logarithm to base 10, positive for fake,
              bounded by what the calibration data support; 0, which is to say no evidence, for
              a picture that the model cannot speak about;
            - ``p_fake``: probability of fake that follows from the prior and the llr;
            - ``verdict``: ``real``, ``fake`` or ``inconclusive``; empty where nothing was read;
            - ``reason``: for the verdict, in words;
            - ``error``: empty, or why the picture cannot be read.

            With `faces` one row for each face, and after the path:

            - ``face``: its number in the picture, from 0, the largest first;
            - ``left``, ``top``, ``right``, ``bottom``: the pixels that were scored.

            A picture without a face has one row, ``inconclusive``, in which these are missing. A
            face that is too small for the features is ``inconclusive`` too, without a score.

            With `provenance`, at the end:

            - ``sha256``: of the file's bytes; of a picture in memory, of its data type, shape and
              pixels; empty where nothing was read;
            - ``model_sha256``: :attr:`sha256` of the detector;
            - ``max_fpr``, ``threshold``: largest rate of real pictures called fake, and the score
              that one called fake must exceed for that; missing if there are none;
            - ``prior``;
            - ``versions``: of the packages that the score depends on, where it was worked out.

        Raises
        ------
        OperatingPointError
            The held-out pictures of the model cannot support `max_fpr`.
        MissingExtraError
            `faces` needs the extra of that name.
        """
        options: dict[str, Any] = {"max_fpr": max_fpr, "prior": prior, "max_pixels": max_pixels}
        options |= {"faces": faces, "margin": margin, "provenance": provenance}
        rows = self.iter_scores(inputs, **options, n_jobs=n_jobs, progress=progress)
        columns = score_columns(faces=faces, provenance=provenance)
        table = ScoreTable(list(rows), columns=columns)
        for name in FACE_NUMBERS if faces else ():
            table[name] = table[name].astype("Int64")  # whole numbers or missing
        return table

    def iter_scores(
        self,
        inputs: Inputs,
        *,
        max_fpr: float | None = None,
        prior: float = 0.5,
        faces: bool = False,
        margin: float = MARGIN,
        provenance: bool = False,
        max_pixels: int = MAX_PIXELS,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Rows of :meth:`score`, one after the other as they get ready."""
        options: dict[str, Any] = {"max_fpr": max_fpr, "prior": prior, "max_pixels": max_pixels}
        options |= {"faces": faces, "margin": margin, "provenance": provenance}
        pictures = self.iter_pictures(inputs, **options, n_jobs=n_jobs, progress=progress)
        return itertools.chain.from_iterable(pictures)

    def iter_pictures(
        self,
        inputs: Inputs,
        *,
        max_fpr: float | None = None,
        prior: float = 0.5,
        faces: bool = False,
        margin: float = MARGIN,
        provenance: bool = False,
        max_pixels: int = MAX_PIXELS,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> Iterator[list[dict[str, Any]]]:
        """Rows of :meth:`score`, those of one picture after those of the other.

        For whoever stores them: a picture is done only when all of its faces are.
        """
        if not 0 < prior < 1:
            raise ValueError(f"`prior` must lie between 0 and 1; got {prior}")
        digest = self.sha256 if provenance else ""
        limit = self.max_fpr if max_fpr is None else max_fpr
        terms = Terms(self, self.threshold(limit), prior, max_pixels, digest, limit)
        options: dict[str, Any] = {"n_jobs": n_jobs, "progress": progress}
        if faces:
            check_margin(margin)
            require_nets()  # what is missing is said once, not for each picture
            by_face = functools.partial(score_faces, terms, margin=margin)
            return map_pictures(by_face, inputs, **options)
        job = functools.partial(score_picture, terms)
        return ([row] for row in map_pictures(job, inputs, **options))

    def threshold(self, max_fpr: float | None = None) -> float:
        """Score that a picture called fake exceeds, so that real ones rarely are.

        Parameters
        ----------
        max_fpr : float, optional
            Largest rate of real pictures called fake: the one-sided 95 % Clopper-Pearson bound
            of the rate among the held-out real pictures stays under it. The detector's own by
            default; if that is None too, there is no threshold beside the likelihood ratio of
            10 that every verdict needs.

        Raises
        ------
        OperatingPointError
            There are too few held-out real pictures to support such a rate.
        """
        limit = self.max_fpr if max_fpr is None else max_fpr
        return -np.inf if limit is None else false_alarm_threshold(self.held_out[0], limit)

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
            See :func:`freqfake.evidence.metrics.detection_metrics`: from the score of every picture that
            can be read, whatever its verdict. ``inconclusive`` is the share of that verdict.

        Warns
        -----
        UnreadableImageWarning
            For each picture that cannot be read.
        """
        options: dict[str, Any] = {"features": self.features, "spectrum": self.spectrum}
        options |= {"n_jobs": n_jobs, "progress": progress}
        done = [readable(iter_features(pictures, **options)) for pictures in (real, fake)]
        limit = self.threshold()
        rows = [self.row(picture, threshold=limit) for part in done for picture in part]
        y = np.repeat([0, 1], [len(part) for part in done])
        metrics = detection_metrics(y, [row["score"] for row in rows])
        unsure = [row["verdict"] == "inconclusive" for row in rows]
        return {**metrics, "inconclusive": float(np.mean(unsure))}

    def contributions(self, image: ImageLike) -> dict[str, float]:
        """Split the score of a picture into what each kind of trace adds to it.

        Parameters
        ----------
        image : array, PIL image or path
            See :func:`freqfake.rich_features`.

        Returns
        -------
        dict of str to float
            By the names of :func:`freqfake.features.rich.rich_feature_groups`, positive where they speak
            for fake. Together with ``classifier.intercept_`` they are the score, but for a
            detector that was adapted, whose scores are moved after that.

        Raises
        ------
        ValueError
            The detector is one on the six features, whose score has no such parts.
        ImageReadError, ImageValueError
            The picture cannot be read, the array is no picture, or it is too small.

        Examples
        --------
        >>> import numpy as np
        >>> import freqfake
        >>> image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
        >>> list(freqfake.load_detector().contributions(image))
        ['rings', 'noise residuals', 'noise across the colours', 'block transforms']
        """
        if not isinstance(self.classifier, StandardizedRidgeClassifier):
            raise ValueError("only a score from the rich features has parts; see plot_features")
        parts = self.classifier.contributions(rich_features(image)[np.newaxis])[0]
        groups = rich_feature_groups()
        return {name: float(parts[positions].sum()) for name, positions in groups.items()}

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
        options: dict[str, Any] = {"features": self.features, "spectrum": self.spectrum}
        done = iter_features(inputs, **options, n_jobs=n_jobs, progress=progress)
        return self.adapt_to(readable(done), expectations=expectations)

    def adapt_to(
        self, pictures: Sequence[Extraction], *, expectations: Expectations = "joint"
    ) -> "Detector":
        """Adapt to pictures whose features are there already, see :meth:`adapt`."""
        if len(pictures) < _MIN_TARGET:
            raise AdaptationError(
                f"at least {_MIN_TARGET} readable pictures are needed to adapt; got {len(pictures)}"
            )
        facts = [known_facts(picture) for picture in pictures]
        X = np.array([picture.features for picture in pictures])
        changed = copy.copy(self)
        if isinstance(self.classifier, GaussianExpectationAdapter):
            _warn_of_subsampling(facts)
            changed.classifier = adapter = copy.copy(self.classifier)
        else:  # too many features for a mixture: the scores take their place
            X = self.classifier.decision_function(X)[:, np.newaxis]
            changed.score_adapter = adapter = self._adapter_of_scores()
        if expectations != adapter.expectations:
            adapter.set_params(expectations=expectations)
            adapter.fit(adapter.source_, adapter.source_labels_)
        adapted = adapt_or_keep(adapter, X)
        if not adapted:
            changed.classifier, changed.score_adapter = self.classifier, self.score_adapter
        changed.domain = self.domain.moved_to(facts, keep_sizes=not adapted)
        changed.info = {**self.info, "adapted_to": len(pictures)}
        return changed

    def _adapter_of_scores(self) -> GaussianExpectationAdapter:
        scores = np.concatenate(self.held_out)
        labels = np.repeat([0, 1], [len(side) for side in self.held_out])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)
            return GaussianExpectationAdapter().fit(scores[:, np.newaxis], labels)

    def save(self, path: PathLike) -> None:
        """Write the detector to a file that :func:`load_detector` reads.

        The file holds arrays and JSON, no code. It is complete or not there at all.
        """
        save_state(path, vars(self))

    def row(
        self, extraction: Extraction, *, threshold: float | None = None, prior: float = 0.5
    ) -> dict[str, Any]:
        """Row of :meth:`score` for a picture whose features are there already."""
        threshold = self.threshold() if threshold is None else threshold
        if extraction.features is None:
            unknown = (np.nan, np.nan, np.nan, "", "")
            return as_row(extraction.path, *unknown, extraction.error)
        features = extraction.features[np.newaxis]
        score = float(self.decision_function(features)[0])
        if isinstance(self.classifier, GaussianExpectationAdapter):
            features = self.classifier.to_source(features)
        objections = self.domain.objections(features[0], known_facts(extraction))
        if objections:
            words = ("inconclusive", "; ".join(objections))
            return as_row(extraction.path, score, 0.0, prior, *words)
        llr = float(self.calibrator.predict(score))
        verdict, reason = self._verdict(llr, score > threshold)
        if self._was_trained_on(known_facts(extraction)):
            reason += "; but this very file was among the training pictures, so it means little"
        p_fake = float(posterior(llr, prior))
        return as_row(extraction.path, score, llr, p_fake, verdict, reason)

    def _was_trained_on(self, facts: ImageFacts) -> bool:
        digest = np.frombuffer(bytes.fromhex(facts.sha256), np.uint8)
        if not len(digest):
            return False
        return any((known == digest).all(axis=1).any() for known in self.training_hashes)

    def decision_function(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Scores of pictures whose features are there already.

        Parameters
        ----------
        X : array-like of shape (n_pictures, n_features)

        Returns
        -------
        ndarray of shape (n_pictures,)
            Not calibrated, positive for fake, whether or not the model can speak about them.
        """
        scores = self.classifier.decision_function(X)
        if self.score_adapter is not None:
            scores = self.score_adapter.to_source(scores[:, np.newaxis])[:, 0]
        return np.asarray(scores)

    def _verdict(self, llr: float, beyond_threshold: bool) -> tuple[str, str]:
        words = f"{verbal_equivalent(llr)} (likelihood ratio 10^{shown_llr(llr):.1f})"
        if abs(llr) < MIN_LLR:
            if llr in (self.calibrator.lower_bound_, self.calibrator.upper_bound_):
                words += ", the most that the model's calibration pictures support"
            return "inconclusive", f"too close to call: {words}"
        if llr > 0 and not beyond_threshold:
            return "inconclusive", f"{words}, but not beyond the false-alarm rate asked for"
        verdict = "fake" if llr > 0 else "real"
        return verdict, words + _CAVEATS.get((self.features, verdict), "")


def load_detector(model: PathLike = "faces") -> Detector:
    """Load a detector.

    Parameters
    ----------
    model : str or path-like
        A file that :meth:`Detector.save` wrote, or the name of an embedded model: ``"faces"``,
        the rich features for delivered pictures, or ``"lewoo"``, the six features of the paper
        for full-size, losslessly stored faces. See their model cards.

    Returns
    -------
    Detector

    Raises
    ------
    ModelFileError
        No such model, or the file is damaged, or not a model. No code of the file is ever run.
    """
    return _from_state(load_state(model), os.fspath(model))


def _from_state(state: dict[str, Any], name: str) -> Detector:
    """Make a detector, and see that it scores: the parts of a file may not fit each other."""
    try:
        detector = Detector(**state)
        noise = np.random.default_rng(0).random((64, 64, 3))
        compute = feature_function(detector.features, detector.spectrum)
        score = detector.row(extract("", noise, compute=compute))["score"]
        if not np.isfinite(score):
            raise ValueError(f"the score of a picture is {score}")
    except Exception as error:
        raise ModelFileError(f"{name} holds no working freqfake detector: {error}") from error
    return detector


def _warn_of_subsampling(facts: list[ImageFacts]) -> None:
    share = np.mean([fact.delivery in SUBSAMPLED for fact in facts])
    if share:
        warnings.warn(
            f"{share:.0%} of the pictures are JPEGs with chroma subsampling, which removes what "
            "the six features read: the verdict on such pictures stays inconclusive",
            AdaptationWarning,
            stacklevel=3,
        )
