"""Pictures cut out of others and out of videos: frames, and faces at their own resolution."""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt

from .exceptions import FreqFakeError, MissingExtraError
from .extraction import map_pictures
from .faces import MARGIN, crop_box, find_faces
from .io import MAX_PIXELS, PathLike, find_images, read_image, to_pil
from .video import VIDEO_ENDINGS, Frame, is_video, read_frames

FRAME_COLUMNS = ("path", "frame", "time", "scene", "file", "error")
CROP_COLUMNS = (
    "path", "frame", "time", "face", "left", "top", "right", "bottom", "probability", "file",
    "error",
)  # fmt: skip

Row = dict[str, Any]


def save_frames(
    videos: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    count: int | None = None,
    rate: float | None = None,
    per_scene: int | None = None,
    max_pixels: int = MAX_PIXELS,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Iterator[list[Row]]:
    """Write frames of videos as PNG files.

    Parameters
    ----------
    videos : path or iterable of paths
        Files, globs, and folders, which are searched for videos.
    out : path
        Folder for the pictures; it is made.
    count, rate, per_scene, max_pixels
        See :func:`freqfake.video.read_frames`.
    n_jobs, progress
        See :func:`freqfake.iter_features`.

    Yields
    ------
    list of dict
        One row for each frame of a video, with :data:`FRAME_COLUMNS`: ``file`` is the picture
        that was written. A video that cannot be read gives one row with the ``error``.
    """
    choice = {"count": count, "rate": rate, "per_scene": per_scene}
    return _mapped(_save_frames, _videos(videos), out, choice, max_pixels, n_jobs, progress)


def save_faces(
    inputs: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    margin: float = MARGIN,
    largest: bool = False,
    count: int | None = None,
    rate: float | None = None,
    per_scene: int | None = None,
    max_pixels: int = MAX_PIXELS,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Iterator[list[Row]]:
    """Write the faces in pictures and videos as PNG files, at the resolution that they have there.

    Parameters
    ----------
    inputs : path or iterable of paths
        Files, globs, and folders, which are searched for pictures and videos.
    out, count, rate, per_scene, max_pixels, n_jobs, progress
        See :func:`save_frames`.
    margin : float
        See :func:`freqfake.faces.crop_face`.
    largest : bool
        Take the largest face of each picture or frame alone.

    Yields
    ------
    list of dict
        One row for each face of an input, with :data:`CROP_COLUMNS`. An input without any face
        gives one row without a ``file``; one that cannot be read gives one with the ``error``.
    """
    choice = {"count": count, "rate": rate, "per_scene": per_scene}
    found = find_images(inputs, also=VIDEO_ENDINGS)
    job = functools.partial(_save_faces, margin=margin, largest=largest)
    return _mapped(job, found, out, choice, max_pixels, n_jobs, progress)


def _mapped(
    job: Any,
    found: Iterable[str],
    out: PathLike,
    choice: dict[str, Any],
    max_pixels: int,
    n_jobs: int | None,
    progress: bool,
) -> Iterator[list[Row]]:
    paths = list(found)
    Path(out).mkdir(parents=True, exist_ok=True)
    names = dict(zip(paths, _unique_names(paths), strict=True))
    task = functools.partial(_done, job, Path(out), names, choice, max_pixels)
    return map_pictures(task, paths, n_jobs=n_jobs, progress=progress)


def _done(
    job: Any,
    out: Path,
    names: dict[str, str],
    choice: dict[str, Any],
    max_pixels: int,
    path: str,
    image: Any,
    facts: Any,
) -> list[Row]:
    """Rows of one input; or its error, with the rows of the frames before it."""
    rows: list[Row] = []
    try:
        for row in job(path, out / names[path], choice, max_pixels):
            rows.append({"path": path, **row, "error": ""})
    except MissingExtraError:
        raise  # is no fault of this input: the next one would fail in the same way
    except (FreqFakeError, OSError) as error:
        rows.append({"path": path, "error": str(error)})
    return rows


def _save_frames(path: str, target: Path, choice: dict[str, Any], max_pixels: int) -> Iterator[Row]:
    for frame in read_frames(path, **choice, max_pixels=max_pixels):
        file = target.with_name(f"{target.name}_{frame.index:06d}.png")
        to_pil(frame.pixels).save(file)
        yield {**_about(frame), "scene": frame.scene, "file": str(file)}


def _save_faces(
    path: str,
    target: Path,
    choice: dict[str, Any],
    max_pixels: int,
    *,
    margin: float,
    largest: bool,
) -> Iterator[Row]:
    none_yet = True
    for frame, pixels in _pictures(path, choice, max_pixels):
        name = target.name if frame is None else f"{target.name}_{frame.index:06d}"
        for number, face in enumerate(find_faces(pixels)[: 1 if largest else None]):
            height, width = pixels.shape[:2]
            left, top, right, bottom = crop_box(face, width, height, margin=margin)
            file = target.with_name(f"{name}_{number}.png")
            to_pil(pixels[top:bottom, left:right]).save(file)
            box = {"left": left, "top": top, "right": right, "bottom": bottom}
            about = {"face": number, **box, "probability": face.probability}
            yield {**_about(frame), **about, "file": str(file)}
            none_yet = False
    if none_yet:
        yield {}


def _pictures(
    path: str, choice: dict[str, Any], max_pixels: int
) -> Iterator[tuple[Frame | None, npt.NDArray[Any]]]:
    if is_video(path):
        for frame in read_frames(path, **choice, max_pixels=max_pixels):
            yield frame, frame.pixels
    else:
        yield None, read_image(path, max_pixels=max_pixels)[0]


def _about(frame: Frame | None) -> Row:
    return {} if frame is None else {"frame": frame.index, "time": round(frame.time, 6)}


def _videos(paths: PathLike | Iterable[PathLike]) -> Iterator[str]:
    """Videos of folders, and every file that is named itself; an empty folder is told later."""
    seen = set()
    for path in [paths] if isinstance(paths, str) or hasattr(paths, "__fspath__") else paths:
        found = list(find_images(path, also=VIDEO_ENDINGS))
        for video in [video for video in found if is_video(video)] or [str(path)]:
            if video not in seen:
                seen.add(video)
                yield video


def _unique_names(paths: list[str]) -> Iterator[str]:
    """Names of the files without their endings, numbered where there are several of one name."""
    taken: Counter[str] = Counter()
    for path in paths:
        stem = Path(path).stem or "picture"
        taken[stem] += 1
        yield stem if taken[stem] == 1 else f"{stem}-{taken[stem]}"
