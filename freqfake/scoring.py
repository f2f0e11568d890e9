"""Scoring one picture, or each face in it, in whatever process that runs."""

import dataclasses
import functools
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .delivery import reencoded
from .extraction import Extraction, FeatureSet, extract, feature_function, known_facts
from .faces import crop_boxes
from .io import ImageFacts, read_bytes, to_pil
from .results import as_face, as_row
from .rich import middle
from .spectrum import Spectrum


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


def score_picture(
    detector: Scorer,
    threshold: float,
    prior: float,
    path: str,
    image: Any,
    facts: ImageFacts | None,
    *,
    max_pixels: int,
) -> dict[str, Any]:
    """Read and score one picture, in whatever process this runs."""
    options: dict[str, Any] = {"compute": feature_function(detector.features, detector.spectrum)}
    rich = detector.features == "rich"
    extraction = extract(path, image, facts, **options, max_pixels=max_pixels, keep_pixels=rich)
    row = detector.row(extraction, threshold=threshold, prior=prior)
    if extraction.pixels is None or row["verdict"] not in ("real", "fake"):
        return row
    # JPEG works in blocks of 8 x 8, on which the middle begins: the rest need not be compressed.
    compressed, _ = read_bytes(reencoded(to_pil(middle(extraction.pixels))))
    again = extract(path, compressed, **options)
    score = detector.decision_function(np.asarray([again.features]))[0]
    if (score > 0) == (row["score"] > 0):
        return row
    reason = "the verdict changes when the picture is compressed so lightly that nobody sees it"
    return {**row, "llr": 0.0, "p_fake": prior, "verdict": "inconclusive", "reason": reason}


def score_faces(
    detector: Scorer,
    threshold: float,
    prior: float,
    path: str,
    image: Any,
    facts: ImageFacts | None,
    *,
    margin: float,
    max_pixels: int,
) -> list[dict[str, Any]]:
    """Read one picture and score each face in it, as if it were a picture."""
    # The boxes are taken for features, so that what is wrong with a picture is told as elsewhere.
    find = functools.partial(crop_boxes, margin=margin)
    found = extract(path, image, facts, compute=find, max_pixels=max_pixels, keep_pixels=True)
    if found.features is None or found.pixels is None:
        return [as_face(detector.row(found))]
    if not len(found.features):
        unknown = as_row(path, np.nan, 0.0, prior, "inconclusive", "no face found")
        return [as_face(unknown)]
    rows = []
    for number, box in enumerate(found.features.tolist()):
        left, top, right, bottom = box
        crop = found.pixels[top:bottom, left:right]
        # Cutting changes the size, not how the pixels were coded.
        about = dataclasses.replace(known_facts(found), width=right - left, height=bottom - top)
        row = score_picture(detector, threshold, prior, path, crop, about, max_pixels=max_pixels)
        if row["error"]:  # say, too small for the features: no error, for the picture was read
            row = as_row(path, np.nan, 0.0, prior, "inconclusive", row["error"])
        rows.append(as_face(row, number, *box))
    return rows
