"""Rows that a detector is trained on: features of pictures, copies and simulated fakes."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, clone
from sklearn.model_selection import StratifiedGroupKFold

from ..batch.extraction import Extraction
from ..estimators.adaptation import GaussianExpectationAdapter
from ..estimators.panel import DeliveryPanelClassifier
from ..estimators.svm import RBFSVMClassifier
from ..evidence.calibration import neutral_score
from ..evidence.deliveries import MIN_FAKE, DeliveryEvidence, delivery_of
from ..evidence.domain import TrainingDomain
from .model import Classifier

_N_FOLDS = 5
COPY_WEIGHT = 0.5  # of a copy; its original weighs 1
Folds = Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]


class TrainingTable:
    """Features of the training pictures and their copies, one row each.

    Simulated fakes come after the pictures, with copies of their own.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
        1 for fake, 0 for real.
    facts : list of ImageFacts
    families : ndarray of shape (n_rows,)
        Number of the picture or simulated fake, equal for its copies.
    groups : ndarray of shape (n_rows,)
        Number of the picture, equal for its simulated fake and all copies: these stay together.
    kinds : ndarray of int of shape (n_rows,)
        Kind of generator, the last for simulated fakes.
    weights : ndarray of shape (n_rows,)
    deliveries : ndarray of shape (n_rows, 2)
    is_simulated : ndarray of bool of shape (n_rows,)
    is_chosen : ndarray of bool of shape (n_rows,)
        One of each family, the original or a copy in turn.
    """

    def __init__(
        self,
        real: Sequence[Extraction],
        fake: Sequence[Extraction],
        weights: npt.ArrayLike | None = None,
        kinds: npt.ArrayLike | None = None,
    ) -> None:
        simulated = {i: p.simulated for i, p in enumerate(real) if p.simulated is not None}
        given = [*real, *fake]
        families = [(p, *p.copies) for p in (*given, *simulated.values())]
        sizes = [len(family) for family in families]
        pictures = [picture for family in families for picture in family]
        owners = np.array([*range(len(given)), *simulated])
        self.X = np.array([picture.features for picture in pictures])
        self.facts = [picture.facts for picture in pictures]
        labels = np.repeat([0, 1], [len(real), len(families) - len(real)])
        self.y = np.repeat(labels, sizes)
        self.families = np.repeat(np.arange(len(families)), sizes)
        self.groups = np.repeat(owners, sizes)
        position = np.concatenate([np.arange(size) for size in sizes])
        own = np.ones(len(given)) if weights is None else np.asarray(weights, float)
        of_fake = np.zeros(len(fake), int) if kinds is None else np.asarray(kinds, int)
        of_given = np.concatenate([np.zeros(len(real), int), of_fake])
        of_simulated = np.full(len(simulated), of_given.max() + 1)
        self.kinds = np.repeat(np.concatenate([of_given, of_simulated]), sizes)
        self.is_simulated = self.families >= len(given)
        self.weights = np.where(position == 0, 1.0, COPY_WEIGHT) * own[self.groups]
        self.deliveries = np.array([delivery_of(fact) for fact in self.facts])
        self.is_chosen = position == self.families % np.repeat(sizes, sizes)

    def fit(self, classifier: ClassifierMixin, rows: Any = slice(None)) -> Any:
        """Fit a classifier to some of the rows, by default all."""
        options: dict[str, Any] = {}
        if not isinstance(classifier, (GaussianExpectationAdapter, RBFSVMClassifier)):
            options["sample_weight"] = self.weights[rows]
        if isinstance(classifier, DeliveryPanelClassifier):
            options |= {"deliveries": self.deliveries[rows], "kinds": self.kinds[rows]}
        return classifier.fit(self.X[rows], self.y[rows], **options)

    def held_out_scores(
        self, classifier: ClassifierMixin, folds: Folds | None = None
    ) -> npt.NDArray[np.float64]:
        """Score each row with a classifier fitted to no row of its group.

        NaN for the pictures that no fold scores, and for a panel also for those that are too
        unlike the pictures that it was fitted to for a verdict of fake.
        """
        scores = np.full(len(self.y), np.nan)
        for fitted_to, scored in self.random_folds() if folds is None else folds:
            rows, left_out = (np.isin(self.groups, part) for part in (fitted_to, scored))
            fitted = self.fit(clone(classifier), rows)
            if isinstance(classifier, DeliveryPanelClassifier):
                left_out[left_out] = self._usual(rows, left_out)
            scores[left_out] = fitted.decision_function(self.X[left_out])
        return scores

    def domain(self, rows: npt.NDArray[np.bool_] | None = None) -> TrainingDomain:
        """Learn the domain from some of the rows, by default all."""
        kept = np.ones(len(self.y), bool) if rows is None else rows
        facts = [fact for fact, keep in zip(self.facts, kept, strict=True) if keep]
        of_rows = (self.groups[kept], self.weights[kept])
        return TrainingDomain().fit(self.X[kept], self.y[kept], facts, *of_rows)

    def _usual(
        self, rows: npt.NDArray[np.bool_], left_out: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Tell which of the pictures left out are like enough for a verdict of fake."""
        known = self.domain(rows)
        return np.array([not known.doubt_of_fake(features) for features in self.X[left_out]])

    def random_folds(self) -> Folds:
        """Yield five random pairs of the groups to fit to and of those to score."""
        folds = StratifiedGroupKFold(_N_FOLDS, shuffle=True, random_state=0)
        for rows, left_out in folds.split(self.X, self.y, self.groups):
            yield np.unique(self.groups[rows]), np.unique(self.groups[left_out])

    def centred(
        self, classifier: DeliveryPanelClassifier, scores: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Shift held-out scores so that 0 favours neither side, whatever the delivery.

        Returns
        -------
        tuple of two ndarrays of shape (n_rows,) and (n_deliveries,)
            Scores, and what was subtracted at each delivery, see
            :meth:`freqfake.DeliveryPanelClassifier.shift`.
        """
        known, near = np.isfinite(scores), classifier.nearness(self.X)
        zeros = np.full(near.shape[1], neutral_score(scores[known], self.y[known]))
        nearest = near.argmax(axis=1)
        for delivery in range(near.shape[1]):
            mine = known & (nearest == delivery)
            if min(np.bincount(self.y[mine], minlength=2)) >= MIN_FAKE:
                zeros[delivery] = neutral_score(scores[mine], self.y[mine])
        return scores - (near * zeros).sum(axis=1), zeros

    def evidence_by_delivery(
        self, classifier: Classifier, scores: npt.NDArray[np.float64]
    ) -> DeliveryEvidence | None:
        """Make the evidence by delivery; None for a model that does not distinguish deliveries."""
        if not isinstance(classifier, DeliveryPanelClassifier):
            return None
        rows = np.isfinite(scores)
        nearest = classifier.nearest(self.X[rows])
        found = DeliveryEvidence().fit(scores[rows], self.y[rows], nearest, self.families[rows])
        return found if len(found.parts_) else None
