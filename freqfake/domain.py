"""What a model has seen, and so what it can speak about."""

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from .features import FEATURE_NAMES
from .io import ImageFacts

_SIZE_SLACK = 1.25  # how much smaller or larger than the training pictures still counts
_USUAL_SHARE = 0.975  # of the training pictures, whose feature distance sets the limit
_RIDGE = 1e-6  # share of the variance added to the diagonal, against singular covariances
_EQUAL = 1e-4  # features below which the channels differ by rounding only
_SAMPLE = 500  # training pictures whose feature distances are looked at
_COLOUR_MODES = frozenset({"RGB", "RGBA", "RGBX"})
_MODE_WORDS = {
    "1": "black and white",
    "L": "greyscale",
    "LA": "greyscale",
    "P": "palette of at most 256 colours",
    "PA": "palette of at most 256 colours",
}
SUBSAMPLED = frozenset({"JPEG 4:2:0", "JPEG 4:2:2"})


class TrainingDomain(BaseEstimator):
    """The pictures that a model was trained on: delivery, size, features.

    Attributes
    ----------
    deliveries_ : tuple of str
        How they were coded, see :class:`freqfake.io.ImageFacts`.
    min_side_, max_side_ : int
        Shortest and longest side of any of them, in pixels.
    means_, precisions_ : ndarray of shape (2, n_features) and (2, n_features, n_features)
        Mean and inverse covariance of the features of the real and of the fake ones.
    max_distance_ : float
        Largest usual Mahalanobis distance of a picture to the nearer of the two classes:
        97.5 % of the training pictures lie closer to the others.
    """

    def fit(
        self,
        X: npt.NDArray[np.float64],
        y: npt.NDArray[np.int64],
        facts: Sequence[ImageFacts],
    ) -> Self:
        """Learn from features `X`, labels `y` (1 for fake) and facts of the training pictures."""
        self.deliveries_ = tuple(sorted({fact.delivery for fact in facts}))
        self.min_side_, self.max_side_ = _side_range(facts)
        classes = [X[y == label] for label in (0, 1)]
        self.means_ = np.array([members.mean(axis=0) for members in classes])
        self.precisions_ = np.array([_precision(members) for members in classes])
        sample = np.random.default_rng(0).permutation(len(X))[:_SAMPLE]
        distances = [_left_out_distance(X, y, i) for i in sample]
        self.max_distance_ = float(np.quantile(distances, _USUAL_SHARE))
        return self

    def moved_to(self, facts: Sequence[ImageFacts], *, keep_sizes: bool) -> Self:
        """Make a copy for unlabelled pictures of other sizes and deliveries.

        JPEG with chroma subsampling is not taken in: without labels nobody knows whether
        anything is left there to tell real from fake.

        Parameters
        ----------
        facts : sequence of ImageFacts
            Of the unlabelled pictures.
        keep_sizes : bool
            Whether the model still speaks about pictures of the sizes it spoke about before.
        """
        moved = copy.copy(self)
        deliveries = {fact.delivery for fact in facts} - SUBSAMPLED
        moved.deliveries_ = tuple(sorted({*self.deliveries_, *deliveries}))
        low, high = _side_range(facts)
        moved.min_side_ = min(low, self.min_side_) if keep_sizes else low
        moved.max_side_ = max(high, self.max_side_) if keep_sizes else high
        return moved

    def distance(self, features: npt.NDArray[np.float64]) -> float:
        """Mahalanobis distance of one picture to the nearer of the two classes."""
        return _distance(features, self.means_, self.precisions_)

    def objections(self, features: npt.NDArray[np.float64], facts: ImageFacts) -> list[str]:
        """Why the model cannot speak about a picture; empty if it can.

        Parameters
        ----------
        features : ndarray of shape (n_features,)
            As the classifier gets them, after adaptation.
        facts : ImageFacts
        """
        reasons = [
            _about_pixels(facts, features),
            self._about_delivery(facts),
            self._about_size(facts),
        ]
        if not any(reasons) and self.distance(features) > self.max_distance_:
            reasons.append(self._about_features(features))
        return [reason for reason in reasons if reason]

    def _about_delivery(self, facts: ImageFacts) -> str:
        if facts.delivery == "pixels" or facts.delivery in self.deliveries_:
            return ""
        if facts.delivery in SUBSAMPLED:
            return f"{facts.delivery}: chroma subsampling removes what the six features read"
        return f"{facts.delivery}: the model was trained on {', '.join(self.deliveries_)} only"

    def _about_size(self, facts: ImageFacts) -> str:
        low, high = self.min_side_ / _SIZE_SLACK, self.max_side_ * _SIZE_SLACK
        if low <= min(facts.width, facts.height) and max(facts.width, facts.height) <= high:
            return ""
        trained = (
            f"{self.min_side_} to {self.max_side_}"
            if self.min_side_ < self.max_side_
            else f"{self.min_side_}"
        )
        return (
            f"{facts.width} x {facts.height} pixels: the model was trained on sides of "
            f"{trained}, and the features change with the size"
        )

    def _about_features(self, features: npt.NDArray[np.float64]) -> str:
        offsets = np.abs(features - self.means_) * np.sqrt(
            np.diagonal(self.precisions_, axis1=1, axis2=2)
        )
        farthest = FEATURE_NAMES[int(offsets.min(axis=0).argmax())]
        return (
            f"unlike the training pictures: feature distance {self.distance(features):.1f} "
            f"(up to {self.max_distance_:.1f} is usual), most of all in {farthest}"
        )


def _about_pixels(facts: ImageFacts, features: npt.NDArray[np.float64]) -> str:
    if facts.mode not in _COLOUR_MODES:
        words = _MODE_WORDS.get(facts.mode, f"{facts.mode} pixels")
        return f"{words}: not the colours that the model knows"
    if np.abs(features).max() < _EQUAL:
        return "equal colour channels: there is nothing to compare"
    if facts.animated:
        return "several frames: only the first was read"
    if facts.transparent:
        return "transparent parts: what was read is not what is seen"
    return ""


def _side_range(facts: Sequence[ImageFacts]) -> tuple[int, int]:
    sides = [side for fact in facts for side in (fact.width, fact.height)]
    return min(sides), max(sides)


def _precision(members: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    covariance = np.cov(members, rowvar=False)
    covariance += _RIDGE * np.diag(np.diag(covariance)) + 1e-12 * np.eye(len(covariance))
    return np.asarray(np.linalg.inv(covariance))


def _distance(features: Any, means: Any, precisions: Any) -> float:
    offsets = features - means
    squared = np.einsum("ci,cij,cj->c", offsets, precisions, offsets)
    return float(np.sqrt(squared.min()))


def _left_out_distance(X: npt.NDArray[np.float64], y: npt.NDArray[np.int64], left: int) -> float:
    """Distance of a training picture to the classes as they are without it."""
    others = np.arange(len(X)) != left
    classes = [X[others & (y == label)] for label in (0, 1)]
    means = np.array([members.mean(axis=0) for members in classes])
    return _distance(X[left], means, [_precision(members) for members in classes])
