"""Finding and reading pictures, and the facts of their delivery.

Nothing in a picture file is trusted: whatever Pillow raises on a broken one becomes an
:class:`~freqfake.exceptions.ImageReadError` that says what is wrong.
"""

import glob
import hashlib
import io
import os
import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

from ._folders import is_folder, matches, walk
from ._opening import FORMATS as FORMATS
from ._opening import MAX_BYTES as MAX_BYTES
from ._opening import MAX_PIXELS as MAX_PIXELS
from ._opening import open_file, open_picture
from ._validation import check_image
from .exceptions import ImageReadError, ImageValueError

if TYPE_CHECKING:
    from PIL import Image

PathLike = str | os.PathLike[str]
if TYPE_CHECKING:
    ImageLike: TypeAlias = PathLike | Image.Image | npt.NDArray[Any]
else:  # without a wait for Pillow
    ImageLike = Any
_OpenFile = io.BufferedReader | io.BytesIO

_LOSSLESS_FORMATS = frozenset({"BMP", "DIB", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA", "TIFF"})
_LOSSY_TIFF = frozenset({"jpeg", "tiff_jpeg", "webp"})
_JPEG_FORMATS = frozenset({"JPEG", "MPO"})  # MPO: what several phones and cameras write
_LUMINANCE = np.array(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
     14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
     18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99]
)  # fmt: skip
_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


@dataclass(frozen=True)
class ImageFacts:
    """What the file itself says about a picture, before a pixel is looked at.

    Attributes
    ----------
    width, height : int
        In pixels, as stored (the EXIF orientation is not applied).
    mode : str
        Pillow's name of the pixel layout: "RGB", "L", "P", "CMYK", "I;16", ...
    delivery : str
        How the pixels were coded: "lossless", "JPEG 4:2:0", "JPEG 4:4:4", "lossy WEBP", or
        the name of a format that may be either, such as "AVIF";
        "pixels" for an array or a PIL image made in memory, whose coding nobody knows.
    animated : bool
        Whether there is more than one frame. The first one is read.
    transparent : bool
        Whether some pixel is not opaque. Colours are read as stored.
    quality : int
        Of a JPEG, 1 to 100: the one whose standard luminance table (IJG) is nearest to the
        file's. 0 for anything else.
    n_bytes : int
        Size of the file; 0 if there is none.
    format : str
        Of the file, in Pillow's name: "PNG", "JPEG", ...; empty if there is none.
    sha256 : str
        Of the file's bytes, in hexadecimal; empty if there is none.
    """

    width: int
    height: int
    mode: str
    delivery: str
    animated: bool = False
    transparent: bool = False
    quality: int = 0
    n_bytes: int = 0
    format: str = ""
    sha256: str = ""


def read_image(
    path: PathLike, *, max_pixels: int = MAX_PIXELS
) -> tuple[npt.NDArray[Any], ImageFacts]:
    """Read a picture file.

    Parameters
    ----------
    path : str or path-like
        An ordinary file in one of :data:`freqfake.io.FORMATS`, of up to
        :data:`freqfake.io.MAX_BYTES`.
    max_pixels : int
        A picture with more pixels is refused before it is decoded: a small file can hold a picture
        that fills the memory. The six features take 20 to 40 bytes a pixel. WebP and JPEG 2000,
        which take twice the memory to decode, may have half as many; the few kinds that Pillow
        decodes in Python, and slowly, such as QOI, a sixteenth. A file may have four bytes
        a pixel, if that is more than :data:`freqfake.io.MAX_BYTES`.

    Returns
    -------
    pixels : ndarray
        uint8 of shape (n_rows, n_cols, 3); for grey pictures of shape (n_rows, n_cols), uint16
        where the file has 16 bits, floating point where it has those.
    facts : ImageFacts

    Raises
    ------
    ImageReadError
        With the reason: not found, empty, no picture, truncated, too many pixels, a device,
        a format that is not read for safety, or what :func:`freqfake.containers.check_parts`
        refuses.

    Notes
    -----
    Palette colours are looked up, CMYK and other colour models are converted to RGB by Pillow's
    plain formulas, transparency is left out, of several frames the first is taken. Pillow reads
    16-bit colour as 8-bit. The EXIF orientation is not applied.
    """
    try:
        with open_file(path) as file:
            return _read_open_file(file, max_pixels)
    except Exception as error:  # a broken file can make a decoder raise anything
        raise ImageReadError(why_unreadable(path, error, "picture")) from error


def why_unreadable(path: PathLike, error: Exception, kind: str) -> str:
    """Put into words why a file, which should be a `kind`, cannot be read."""
    name = os.fspath(path)
    if isinstance(error, FileNotFoundError):
        return f"no such file: {name}"
    if isinstance(error, IsADirectoryError):
        return f"a folder, not a {kind}: {name}"
    if isinstance(error, PermissionError):
        return f"no permission to read: {name}"
    if isinstance(error, MemoryError):
        return f"cannot read {name}: not enough memory"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"cannot read {name}: {reason}"


def read_any(
    image: ImageLike, *, max_pixels: int = MAX_PIXELS
) -> tuple[npt.NDArray[Any], ImageFacts]:
    """Pixels and facts of a path, a PIL image or an array."""
    if isinstance(image, (str, os.PathLike)):
        return read_image(image, max_pixels=max_pixels)
    if is_pil_image(image):
        try:
            return _pixels(image), _facts(image, None)
        except Exception as error:
            raise ImageReadError(f"cannot read the PIL image: {error}") from error
    try:
        pixels = np.asarray(image)
    except ValueError as error:
        raise ImageValueError(f"`image` must be a path, a PIL image or an array: {error}") from None
    height, width = pixels.shape[:2] if pixels.ndim >= 2 else (0, 0)
    grey = pixels.ndim == 2 or pixels.shape[2:] == (1,)
    return pixels, ImageFacts(width, height, "L" if grey else "RGB", "pixels")


def read_bytes(data: bytes) -> tuple[npt.NDArray[Any], ImageFacts]:
    """Pixels and facts of a picture file in memory, one that was made by this program."""
    return _read_open_file(io.BytesIO(data), MAX_PIXELS)


def to_pil(pixels: npt.NDArray[Any]) -> "Image.Image":
    """Make an RGB PIL image of the pixels of a picture, in 8 bits."""
    from PIL import Image

    if pixels.dtype == np.uint8 and pixels.shape[2:] == (3,):
        return Image.fromarray(pixels)
    eight_bits = np.rint(check_image(pixels) * 255).astype(np.uint8)
    return Image.fromarray(eight_bits)


def load_pixels(image: ImageLike) -> npt.NDArray[Any]:
    """Pixels of a path, a PIL image or an array."""
    return read_any(image)[0]


def find_images(
    paths: PathLike | Iterable[PathLike], *, also: Collection[str] = ()
) -> Iterator[str]:
    """Files named by paths, folders and globs, each once, in a fixed order.

    Parameters
    ----------
    paths : path or iterable of paths
        A file is taken as it is, whatever its name and whether it exists or not: reading it
        tells. A folder is searched through for the file names of pictures and for files without
        an ending. Wildcards (``*``, ``?``, ``[...]``, and ``**`` for any depth) are expanded
        where no file has that very name. A link to a file counts as a file. A link to a folder is
        searched through if it is named, or matched, itself, but not if it is met on the way.
    also : collection of str
        Further endings that a folder is searched for, in lower case, such as
        :data:`freqfake.video.VIDEO_ENDINGS`.

    Yields
    ------
    str
        Path of a file; a folder or glob in which nothing was found is yielded itself, and so is
        a folder that cannot be listed, so that it is not passed over in silence.

    Warns
    -----
    UnreadableImageWarning
        For each link to a folder that was met on the way and leads out of what is searched.
    """
    seen: set[str] = set()
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        for found in _expand(os.fspath(path), also):
            if found not in seen:
                seen.add(found)
                yield found


def _expand(path: str, also: Collection[str]) -> list[str]:
    if is_folder(path):
        return _search_folder(path, also) or [path]
    if glob.has_magic(path) and not os.path.lexists(path):
        matched = sorted(matches(path))
        nested = [_search_folder(m, also) if is_folder(m) else [m] for m in matched]
        return [file for files in nested for file in files] or [path]
    return [path]


def _search_folder(folder: str, also: Collection[str]) -> list[str]:
    """Files that are named like pictures, and folders that cannot be listed."""
    from PIL import Image

    endings = set(Image.registered_extensions()) | {""} | set(also)
    found = []
    for here, names in walk(folder):
        if names is None:
            found.append(str(Path(here)))
            continue
        found += [
            str(Path(here, name))
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in endings
        ]
    return sorted(found)


def is_pil_image(image: object) -> "TypeGuard[Image.Image]":
    """Whether something is a PIL image, told without importing Pillow."""
    return hasattr(image, "getbands") and hasattr(image, "convert")


def _read_open_file(file: _OpenFile, max_pixels: int) -> tuple[npt.NDArray[Any], ImageFacts]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata is no news about the pixels
        with open_picture(file, max_pixels) as image:
            return _pixels(image), _facts(image, file)


def _pixels(image: "Image.Image") -> npt.NDArray[Any]:
    if image.mode in ("RGB", "L", "F"):
        return np.asarray(image)
    if image.mode in ("LA", "La", "1"):
        return np.asarray(image.convert("L"))
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _sixteen_bit(np.asarray(image))
    return np.asarray(image.convert("RGB"))


def _sixteen_bit(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ValueError("integer pixels beyond 16 bits")
    return pixels.astype(np.uint16)


def _facts(image: "Image.Image", file: _OpenFile | None) -> ImageFacts:
    jpeg = image.format in _JPEG_FORMATS
    return ImageFacts(
        width=image.width,
        height=image.height,
        mode=image.mode,
        delivery=_delivery(image, file),
        animated=not jpeg and bool(getattr(image, "is_animated", False)),
        transparent=image.has_transparency_data and _some_transparent(image),
        quality=_jpeg_quality(image) if jpeg else 0,
        n_bytes=0 if file is None else file.seek(0, os.SEEK_END),
        format=image.format or "",
        sha256="" if file is None else _sha256(file),
    )


def _sha256(file: _OpenFile) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _some_transparent(image: "Image.Image") -> bool:
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return bool(alpha.min() < 255)


def _delivery(image: "Image.Image", file: _OpenFile | None) -> str:
    if image.format is None:
        return "pixels"
    if image.format in _JPEG_FORMATS:
        return _jpeg_delivery(image)
    if image.format == "WEBP" and file is not None:
        return "lossless" if _webp_is_lossless(file) else "lossy WEBP"
    if image.format == "TIFF" and image.info.get("compression") in _LOSSY_TIFF:
        return "lossy TIFF"
    if image.format in _LOSSLESS_FORMATS:
        return "lossless"
    return image.format  # lossy or not: the format alone does not tell


def _jpeg_delivery(image: "Image.Image") -> str:
    from PIL import JpegImagePlugin

    subsampling = _SUBSAMPLING.get(JpegImagePlugin.get_sampling(image))
    return f"JPEG {subsampling}" if subsampling else "JPEG"


def _jpeg_quality(image: "Image.Image") -> int:
    table = np.array(getattr(image, "quantization", {}).get(0, []))
    if table.shape != (64,):
        return 0
    return 1 + int(np.abs(_luminance_tables() - np.sort(table)).sum(axis=1).argmin())


@cache
def _luminance_tables() -> npt.NDArray[np.int64]:
    """Tables of the qualities 1 to 100, each sorted (ITU-T T.81 Table K.1, scaled as by IJG)."""
    quality = np.arange(1, 101)[:, np.newaxis]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.sort(np.clip((_LUMINANCE * scale + 50) // 100, 1, 255), axis=1)


def _webp_is_lossless(file: _OpenFile) -> bool:
    """Look for the chunk of a lossless still picture (RIFF container, WebP specification)."""
    file.seek(12)  # "RIFF", size, "WEBP"
    while len(header := file.read(8)) == 8:
        if header[:4] in (b"VP8 ", b"VP8L", b"ANMF"):
            return header[:4] == b"VP8L"
        size = int.from_bytes(header[4:], "little")
        file.seek(size + size % 2, os.SEEK_CUR)
    return False
