"""The model and the options of a run of scores, made and checked once."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

from ..batch.tables import Row
from ..crops.faces import MARGIN, check_margin
from ..crops.mtcnn import require_nets
from ..pictures.limits import MAX_PIXELS
from .columns import as_row, score_columns
from .model import TrainedModel


class VerdictOptions(TypedDict, total=False):
    """Options of every verdict, see :meth:`freqfake.Detector.score`."""

    max_fpr: float | None
    prior: float
    max_pixels: int


class TermsOptions(VerdictOptions, total=False):
    """Options of :class:`Terms`; the defaults are there."""

    faces: bool
    margin: float
    provenance: bool


class ScoreOptions(TermsOptions, total=False):
    """Options of :meth:`freqfake.Detector.score`; the defaults are there."""

    deep: bool


@dataclass(frozen=True)
class Terms:
    """The model and the options of a run, made and checked once.

    Parameters
    ----------
    model : TrainedModel
    max_fpr, prior, faces, margin, provenance, max_pixels
        See :meth:`freqfake.Detector.score`.
    student : Terms, optional
        Of a second model, on the features ``student``, which judges the largest face.

    Raises
    ------
    OperatingPointError
        The held-out pictures of the model cannot support `max_fpr`.
    ValueError
        `faces` is set, and a model judges only the largest face.
    MissingExtraError
        `faces` and `student` need the extra ``faces``.
    """

    model: TrainedModel
    max_fpr: float | None = None
    prior: float = 0.5
    faces: bool = False
    margin: float = MARGIN
    provenance: bool = False
    max_pixels: int = MAX_PIXELS
    student: "Terms | None" = None

    def __post_init__(self) -> None:
        if not 0 < self.prior < 1:
            raise ValueError(f"`prior` must lie between 0 and 1; got {self.prior}")
        of_face = self.student is not None or self.model.features == "student"
        if self.faces and of_face:
            raise ValueError("the student judges the largest face of a picture: leave out `faces`")
        if self.faces:
            check_margin(self.margin)
        if self.faces or of_face:
            require_nets()
        _ = self.threshold, self.about_run  # compute both now, before any picture

    @cached_property
    def threshold(self) -> float:
        """Score that a picture must exceed to be called fake."""
        return self.model.threshold(self.max_fpr)

    @cached_property
    def about_run(self) -> Row:
        """Columns of :doc:`/repeat` that are the same for every picture; none unless requested."""
        if not self.provenance:
            return {}
        limit = self.model.max_fpr if self.max_fpr is None else self.max_fpr
        return {
            "model_sha256": self.model.sha256,
            "max_fpr": math.nan if limit is None else limit,
            "prior": self.prior,
        }

    @property
    def columns(self) -> list[str]:
        """Columns of the rows."""
        return score_columns(
            faces=self.faces, deep=self.student is not None, provenance=self.provenance
        )


def undecided(terms: Terms, path: str, reason: str) -> Row:
    """Row of a picture that was read, but cannot be judged."""
    return as_row(path, math.nan, 0.0, terms.prior, "inconclusive", reason)
