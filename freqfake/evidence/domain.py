"""Which pictures a model can judge, from the pictures that it was trained on."""

import copy
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..features.asynchrony import FEATURE_NAMES
from ..pictures.facts import ImageFacts
from .distance import ClassDistance, NeighbourDistance

SUBSAMPLED = frozenset({"JPEG 4:2:0", "JPEG 4:2:2"})

_SIZE_SLACK = 1.25  # factor by which pictures may be smaller or larger than the training pictures
_FAKE_SHARE = 0.8  # of the limit of the distance, within which a verdict of fake is given
EQUAL_CHANNELS = 1e-4  # asynchrony features below this differ from 0 by rounding only
COLOUR_MODES = frozenset({"RGB", "RGBA", "RGBX"})
_MODE_WORDS = {
    "1": "black and white",
    "L": "greyscale",
    "LA": "greyscale",
    "P": "palette of at most 256 colours",
    "PA": "palette of at most 256 colours",
}


class TrainingDomain:
    """The pictures that a model was trained on: coding, size, features.

    Attributes
    ----------
    codings_ : tuple of str
        Their codings, see :class:`freqfake.pictures.facts.ImageFacts`.
    min_side_, max_side_ : int
        Shortest and longest side of any of them, in pixels.
    range_ : ClassDistance or NeighbourDistance
        Range of their features; the first for the six features.
    """

    def fit(
        self,
        X: npt.NDArray[Any],
        y: npt.NDArray[np.int64],
        facts: Sequence[ImageFacts],
        groups: npt.NDArray[Any],
        weights: npt.NDArray[Any],
    ) -> Self:
        """Learn from the training pictures.

        Parameters
        ----------
        X : ndarray of shape (n_pictures, n_features)
        y : ndarray of shape (n_pictures,)
            1 for fake, 0 for real.
        facts : sequence of ImageFacts
        groups : ndarray of shape (n_pictures,)
            Equal for copies of the same picture.
        weights : ndarray of shape (n_pictures,)
        """
        self.codings_ = tuple(sorted({fact.coding for fact in facts}))
        self.min_side_, self.max_side_ = _side_range(facts)
        kind = ClassDistance if X.shape[1] == len(FEATURE_NAMES) else NeighbourDistance
        self.range_ = kind().fit(X, y, groups, weights)
        return self

    def moved_to(self, facts: Sequence[ImageFacts], *, keep_sizes: bool) -> Self:
        """Make a copy for unlabelled pictures of other sizes and codings.

        For a model of the six features, JPEGs with chroma subsampling stay outside: without
        labels it cannot be measured whether they still separate real from fake.

        Parameters
        ----------
        facts : sequence of ImageFacts
            Facts of the unlabelled pictures.
        keep_sizes : bool
            Whether sizes that were in the domain stay in it.
        """
        moved = copy.copy(self)
        codings = {fact.coding for fact in facts}
        if isinstance(self.range_, ClassDistance):
            codings -= SUBSAMPLED
        moved.codings_ = tuple(sorted({*self.codings_, *codings}))
        low, high = _side_range(facts)
        moved.min_side_ = min(low, self.min_side_) if keep_sizes else low
        moved.max_side_ = max(high, self.max_side_) if keep_sizes else high
        return moved

    def side_limits(self) -> tuple[int, int]:
        """Shortest and longest side in the domain, in pixels."""
        return math.ceil(self.min_side_ / _SIZE_SLACK), math.floor(self.max_side_ * _SIZE_SLACK)

    def objections(self, features: npt.NDArray[Any], facts: ImageFacts) -> list[str]:
        """List why a picture is outside the domain; empty if it is inside.

        Parameters
        ----------
        features : ndarray of shape (n_features,)
            As given to the classifier, after adaptation.
        facts : ImageFacts
        """
        reasons = [
            _about_pixels(facts, features),
            self._about_coding(facts, len(features)),
            self._about_size(facts),
        ]
        if not any(reasons):
            reasons.append(self._about_features(features))
        return [reason for reason in reasons if reason]

    @property
    def limit_of_fake(self) -> float:
        """Largest distance of the features within which a picture is called fake."""
        few = isinstance(self.range_, ClassDistance)
        return self.range_.limit_ * (1.0 if few else _FAKE_SHARE)

    def doubt_of_fake(self, features: npt.NDArray[Any]) -> str:
        """Say why a picture is too unlike the training pictures to be called fake; empty if not.

        A photograph can be prepared so that it is called fake; it then lies at the edge of what
        the model knows.

        Parameters
        ----------
        features : ndarray of shape (n_features,)
            See :meth:`objections`.
        """
        limit, distance = self.limit_of_fake, self.range_.distance(features)
        if distance <= limit:
            return ""
        return (
            "too unlike the training pictures to be called fake: feature distance "
            f"{_beyond(distance):.1f} "
            f"(up to {limit:.1f} for this verdict)"
        )

    def _about_coding(self, facts: ImageFacts, n_features: int) -> str:
        if facts.coding == "pixels" or facts.coding in self.codings_:
            return ""
        if facts.coding in SUBSAMPLED and n_features == len(FEATURE_NAMES):
            return f"{facts.coding}: chroma subsampling removes what the six features read"
        known = ", ".join(coding for coding in self.codings_ if coding != "pixels")
        return f"{facts.coding}: the model was trained on {known} only"

    def _about_size(self, facts: ImageFacts) -> str:
        low, high = self.side_limits()
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

    def _about_features(self, features: npt.NDArray[Any]) -> str:
        distance = self.range_.distance(features)
        if distance <= self.range_.limit_:
            return ""
        words = (
            f"unlike the training pictures: feature distance {_beyond(distance):.1f} "
            f"(up to {self.range_.limit_:.1f} is usual)"
        )
        if isinstance(self.range_, ClassDistance):
            words += f", most of all in {FEATURE_NAMES[self.range_.farthest_feature(features)]}"
        return words


def _about_pixels(facts: ImageFacts, features: npt.NDArray[Any]) -> str:
    if facts.mode not in COLOUR_MODES:
        words = _MODE_WORDS.get(facts.mode, f"{facts.mode} pixels")
        return f"{words}: not the colours that the model knows"
    if len(features) == len(FEATURE_NAMES) and np.abs(features).max() < EQUAL_CHANNELS:
        return "equal colour channels: there is nothing to compare"
    if facts.animated:
        return "several frames: only the first was read"
    if facts.transparent:
        return "transparent parts: what was read is not what is seen"
    return ""


def _beyond(distance: float) -> float:
    """Round up, so that a distance beyond a limit also looks so."""
    return math.ceil(distance * 10) / 10


def _side_range(facts: Sequence[ImageFacts]) -> tuple[int, int]:
    sides = [side for fact in facts for side in (fact.width, fact.height)]
    return min(sides), max(sides)
