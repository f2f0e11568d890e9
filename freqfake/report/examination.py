"""Everything that a report says about a picture, as plain data: no HTML, no figures."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Unpack

import numpy as np
import numpy.typing as npt

from .._files import PathLike
from .._version import versions
from ..batch.extraction import Extraction, Picture, Unreadable, read_picture
from ..detector.detector import Detector, load_detector
from ..detector.model import TrainedModel
from ..detector.scoring import extraction_of, row_of
from ..detector.terms import Terms, VerdictOptions
from ..evidence.calibration import posterior, verbal_equivalent
from ..evidence.deliveries import Evidence
from ..exceptions import FreqFakeError, ImageReadError
from ..features.asynchrony import FEATURE_NAMES, asynchrony_features
from ..pictures.facts import ImageFacts
from ..pictures.finding import find_images
from ..pictures.provenance import Provenance, read_provenance
from ..pictures.reading import ImageLike


@dataclass(frozen=True)
class Model:
    """The model that was used, and its settings.

    Attributes
    ----------
    name : str
        As given: "faces", a file; or the name of a detector in memory.
    sha256 : str
        SHA-256 of the model's contents, see :attr:`freqfake.Detector.sha256`.
    features : str
        "rich", "asynchrony" or "student".
    info : dict
        What it was trained on.
    max_fpr : float or None
        Rate of real pictures called fake that its thresholds are for.
    limit : str
        The same in words, and whether it was asked for.
    """

    name: str
    sha256: str
    features: str
    info: Mapping[str, Any]
    max_fpr: float | None
    limit: str


@dataclass(frozen=True)
class Examination:
    """What was found out about a picture.

    Attributes
    ----------
    kind : str
        "picture".
    name : str
        Name of the picture: as given, or the last part of the path.
    path : str
        Path of the file; empty for a picture in memory.
    score, llr, p_fake, verdict, reason, error
        See :meth:`freqfake.Detector.score`; numbers are NaN where there is an error.
    prior : float
        Prior probability of fake that `p_fake` assumes.
    model : Model
    facts : ImageFacts or None
        None if the picture cannot be read.
    provenance : Provenance or None
        None for a picture in memory, and for a file that cannot be opened.
    features : dict of str to float
        The six asynchrony features; empty where there are none.
    contributions : dict of str to float
        Parts of the score of a model on the rich features; empty for other models.
    held_out : list of two ndarrays of shape (n_real,) and (n_fake,)
        Scores of the held-out pictures that the verdict rests on: those delivered like this one,
        if the model distinguishes deliveries.
    threshold : float
        Score that a picture must exceed to be called fake; minus infinity if there is none.
    bounds : tuple of float
        Smallest and largest log10 likelihood ratio that these pictures support.
    pixels : ndarray or None
        See :func:`freqfake.read_image`.
    made_at : datetime
        In UTC.
    versions : dict of str to str
    """

    kind: ClassVar[str] = "picture"
    name: str
    path: str
    score: float
    llr: float
    p_fake: float
    verdict: str
    reason: str
    error: str
    prior: float
    model: Model
    facts: ImageFacts | None = None
    provenance: Provenance | None = None
    features: Mapping[str, float] = field(default_factory=dict)
    contributions: Mapping[str, float] = field(default_factory=dict)
    held_out: Sequence[npt.NDArray[np.float64]] = field(default=(), repr=False, compare=False)
    threshold: float = -np.inf
    bounds: tuple[float, float] = (0.0, 0.0)
    pixels: npt.NDArray[Any] | None = field(default=None, repr=False, compare=False)
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    versions: Mapping[str, str] = field(default_factory=versions)

    @property
    def shares_beyond(self) -> tuple[float, ...]:
        """Shares of the real and fake `held_out` whose score is at least as high; may be empty."""
        if not np.isfinite(self.score):
            return ()
        return tuple(float(np.mean(scores >= self.score)) for scores in self.held_out)

    @property
    def words(self) -> str:
        """The likelihood ratio in the words of the ENFSI guideline."""
        return verbal_equivalent(self.llr)

    def p_fake_at(self, prior: float) -> float:
        """Return the probability of fake with another prior."""
        return float(posterior(self.llr, prior))


def prepare(
    detector: Detector | PathLike, **options: Unpack[VerdictOptions]
) -> tuple[Terms, Model]:
    """Load the model if it is not loaded yet, and check it and the options."""
    name = ""
    if not isinstance(detector, Detector):
        name = os.fspath(detector)
        detector = load_detector(detector)
    terms = Terms(detector, **options)
    model = Model(
        name=name or f"{detector.info.get('name', 'unnamed')} (a detector in memory)",
        sha256=detector.sha256,
        features=detector.features,
        info=detector.info,
        max_fpr=detector.max_fpr if terms.max_fpr is None else terms.max_fpr,
        limit=detector.limit_in_words(terms.max_fpr),
    )
    return terms, model


def examine_with(terms: Terms, model: Model, image: ImageLike, *, name: str = "") -> Examination:
    """Examine a picture with the results of :func:`prepare`."""
    file = file_of(image)
    picture = read_picture(file or "", image, max_pixels=terms.max_pixels)
    extraction = extraction_of(terms, picture)  # once, because the rich features take long
    row = row_of(terms, picture, extraction)
    evidence = evidence_for(extraction, terms)
    return Examination(
        **{**row, "path": file or "", **about_evidence(evidence, terms)},
        name=name or file_name(file or "") or "a picture in memory",
        prior=terms.prior,
        model=model,
        provenance=None if file is None else _provenance(file),
        **_from_pixels(picture, extraction, terms.model),
    )


def file_of(image: ImageLike) -> str | None:
    """Return the path of a single file; None for a picture in memory."""
    if not isinstance(image, (str, os.PathLike)):
        return None
    file = os.fspath(image)
    if list(find_images(file)) != [file]:
        raise ValueError(f"one picture is examined at a time; got a folder or a pattern: {file}")
    return file


def file_name(path: str) -> str:
    """Return the last part of a path, or the whole where there is none."""
    return Path(path).name or path


def evidence_for(extraction: Extraction | Unreadable | None, terms: Terms) -> Evidence:
    """Return what the verdict rests on; without features, what the model has."""
    if isinstance(extraction, Extraction):
        return terms.model.evidence_for(extraction.features)
    return terms.model.evidence


def about_evidence(evidence: Evidence, terms: Terms) -> dict[str, Any]:
    """Gather what an examination says about its evidence."""
    calibrator = evidence.calibrator_
    return {
        "held_out": evidence.held_out_,
        "threshold": terms.model.threshold(terms.max_fpr, evidence=evidence),
        "bounds": (float(calibrator.lower_bound_), float(calibrator.upper_bound_)),
    }


def _provenance(path: PathLike) -> Provenance | None:
    try:
        return read_provenance(path)
    except ImageReadError:  # the row of the score has the error already
        return None


def _from_pixels(
    picture: Picture | Unreadable, extraction: Extraction | Unreadable, model: TrainedModel
) -> dict[str, Any]:
    """Gather as much as possible of what a report shows of the pixels besides the score."""
    if isinstance(picture, Unreadable):
        return {}
    found: dict[str, Any] = {"pixels": picture.pixels, "facts": picture.facts}
    if isinstance(extraction, Extraction) and model.features == "rich":
        found["contributions"] = model.contributions_of(extraction.features)
    with suppress(FreqFakeError, MemoryError):  # the row of the score has the error
        features = asynchrony_features(picture.pixels, spectrum=model.spectrum)
        found["features"] = dict(zip(FEATURE_NAMES, features.tolist(), strict=True))
    return found
