"""What is left of a detector after delivery."""

import io
import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ..batch.copies import SUBSAMPLINGS, as_jpeg
from ..batch.parallel import Inputs, expand
from ..evidence.metrics import detection_metrics
from ..exceptions import FreqFakeError, UnreadableImageWarning
from ..pictures.arrays import to_pil
from ..pictures.reading import read_any
from .detector import Detector


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
        See :func:`freqfake.iter_features`. The pictures are best originals: what a JPEG has lost,
        another compression does not bring back.
    qualities : sequence of int
        Of the JPEGs, 1 to 100.
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
        A quality or subsampling that there is not, or one side has no readable picture.

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
    sides = [_readable(pictures) for pictures in (real, fake)]
    y = np.repeat([0, 1], [len(side) for side in sides])
    rows = []
    for subsampling, quality in itertools.product(subsamplings, qualities):
        copies = [
            Image.open(io.BytesIO(as_jpeg(to_pil(read_any(image)[0]), quality, subsampling)))
            for side in sides
            for image in side
        ]
        scored = detector.score(copies, n_jobs=n_jobs, progress=progress)
        figures = _figures(y, scored)
        rows.append({"subsampling": subsampling, "quality": quality, **figures})
    return pd.DataFrame(rows)


def _figures(y: Any, scored: pd.DataFrame) -> dict[str, float]:
    done = scored.error == ""  # some may be too small for the features
    called_fake = (scored.verdict == "fake")[done]
    y, scores = y[done], scored.score[done]
    return {
        "auc": detection_metrics(y, scores)["auc"],
        "real_called_fake": float(called_fake[y == 0].mean()),
        "fake_called_fake": float(called_fake[y == 1].mean()),
        "inconclusive": float((scored.verdict == "inconclusive")[done].mean()),
    }


def _check(qualities: Sequence[int], subsamplings: Sequence[str]) -> None:
    for quality in qualities:
        if not 1 <= quality <= 100:
            raise ValueError(f"`qualities` must lie between 1 and 100; got {quality}")
    for subsampling in subsamplings:
        if subsampling not in SUBSAMPLINGS:
            raise ValueError(
                f"`subsamplings` must be of {', '.join(SUBSAMPLINGS)}; got {subsampling!r}"
            )


def _readable(pictures: Inputs) -> list[Any]:
    kept = []
    for name, image in expand(pictures):
        try:
            read_any(image)
        except FreqFakeError as error:
            warnings.warn(f"left out {name}: {error}", UnreadableImageWarning, stacklevel=3)
        else:
            kept.append(image)
    return kept
