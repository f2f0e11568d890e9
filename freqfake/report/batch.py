"""Reports on pictures and videos: one, or a page each and one that lists them."""

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from .._files import PathLike
from ..batch.parallel import map_pictures
from ..crops.video import is_video
from ..detector.detector import Detector
from ..detector.terms import Terms, VerdictOptions
from ..exceptions import MissingExtraError
from ..pictures.finding import find_images
from ..pictures.reading import ImageLike
from . import figures
from .examination import Examination, Model, examine_with, file_of, prepare
from .page import Report, check_replaceable, render, render_index, require_packages, write_page
from .videos import VideoExamination, check_video, examine_video

INDEX = "index.html"
_DEFAULTS = {False: "faces", True: "student"}  # the model, by whether it is for videos
_MAX_STEM = 48  # characters of a picture's name in the name of its page


@dataclass(frozen=True)
class Listed:
    """One picture or video of the list, and the name of its page.

    Attributes
    ----------
    page : str
        File name of the page, in the folder of the list.
    name, path, llr, verdict, reason, error
        See :class:`Examination`.
    width, height : int
        In pixels; 0 where nothing was read.
    coding, format : str
        See :class:`freqfake.pictures.facts.ImageFacts`; of a video, its codec and "video". Empty
        where nothing was read.
    thumbnail : str
        Small copy of the picture, or of a frame, as a data URL; may be empty.
    kind : str
        "picture" or "video".
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
    kind: str = "picture"


def examine(
    image: ImageLike,
    detector: Detector | PathLike | None = None,
    *,
    name: str = "",
    **options: Unpack[VerdictOptions],
) -> Examination:
    """Gather everything that a report says about one picture or video.

    Parameters
    ----------
    image : path, PIL image or array
        Of a file, the facts and what it claims are read, too. A file with a video ending is a
        video, of which the largest face of each of 20 frames is examined.
    detector : Detector or path, optional
        Or what :func:`freqfake.load_detector` takes; the report then gives that name. By default
        the embedded model ``"faces"`` for a picture, and ``"student"`` for a video, which needs a
        model of the features ``student``.
    name : str
        Name of the picture or video in the report; by default the last part of its path.
    max_fpr, prior, max_pixels
        See :meth:`freqfake.Detector.score`.

    Returns
    -------
    Examination
        Of a video a :class:`VideoExamination`. If it cannot be read, ``error`` says why.

    Raises
    ------
    MissingExtraError
        The extra ``faces`` or ``video`` is not installed, for a video.
    ModelFileError, OperatingPointError, ValueError
        The model or an option is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.report import examine
    >>> noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    >>> found = examine(noise, name="noise")
    >>> found.name, found.verdict, sorted(found.contributions)[:2]
    ('noise', 'inconclusive', ['block transforms', 'noise across the colours'])
    """
    return _examined(image, *_prepared(_is_of_video(image), detector, options), name)


def make_report(
    image: ImageLike,
    detector: Detector | PathLike | None = None,
    *,
    name: str = "",
    **options: Unpack[VerdictOptions],
) -> Report:
    """Make a report on one picture or video: a self-contained page.

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
        The extra ``report`` is not installed, or ``faces`` or ``video`` for a video.
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
    terms, model = _prepared(_is_of_video(image), detector, options)
    require_packages()
    found = _examined(image, terms, model, name)
    return Report(found, render(found, terms.model))


def _is_of_video(image: ImageLike) -> bool:
    file = file_of(image)
    return file is not None and is_video(file)


def _examined(image: ImageLike, terms: Terms, model: Model, name: str) -> Examination:
    file = file_of(image)
    if file is None or not is_video(file):
        return examine_with(terms, model, image, name=name)
    check_video(terms, model)
    return examine_video(terms, model, file, name=name)


def _prepared(
    is_of_video: bool, detector: Detector | PathLike | None, options: VerdictOptions
) -> tuple[Terms, Model]:
    """Load the model that is given, or the default of the kind."""
    return prepare(_DEFAULTS[is_of_video] if detector is None else detector, **options)


def write_reports(
    inputs: PathLike | Iterable[PathLike],
    folder: PathLike,
    detector: Detector | PathLike | None = None,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
    **options: Unpack[VerdictOptions],
) -> list[Listed]:
    """Write a report on each of many pictures and videos, and ``index.html``, which lists them.

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
        One for each input, also for those that cannot be read, and for videos if `detector` does
        not judge them or an extra is missing.

    Raises
    ------
    FileExistsError
        The folder is a file, or a page would replace a file that is not a freqfake report.
    FileNotFoundError
        The parent folder does not exist.
    MissingExtraError
        The extra ``report`` is not installed.
    ModelFileError, OperatingPointError, ValueError
        The model or an option is wrong.
    """
    paths = list(find_images(inputs))
    kinds = sorted(set(map(is_video, paths))) or [False]
    judges = {kind: _prepared(kind, detector, options) for kind in kinds}
    require_packages()
    problem = _why_no_video(*judges[True]) if True in judges else ""
    target = _folder(folder)
    job = functools.partial(_write_one, judges, problem, target)
    done = list(map_pictures(job, paths, n_jobs=n_jobs, progress=progress))
    models = {about.sha256: about for _, about in judges.values()}
    write_page(target / INDEX, render_index(done, *models.values()))
    return done


def _why_no_video(terms: Terms, model: Model) -> str:
    """Say why the videos of a run cannot be examined; empty if they can."""
    try:
        check_video(terms, model)
    except (MissingExtraError, ValueError) as error:
        return str(error)
    return ""


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
    judges: Mapping[bool, tuple[Terms, Model]],
    problem: str,
    folder: Path,
    path: str,
    image: str,
    facts: None,
) -> Listed:
    """Write the page of one picture or video; this may run in another process."""
    terms, model = judges[is_video(path)]
    if is_video(path):
        found: Examination = examine_video(terms, model, path, problem=problem)
    else:
        found = examine_with(terms, model, image)
    name = page_name(path)
    write_page(folder / name, render(found, terms.model, index=INDEX))
    return _listed(found, name)


def _listed(found: Examination, page: str) -> Listed:
    about = (found.name, found.path, found.llr, found.verdict, found.reason, found.error)
    thumbnail = "" if found.pixels is None else figures.thumbnail(found.pixels)
    if isinstance(found, VideoExamination):
        coding = found.video.codec if found.video else ""
        seen = (*found.size, coding, "video" if found.frames else "")
        return Listed(page, *about, *seen, thumbnail, found.kind)
    facts = found.facts
    if facts is None:
        return Listed(page, *about)
    return Listed(page, *about, facts.width, facts.height, facts.coding, facts.format, thumbnail)
