"""Frames of videos: some spread over the whole, so many a second, or so many a scene.

Decoded by FFmpeg's libraries, which come with PyAV (``freqfake[video]``). Nothing in a file is
trusted: whatever they raise on a broken one becomes a
:class:`~freqfake.exceptions.VideoReadError`, and a file cannot make them open another one.
"""

import contextlib
import itertools
import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._opening import open_file
from ._optional import extra
from .exceptions import VideoReadError
from .io import MAX_PIXELS, PathLike, why_unreadable

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

VIDEO_ENDINGS = frozenset(
    {".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v",
     ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm",
     ".rmvb", ".ts", ".vob", ".webm", ".wmv"}
)  # fmt: skip

# What a file may turn out to be. Left out are playlists, which name further files, and what is no
# video: FFmpeg plays text as a teletype and a picture as a video of one frame.
_FORMATS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,dv,rm,mp3,flac,wav,aac"
# How its pictures may be coded: as cameras, phones, editors and web sites do. FFmpeg has hundreds
# of other decoders, for games and machines long gone, which few people have looked at since.
_CODECS = frozenset(
    {"av1", "dnxhd", "dvvideo", "ffv1", "ffvhuff", "flv1", "h263", "h264", "hevc", "huffyuv",
     "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v2", "msmpeg4v3", "prores", "rawvideo",
     "rv30", "rv40", "theora", "vc1", "vp6f", "vp8", "vp9", "wmv1", "wmv2", "wmv3"}
)  # fmt: skip
_DECODERS = ",".join(sorted(_CODECS | {"libdav1d", "flv"}))  # FFmpeg's names for the same
_OPEN_OPTIONS = {
    "format_whitelist": _FORMATS,
    "codec_whitelist": _DECODERS,
    "protocol_whitelist": "none",
}

MAX_FRAMES = 1 << 20  # of a video: nearly ten hours at 30 a second
_MAX_PACKETS = 1 << 22  # of all streams, sound too: about as long
_MAX_LARGE_FRAMES = 1 << 14  # of `max_pixels`: 9 hours of 1080p at 30 a second, two of 4K
_HELD = 3  # times the memory of a picture, at the least: a decoder holds up to 17 frames

_FRAME_RATE = 25.0  # where a file does not tell
_ROUNDING = 1e-3  # seconds: time stamps are whole milliseconds in some formats

_IDENTITY = (1, 0, 0, 1)  # shown as stored

_THUMBNAIL = 32  # pixels a side: noise averages out, small motion hardly shows
_LEAST_CHANGE = 8.0  # grey levels of 255
_SUDDEN = 3.0  # times the usual change
_NEIGHBOURS = 5  # changes before and after that tell what is usual
_SHORTEST = 0.5  # seconds a scene


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
        Number of the scene, from 0; 0 unless scenes were looked for.
    pixels : ndarray of shape (n_rows, n_cols, 3)
        uint8, red, green and blue, upright.
    """

    index: int
    time: float
    scene: int
    pixels: npt.NDArray[np.uint8]


def is_video(path: PathLike) -> bool:
    """Whether a file has the name of a video, see :data:`VIDEO_ENDINGS`.

    Examples
    --------
    >>> from freqfake.video import is_video
    >>> is_video("holiday.MP4"), is_video("face.png")
    (True, False)
    """
    return Path(path).suffix.lower() in VIDEO_ENDINGS


def read_frames(
    path: PathLike,
    *,
    count: int | None = None,
    rate: float | None = None,
    per_scene: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Frame]:
    """Frames of a video, one after the other: all of them, or a choice.

    Parameters
    ----------
    path : str or path-like
    count : int, optional
        So many frames: the middle one of each of `count` equal parts; all, if there are fewer.
    rate : float, optional
        So many frames a second: the first one that is shown in each `rate`-th of a second.
    per_scene : int, optional
        So many frames of each scene, spread over it as by `count`. A scene begins at a cut, or
        where the lighting jumps (see Notes).
    max_pixels : int
        A video whose frames have more than a third of that is refused, see
        :func:`freqfake.read_image`: a decoder holds several at a time. So is one with more than
        2^14 times that in all its frames, or with more than :data:`MAX_FRAMES`: a small file can
        keep its reader busy for days.

    Yields
    ------
    Frame
        Only one is held in memory at a time, however long the video is. `count` and `per_scene`
        read the file twice: to count, and to yield.

    Raises
    ------
    VideoReadError
        While reading, with the reason: not found, empty, no video, no frame that can be decoded,
        too many pixels or frames, coded in a way that is not read for safety. A damaged frame is
        left out, and a file that was cut short ends early.
    MissingExtraError
        PyAV is not installed.

    Notes
    -----
    The first picture stream is read; the cover of a song is none. Each frame is turned, and
    mirrored, as the file says that it is to be shown. It is not resized, fields are not
    separated, and transparency is left out. Colours become 8-bit RGB by the video's own matrix
    (BT.601, BT.709, ...) and range, BT.601 and limited where it does not say; chroma is
    interpolated, and rounded in the same way on every machine.

    A scene begins with a frame that differs suddenly from the one before. The difference is the
    mean absolute one of thumbnails of 32 by 32 pixels, in grey levels of 255. It is sudden if it
    is at least 8, and more than three times the usual one: the second largest among the five
    before it and the five after it (the largest may belong to the same cut). Thus a jump in
    brightness counts; motion, pans, fades, noise, and the flicker of compression do not. What
    begins within half a second of the last beginning, such as the end of a flash, does not count.
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
        plan = _plan([0, sum(1 for _ in _decode(path, max_pixels))], count)
    elif per_scene is not None:
        plan = _plan(_scene_bounds(path, max_pixels), per_scene)
    last = math.inf if plan is None else max(plan)
    converter = VideoReformatter()
    matrix: Sequence[int] = _IDENTITY
    last_slot = -1
    for index, time, frame in _decode(path, max_pixels):
        if index == 0:
            matrix = _display_matrix(frame)
        if rate is not None:
            slot, last_slot = last_slot, math.floor((time + _ROUNDING) * rate)
            if slot == last_slot:
                continue
        if plan is None or index in plan:
            scene = plan[index] if plan else 0
            yield Frame(index, time, scene, _upright(_rgb(frame, converter), matrix))
        if index >= last:
            return


