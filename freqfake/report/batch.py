"""Reports on many pictures: a page each, and one that lists them."""

import functools
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from .._files import PathLike
from ..batch.parallel import map_pictures
from ..detector.detector import Detector
from ..detector.terms import Terms, VerdictOptions
from ..pictures.finding import find_images
from ..pictures.reading import ImageLike
from . import figures
from .examination import Examination, Model, examine_with, prepare
from .page import Report, check_replaceable, render, render_index, require_packages, write_page

INDEX = "index.html"
_MAX_STEM = 48  # characters of a picture's name in the name of its page


@dataclass(frozen=True)
class Listed:
    """One picture of the list, and the name of its page.

    Attributes
    ----------
    page : str
        File name of the page, in the folder of the list.
    name, path, llr, verdict, reason, error
        See :class:`Examination`.
    width, height : int
        In pixels; 0 where nothing was read.
    coding, format : str
        See :class:`freqfake.pictures.facts.ImageFacts`; empty where nothing was read.
    thumbnail : str
        Small copy of the picture, as a data URL; may be empty.
    """

    page: str
    name: str
    path: str
    llr: float
    verdict: str
    reason: str
    error: str
    width: int = 0
    height: int = 0
    coding: str = ""
    format: str = ""
    thumbnail: str = ""


def make_report(
    image: ImageLike,
    detector: Detector | PathLike = "faces",
    *,
    name: str = "",
    **options: Unpack[VerdictOptions],
) -> Report:
    """Make a report on one picture: a self-contained page.

    Parameters
    ----------
    image, detector, name, max_fpr, prior, max_pixels
        See :func:`examine`.

    Returns
    -------
    Report
        With ``html``, ``save(path)``, and the numbers in ``examination``.

    Raises
    ------
    MissingExtraError
        The extra ``report`` is not installed.
    ModelFileError, OperatingPointError, ValueError
        The model or an option is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.report import make_report
    >>> noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    >>> report = make_report(noise, name="noise")
    >>> report
    <freqfake report on 'noise': inconclusive>
    >>> report.html.startswith("<!DOCTYPE html>"), "noise" in report.html
    (True, True)
    """
    terms, model = prepare(detector, **options)
    require_packages()
    found = examine_with(terms, model, image, name=name)
    return Report(found, render(found, terms.model))


def write_reports(
    inputs: PathLike | Iterable[PathLike],
    folder: PathLike,
    detector: Detector | PathLike = "faces",
    *,
    n_jobs: int | None = None,
    progress: bool = False,
    **options: Unpack[VerdictOptions],
) -> list[Listed]:
    """Write a report on each of many pictures, and ``index.html``, which lists them.

    Parameters
    ----------
    inputs : path or iterable of paths
        Files, folders and globs, see :func:`freqfake.find_images`.
    folder : path
        Where to write; created if missing. Pages of an earlier run are replaced.
    detector, max_fpr, prior, max_pixels
        See :func:`examine`.
    n_jobs, progress
        See :func:`freqfake.iter_features`.

    Returns
    -------
    list of Listed
        One for each picture, also for those that cannot be read.

    Raises
    ------
    FileExistsError
        The folder is a file, or a page would replace a file that is not a freqfake report.
    FileNotFoundError
        The parent folder does not exist.
    MissingExtraError, ModelFileError, OperatingPointError, ValueError
        See :func:`make_report`.
    """
    terms, model = prepare(detector, **options)
    require_packages()
    target = _folder(folder)
    job = functools.partial(_write_one, terms, model, target)
    done = list(map_pictures(job, find_images(inputs), n_jobs=n_jobs, progress=progress))
    write_page(target / INDEX, render_index(done, model))
    return done


def page_name(path: str) -> str:
    """Return the file name of a picture's page: unique, valid anywhere, the same in every run.

    Examples
    --------
    >>> from freqfake.report.batch import page_name
    >>> page_name("a/My face.png"), page_name("b/My face.png")
    ('my-face-eeefdaef0662.html', 'my-face-ebe66c347c64.html')
    """
    stem = re.sub(r"[^a-z0-9]+", "-", Path(path).stem.lower())[:_MAX_STEM].strip("-")
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{stem or 'picture'}-{digest}.html"


def _folder(path: PathLike) -> Path:
    """Create the folder for the pages, if possible."""
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"many reports need a folder, one needs a .html file; got {folder}")
    if not folder.absolute().parent.is_dir():
        raise FileNotFoundError(f"no such folder: {folder.absolute().parent}")
    folder.mkdir(exist_ok=True)
    check_replaceable(folder / INDEX)
    return folder


def _write_one(
    terms: Terms, model: Model, folder: Path, path: str, image: str, facts: None
) -> Listed:
    """Write the page of one picture; this may run in another process."""
    found = examine_with(terms, model, image)
    name = page_name(path)
    write_page(folder / name, render(found, terms.model, index=INDEX))
    return _listed(found, name)


def _listed(found: Examination, page: str) -> Listed:
    about = (found.name, found.path, found.llr, found.verdict, found.reason, found.error)
    facts, pixels = found.facts, found.pixels
    if facts is None or pixels is None:
        return Listed(page, *about)
    thumbnail = figures.thumbnail(pixels)
    return Listed(page, *about, facts.width, facts.height, facts.coding, facts.format, thumbnail)
