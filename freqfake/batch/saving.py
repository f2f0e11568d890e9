"""Save frames of videos, and faces from pictures and videos at their own resolution."""

import functools
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Unpack

import numpy.typing as npt

from .._files import PathLike, whole_file
from ..crops.faces import MARGIN, crop_box, find_faces
from ..crops.video import Frame, FrameOptions, is_video, read_frames
from ..exceptions import FreqFakeError, MissingExtraError
from ..pictures.arrays import to_pil
from ..pictures.finding import find_images
from ..pictures.limits import MAX_PIXELS
from ..pictures.reading import read_image
from .parallel import map_pictures
from .tables import Row

FRAME_COLUMNS = ("path", "frame", "time", "scene", "file", "error")
CROP_COLUMNS = (
    "path", "frame", "time", "face", "left", "top", "right", "bottom", "probability", "file",
    "error",
)  # fmt: skip
_MAX_STEM = 200  # bytes of an input's name in those of its pictures; systems allow 255 in all
_NOT_PORTABLE = re.compile(
    '[<>:"/\\\\|?*;\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]'
)
_FRAME_NUMBER = re.compile(r"_\d{6,}$")

Job = Callable[[str, Path], Iterator[Row]]  # arguments: an input, and how its pictures' names begin


def save_frames(
    videos: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
    **options: Unpack[FrameOptions],
) -> Iterator[list[Row]]:
    """Write frames of videos as PNG files.

    Parameters
    ----------
    videos : path or iterable of paths
        Files, globs, and folders, which are searched for videos.
    out : path
        Folder for the pictures, created if needed. Pictures are named after the inputs, with ``_``
        for characters that some file systems do not allow, and with numbers. Pictures of an earlier
        run are replaced, inputs never.
    count, rate, per_scene, max_pixels
        See :func:`freqfake.crops.video.read_frames`.
    n_jobs, progress
        See :func:`freqfake.iter_features`.

    Yields
    ------
    list of dict
        One row for each frame of a video, with :data:`FRAME_COLUMNS`: ``file`` is the picture
        that was written. A video that cannot be read gives one row with the ``error``.
    """
    job = functools.partial(_save_frames, options)
    return _mapped(job, _videos(videos), out, n_jobs, progress)


def save_faces(
    inputs: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    margin: float = MARGIN,
    largest: bool = False,
    n_jobs: int | None = None,
    progress: bool = False,
    **options: Unpack[FrameOptions],
) -> Iterator[list[Row]]:
    """Write the faces in pictures and videos as PNG files, at their own resolution.

    Parameters
    ----------
    inputs : path or iterable of paths
        Files, globs, and folders, which are searched for pictures and videos.
    out, count, rate, per_scene, max_pixels, n_jobs, progress
        See :func:`save_frames`.
    margin : float
        See :func:`freqfake.crops.faces.crop_face`.
    largest : bool
        Take only the largest face of each picture or frame.

    Yields
    ------
    list of dict
        One row for each face of an input, with :data:`CROP_COLUMNS`. An input without a face
        gives one row without a ``file``; an unreadable one gives one row with the ``error``.
    """
    found = find_images(inputs)
    job = functools.partial(_save_faces, options, margin=margin, largest=largest)
    return _mapped(job, found, out, n_jobs, progress)


def _mapped(
    job: Job,
    found: Iterable[str],
    out: PathLike,
    n_jobs: int | None,
    progress: bool,
) -> Iterator[list[Row]]:
    paths = list(found)
    if Path(out).exists() and not Path(out).is_dir():
        raise FileExistsError(f"`out` must be a folder; got a file: {os.fspath(out)}")
    Path(out).mkdir(parents=True, exist_ok=True)
    names = dict(zip(paths, _unique_names(paths, _names_to_keep(paths, out)), strict=True))
    task = functools.partial(_done, job, Path(out), names)
    return map_pictures(task, paths, n_jobs=n_jobs, progress=progress)


def _done(
    job: Job, out: Path, names: dict[str, str], path: str, image: Any, facts: Any
) -> list[Row]:
    """Make the rows of one input; an error comes after the rows of the frames before it."""
    rows: list[Row] = []
    try:
        for row in job(path, out / names[path]):
            rows.append({"path": path, **row, "error": ""})
    except MissingExtraError:
        raise  # not the fault of this input: the next would fail in the same way
    except (FreqFakeError, OSError) as error:
        rows.append({"path": path, "error": str(error)})
    return rows


