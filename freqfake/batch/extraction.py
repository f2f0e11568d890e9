"""Features of many pictures, computed in several processes; every picture gives a result."""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from ..crops.faces import face_square, find_faces
from ..exceptions import FreqFakeError, NoFaceError
from ..features.asynchrony import FEATURE_NAMES, asynchrony_features
from ..features.rich import rich_features
from ..features.spectrum import Spectrum
from ..features.student import student_features
from ..pictures.arrays import check_shape, to_pil
from ..pictures.facts import ImageFacts
from ..pictures.limits import MAX_PIXELS
from ..pictures.reading import ImageLike, read_any, read_bytes
from .copies import delivered_copy
from .parallel import Inputs, map_pictures, warn_left_out

if TYPE_CHECKING:
    import pandas as pd

FeatureSet = Literal["asynchrony", "rich", "student"]

NO_FACE = "no face found"

Compute = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Picture:
    """A picture that was read.

    Attributes
    ----------
    path : str
        The file, or ``<array 3>`` for the input at position 3 that is not a file.
    pixels : ndarray
        See :func:`freqfake.read_image`.
    facts : ImageFacts
    """

    path: str
    pixels: npt.NDArray[Any]
    facts: ImageFacts


@dataclass(frozen=True)
class Extraction:
    """Features and facts of one picture.

    Attributes
    ----------
    path : str
        See :class:`Picture`.
    features : ndarray of shape (n_features,)
    facts : ImageFacts
    copies : tuple of Extraction
        Delivered copies of the picture, for training.
    simulated : Extraction, optional
        Simulated fake made from the picture, for training.
    error : str
        Empty; only :class:`Unreadable` has one.
    """

    path: str
    features: npt.NDArray[np.float64]
    facts: ImageFacts
    copies: tuple["Extraction", ...] = ()
    simulated: "Extraction | None" = None
    error: ClassVar[str] = ""


@dataclass(frozen=True)
class Unreadable:
    """A picture without features.

    Attributes
    ----------
    path : str
        See :class:`Picture`.
    error : str
        Why it cannot be read, or has no features.
    """

    path: str
    error: str


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
) -> Iterator[Extraction | Unreadable]:
    """Yield the features of many pictures as they are computed, in the order given.

    Parameters
    ----------
    inputs : path or iterable of paths, arrays and PIL images
        Folders and globs are expanded (:func:`freqfake.find_images`).
    features : {"asynchrony", "rich", "student"}
        The six of :func:`freqfake.asynchrony_features`, :func:`freqfake.rich_features`, or, of
        the largest face, :func:`freqfake.features.student.student_features`.
    spectrum, dtype
        For the six, see :func:`freqfake.asynchrony_features`. Scores are made from double
        precision: in single, they would differ between versions of the packages by 1e-5.
    n_copies : int
        Number of delivered copies to add for each picture, see
        :func:`freqfake.batch.copies.delivered_copy`.
    max_pixels : int
        Larger pictures are refused, see :func:`freqfake.read_image`.
    n_jobs : int, optional
        Number of processes, -1 for all cores; by default one, or the setting of
        :func:`joblib.parallel_config`.
    progress : bool
        Show a progress bar on stderr.

    Yields
    ------
    Extraction or Unreadable
        One for each picture; ``error`` is empty, or the reason why features are missing.
    """
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
        words = ", ".join(map(repr, get_args(FeatureSet)))
        raise ValueError(f"`features` must be one of {words}; got {features!r}")
    if features == "rich":
        return rich_features
    if features == "student":
        return student_features
    return functools.partial(asynchrony_features, spectrum=spectrum, dtype=dtype)


