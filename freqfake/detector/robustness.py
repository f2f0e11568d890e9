"""How well a detector works after JPEG compression."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..batch.copies import SUBSAMPLINGS, as_jpeg
from ..batch.extraction import Picture, Unreadable, read_picture
from ..batch.parallel import Inputs, map_pictures, warn_left_out
from ..batch.tables import Row
from ..evidence.metrics import detection_metrics
from ..pictures.arrays import to_pil
from ..pictures.facts import ImageFacts
from ..pictures.reading import read_bytes
from .columns import SCORE_COLUMNS
from .detector import Detector
from .scoring import score_picture
from .terms import Terms


def delivery_table(
    detector: Detector,
    real: Inputs,
    fake: Inputs,
    *,
    qualities: Sequence[int] = (95, 85, 75, 60, 40),
    subsamplings: Sequence[str] = ("4:4:4", "4:2:0"),
    n_jobs: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Measure a detector on labelled pictures after JPEG compression.

    Parameters
    ----------
    detector : Detector
    real, fake, n_jobs, progress
        See :func:`freqfake.iter_features`. The pictures should be originals: another compression
        does not restore what a JPEG has lost.
    qualities : sequence of int
        JPEG qualities, 1 to 100.
    subsamplings : sequence of str
        Of "4:4:4", "4:2:2" and "4:2:0".

    Returns
    -------
    DataFrame
        One row for each subsampling and quality:

        - ``subsampling``, ``quality``;
        - ``auc``: area under the ROC curve of the scores, whatever the verdicts;
        - ``real_called_fake``, ``fake_called_fake``: shares of those verdicts;
        - ``inconclusive``: share of that verdict among all pictures.

    Raises
    ------
    ValueError
        A quality or subsampling does not exist, or one side has no readable picture.

    Warns
    -----
    UnreadableImageWarning
        For each picture that cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> import freqfake
    >>> from freqfake.detector.robustness import delivery_table
    >>> pictures = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    >>> detector = freqfake.load_detector("lewoo")
    >>> table = delivery_table(detector, pictures[:2], pictures[2:], qualities=[90])
    >>> table[["subsampling", "quality", "inconclusive"]]
      subsampling  quality  inconclusive
    0       4:4:4       90           1.0
    1       4:2:0       90           1.0
    """
    _check(qualities, subsamplings)
    deliveries = list(itertools.product(subsamplings, qualities))
    job = functools.partial(_score_copies, Terms(detector), deliveries)
    scored, y = [], []
    for label, side in enumerate((real, fake)):
        for result in map_pictures(job, side, n_jobs=n_jobs, progress=progress):
            if isinstance(result, Unreadable):
                warn_left_out(result.path, result.error, stacklevel=3)
            else:
                scored.append(result)
                y.append(label)
    table = [
        {
            "subsampling": subsampling,
            "quality": quality,
            **_figures(np.array(y), [rows[number] for rows in scored]),
        }
        for number, (subsampling, quality) in enumerate(deliveries)
    ]
    return pd.DataFrame(table)


def _score_copies(
    terms: Terms,
    deliveries: Sequence[tuple[str, int]],
    path: str,
    image: Any,
    facts: ImageFacts | None,
) -> list[Row] | Unreadable:
    """Read a picture, and score a JPEG copy of it for each delivery."""
    picture = read_picture(path, image, facts)
    if isinstance(picture, Unreadable):
        return picture
    original = to_pil(picture.pixels)
    copies = (read_bytes(as_jpeg(original, quality, kind)) for kind, quality in deliveries)
    return [score_picture(terms, Picture(path, *copy))[0] for copy in copies]


def _figures(y: npt.NDArray[np.int64], rows: Sequence[Row]) -> dict[str, float]:
    scored = pd.DataFrame(rows, columns=SCORE_COLUMNS)
    done = (scored.error == "").to_numpy()  # some may be too small for the features
    y, scored = y[done], scored[done]
    called_fake = (scored.verdict == "fake").to_numpy()
    return {
        "auc": detection_metrics(y, scored.score)["auc"],
        "real_called_fake": float(called_fake[y == 0].mean()),
        "fake_called_fake": float(called_fake[y == 1].mean()),
        "inconclusive": float((scored.verdict == "inconclusive").mean()),
    }


def _check(qualities: Sequence[int], subsamplings: Sequence[str]) -> None:
    for quality in qualities:
        if not 1 <= quality <= 100:
            raise ValueError(f"`qualities` must lie between 1 and 100; got {quality}")
    for subsampling in subsamplings:
        if subsampling not in SUBSAMPLINGS:
            raise ValueError(
                f"`subsamplings` must be among {', '.join(SUBSAMPLINGS)}; got {subsampling!r}"
            )
