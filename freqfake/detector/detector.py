"""The detector: scores and verdicts for pictures."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np

from .._files import PathLike
from ..batch.extraction import Extraction, iter_features, readable
from ..batch.parallel import Inputs
from ..batch.tables import Row
from ..model_files.state import load_state, save_state
from .columns import FACE_NUMBERS
from .model import TrainedModel
from .scoring import score_pictures
from .terms import ScoreOptions, Terms, TermsOptions, VerdictOptions

if TYPE_CHECKING:  # scoring does not wait for the packages that they need
    from ..estimators.expectations import Expectations
    from .cards import ModelCard
    from .results import ScoreTable


class Detector(TrainedModel):
    """A trained detector.

    Made by :func:`freqfake.train_detector` or :func:`load_detector`, not by its constructor.

    Attributes
    ----------
    classifier : GaussianExpectationAdapter, StandardizedRidgeClassifier or DeliveryPanel
        The first for the six asynchrony features, the others for the rich ones. The last is what
        :class:`freqfake.DeliveryPanelClassifier` has fitted.
    calibrator : LikelihoodRatioCalibrator
        Turns scores into likelihood ratios.
    domain : TrainingDomain
        The pictures that it can judge.
    held_out : list of two ndarrays of shape (n_real,) and (n_fake,)
        Scores of real and fake training pictures by classifiers that were not fitted to them, one
        for each picture.
    features : {"asynchrony", "rich"}
    spectrum : {"log", "modulus"}
    max_fpr : float or None
        Default of the largest rate of real pictures called fake.
    score_adapter : GaussianExpectationAdapter or None
        Algorithm 1 on the scores, if a detector on the rich features was adapted.
    by_delivery : DeliveryEvidence or None
        Calibrations and held-out scores by size and compression, if the model distinguishes them.
    training_hashes : list of two ndarrays of shape (n_real_files, 32) and (n_fake_files, 32)
        Sorted SHA-256 of the training files, as bytes; pictures in memory have none.
    info : dict
        Training data, versions and figures of merit on held-out pictures, in plain values.

    Examples
    --------
    >>> import numpy as np
    >>> import freqfake
    >>> detector = freqfake.load_detector("lewoo")
    >>> table = detector.score([np.zeros((64, 64, 3), np.uint8)])
    >>> table.verdict[0], table.reason[0].split(":")[0]
    ('inconclusive', 'equal colour channels')
    """

    def __repr__(self) -> str:
        plain = {k: v for k, v in self.info.items() if not isinstance(v, dict)}
        about = ", ".join(f"{key}={value!r}" for key, value in plain.items())
        return f"<freqfake.Detector: {about}>"

    def _repr_html_(self) -> str:
        return self.card()._repr_html_()

    def card(self) -> "ModelCard":
        """Model card: the training, the domain and the measured quality.

        Returns
        -------
        ModelCard
            Notebooks display it; ``str`` gives Markdown. It is made from what the detector holds;
            the cards of the embedded models in the documentation say more.
        """
        from .cards import model_card

        return model_card(self)

    def score(
        self,
        inputs: Inputs,
        *,
        n_jobs: int | None = None,
        progress: bool = False,
        **options: Unpack[ScoreOptions],
    ) -> "ScoreTable":
        """Score pictures.

        Parameters
        ----------
        inputs, n_jobs, progress
            See :func:`freqfake.iter_features`.
        max_fpr : float, optional
            Largest rate of real pictures called fake, see :meth:`threshold`.
        prior : float, default: 0.5
            Prior probability of fake.
        faces : bool, default: False
            Score each face found in a picture (:func:`freqfake.crops.faces.find_faces`) instead
            of the whole picture.
        margin : float, default: 0.3
            Around a face, see :func:`freqfake.crops.faces.crop_face`.
        deep : bool, default: False
            Let the embedded network judge the largest face of each picture, too; not with
            `faces`.
        provenance : bool, default: False
            Add the columns needed to repeat each score, see :doc:`/repeat`.
        max_pixels : int, optional
            Larger pictures are refused, see :func:`freqfake.read_image`.

        Returns
        -------
        ScoreTable
            A DataFrame with one row for each picture, readable or not:

            - ``path``;
            - ``score``: uncalibrated decision value of the classifier, positive for fake;
            - ``llr``: calibrated log10 likelihood ratio, positive for fake, bounded by what the
              calibration data support; 0 (no evidence) for a picture outside the domain;
            - ``p_fake``: probability of fake from the prior and the llr;
            - ``verdict``: ``real``, ``fake`` or ``inconclusive``; empty if nothing was read;
            - ``reason``: reason for the verdict, in words;
            - ``error``: empty, or why the picture cannot be read.

            With `faces`, one row for each face, and after ``path``:

            - ``face``: its number in the picture, from 0, the largest first;
            - ``left``, ``top``, ``right``, ``bottom``: box of the pixels that were scored.

            A picture without a face has one row, ``inconclusive``, in which these are missing. A
            face that is too small for the features is ``inconclusive`` too, without a score.

            With `deep`, ``deep_score``, ``deep_llr``, ``deep_verdict`` and ``deep_reason``: the
            same of the face, by the model ``student``. The two likelihood ratios are not
            independent evidence: do not add them.

            With `provenance`, at the end:

            - ``sha256``: SHA-256 of the file's bytes, or of the data type, shape and pixels of a
              picture in memory; empty if nothing was read;
            - ``model_sha256``: :attr:`sha256` of the detector;
            - ``max_fpr``, ``threshold``: largest rate of real pictures called fake, and the score
              that a picture must exceed to be called fake; missing if not set;
            - ``prior``;
            - ``versions``: of the packages that the score depends on, where it was computed.

        Raises
        ------
        OperatingPointError
            The held-out pictures of the model cannot support `max_fpr`.
        MissingExtraError
            `faces` and `deep` need the extra ``faces``.
        """
        from ..batch.frames import columns_of
        from .results import ScoreTable

        terms = self.terms(**options)
        pictures = score_pictures(terms, inputs, n_jobs=n_jobs, progress=progress)
        table = ScoreTable(columns_of(itertools.chain.from_iterable(pictures), terms.columns))
        for name in FACE_NUMBERS if terms.faces else ():
            table[name] = table[name].astype("Int64")  # integers that may be missing
        return table

    def iter_scores(
        self,
        inputs: Inputs,
        *,
        n_jobs: int | None = None,
        progress: bool = False,
        **options: Unpack[ScoreOptions],
    ) -> Iterator[Row]:
        """Rows of :meth:`score`, one at a time as they become ready."""
        pictures = self.iter_pictures(inputs, n_jobs=n_jobs, progress=progress, **options)
        return itertools.chain.from_iterable(pictures)

    def iter_pictures(
        self,
        inputs: Inputs,
        *,
        n_jobs: int | None = None,
        progress: bool = False,
        **options: Unpack[ScoreOptions],
    ) -> Iterator[list[Row]]:
        """Rows of :meth:`score`, all rows of one picture at a time.

        For programs that store them: a picture is complete only with all of its faces.
        """
        return score_pictures(self.terms(**options), inputs, n_jobs=n_jobs, progress=progress)

    def terms(self, *, deep: bool = False, **options: Unpack[TermsOptions]) -> Terms:
        """Check the options of a run of :meth:`score`, and load what it needs."""
        own = Terms(self, **options)
        if not deep:
            return own
        shared: VerdictOptions = {
            "max_fpr": own.max_fpr,
            "prior": own.prior,
            "max_pixels": own.max_pixels,
        }
        return replace(own, student=Terms(load_detector("student"), **shared))

    def evaluate(
        self, real: Inputs, fake: Inputs, *, n_jobs: int | None = None, progress: bool = False
    ) -> dict[str, float]:
        """Figures of merit on labelled pictures.

        Parameters
        ----------
        real, fake, n_jobs, progress
            See :func:`freqfake.iter_features`.

        Returns
        -------
        dict
            See :func:`freqfake.evidence.metrics.detection_metrics`: from the scores of all
            readable pictures, whatever their verdicts. ``inconclusive`` is the share of that
            verdict.

        Warns
        -----
        UnreadableImageWarning
            For each picture that cannot be read.
        """
        from ..evidence.metrics import detection_metrics

        done = [self._extracted(pictures, n_jobs, progress) for pictures in (real, fake)]
        self.threshold()  # raise an error before any row
        rows = [self.row(picture) for part in done for picture in part]
        y = np.repeat([0, 1], [len(part) for part in done])
        metrics = detection_metrics(y, [row["score"] for row in rows])
        unsure = [row["verdict"] == "inconclusive" for row in rows]
        return {**metrics, "inconclusive": float(np.mean(unsure))}

    def _extracted(self, inputs: Inputs, n_jobs: int | None, progress: bool) -> list[Extraction]:
        """Extract the model's features; warn about each unreadable picture."""
        done = iter_features(
            inputs,
            features=self.features,
            spectrum=self.spectrum,
            n_jobs=n_jobs,
            progress=progress,
        )
        return readable(done)

    def adapt(
        self,
        inputs: Inputs,
        *,
        expectations: "Expectations" = "joint",
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> "Detector":
        """Adapt to pictures from another source, without labels.

        They must include real and fake pictures, preferably in about equal numbers.

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
            scores: they cannot be checked without labels.

        Raises
        ------
        AdaptationError
            There are too few pictures, or their two Gaussians are not real and fake.

        Warns
        -----
        AdaptationWarning
            The features are distributed as in training: the scores stay as they are, and only
            the sizes and codings are added to the domain.
        UnreadableImageWarning
            For each picture that cannot be read.
        SeparationWarning
            The two Gaussians of the pictures overlap.
        """
        pictures = self._extracted(inputs, n_jobs, progress)
        return self.adapt_to(pictures, expectations=expectations)

    def adapt_to(
        self, pictures: Sequence[Extraction], *, expectations: "Expectations" = "joint"
    ) -> "Detector":
        """Adapt to pictures whose features are known, see :meth:`adapt`."""
        from .adapting import adapted_to

        return adapted_to(self, pictures, expectations)

    def save(self, path: PathLike) -> None:
        """Write the detector to a file that :func:`load_detector` reads.

        The file holds arrays and JSON, no code. It is written completely or not at all.
        """
        save_state(path, vars(self))


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
        No such model, or the file is damaged, or not a model. Code in a file is never run.
    """
    return Detector(**load_state(model))
