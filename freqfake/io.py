"""Finding and reading pictures, and the facts of their delivery.

Nothing in a picture file is trusted: whatever Pillow raises on a broken one becomes an
:class:`~freqfake.exceptions.ImageReadError` that says what is wrong.
"""

import glob
import io
import os
import threading
import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ._validation import check_image
from .exceptions import ImageReadError, ImageValueError

if TYPE_CHECKING:
    from PIL import Image

ImageLike = Any  # an array, a PIL image or a path
PathLike = str | os.PathLike[str]

MAX_PIXELS = 1 << 27  # 134 megapixels: above the largest cameras, far below what fills the memory

_LOSSLESS_FORMATS = frozenset({"BMP", "DIB", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA", "TIFF"})
_LOSSY_TIFF = frozenset({"jpeg", "tiff_jpeg", "webp"})
_JPEG_FORMATS = frozenset({"JPEG", "MPO"})  # MPO: what several phones and cameras write
_LUMINANCE = np.array(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
     14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
     18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99]
)  # fmt: skip
_PILLOWS_LIMIT = threading.Lock()  # a global of Pillow's, which is not touched but under this
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


def read_image(
    path: PathLike, *, max_pixels: int = MAX_PIXELS
) -> tuple[npt.NDArray[Any], ImageFacts]:
    """Read a picture file.

    Parameters
    ----------
    path : str or path-like
        Any format that Pillow reads.
    max_pixels : int
        A picture with more pixels is refused before it is decoded: a small file can hold a picture
        that fills the memory. The six features take 20 to 40 bytes a pixel.

    Returns
    -------
    pixels : ndarray
        uint8 of shape (n_rows, n_cols, 3); for grey pictures of shape (n_rows, n_cols), uint16
        where the file has 16 bits, floating point where it has those.
    facts : ImageFacts

    Raises
    ------
    ImageReadError
        With the reason: not found, empty, no picture, truncated, too many pixels.

    Notes
    -----
    Palette colours are looked up, CMYK and other colour models are converted to RGB by Pillow's
    plain formulas, transparency is left out, of several frames the first is taken. Pillow reads
    16-bit colour as 8-bit. The EXIF orientation is not applied.
    """
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            return _read_open_file(file, max_pixels)
    except FileNotFoundError:
        raise ImageReadError(f"no such file: {name}") from None
    except IsADirectoryError:
        raise ImageReadError(f"a folder, not a picture: {name}") from None
    except PermissionError:
        raise ImageReadError(f"no permission to read: {name}") from None
    except Exception as error:  # a broken file can make a decoder raise anything
        raise ImageReadError(f"cannot read {name}: {_reason(path, error)}") from error


def read_any(image: Any, *, max_pixels: int = MAX_PIXELS) -> tuple[npt.NDArray[Any], ImageFacts]:
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


def load_pixels(image: Any) -> npt.NDArray[Any]:
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
        where no file has that very name.
    also : collection of str
        Further endings that a folder is searched for, in lower case, such as
        :data:`freqfake.video.VIDEO_ENDINGS`.

    Yields
    ------
    str
        Path of a file; a folder or glob in which nothing was found is yielded itself, so that it
        is not passed over in silence.
    """
    seen: set[str] = set()
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        for found in _expand(os.fspath(path), also):
            if found not in seen:
                seen.add(found)
                yield found


def _expand(path: str, also: Collection[str]) -> list[str]:
    if Path(path).is_dir():
        return _search_folder(path, also) or [path]
    if glob.has_magic(path) and not Path(path).exists():
        matches = sorted(glob.glob(path, recursive=True))
        nested = [_search_folder(m, also) if Path(m).is_dir() else [m] for m in matches]
        return [file for files in nested for file in files] or [path]
    return [path]


def _search_folder(folder: str, also: Collection[str]) -> list[str]:
    from PIL import Image

    endings = set(Image.registered_extensions()) | {""} | set(also)
    return sorted(
        str(Path(root, name))
        for root, _, names in os.walk(folder)
        for name in names
        if not name.startswith(".") and Path(name).suffix.lower() in endings
    )


def is_pil_image(image: Any) -> bool:
    """Whether something is a PIL image, told without importing Pillow."""
    return hasattr(image, "getbands") and hasattr(image, "convert")


def _read_open_file(file: BinaryIO, max_pixels: int) -> tuple[npt.NDArray[Any], ImageFacts]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata is no news about the pixels
        with _opened(file) as image:
            n_pixels = image.width * image.height
            if n_pixels > max_pixels:
                raise ValueError(
                    f"{n_pixels / 1e6:.1f} megapixels are more than the limit of "
                    f"{max_pixels / 1e6:.1f}; raise it with max_pixels (--max-pixels) for files "
                    "that you trust"
                )
            return _pixels(image), _facts(image, file)


def _opened(file: BinaryIO) -> "Image.Image":
    """Open a picture of any size, without decoding it: Pillow's limit gives way to ours."""
    from PIL import Image

    with _PILLOWS_LIMIT:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


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


def _facts(image: "Image.Image", file: BinaryIO | None) -> ImageFacts:
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
    )


def _some_transparent(image: "Image.Image") -> bool:
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return bool(alpha.min() < 255)


def _delivery(image: "Image.Image", file: BinaryIO | None) -> str:
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


def _webp_is_lossless(file: BinaryIO) -> bool:
    """Look for the chunk of a lossless still picture (RIFF container, WebP specification)."""
    file.seek(12)  # "RIFF", size, "WEBP"
    while len(header := file.read(8)) == 8:
        if header[:4] in (b"VP8 ", b"VP8L", b"ANMF"):
            return header[:4] == b"VP8L"
        size = int.from_bytes(header[4:], "little")
        file.seek(size + size % 2, os.SEEK_CUR)
    return False


def _reason(path: PathLike, error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if Path(path).stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture, or of a format that is not supported"
    return str(error) or type(error).__name__