def _plan(bounds: Sequence[int], count: int) -> dict[int, int]:
    """Frames to take, and their scenes: `count` of each stretch between two bounds."""
    return {
        start + index: scene
        for scene, (start, stop) in enumerate(itertools.pairwise(bounds))
        for index in spread(stop - start, count)
    }


def spread(n: int, count: int) -> list[int]:
    """Middles of `count` equal parts of 0, ..., n - 1; all of them, if they are not more.

    Examples
    --------
    >>> from freqfake.video import spread
    >>> spread(40, 4), spread(3, 4)
    ([5, 15, 25, 35], [0, 1, 2])
    """
    count = min(n, count)
    return [(2 * part + 1) * n // (2 * count) for part in range(count)]


def _decode(path: PathLike, max_pixels: int) -> Iterator[tuple[int, float, "VideoFrame"]]:
    """Yield number, time and data of every good frame, in the order of presentation."""
    import av

    most = {"max_pixels": str(max(max_pixels, MAX_PIXELS))}  # whatever the container says
    try:
        # opened here: PyAV would take a name such as "http://..." for something else than a file
        with (
            open_file(path) as file,
            av.open(file, "r", options={**_OPEN_OPTIONS, **most}, **_lenient()) as container,
        ):
            stream = _picture_stream(container)
            _check_size(stream, max_pixels)
            stream.codec_context.options = most
            index = -1
            packets = _packets(container, stream, max_pixels)
            with contextlib.closing(_good_frames(packets, stream)) as frames:
                for index, (time, frame) in enumerate(_timed(frames, stream)):
                    _check_size(frame, max_pixels)
                    yield index, time, frame
            if index < 0:
                raise ValueError("not a single frame can be decoded")
    except (av.error.InvalidDataError, av.error.ArgumentError) as error:
        reason = (
            "not a video, cut short or damaged beyond use, or of a format that is not supported"
        )
        raise VideoReadError(f"cannot read {path}: {reason}") from error
    except Exception as error:  # a broken file can make a decoder raise anything
        raise VideoReadError(why_unreadable(path, error, "video")) from error


def _lenient() -> dict[str, Any]:
    """Before its version 19, PyAV has to be told not to mind tags that are not UTF-8."""
    import av

    return {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}


def _picture_stream(container: "InputContainer") -> "VideoStream":
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    for stream in container.streams.video:
        if not stream.disposition & pictures:
            if stream.codec_context is None:
                raise ValueError("it is coded in a way that is not supported")
            codec = stream.codec_context.codec.canonical_name
            if codec not in _CODECS:
                raise ValueError(f"it is coded as {codec}, which is not read, for safety")
            return stream
    raise ValueError("there is no moving picture in it")


def _check_size(picture: "VideoStream | VideoFrame", max_pixels: int) -> None:
    n_pixels = picture.width * picture.height
    if n_pixels * _HELD > max_pixels:
        raise ValueError(
            f"{n_pixels / 1e6:.1f} megapixels a frame are more than the limit of "
            f"{max_pixels / _HELD / 1e6:.1f} for a video; raise it with max_pixels (--max-pixels) "
            "for files that you trust"
        )


def _packets(
    container: "InputContainer", stream: "VideoStream", max_pixels: int
) -> Iterator["Packet[Any]"]:
    """Packets of a stream, up to where the file cannot be read on; refuse what would never end."""
    n_frames = n_pixels = 0
    # of all streams: nobody could count what lies between the packets of one
    for number, packet in enumerate(container.demux()):
        if packet.stream_index == stream.index:
            n_frames += 1
            n_pixels += stream.width * stream.height
            yield packet
        if n_frames > MAX_FRAMES or number > _MAX_PACKETS:
            raise ValueError(f"more than {MAX_FRAMES} frames, or as long; cut it into parts")
        if n_pixels > _MAX_LARGE_FRAMES * max_pixels:
            raise ValueError(f"its {n_frames} frames have too many pixels; cut it into parts")


def _good_frames(
    packets: Iterator["Packet[Any]"], stream: "VideoStream"
) -> Generator["VideoFrame", None, None]:
    """Frames that can be decoded, up to where the file cannot be read on."""
    import av

    more = True
    while more:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            packet = None
        more = packet is not None
        try:
            frames = stream.decode(packet)  # None: what the decoder still holds back
        except av.error.FFmpegError:  # a damaged packet: a frame is lost, the others are not
            continue
        yield from (frame for frame in frames if not frame.is_corrupt)


def _timed(
    frames: Iterable["VideoFrame"], stream: "VideoStream"
) -> Iterator[tuple[float, "VideoFrame"]]:
    """Frames with the seconds since the first one, which rise whatever the time stamps do."""
    usual = 1 / float(stream.average_rate or _FRAME_RATE)
    stamped = stream.container.format.name != "avi"  # has the order of decoding only
    now, last = 0.0, None
    for index, frame in enumerate(frames):
        stamp = frame.time if stamped else index * usual
        step = usual if stamp is None or last is None else stamp - last
        now += 0 if index == 0 else step if step > 0 else usual
        last = stamp
        yield now, frame


def _rgb(frame: "VideoFrame", converter: "VideoReformatter") -> npt.NDArray[np.uint8]:
    from av.video.reformatter import Interpolation

    # Without these, FFmpeg takes shortcuts that depend on the processor and on whether the
    # number of rows is even: rounding down, and chroma repeated instead of interpolated.
    exactly = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
    how = int(Interpolation.BILINEAR | exactly)
    converted = converter.reformat(frame, format="rgb24", interpolation=how)
    return np.array(converted.to_ndarray(), np.uint8)  # a copy: the buffer is FFmpeg's


def _display_matrix(frame: "VideoFrame") -> Sequence[int]:
    """Read a, b, c, d of x' = a x + c y, y' = b x + d y (libavutil/display.h).

    Of the first frame only: the file says it once, and PyAV ties side data and frame to each
    other, so that frames whose side data were looked at would pile up in the memory.
    """
    side_data: Any = frame.side_data
    matrix = side_data.get("DISPLAYMATRIX")
    return _IDENTITY if matrix is None else np.frombuffer(matrix, np.int32)[[0, 1, 3, 4]].tolist()


def _upright(pixels: npt.NDArray[np.uint8], matrix: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Turn and mirror a frame by its display matrix, to the nearest quarter (phones' videos)."""
    a, b, c, d = matrix
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _scene_bounds(path: PathLike, max_pixels: int) -> list[int]:
    """Numbers of the first frame of each scene, and of the frame after the last."""
    from av.video.reformatter import Interpolation, VideoReformatter

    shrinker = VideoReformatter()
    how = {"width": _THUMBNAIL, "height": _THUMBNAIL, "interpolation": int(Interpolation.AREA)}
    times: list[float] = []
    changes: list[float] = []
    before = None
    for _, time, frame in _decode(path, max_pixels):
        thumbnail = shrinker.reformat(frame, format="rgb24", **how).to_ndarray().astype(np.float32)
        changes.append(0.0 if before is None else float(np.abs(thumbnail - before).mean()))
        times.append(time)
        before = thumbnail
    return [*_beginnings(np.array(changes), times), len(times)]


def _beginnings(changes: npt.NDArray[np.float64], times: Sequence[float]) -> list[int]:
    """Numbers of the frames that begin a scene, given how much each differs from the last."""
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
