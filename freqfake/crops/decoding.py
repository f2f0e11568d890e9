"""Decode videos with FFmpeg's libraries, which come with PyAV (``freqfake[video]``).

Files are not trusted: any error that a broken file causes becomes a
:class:`~freqfake.exceptions.VideoReadError`, and no file can make FFmpeg open another one.
"""

import contextlib
import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._files import PathLike
from ..exceptions import VideoReadError
from ..pictures.limits import MAX_PIXELS, open_file
from ..pictures.reading import why_unreadable

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream


# Formats that are read. Left out are playlists, which name further files, and what is not a video:
# FFmpeg plays text as a teletype and a picture as a video of one frame.
_FORMATS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,dv,rm,mp3,flac,wav,aac"

# Codecs that are read: those of cameras, phones, editors and web sites. FFmpeg has hundreds of
# other decoders, for old games and machines, which few people have reviewed since.
_CODECS = frozenset(
    {"av1", "dnxhd", "dvvideo", "ffv1", "ffvhuff", "flv1", "h263", "h264", "hevc", "huffyuv",
     "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v2", "msmpeg4v3", "prores", "rawvideo",
     "rv30", "rv40", "theora", "vc1", "vp6f", "vp8", "vp9", "wmv1", "wmv2", "wmv3"}
)  # fmt: skip
_DECODERS = ",".join(sorted(_CODECS | {"libdav1d", "flv"}))  # the decoders' names in FFmpeg
_OPEN_OPTIONS = {
    "format_whitelist": _FORMATS,
    "codec_whitelist": _DECODERS,
    "protocol_whitelist": "none",
}
MAX_FRAMES = 1 << 20  # of a video: nearly ten hours at 30 a second

_MAX_PACKETS = 1 << 22  # of all streams, including sound: about as long
_MAX_LARGE_FRAMES = 1 << 14  # of `max_pixels`: 9 hours of 1080p at 30 a second, 2 of 4K
_HELD = 3  # times the memory of a picture, at least: a decoder holds up to 17 frames
_FRAME_RATE = 25.0  # if the file does not state it
IDENTITY = (1, 0, 0, 1)  # shown as stored


@dataclass(frozen=True)
class VideoFacts:
    """What a video file states about itself, or FFmpeg estimates without decoding it.

    Attributes
    ----------
    format, codec : str
        FFmpeg's names of the container and of the coding of the pictures.
    duration : float
        In seconds; NaN if it is unknown.
    rate : float
        Frames a second; NaN if it is unknown.
    """

    format: str
    codec: str
    duration: float
    rate: float


