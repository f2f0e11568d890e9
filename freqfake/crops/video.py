"""Frames of videos: a number spread over the whole, a number a second, or a number a scene."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from .._files import PathLike
from .._optional import extra
from ..pictures.endings import VIDEO_ENDINGS, ending
from ..pictures.limits import MAX_PIXELS
from .decoding import IDENTITY, decode_frames, display_matrix, to_rgb, upright

_ROUNDING = 1e-3  # seconds: time stamps are whole milliseconds in some formats
_THUMBNAIL = 32  # pixels a side: averages noise out, hardly shows small motion
_LEAST_CHANGE = 8.0  # grey levels of 255
_SUDDEN = 3.0  # times the usual change
_NEIGHBOURS = 5  # changes before and after that define the usual one
_SHORTEST = 0.5  # seconds a scene


class FrameOptions(TypedDict, total=False):
    """Options of :func:`read_frames`: which frames to read, and a limit of their size."""

    count: int | None
    rate: float | None
    per_scene: int | None
    max_pixels: int


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a video.

    Attributes
    ----------
    index : int
        Number of the frame in the order of presentation, from 0; frames that cannot be decoded
        are not counted.
    time : float
        Seconds since the first frame.
    scene : int
        Number of the scene, from 0; always 0 unless scenes were requested.
    pixels : ndarray of shape (n_rows, n_cols, 3)
        uint8, red, green and blue, upright.
    """

    index: int
    time: float
    scene: int
    pixels: npt.NDArray[np.uint8]


def is_video(path: PathLike) -> bool:
    """Check whether a file name has the ending of a video.

    Examples
    --------
    >>> from freqfake.crops.video import is_video
    >>> is_video("holiday.MP4"), is_video("face.png")
    (True, False)
    """
    return ending(path) in VIDEO_ENDINGS


def read_frames(
    path: PathLike,
    *,
    count: int | None = None,
    rate: float | None = None,
    per_scene: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Frame]:
    """Yield the frames of a video: all of them, or a selection.

    Parameters
    ----------
    path : str or path-like
    count : int, optional
        Number of frames: the middle one of each of `count` equal parts; all, if there are fewer.
    rate : float, optional
        Frames a second: the first one that is shown in each `rate`-th of a second.
    per_scene : int, optional
        Frames of each scene, spread over it as by `count`. A scene begins at a cut, or where the
        lighting jumps (see Notes).
    max_pixels : int
        Videos whose frames have more than a third of this are refused, see
        :func:`freqfake.read_image`: a decoder holds several at a time. So are videos with more than
        2^14 times this in all frames, or with more than
        :data:`freqfake.crops.decoding.MAX_FRAMES`: a small file can take days to read.

    Yields
    ------
    Frame
        Only one is held in memory at a time, however long the video is. `count` and `per_scene`
        read the file twice, the first time to count.

    Raises
    ------
    VideoReadError
        While reading, with the reason: not found, empty, not a video, no frame that can be
        decoded, too many pixels or frames, a codec that is not read for safety. A damaged frame is
        left out, and a truncated file ends early.
    MissingExtraError
        PyAV is not installed.

    Notes
    -----
    The first video stream is read, not the cover of a song. Each frame is turned and mirrored as
    the file states. Frames are not resized, fields are not separated, and transparency is left
    out. Colours become 8-bit RGB by the video's own matrix (BT.601, BT.709, ...) and range, by
    default BT.601 and limited; chroma is interpolated, and rounded in the same way on every
    machine.

    A scene begins with a frame that differs suddenly from the one before. The difference is the
    mean absolute one of thumbnails of 32 by 32 pixels, in grey levels of 255. It is sudden if it
    is at least 8, and more than three times the usual one: the second largest among the five
    before it and the five after it (the largest may belong to the same cut). Thus a jump in
    brightness counts; motion, pans, fades, noise, and the flicker of compression do not. A change
    within half a second of the last beginning, such as the end of a flash, does not count.
    """
    for name, value in {"count": count, "rate": rate, "per_scene": per_scene}.items():
        least = 0 if name == "rate" else 1
        if value is not None and not (least <= value < math.inf and value > 0):
            raise ValueError(f"`{name}` must be a positive number; got {value!r}")
    if sum(value is not None for value in (count, rate, per_scene)) > 1:
        raise ValueError("`count`, `rate` and `per_scene` exclude each other; got more than one")
    with extra("video", "av"):
        import av  # noqa: F401
    return _frames(path, count, rate, per_scene, max_pixels)


