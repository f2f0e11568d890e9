"""From many pictures to a feature matrix: in batches, over processes, with nothing lost."""

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from ..exceptions import FreqFakeError, UnreadableImageWarning
from ..features.asynchrony import FEATURE_NAMES, asynchrony_features
from ..features.rich import rich_features
from ..features.spectrum import Spectrum
from ..pictures.arrays import to_pil
from ..pictures.facts import ImageFacts
from ..pictures.limits import MAX_PIXELS
from ..pictures.reading import ImageLike, read_any, read_bytes
from .copies import delivered_copy
from .parallel import Inputs, map_pictures

FeatureSet = Literal["asynchrony", "rich"]

Compute = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


@dataclass(frozen=True)
class Extraction:
    """What came of one picture: features and facts, or the reason why there are none.

    Attributes
    ----------
    path : str
        The file, or ``<array 3>`` for the input at position 3 that is not a file.
    features : ndarray of shape (n_features,) or None
    facts : ImageFacts or None
    error : str
        Empty for a good picture.
    copies : tuple of Extraction
        Delivered copies of the picture, for training.
    pixels : ndarray or None
        Of the picture, where they were asked for.
    """

    path: str
    features: npt.NDArray[np.float64] | None = None
    facts: ImageFacts | None = None
    error: str = ""
    copies: tuple["Extraction", ...] = ()
    pixels: npt.NDArray[Any] | None = None


