"""Read pictures.

Picture files are not trusted: any error that Pillow raises becomes an
:class:`~freqfake.exceptions.ImageReadError` that says what is wrong.
"""

import io
import os
import re
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

from .._files import PathLike
from ..exceptions import ImageReadError
from .arrays import as_array, check_shape
from .endings import VIDEO_ENDINGS
from .facts import ImageFacts, OpenFile, facts_of
from .finding import is_without
from .limits import MAX_PIXELS, open_file, open_picture

_ADDRESS = re.compile("(https?|ftp)://", re.IGNORECASE)

if TYPE_CHECKING:
    from PIL import Image

if TYPE_CHECKING:
    ImageLike: TypeAlias = PathLike | Image.Image | npt.NDArray[Any]
else:  # saves importing Pillow
    ImageLike = Any


def read_image(
    path: PathLike, *, max_pixels: int = MAX_PIXELS
) -> tuple[npt.NDArray[Any], ImageFacts]:
    """Read a picture file.

    Parameters
    ----------
    path : str or path-like
        A regular file in one of :data:`freqfake.pictures.limits.FORMATS`, of up to
        :data:`freqfake.pictures.limits.MAX_BYTES`.
    max_pixels : int
        A picture with more pixels is refused before it is decoded: a small file can hold a picture
        that fills the memory. The six features take 20 to 40 bytes a pixel. The limit is half for
        WebP and JPEG 2000, which take twice the memory to decode, and a sixteenth for the few
        kinds that Pillow decodes slowly, in Python, such as QOI. A file may have four bytes a
        pixel of the limit, if that is more than :data:`freqfake.pictures.limits.MAX_BYTES`.

    Returns
    -------
    pixels : ndarray
        uint8 of shape (n_rows, n_cols, 3); for grey pictures of shape (n_rows, n_cols), and
        uint16 or floating point if the file holds 16 bits or floating point.
    facts : ImageFacts

    Raises
    ------
    ImageReadError
        With the reason: not found, empty, not a picture, truncated, too many pixels, a device,
        a format that is not read for safety, or what
        :func:`freqfake.pictures.containers.check_parts` refuses.

    Notes
    -----
    Palette colours are looked up. CMYK and other colour models are converted to RGB by Pillow's
    plain formulas. Transparency is ignored. Only the first frame is read. Pillow reads 16-bit
    colour as 8-bit. The EXIF orientation is not applied.
    """
    try:
        with open_file(path) as file:
            return _read_open_file(file, max_pixels)
    except Exception as error:  # a broken file can make a decoder raise any error
        raise ImageReadError(why_unreadable(path, error, "picture")) from error


def why_unreadable(path: PathLike, error: Exception, kind: str) -> str:
    """Describe why a file cannot be read as a `kind`, "picture" or "video"."""
    name = os.fsdecode(path)
    if isinstance(error, OSError) and _ADDRESS.match(name):
        return f"an address, not a file; download it first: {name}"
    if isinstance(error, FileNotFoundError):
        return f"no such file: {name}"
    if isinstance(error, IsADirectoryError):
        empty = is_without(name, *([VIDEO_ENDINGS] if kind == "video" else []))
        return f"no {kind}s in this folder: {name}" if empty else f"a folder, not a {kind}: {name}"
    if isinstance(error, PermissionError):
        return f"no permission to read: {name}"
    if isinstance(error, MemoryError):
        return f"cannot read {name}: not enough memory"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"cannot read {name}: {reason}"


def read_any(
    image: ImageLike, *, max_pixels: int = MAX_PIXELS
) -> tuple[npt.NDArray[Any], ImageFacts]:
    """Return the pixels and facts of a path, a PIL image or an array."""
    if isinstance(image, (str, os.PathLike)):
        return read_image(image, max_pixels=max_pixels)
    if is_pil_image(image):
        try:
            return _pixels(image), facts_of(image, None)
        except Exception as error:
            raise ImageReadError(f"cannot read the PIL image: {error}") from error
    pixels = as_array(image)
    height, width = pixels.shape[:2] if pixels.ndim >= 2 else (0, 0)
    grey = pixels.ndim == 2 or pixels.shape[2:] == (1,)
    return pixels, ImageFacts(width, height, "L" if grey else "RGB", "pixels")


def read_bytes(data: bytes) -> tuple[npt.NDArray[Any], ImageFacts]:
    """Return the pixels and facts of a picture file in memory, made by this program."""
    return _read_open_file(io.BytesIO(data), MAX_PIXELS)


def load_pixels(image: ImageLike) -> npt.NDArray[Any]:
    """Return the pixels of a path, a PIL image or an array, of shape (n_rows, n_cols, 1 or 3)."""
    return check_shape(image if isinstance(image, np.ndarray) else read_any(image)[0])


def is_pil_image(image: object) -> "TypeGuard[Image.Image]":
    """Whether an object is a PIL image, checked without importing Pillow."""
    kind = type(image)
    return hasattr(kind, "getbands") and hasattr(kind, "convert")


def _read_open_file(file: OpenFile, max_pixels: int) -> tuple[npt.NDArray[Any], ImageFacts]:
    with open_picture(file, max_pixels) as image:
        return _pixels(image), facts_of(image, file)


def _pixels(image: "Image.Image") -> npt.NDArray[Any]:
    if image.mode in ("RGB", "L", "F"):
        return np.asarray(image)
    if image.mode in ("LA", "La", "1"):
        return np.asarray(image.convert("L"))
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _sixteen_bit(np.asarray(image))
    return np.asarray(_opaque(image).convert("RGB"))


def _opaque(image: "Image.Image") -> "Image.Image":
    """Forget which colours of a palette are transparent: Pillow would warn that RGB loses that."""
    if "transparency" not in image.info:
        return image
    image = image.copy()
    del image.info["transparency"]
    return image


def _sixteen_bit(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ValueError("integer pixels beyond 16 bits")
    return pixels.astype(np.uint16)
