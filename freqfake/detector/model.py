"""A trained model: from features to a score, a likelihood ratio and a verdict."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from ..batch.extraction import Compute, Extraction, FeatureSet, Unreadable, feature_function
from ..batch.tables import Row
from ..estimators.panel_scores import DeliveryPanel
from ..evidence.calibration import (
    LikelihoodRatioCalibrator,
    false_alarm_threshold,
    odds,
    posterior,
    shown_llr,
    verbal_equivalent,
)
from ..evidence.deliveries import DeliveryEvidence, Evidence
from ..evidence.domain import TrainingDomain
from ..exceptions import OperatingPointError
from ..features.rich import rich_feature_groups, rich_features
from ..features.spectrum import Spectrum
from ..model_files.state import state_digest
from ..pictures.facts import ImageFacts
from ..pictures.reading import ImageLike
from .columns import as_row

if TYPE_CHECKING:  # they need scikit-learn, whose import takes longer than scoring a picture
    from ..estimators.adaptation import GaussianExpectationAdapter
    from ..estimators.ridge import StandardizedRidgeClassifier

Linear: TypeAlias = "StandardizedRidgeClassifier | DeliveryPanel"
Classifier: TypeAlias = "GaussianExpectationAdapter | Linear"
MIN_LLR = 1.0  # log10; a ratio closer to 0 is too close to call

_CAVEATS = {
    ("asynchrony", "fake"): (
        "; the colour channels' spectra disagree as in the generated training pictures, but a "
        "real picture that was never a 4:2:0 JPEG can look like this too"
    ),
    ("asynchrony", "real"): (
        "; the colour channels' spectra agree as in the real training pictures, but a generated "
        "picture that was once a 4:2:0 JPEG looks like this too"
    ),
    (
        "rich",
        "real",
    ): "; pictures of a generator that the model does not know can look like this too",
    ("student", "real"): "; swaps and generators that it does not know can look like this too",
}


class TrainedModel:
    """A trained model, which gives verdicts on features.

    Base of :class:`freqfake.Detector`, which reads pictures. See there for the attributes.
    """

    def __init__(
        self,
        classifier: Classifier,
        calibrator: LikelihoodRatioCalibrator,
        domain: TrainingDomain,
        held_out: list[npt.NDArray[np.float64]],
        *,
        features: FeatureSet = "asynchrony",
        spectrum: Spectrum = "log",
        max_fpr: float | None = None,
        score_adapter: "GaussianExpectationAdapter | None" = None,
        by_delivery: DeliveryEvidence | None = None,
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
        self.by_delivery = by_delivery
        self.training_hashes = training_hashes or [np.empty((0, 32), np.uint8)] * 2
        self.info = info or {}

    @property
    def sha256(self) -> str:
        """SHA-256 of all that the model holds, in 64 hexadecimal digits.

        It is the same before and after saving, see
        :func:`freqfake.model_files.state.state_digest`, and different for models that can differ
        in any score.
        """
        return state_digest(vars(self))

    @property
    def compute(self) -> Compute:
        """Function that computes the model's features from pixels."""
        return feature_function(self.features, self.spectrum)

    def evidence_for(self, features: npt.NDArray[np.float64]) -> Evidence:
        """Evidence from held-out pictures that were delivered like this one.

        Parameters
        ----------
        features : ndarray of shape (n_features,)

        Returns
        -------
        Evidence
            From all held-out pictures, where too few were delivered like this one, and in models
            that do not distinguish deliveries.
        """
        if self.by_delivery is not None and isinstance(self.classifier, DeliveryPanel):
            group = self.classifier.nearest(features[np.newaxis])[0]
            part = self.by_delivery.part(group)
            if part is not None:
                return part
        return self.evidence

    @property
    def evidence(self) -> Evidence:
        """Evidence from all held-out pictures."""
        return Evidence.of(self.calibrator, self.held_out)

    @property
    def evidence_by_group(self) -> list[Evidence]:
        """Evidence of each group of deliveries, in their order; without groups, the whole."""
        if self.by_delivery is None or not isinstance(self.classifier, DeliveryPanel):
            return [self.evidence]
        parts = map(self.by_delivery.part, range(len(self.classifier.centers_)))
        return [part or self.evidence for part in parts]

    def threshold(self, max_fpr: float | None = None, *, evidence: Evidence | None = None) -> float:
        """Score that a picture must exceed to be called fake, for a rate of false alarms.

        Parameters
        ----------
        max_fpr : float, optional
            Largest rate of real pictures called fake: the one-sided 95 % Clopper-Pearson bound
            of the rate among the held-out real pictures is at most this. The model's own by
            default; if that is None too, the only condition is the likelihood ratio of 10 that
            every verdict needs.
        evidence : Evidence, optional
            Of one kind of delivery, see :meth:`evidence_for`. If it has too few real pictures to
            support this rate, the threshold of all held-out pictures holds, and none of these few
            may exceed it.

        Returns
        -------
        float
            Minus infinity without a `max_fpr`.

        Raises
        ------
        OperatingPointError
            There are too few held-out real pictures to support this rate.
        """
        limit = self.max_fpr if max_fpr is None else max_fpr
        if limit is None:
            return -np.inf
        if evidence is not None:
            with suppress(OperatingPointError):
                return false_alarm_threshold(evidence.held_out_[0], limit)
        whole = false_alarm_threshold(self.held_out[0], limit)
        return whole if evidence is None else max(whole, float(evidence.held_out_[0].max()))

    def decision_function(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Scores from features.

        Parameters
        ----------
        X : array-like of shape (n_pictures, n_features)

        Returns
        -------
        ndarray of shape (n_pictures,)
            Uncalibrated, positive for fake, also for pictures outside the model's domain.
        """
        scores = self.classifier.decision_function(X)
        if self.score_adapter is not None:
            scores = self.score_adapter.to_source(scores[:, np.newaxis])[:, 0]
        return np.asarray(scores)

    def contributions(self, image: ImageLike) -> dict[str, float]:
        """Split the score of a picture into what each kind of trace adds to it.

        Parameters
        ----------
        image : array, PIL image or path
            See :func:`freqfake.rich_features`.

        Returns
        -------
        dict of str to float
            Named as in :func:`freqfake.features.rich.rich_feature_groups`, positive for fake.
            With ``classifier.offsets`` they add up to the score, except in an adapted detector,
            whose scores are transformed afterwards.

        Raises
        ------
        ValueError
            The detector uses the six features, whose score has no such parts.
        ImageReadError, ImageValueError
            The picture cannot be read, the array is not a picture, or it is too small.

        Examples
        --------
        >>> import numpy as np
        >>> import freqfake
        >>> image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
        >>> list(freqfake.load_detector().contributions(image))
        ['rings', 'noise residuals', 'noise across the colours', 'block transforms']
        """
        if self.features != "rich":
            raise ValueError("only a score from the rich features has parts")
        return self.contributions_of(rich_features(image))

    def contributions_of(self, features: npt.NDArray[np.float64]) -> dict[str, float]:
        """Split the score of rich features that are known, see :meth:`contributions`."""
        parts = cast(Linear, self.classifier).contributions(features[np.newaxis])[0]
        groups = rich_feature_groups()
        return {name: float(parts[positions].sum()) for name, positions in groups.items()}

    def row(
        self,
        extraction: Extraction | Unreadable,
        *,
        max_fpr: float | None = None,
        prior: float = 0.5,
    ) -> Row:
        """Row of :meth:`freqfake.Detector.score` for a picture whose features are known."""
        if isinstance(extraction, Unreadable):
            unknown = (np.nan, np.nan, np.nan, "", "")
            return as_row(extraction.path, *unknown, extraction.error)
        features = extraction.features[np.newaxis]
        score = float(self.decision_function(features)[0])
        if self.features == "asynchrony":
            features = cast("GaussianExpectationAdapter", self.classifier).to_source(features)
        objections = self.domain.objections(features[0], extraction.facts)
        if objections:
            words = ("inconclusive", "; ".join(objections))
            return as_row(extraction.path, score, 0.0, prior, *words)
        evidence = self.evidence_for(features[0])
        llr = float(evidence.calibrator_.predict(score))
        threshold = self.threshold(max_fpr, evidence=evidence)
        verdict, reason = self._verdict(evidence, llr, score > threshold, max_fpr)
        if verdict == "fake":
            doubt = self.domain.doubt_of_fake(features[0])
            verdict, reason = (
                ("inconclusive", f"{reason}, but {doubt}") if doubt else (verdict, reason)
            )
        if self.by_delivery is not None:
            reason += f"; {evidence.power(threshold, MIN_LLR)}"
        if self._was_trained_on(extraction.facts):
            reason += "; but this very file was among the training pictures, so it means little"
        row = as_row(extraction.path, score, llr, float(posterior(llr, prior)), verdict, reason)
        return {**row, "threshold": threshold if np.isfinite(threshold) else np.nan}

    def limit_in_words(self, max_fpr: float | None = None) -> str:
        """Say how many false alarms are accepted, and whether that was asked for.

        Parameters
        ----------
        max_fpr : float, optional
            What was asked for; by default, the model's own limit.
        """
        limit = self.max_fpr if max_fpr is None else max_fpr
        if limit is None:
            return "no limit of false alarms"
        share = f"{100 * limit:.3g} %"
        if max_fpr is None:
            return f"the model's default limit of {share} false alarms"
        return f"the limit of {share} false alarms that was asked for"

    def _was_trained_on(self, facts: ImageFacts) -> bool:
        digest = np.frombuffer(bytes.fromhex(facts.sha256), np.uint8)
        if not len(digest):
            return False
        return any((known == digest).all(axis=1).any() for known in self.training_hashes)

    def _verdict(
        self, evidence: Evidence, llr: float, beyond_threshold: bool, max_fpr: float | None
    ) -> tuple[str, str]:
        """Verdict, and the reason for it."""
        ratio = f"{odds(llr)}, likelihood ratio 10^{shown_llr(llr):.1f}"
        words = f"{verbal_equivalent(llr)} ({ratio})"
        if abs(llr) < MIN_LLR:
            calibrator = evidence.calibrator_
            if llr in (calibrator.lower_bound_, calibrator.upper_bound_):
                words += ", the most that the model's calibration pictures support"
            return "inconclusive", f"too close to call: {words}"
        if llr > 0 and not beyond_threshold:
            return "inconclusive", f"{words}, but not beyond {self.limit_in_words(max_fpr)}"
        verdict = "fake" if llr > 0 else "real"
        return verdict, words + _CAVEATS.get((self.features, verdict), "")