def iter_features(
    inputs: Inputs,
    *,
    features: FeatureSet = "asynchrony",
    spectrum: Spectrum = "log",
    dtype: npt.DTypeLike = np.float64,
    n_copies: int = 0,
    max_pixels: int = MAX_PIXELS,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Iterator[Extraction]:
    """Features of many pictures, one after the other as they get ready, in the order given.

    Parameters
    ----------
    inputs : path or iterable of paths, arrays and PIL images
        Folders and globs are expanded (:func:`freqfake.pictures.finding.find_images`).
    features : {"asynchrony", "rich"}
        The six of :func:`freqfake.asynchrony_features`, or :func:`freqfake.rich_features`.
    spectrum, dtype
        Of the six, see :func:`freqfake.asynchrony_features`. In double, which scores are made
        from: in single precision they would differ between versions of the packages by 1e-5.
    n_copies : int
        How many delivered copies of each picture to add, see
        :func:`freqfake.batch.copies.delivered_copy`.
    max_pixels : int
        Larger pictures are refused, see :func:`freqfake.read_image`.
    n_jobs : int, optional
        Number of processes, -1 for all cores; the default is one, or what
        :func:`joblib.parallel_config` says.
    progress : bool
        Show a progress bar on stderr.

    Yields
    ------
    Extraction
        One for each picture; one that cannot be read carries the reason.
    """
    if features not in get_args(FeatureSet):
        raise ValueError(f"`features` must be 'asynchrony' or 'rich'; got {features!r}")
    job = functools.partial(
        extract,
        compute=feature_function(features, spectrum, dtype),
        n_copies=n_copies,
        max_pixels=max_pixels,
    )
    return map_pictures(job, inputs, n_jobs=n_jobs, progress=progress)


def feature_function(
    features: FeatureSet, spectrum: Spectrum = "log", dtype: npt.DTypeLike = np.float64
) -> Compute:
    """Make the function that computes a feature set."""
    if features not in get_args(FeatureSet):
        raise ValueError(f"`features` must be 'asynchrony' or 'rich'; got {features!r}")
    if features == "rich":
        return rich_features
    return functools.partial(asynchrony_features, spectrum=spectrum, dtype=dtype)


def extract_features(
    inputs: Inputs,
    *,
    spectrum: Spectrum = "log",
    dtype: npt.DTypeLike = np.float32,
    max_pixels: int = MAX_PIXELS,
    n_jobs: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Features of many pictures as a table.

    Parameters
    ----------
    inputs, spectrum, dtype, max_pixels, n_jobs, progress
        See :func:`iter_features`.

    Returns
    -------
    DataFrame
        One row for each picture, columns ``path``, the six of
        :data:`~freqfake.features.asynchrony.FEATURE_NAMES`, and ``error``: empty, or the reason why the
        features are missing.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake import extract_features
    >>> table = extract_features([np.zeros((8, 8, 3), np.uint8), "missing.png"])
    >>> table[["path", "mean", "error"]]
              path  mean                      error
    0    <array 0>   0.0
    1  missing.png   NaN  no such file: missing.png
    """
    options: dict[str, Any] = {"spectrum": spectrum, "dtype": dtype, "max_pixels": max_pixels}
    done = iter_features(inputs, n_jobs=n_jobs, progress=progress, **options)
    return pd.DataFrame(
        [feature_row(extraction) for extraction in done],
        columns=["path", *FEATURE_NAMES, "error"],
    )


def feature_row(extraction: Extraction) -> dict[str, Any]:
    """One row of the table of features."""
    values = [np.nan] * len(FEATURE_NAMES) if extraction.features is None else extraction.features
    numbers = dict(zip(FEATURE_NAMES, map(float, values), strict=True))
    return {"path": extraction.path, **numbers, "error": extraction.error}


class AsynchronyTransformer(TransformerMixin, BaseEstimator):
    """Asynchrony features as the first step of a scikit-learn pipeline.

    Parameters
    ----------
    spectrum : {"log", "modulus"}
        See :func:`freqfake.asynchrony_features`.
    n_jobs : int, optional
        See :func:`iter_features`.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake import AsynchronyTransformer
    >>> images = [np.random.default_rng(i).random((16, 16, 3)) for i in range(3)]
    >>> AsynchronyTransformer().fit_transform(images).shape
    (3, 6)
    """

    def __init__(self, *, spectrum: Spectrum = "log", n_jobs: int | None = None) -> None:
        self.spectrum = spectrum
        self.n_jobs = n_jobs

    def fit(self, X: Sequence[ImageLike], y: Any = None) -> Self:
        """Do nothing: there is nothing to learn."""
        return self

    def transform(self, X: Sequence[ImageLike]) -> npt.NDArray[np.float64]:
        """Features of a sequence of paths, arrays or PIL images.

        Returns
        -------
        ndarray of shape (n_pictures, 6)

        Raises
        ------
        FreqFakeError
            Some picture cannot be read: a row of a matrix cannot carry the reason. Use
            :func:`extract_features` where that can happen.
        """
        parallel = joblib.Parallel(n_jobs=self.n_jobs)
        return np.array(
            parallel(
                joblib.delayed(asynchrony_features)(image, spectrum=self.spectrum) for image in X
            )
        ).reshape(-1, len(FEATURE_NAMES))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
        """Names of the six features."""
        return np.asarray(FEATURE_NAMES, dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        return tags


def extract(
    path: str,
    image: ImageLike | FreqFakeError,
    facts: ImageFacts | None = None,
    *,
    compute: Compute,
    n_copies: int = 0,
    max_pixels: int = MAX_PIXELS,
    keep_pixels: bool = False,
) -> Extraction:
    """Features of one picture, or the reason why there are none."""
    try:
        if isinstance(image, FreqFakeError):
            raise image
        pixels, own_facts = read_any(image, max_pixels=max_pixels)
        features = compute(pixels)
        copies = (read_bytes(delivered_copy(to_pil(pixels), seed)) for seed in range(n_copies))
        extracted = [Extraction(path, compute(copy), fact) for copy, fact in copies]
    except FreqFakeError as error:
        return Extraction(path, error=str(error))
    except MemoryError:
        return Extraction(path, error="not enough memory for a picture of this size")
    return Extraction(
        path,
        features,
        facts or own_facts,
        copies=tuple(extracted),
        pixels=pixels if keep_pixels else None,
    )


def readable(done: Iterable[Extraction]) -> list[Extraction]:
    """Pictures that have features; a warning for each other one."""
    good = []
    for extraction in done:
        if extraction.features is None:
            warnings.warn(
                f"left out {extraction.path}: {extraction.error}",
                UnreadableImageWarning,
                stacklevel=3,
            )
        else:
            good.append(extraction)
    return good


def known_facts(extraction: Extraction) -> ImageFacts:
    """Facts of a picture that has features."""
    assert extraction.facts is not None  # every readable picture has them
    return extraction.facts