def _frames(
    path: PathLike,
    count: int | None,
    rate: float | None,
    per_scene: int | None,
    max_pixels: int,
) -> Iterator[Frame]:
    from av.video.reformatter import VideoReformatter

    plan = None
    if count is not None:
        plan = _plan([0, sum(1 for _ in decode_frames(path, max_pixels))], count)
    elif per_scene is not None:
        plan = _plan(_scene_bounds(path, max_pixels), per_scene)
    last = math.inf if plan is None else max(plan)
    converter = VideoReformatter()
    matrix: Sequence[int] = IDENTITY
    last_slot = -1
    for index, time, frame in decode_frames(path, max_pixels):
        if index == 0:
            matrix = display_matrix(frame)
        if rate is not None:
            slot, last_slot = last_slot, math.floor((time + _ROUNDING) * rate)
            if slot == last_slot:
                continue
        if plan is None or index in plan:
            scene = plan[index] if plan else 0
            yield Frame(index, time, scene, upright(to_rgb(frame, converter), matrix))
        if index >= last:
            return


def _plan(bounds: Sequence[int], count: int) -> dict[int, int]:
    """Choose `count` frames between each two bounds, and give the scene of each frame."""
    return {
        start + index: scene
        for scene, (start, stop) in enumerate(itertools.pairwise(bounds))
        for index in spread(stop - start, count)
    }


def spread(n: int, count: int) -> list[int]:
    """Give the middles of `count` equal parts of 0, ..., n - 1; all numbers, if n is smaller.

    Examples
    --------
    >>> from freqfake.crops.video import spread
    >>> spread(40, 4), spread(3, 4)
    ([5, 15, 25, 35], [0, 1, 2])
    """
    count = min(n, count)
    return [(2 * part + 1) * n // (2 * count) for part in range(count)]


def _scene_bounds(path: PathLike, max_pixels: int) -> list[int]:
    """Find the number of the first frame of each scene, and the number of frames."""
    from av.video.reformatter import Interpolation, VideoReformatter

    shrinker = VideoReformatter()
    how = {"width": _THUMBNAIL, "height": _THUMBNAIL, "interpolation": int(Interpolation.AREA)}
    times: list[float] = []
    changes: list[float] = []
    before = None
    for _, time, frame in decode_frames(path, max_pixels):
        thumbnail = shrinker.reformat(frame, format="rgb24", **how).to_ndarray().astype(np.float32)
        changes.append(0.0 if before is None else float(np.abs(thumbnail - before).mean()))
        times.append(time)
        before = thumbnail
    return [*_beginnings(np.array(changes), times), len(times)]


def _beginnings(changes: npt.NDArray[np.float64], times: Sequence[float]) -> list[int]:
    """Find the frames that begin a scene, from how much each differs from the one before."""
    padded = np.pad(changes, _NEIGHBOURS)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1)
    others = np.delete(around, _NEIGHBOURS, axis=1)
    usual = np.partition(others, -2, axis=1)[:, -2]
    sudden = (changes >= _LEAST_CHANGE) & (changes > _SUDDEN * usual)
    starts = [0]
    for index in np.flatnonzero(sudden).tolist():
        if times[index] - times[starts[-1]] >= _SHORTEST:
            starts.append(index)
    return starts
