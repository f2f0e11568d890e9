"""Score pictures, or each face in them."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._version import versions
from ..batch.copies import reencoded
from ..batch.extraction import (
    Extraction,
    Picture,
    Unreadable,
    attempt,
    compute_features,
    read_picture,
)
from ..batch.parallel import Inputs, map_pictures
from ..batch.tables import Row
from ..crops.faces import crop_boxes
from ..features.rings import cut_middle
from ..pictures.arrays import to_pil
from ..pictures.facts import ImageFacts
from ..pictures.reading import read_bytes
from .columns import DEEP_COLUMNS, as_face
from .frames import score_face
from .terms import Terms, undecided

TRIAL = {"real": "4:4:4", "fake": "4:2:0"}  # subsampling that a verdict must survive


def score_pictures(
    terms: Terms, inputs: Inputs, *, n_jobs: int | None = None, progress: bool = False
) -> Iterator[list[Row]]:
    """Rows of each picture, in the order given, as they become ready.

    Parameters
    ----------
    terms : Terms
    inputs, n_jobs, progress
        See :func:`freqfake.iter_features`.
    """
    job = functools.partial(_score_input, terms)
    return map_pictures(job, inputs, n_jobs=n_jobs, progress=progress)


def _score_input(terms: Terms, path: str, image: Any, facts: ImageFacts | None) -> list[Row]:
    """Read and score one input, in any process."""
    return score_picture(terms, read_picture(path, image, facts, max_pixels=terms.max_pixels))


def score_picture(terms: Terms, picture: Picture | Unreadable) -> list[Row]:
    """Rows of a picture that was read: one, or one for each face."""
    rows = _face_rows(terms, picture) if terms.faces else [_whole_row(terms, picture)]
    known = {"threshold": math.nan, **_deep(terms, picture), **_provenance(terms, picture)}
    return [{name: {**known, **row}[name] for name in terms.columns} for row in rows]


def _whole_row(terms: Terms, picture: Picture | Unreadable) -> Row:
    if terms.model.features == "student" and isinstance(picture, Picture):
        return score_face(terms, picture).row
    return row_of(terms, picture, extraction_of(terms, picture))


def extraction_of(terms: Terms, picture: Picture | Unreadable) -> Extraction | Unreadable:
    """Features that the model needs of a picture that was read."""
    if isinstance(picture, Unreadable):
        return picture
    return compute_features(picture, terms.model.compute)


def row_of(terms: Terms, picture: Picture | Unreadable, extraction: Extraction | Unreadable) -> Row:
    """Row of a picture whose features are known; it may also have the column ``threshold``."""
    row = terms.model.row(extraction, max_fpr=terms.max_fpr, prior=terms.prior)
    decided = terms.model.features == "rich" and row["verdict"] in ("real", "fake")
    if decided and isinstance(picture, Picture):
        return _withdrawn_if_fragile(row, terms, picture)
    return row


def _withdrawn_if_fragile(row: Row, terms: Terms, picture: Picture) -> Row:
    """Withdraw a verdict that light compression would change; an accusation is tried harder."""
    subsampling = TRIAL[row["verdict"]]
    # The middle starts on a JPEG block of 8 x 8, so the rest need not be compressed.
    compressed, _ = read_bytes(reencoded(to_pil(cut_middle(picture.pixels)), subsampling))
    features = terms.model.compute(compressed)
    if (terms.model.decision_function(features[np.newaxis])[0] > 0) == (row["score"] > 0):
        return row
    reason = "the verdict changes when the picture is compressed so lightly that nobody sees it"
    return {**row, "llr": 0.0, "p_fake": terms.prior, "verdict": "inconclusive", "reason": reason}


def _face_rows(terms: Terms, picture: Picture | Unreadable) -> list[Row]:
    """Score each face as if it were a picture."""
    if isinstance(picture, Unreadable):
        return [as_face(terms.model.row(picture))]
    boxes = attempt(picture.path, lambda: crop_boxes(picture.pixels, margin=terms.margin))
    if isinstance(boxes, Unreadable):
        return [as_face(terms.model.row(boxes))]
    if not len(boxes):
        return [as_face(undecided(terms, picture.path, "no face found"))]
    return [_face_row(terms, picture, *face) for face in enumerate(boxes.tolist())]


def _face_row(terms: Terms, picture: Picture, number: int, box: list[int]) -> Row:
    left, top, right, bottom = box
    # Cropping changes the size, not the coding.
    facts = dataclasses.replace(picture.facts, width=right - left, height=bottom - top)
    row = _whole_row(terms, Picture(picture.path, picture.pixels[top:bottom, left:right], facts))
    if row["error"]:  # e.g. too small for the features; the picture itself was read
        row = undecided(terms, picture.path, row["error"])
    return as_face(row, number, *box)


def _deep(terms: Terms, picture: Picture | Unreadable) -> Row:
    """Columns of the second model, if it is requested."""
    if terms.student is None:
        return {}
    if isinstance(picture, Unreadable):
        row = terms.student.model.row(picture)
    else:
        row = score_face(terms.student, picture).row
    return {name: row[name.removeprefix("deep_")] for name in DEEP_COLUMNS}


def _provenance(terms: Terms, picture: Picture | Unreadable) -> Row:
    """Gather the columns needed to repeat a score, if requested."""
    if not terms.provenance:
        return {}
    return {"sha256": _sha256_of(picture), **terms.about_run, "versions": _versions()}


def _sha256_of(picture: Picture | Unreadable) -> str:
    """SHA-256 of the file, or of the data type, shape and pixels of a picture in memory."""
    if isinstance(picture, Unreadable):
        return ""
    if picture.facts.sha256:
        return picture.facts.sha256
    pixels = np.ascontiguousarray(picture.pixels)
    about = f"{pixels.dtype.str} {pixels.shape} ".encode()
    return hashlib.sha256(about + pixels.tobytes()).hexdigest()


@functools.cache
def _versions() -> str:
    """Package versions in the process that does the work, as pip writes them."""
    return " ".join(f"{name}=={number}" for name, number in versions().items())