def _save_frames(options: FrameOptions, path: str, target: Path) -> Iterator[Row]:
    for frame in read_frames(path, **options):
        file = target.with_name(f"{target.name}_{frame.index:06d}.png")
        _save_png(file, frame.pixels)
        yield {**_about(frame), "scene": frame.scene, "file": str(file)}


def _save_faces(
    options: FrameOptions, path: str, target: Path, *, margin: float, largest: bool
) -> Iterator[Row]:
    none_yet = True
    for frame, pixels in _pictures(path, options):
        name = target.name if frame is None else f"{target.name}_{frame.index:06d}"
        for number, face in enumerate(find_faces(pixels)[: 1 if largest else None]):
            height, width = pixels.shape[:2]
            left, top, right, bottom = crop_box(face, width, height, margin=margin)
            file = target.with_name(f"{name}_{number}.png")
            _save_png(file, pixels[top:bottom, left:right])
            box = {"left": left, "top": top, "right": right, "bottom": bottom}
            about = {"face": number, **box, "probability": face.probability}
            yield {**_about(frame), **about, "file": str(file)}
            none_yet = False
    if none_yet:
        yield {}


def _save_png(path: Path, pixels: npt.NDArray[Any]) -> None:
    if path.is_symlink():  # not followed: it may lead anywhere
        path.unlink()
    with whole_file(path) as file:
        to_pil(pixels).save(file, "PNG")


def _pictures(path: str, options: FrameOptions) -> Iterator[tuple[Frame | None, npt.NDArray[Any]]]:
    if is_video(path):
        for frame in read_frames(path, **options):
            yield frame, frame.pixels
    else:
        yield None, read_image(path, max_pixels=options.get("max_pixels", MAX_PIXELS))[0]


def _about(frame: Frame | None) -> Row:
    return {} if frame is None else {"frame": frame.index, "time": round(frame.time, 6)}


def _videos(paths: PathLike | Iterable[PathLike]) -> Iterator[str]:
    """Yield videos in folders, and every named file; an empty folder becomes an error later."""
    seen = set()
    for path in [paths] if isinstance(paths, str) or hasattr(paths, "__fspath__") else paths:
        found = list(find_images(path))
        for video in [video for video in found if is_video(video)] or [str(path)]:
            if video not in seen:
                seen.add(video)
                yield video


def _unique_names(paths: list[str], to_keep: Collection[str] = ()) -> Iterator[str]:
    """Yield the names of the files without endings, with a number if a name is taken.

    No two names lead to the same output file, whether or not the file system distinguishes case,
    and none leads to a file that begins like a name in `to_keep`.
    """
    counts: Counter[str] = Counter()
    taken, videos, numbered = set(to_keep), set(), set()
    for path in paths:
        stem = _portable(Path(path).stem)
        while True:
            counts[_folded(stem)] += 1
            count = counts[_folded(stem)]
            name = stem if count == 1 else f"{stem}-{count}"
            key = _folded(name)
            # "a.mp4" and the picture "a_000001.png" would both make "a_000001_0.png".
            collides = key in numbered if is_video(path) else _FRAME_NUMBER.sub("", key) in videos
            if key not in taken and not collides:
                break
        taken.add(key)
        if is_video(path):
            videos.add(key)
        else:
            numbered.add(_FRAME_NUMBER.sub("", key))
        yield name


def _portable(stem: str) -> str:
    """Make a name that every file system allows, with room for numbers and an ending."""
    clean = _NOT_PORTABLE.sub("_", stem)
    return clean.encode()[:_MAX_STEM].decode(errors="ignore") or "picture"


def _folded(name: str) -> str:
    """Map names to the same text if some file system takes them for the same."""
    return unicodedata.normalize("NFKC", name).casefold()


def _names_to_keep(paths: list[str], out: PathLike) -> set[str]:
    """Find beginnings of names that would overwrite inputs in the output folder itself."""
    folders = {Path(path).parent for path in paths}
    same = {folder for folder in folders if folder.is_dir() and folder.samefile(out)}
    inside = {_folded(Path(path).name) for path in paths if Path(path).parent in same}
    return {
        name[:position]
        for name in inside
        if name.endswith(".png")
        for position, letter in enumerate(name)
        if letter == "_"
    }
