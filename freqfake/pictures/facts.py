"""Facts of a picture file: its size, how its pixels are coded, its hash."""

import hashlib
import io
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image


OpenFile = io.BufferedReader | io.BytesIO
_LOSSLESS_FORMATS = frozenset({"BMP", "DIB", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA", "TIFF"})
_LOSSY_TIFF = frozenset({"jpeg", "tiff_jpeg", "webp"})
_JPEG_FORMATS = frozenset({"JPEG", "MPO"})  # MPO: written by several phones and cameras
_LUMINANCE = np.array(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
     14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
     18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99]
)  # fmt: skip
_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


@dataclass(frozen=True)
class ImageFacts:
    """Facts about a picture and its file.

    Attributes
    ----------
    width, height : int
        In pixels, as stored (the EXIF orientation is not applied).
    mode : str
        Pillow's name of the pixel layout: "RGB", "L", "P", "CMYK", "I;16", ...
    coding : str
        How the pixels were coded: "lossless", "JPEG 4:2:0", "JPEG 4:4:4", "lossy WEBP", or
        the name of a format that may be lossless or lossy, such as "AVIF";
        "pixels" for an array or a PIL image made in memory, whose coding is unknown.
    animated : bool
        Whether there is more than one frame. Only the first is read.
    transparent : bool
        Whether any pixel is not opaque. Colours are read as stored.
    quality : int
        Of a JPEG, 1 to 100: the quality whose standard luminance table (IJG) is nearest to the
        file's. 0 for other formats.
    n_bytes : int
        Size of the file; 0 without a file.
    format : str
        Pillow's name of the file format: "PNG", "JPEG", ...; empty without a file.
    sha256 : str
        SHA-256 of the file's bytes, in hexadecimal; empty without a file.
    """

    width: int
    height: int
    mode: str
    coding: str
    animated: bool = False
    transparent: bool = False
    quality: int = 0
    n_bytes: int = 0
    format: str = ""
    sha256: str = ""


def facts_of(image: "Image.Image", file: OpenFile | None) -> ImageFacts:
    """Return the facts of an open picture and of its file, if there is one."""
    jpeg = image.format in _JPEG_FORMATS
    return ImageFacts(
        width=image.width,
        height=image.height,
        mode=image.mode,
        coding=_coding(image, file),
        animated=not jpeg and bool(getattr(image, "is_animated", False)),
        transparent=image.has_transparency_data and _some_transparent(image),
        quality=_jpeg_quality(image) if jpeg else 0,
        n_bytes=0 if file is None else file.seek(0, os.SEEK_END),
        format=image.format or "",
        sha256="" if file is None else _sha256(file),
    )


def _sha256(file: OpenFile) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _some_transparent(image: "Image.Image") -> bool:
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return bool(alpha.min() < 255)


def _coding(image: "Image.Image", file: OpenFile | None) -> str:
    if image.format is None:
        return "pixels"
    if image.format in _JPEG_FORMATS:
        return _jpeg_coding(image)
    if image.format == "WEBP" and file is not None:
        return "lossless" if _webp_is_lossless(file) else "lossy WEBP"
    if image.format == "TIFF" and image.info.get("compression") in _LOSSY_TIFF:
        return "lossy TIFF"
    if image.format in _LOSSLESS_FORMATS:
        return "lossless"
    return image.format  # may be lossless or lossy


def _jpeg_coding(image: "Image.Image") -> str:
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
    """Return the sorted tables of qualities 1 to 100 (ITU-T T.81 Table K.1, scaled as by IJG)."""
    quality = np.arange(1, 101)[:, np.newaxis]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.sort(np.clip((_LUMINANCE * scale + 50) // 100, 1, 255), axis=1)


def _webp_is_lossless(file: OpenFile) -> bool:
    """Return whether there is a lossless still picture (RIFF container, WebP specification)."""
    file.seek(12)  # "RIFF", size, "WEBP"
    while len(header := file.read(8)) == 8:
        if header[:4] in (b"VP8 ", b"VP8L", b"ANMF"):
            return header[:4] == b"VP8L"
        size = int.from_bytes(header[4:], "little")
        file.seek(size + size % 2, os.SEEK_CUR)
    return False
