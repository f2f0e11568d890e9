"""Evidence by delivery: what a score is worth among pictures of like size and compression."""

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..pictures.facts import ImageFacts
from .calibration import LikelihoodRatioCalibrator, false_alarm_bound

MIN_REAL, MIN_FAKE = 100, 50  # independent held-out pictures that make a group of its own

_SIDES = (96, 1448)  # pixels; smaller and larger pictures count as these
_LIGHT, _MEDIUM = 88, 65  # JPEG qualities
_LOSSY = 3  # other lossy codings, whose quality is not known


def delivery_of(facts: ImageFacts) -> tuple[float, float]:
    """Place a picture by its size and compression.

    Parameters
    ----------
    facts : ImageFacts

    Returns
    -------
    tuple of float
        Logarithm to base 2 of the shorter side in pixels, and compression: 0 lossless, 1 and 2
        JPEG of quality 88 or more without and with chroma subsampling, 3 of quality 65 or more
        and other lossy codings, 4 stronger.

    Examples
    --------
    >>> from freqfake.evidence.deliveries import delivery_of
    >>> from freqfake.pictures.facts import ImageFacts
    >>> delivery_of(ImageFacts(512, 600, "RGB", "JPEG 4:2:0", quality=75))
    (9.0, 3.0)
    """
    shorter = min(facts.width, facts.height)
    return math.log2(min(max(shorter, _SIDES[0]), _SIDES[1])), float(_compression(facts))


def _compression(facts: ImageFacts) -> int:
    if facts.coding in ("lossless", "pixels"):
        return 0
    if not facts.coding.startswith("JPEG") or not facts.quality:
        return _LOSSY
    if facts.quality >= _LIGHT:
        return 1 if facts.coding == "JPEG 4:4:4" else 2
    return 3 if facts.quality >= _MEDIUM else 4


class Evidence:
    """A calibration, and the scores that it rests on.

    Attributes
    ----------
    calibrator_ : LikelihoodRatioCalibrator
    held_out_ : list of two ndarrays of shape (n_real,) and (n_fake,)
        Scores of real and of fake pictures by classifiers that were not fitted to them, one for
        each independent picture.
    """

    def fit(self, scores: npt.NDArray[Any], y: npt.NDArray[Any]) -> Self:
        """Fit to held-out scores and labels, 1 for fake and 0 for real."""
        self.calibrator_ = LikelihoodRatioCalibrator().fit(scores, y)
        self.held_out_ = [scores[y == label] for label in (0, 1)]
        return self

    @classmethod
    def of(cls, calibrator: LikelihoodRatioCalibrator, held_out: list[npt.NDArray[Any]]) -> Self:
        """Make it from a fitted calibration and its scores."""
        made = cls()
        made.calibrator_, made.held_out_ = calibrator, held_out
        return made

    def power(self, threshold: float, min_llr: float) -> str:
        """Say how many held-out pictures get the verdict fake, in words.

        Of real ones, the upper bound of :func:`freqfake.evidence.calibration.false_alarm_bound`.

        Parameters
        ----------
        threshold : float
            That a score must exceed for the verdict fake.
        min_llr : float
            And the least log10 likelihood ratio.
        """
        real, fake = (
            int(np.sum((scores > threshold) & (self.calibrator_.predict(scores) >= min_llr)))
            for scores in self.held_out_
        )
        n_real, n_fake = map(len, self.held_out_)
        limit = math.floor(1000 * false_alarm_bound(real, n_real)) + 1
        most = f"fewer than {limit}" if limit <= 1000 else "up to 1000"
        return (
            f"at this size and quality, the model recognises about {100 * fake / n_fake:.0f} of "
            f"100 generated faces and calls {most} of 1000 photographs fake"
        )


class DeliveryEvidence:
    """Evidence for each group of deliveries that has enough held-out pictures.

    Attributes
    ----------
    groups_ : ndarray of int of shape (n_groups,)
        Numbers of these groups, in increasing order.
    parts_ : list of Evidence
        Theirs.
    """

    def fit(
        self,
        scores: npt.NDArray[Any],
        y: npt.NDArray[Any],
        groups: npt.NDArray[Any],
        families: npt.NDArray[Any],
    ) -> Self:
        """Fit to held-out scores, labels, groups, and families of copies of the same picture.

        Of each family, one picture in each group is used.
        """
        _, first = np.unique(np.column_stack([groups, families]), axis=0, return_index=True)
        found: dict[int, Evidence] = {}
        for group in np.unique(groups[first]):
            rows = first[groups[first] == group]
            n_fake = int(y[rows].sum())
            if len(rows) - n_fake >= MIN_REAL and n_fake >= MIN_FAKE:
                found[int(group)] = Evidence().fit(scores[rows], y[rows])
        self.groups_ = np.array(list(found), dtype=np.int64)
        self.parts_ = list(found.values())
        return self

    def part(self, group: int) -> Evidence | None:
        """Evidence of a group; None if it has none of its own."""
        position = np.flatnonzero(self.groups_ == group)
        return self.parts_[position[0]] if len(position) else None