def video_facts(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> VideoFacts:
    """Read what a video file states about itself; no frame is decoded.

    Raises
    ------
    VideoReadError
        See :func:`freqfake.crops.video.read_frames`.
    """
    import av

    with _opened(path, max_pixels) as (container, stream):
        return VideoFacts(
            format=container.format.long_name,
            codec=stream.codec_context.codec.canonical_name,
            duration=_positive(container.duration, Fraction(1, av.time_base)),
            rate=_positive(stream.average_rate),
        )


def _positive(stated: Fraction | int | None, unit: Fraction = Fraction(1)) -> float:
    return float(stated * unit) if stated and stated > 0 else math.nan


def decode_frames(path: PathLike, max_pixels: int) -> Iterator[tuple[int, float, "VideoFrame"]]:
    """Yield number, time and data of every intact frame, in the order of presentation."""
    with _opened(path, max_pixels) as (container, stream):
        index = -1
        packets = _packets(container, stream, max_pixels)
        with contextlib.closing(_good_frames(packets, stream)) as frames:
            for index, (time, frame) in enumerate(_timed(frames, stream)):
                _check_size(frame, max_pixels)
                yield index, time, frame
        if index < 0:
            raise ValueError("no frame can be decoded")


@contextlib.contextmanager
def _opened(path: PathLike, max_pixels: int) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    """Open a video; whatever fails until it is closed is a :class:`VideoReadError`."""
    import av

    most = {"max_pixels": str(max(max_pixels, MAX_PIXELS))}  # whatever the container says
    try:
        # opened here, since PyAV would not take a name such as "http://..." for a file
        with (
            open_file(path) as file,
            av.open(file, "r", options={**_OPEN_OPTIONS, **most}, **_lenient()) as container,
        ):
            stream = _picture_stream(container)
            _check_size(stream, max_pixels)
            stream.codec_context.options = most
            yield container, stream
    except (av.error.InvalidDataError, av.error.ArgumentError) as error:
        reason = (
            "not a video, cut short or damaged beyond use, or of a format that is not supported"
        )
        raise VideoReadError(f"cannot read {path}: {reason}") from error
    except Exception as error:  # a broken file can make a decoder raise anything
        raise VideoReadError(why_unreadable(path, error, "video")) from error


def _lenient() -> dict[str, Any]:
    """Make PyAV before version 19 accept tags that are not UTF-8."""
    import av

    return {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}


def _picture_stream(container: "InputContainer") -> "VideoStream":
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    for stream in container.streams.video:
        if not stream.disposition & pictures:
            if stream.codec_context is None:
                raise ValueError("its codec is not supported")
            codec = stream.codec_context.codec.canonical_name
            if codec not in _CODECS:
                raise ValueError(f"the codec {codec} is not read, for safety")
            return stream
    raise ValueError("it has no moving picture")


def _check_size(picture: "VideoStream | VideoFrame", max_pixels: int) -> None:
    n_pixels = picture.width * picture.height
    if n_pixels * _HELD > max_pixels:
        raise ValueError(
            f"{n_pixels / 1e6:.1f} megapixels a frame exceed the limit of "
            f"{max_pixels / _HELD / 1e6:.1f} for a video; raise it with max_pixels (--max-pixels) "
            "for files that you trust"
        )


def _packets(
    container: "InputContainer", stream: "VideoStream", max_pixels: int
) -> Iterator["Packet[Any]"]:
    """Yield the packets of a stream as far as the file can be read; refuse endless files."""
    n_frames = n_pixels = 0
    # of all streams, to count what lies between the packets of this one
    for number, packet in enumerate(container.demux()):
        if packet.stream_index == stream.index:
            n_frames += 1
            n_pixels += stream.width * stream.height
            yield packet
        if n_frames > MAX_FRAMES or number > _MAX_PACKETS:
            raise ValueError(f"more than {MAX_FRAMES} frames, or too long; cut it into parts")
        if n_pixels > _MAX_LARGE_FRAMES * max_pixels:
            raise ValueError(f"its {n_frames} frames have too many pixels; cut it into parts")


def _good_frames(
    packets: Iterator["Packet[Any]"], stream: "VideoStream"
) -> Generator["VideoFrame", None, None]:
    """Yield the frames that can be decoded, as far as the file can be read."""
    import av

    more = True
    while more:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            packet = None
        more = packet is not None
        try:
            frames = stream.decode(packet)  # None: the frames that the decoder still holds
        except av.error.FFmpegError:  # a damaged packet costs one frame, not the others
            continue
        yield from (frame for frame in frames if not frame.is_corrupt)


def _timed(
    frames: Iterable["VideoFrame"], stream: "VideoStream"
) -> Iterator[tuple[float, "VideoFrame"]]:
    """Yield frames with their seconds since the first, which rise whatever the time stamps are."""
    usual = 1 / float(stream.average_rate or _FRAME_RATE)
    stamped = stream.container.format.name != "avi"  # AVI stamps are in the order of decoding
    now, last = 0.0, None
    for index, frame in enumerate(frames):
        stamp = frame.time if stamped else index * usual
        step = usual if stamp is None or last is None else stamp - last
        now += 0 if index == 0 else step if step > 0 else usual
        last = stamp
        yield now, frame


def to_rgb(frame: "VideoFrame", converter: "VideoReformatter") -> npt.NDArray[np.uint8]:
    """Convert a frame to RGB, uint8 of shape (n_rows, n_cols, 3)."""
    from av.video.reformatter import Interpolation

    # Without these, FFmpeg takes shortcuts that depend on the processor and on whether the
    # number of rows is even: rounding down, and chroma repeated instead of interpolated.
    exactly = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
    how = int(Interpolation.BILINEAR | exactly)
    converted = converter.reformat(frame, format="rgb24", interpolation=how)
    return np.array(converted.to_ndarray(), np.uint8)  # a copy, since FFmpeg owns the buffer


def display_matrix(frame: "VideoFrame") -> Sequence[int]:
    """Read a, b, c, d of x' = a x + c y, y' = b x + d y (libavutil/display.h).

    Only for the first frame: the file states it once, and PyAV links side data and frame to each
    other, so that frames whose side data are read pile up in memory.
    """
    side_data: Any = frame.side_data
    matrix = side_data.get("DISPLAYMATRIX")
    return IDENTITY if matrix is None else np.frombuffer(matrix, np.int32)[[0, 1, 3, 4]].tolist()


def upright(pixels: npt.NDArray[np.uint8], matrix: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Turn and mirror a frame by its display matrix, to the nearest quarter turn (phone videos)."""
    a, b, c, d = matrix
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
