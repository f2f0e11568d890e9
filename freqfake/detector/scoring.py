"""Scoring one picture, or each face in it, in whatever process that runs."""

import dataclasses
import functools
import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .._version import versions
from ..batch.copies import reencoded
from ..batch.extraction import Extraction, FeatureSet, extract, feature_function, known_facts
from ..crops.faces import crop_boxes
from ..features.rich import middle
from ..features.spectrum import Spectrum
from ..pictures.arrays import to_pil
from ..pictures.facts import ImageFacts
from ..pictures.reading import read_bytes
from .results import PROVENANCE_COLUMNS, as_face, as_row


class Scorer(Protocol):
    """What scores a picture whose features are there: a :class:`freqfake.Detector`."""

    features: FeatureSet
    spectrum: Spectrum

    def decision_function(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Scores of features."""

    def row(
        self, extraction: Extraction, *, threshold: float | None = None, prior: float = 0.5
    ) -> dict[str, Any]:
        """Row of a picture."""


@dataclass(frozen=True)
class Terms:
    """What a verdict depends on beside the picture.

    Attributes
    ----------
    detector : Scorer
    threshold : float
        Score that a picture called fake exceeds.
    prior : float
        Probability of fake before the picture was looked at.
    max_pixels : int
        Larger pictures are refused.
    model_sha256 : str
        Of the detector. Where it is given, rows get the columns of :doc:`/repeat`.
    max_fpr : float or None
        Rate that the threshold comes from.
    """

    detector: Scorer
    threshold: float
    prior: float
    max_pixels: int
    model_sha256: str = ""
    max_fpr: float | None = None


def score_picture(terms: Terms, path: str, image: Any, facts: ImageFacts | None) -> dict[str, Any]:
    """Read and score one picture, in whatever process this runs."""
    detector = terms.detector
    options: dict[str, Any] = {"compute": feature_function(detector.features, detector.spectrum)}
    keep = detector.features == "rich" or bool(terms.model_sha256)
    options |= {"max_pixels": terms.max_pixels}
    extraction = extract(path, image, facts, **options, keep_pixels=keep)
    row = detector.row(extraction, threshold=terms.threshold, prior=terms.prior)
    if detector.features == "rich" and row["verdict"] in ("real", "fake"):
        row = _unless_fragile(row, terms, extraction, options)
    return {**row, **_provenance(terms, extraction)}


def _unless_fragile(
    row: dict[str, Any], terms: Terms, extraction: Extraction, options: dict[str, Any]
) -> dict[str, Any]:
    """Take a verdict back that light compression changes."""
    assert extraction.pixels is not None  # they were asked for
    # JPEG works in blocks of 8 x 8, on which the middle begins: the rest need not be compressed.
    compressed, _ = read_bytes(reencoded(to_pil(middle(extraction.pixels))))
    again = extract(extraction.path, compressed, **options)
    score = terms.detector.decision_function(np.asarray([again.features]))[0]
    if (score > 0) == (row["score"] > 0):
        return row
    reason = "the verdict changes when the picture is compressed so lightly that nobody sees it"
    return {**row, "llr": 0.0, "p_fake": terms.prior, "verdict": "inconclusive", "reason": reason}


def _provenance(terms: Terms, extraction: Extraction) -> dict[str, Any]:
    """Tell what the row was made of and with, if that is asked for."""
    if not terms.model_sha256:
        return {}
    values = (
        _sha256_of(extraction),
        terms.model_sha256,
        np.nan if terms.max_fpr is None else terms.max_fpr,
        terms.threshold if np.isfinite(terms.threshold) else np.nan,
        terms.prior,
        _versions(),
    )
    return dict(zip(PROVENANCE_COLUMNS, values, strict=True))


def _sha256_of(extraction: Extraction) -> str:
    """Of the file; of a picture in memory, of its data type, shape and pixels."""
    if extraction.pixels is None:  # it was not read
        return ""
    if known_facts(extraction).sha256:
        return known_facts(extraction).sha256
    pixels = np.ascontiguousarray(extraction.pixels)
    about = f"{pixels.dtype.str} {pixels.shape} ".encode()
    return hashlib.sha256(about + pixels.tobytes()).hexdigest()


@functools.cache
def _versions() -> str:
    """Say the versions as pip writes them, those of the process that does the work."""
    return " ".join(f"{name}=={number}" for name, number in versions().items())


def score_faces(
    terms: Terms, path: str, image: Any, facts: ImageFacts | None, *, margin: float
) -> list[dict[str, Any]]:
    """Read one picture and score each face in it, as if it were a picture."""
    rows, found = _face_rows(terms, path, image, facts, margin)
    provenance = _provenance(terms, found)
    return [{**row, **provenance} for row in rows]


def _face_rows(
    terms: Terms, path: str, image: Any, facts: ImageFacts | None, margin: float
) -> tuple[list[dict[str, Any]], Extraction]:
    # The boxes are taken for features, so that what is wrong with a picture is told as elsewhere.
    find = functools.partial(crop_boxes, margin=margin)
    options: dict[str, Any] = {"compute": find, "max_pixels": terms.max_pixels}
    found = extract(path, image, facts, **options, keep_pixels=True)
    if found.features is None or found.pixels is None:
        return [as_face(terms.detector.row(found))], found
    if not len(found.features):
        unknown = as_row(path, np.nan, 0.0, terms.prior, "inconclusive", "no face found")
        return [as_face(unknown)], found
    rows = []
    for number, box in enumerate(found.features.tolist()):
        left, top, right, bottom = box
        crop = found.pixels[top:bottom, left:right]
        # Cutting changes the size, not how the pixels were coded.
        about = dataclasses.replace(known_facts(found), width=right - left, height=bottom - top)
        row = score_picture(terms, path, crop, about)
        if row["error"]:  # say, too small for the features: no error, for the picture was read
            row = as_row(path, np.nan, 0.0, terms.prior, "inconclusive", row["error"])
        rows.append(as_face(row, number, *box))
    return rows, found