def extract_features(
    inputs: Inputs,
    *,
    spectrum: Spectrum = "log",
    dtype: npt.DTypeLike = np.float32,
    max_pixels: int = MAX_PIXELS,
    n_jobs: int | None = None,
    progress: bool = False,
) -> "pd.DataFrame":
    """Make a table of the features of many pictures.

    Parameters
    ----------
    inputs, spectrum, dtype, max_pixels, n_jobs, progress
        See :func:`iter_features`.

    Returns
    -------
    DataFrame
        One row for each picture, with the columns ``path``, the six of
        :data:`freqfake.FEATURE_NAMES`, and ``error``: empty, or the reason why features are
        missing.

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
    import pandas as pd

    from .frames import columns_of

    done = iter_features(
        inputs,
        spectrum=spectrum,
        dtype=dtype,
        max_pixels=max_pixels,
        n_jobs=n_jobs,
        progress=progress,
    )
    return pd.DataFrame(columns_of(map(feature_row, done), ["path", *FEATURE_NAMES, "error"]))


def feature_row(extraction: Extraction | Unreadable) -> dict[str, Any]:
    """Make one row of the table of features."""
    if isinstance(extraction, Unreadable):
        numbers = dict.fromkeys(FEATURE_NAMES, np.nan)
    else:
        numbers = dict(zip(FEATURE_NAMES, extraction.features.tolist(), strict=True))
    return {"path": extraction.path, **numbers, "error": extraction.error}


def extract(
    path: str,
    image: ImageLike | FreqFakeError,
    facts: ImageFacts | None = None,
    *,
    compute: Compute,
    n_copies: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> Extraction | Unreadable:
    """Read one picture and compute its features, see :func:`read_picture`."""
    picture = read_picture(path, image, facts, max_pixels=max_pixels)
    if isinstance(picture, Unreadable):
        return picture
    return compute_features(picture, compute, n_copies=n_copies)


def read_picture(
    path: str,
    image: ImageLike | FreqFakeError,
    facts: ImageFacts | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> Picture | Unreadable:
    """Read one picture.

    Parameters
    ----------
    path, image, facts
        As :func:`freqfake.batch.parallel.map_pictures` passes them to a job.
    max_pixels : int
        See :func:`freqfake.read_image`.
    """

    def read() -> Picture:
        if isinstance(image, FreqFakeError):
            raise image
        pixels, own_facts = read_any(image, max_pixels=max_pixels)
        check_shape(pixels)
        return Picture(path, pixels, facts or own_facts)

    return attempt(path, read)


def compute_features(
    picture: Picture, compute: Compute, *, n_copies: int = 0
) -> Extraction | Unreadable:
    """Compute the features of a picture and of its delivered copies.

    Those of the student are of the largest face, with the facts of its square.
    """

    def features() -> Extraction:
        seen = largest_face(picture)[0] if compute is student_features else picture
        own = compute(seen.pixels)
        if not n_copies:
            return Extraction(seen.path, own, seen.facts)
        image = to_pil(seen.pixels)
        copies = (read_bytes(delivered_copy(image, seed)) for seed in range(n_copies))
        made = tuple(Extraction(seen.path, compute(copy), facts) for copy, facts in copies)
        return Extraction(seen.path, own, seen.facts, made)

    return attempt(picture.path, features)


def largest_face(picture: Picture) -> tuple[Picture, tuple[int, int, int, int]]:
    """Cut out the largest face of a picture, see :func:`freqfake.crops.faces.face_square`.

    Returns
    -------
    face : Picture
        With the coding of the whole picture, and its own size.
    box : tuple of int
        Left, top, right and bottom edge in the picture.

    Raises
    ------
    NoFaceError
    """
    faces = find_faces(picture.pixels)
    if not faces:
        raise NoFaceError(NO_FACE)
    height, width = picture.pixels.shape[:2]
    left, top, right, bottom = box = face_square(faces[0], width, height)
    # Cropping changes the size, not the coding.
    facts = replace(picture.facts, width=right - left, height=bottom - top)
    return Picture(picture.path, picture.pixels[top:bottom, left:right], facts), box


def attempt(path: str, step: Callable[[], Result]) -> Result | Unreadable:
    """Run a step on a picture; if it fails, give the reason."""
    try:
        return step()
    except FreqFakeError as error:
        return Unreadable(path, str(error))
    except MemoryError:
        return Unreadable(path, "not enough memory for a picture of this size")


def readable(done: Iterable[Extraction | Unreadable]) -> list[Extraction]:
    """Keep the pictures that have features, and warn of each of the others."""
    good = []
    for extraction in done:
        if isinstance(extraction, Unreadable):
            warn_left_out(extraction.path, extraction.error, stacklevel=4)
        else:
            good.append(extraction)
    return good
