"""Open untrusted files: regular files within limits, in known formats."""

import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .containers import check_parts, container_of
from .endings import RAW, RAW_ENDINGS, ending
from .tags import tag_sizes

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 1 << 27  # 134 megapixels: above the largest cameras, far too few to fill the memory
MAX_BYTES = 1 << 29  # of a picture file, 512 MiB: that many pixels at four bytes each
# Excluded are formats that cameras and web sites do not use, above all those that start a program
# (EPS), hold pictures of any other format (IPTC, ICO), or had security holes (PSD, FITS).
# HEIF needs the extra `heic`. TGA comes last: it has no signature.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "DIB", "PCX", "QOI", "SGI", "TIFF", "WEBP", "AVIF",
           "JPEG2000", "HEIF", "TGA")  # fmt: skip

_HUNGRY = frozenset({"HEIF", "JPEG2000", "WEBP"})  # need twice the memory of others
_SLOW = 16  # Pillow's decoders in Python take at least this many times as long
_SMALL_TILE = 1 << 22  # pixels; a small picture may be stored in one larger tile
_DNG = 0xC612  # TIFF tag of every DNG file, its version


def open_file(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file; refuse a device, pipe or socket, which may never end."""
    status = Path(path).stat()
    if stat.S_ISREG(status.st_mode):
        if not status.st_size:
            raise ValueError("the file is empty")
    elif not stat.S_ISDIR(status.st_mode):
        raise ValueError("a device, pipe or socket, not a file")
    return open(path, "rb", opener=_without_waiting)  # the path may have changed since


def _without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def max_bytes(max_pixels: int) -> int:
    """Return the size of the largest file within the limits."""
    return max(MAX_BYTES, 4 * max_pixels)


def check_bytes(n_bytes: int, max_pixels: int) -> None:
    """Refuse a file of so many bytes if it is larger than any picture within the limits."""
    limit = max_bytes(max_pixels)
    if n_bytes > limit:
        raise ValueError(
            f"a file of {n_bytes / 1e6:.0f} MB is above the limit of {limit / 1e6:.0f} MB, four "
            "bytes a pixel; raise it with max_pixels (--max-pixels) for files that you trust"
        )


def check_size(file: BinaryIO, max_pixels: int) -> None:
    """Refuse a file that is larger than any picture within the limits."""
    check_bytes(file.seek(0, os.SEEK_END), max_pixels)


def open_picture(file: BinaryIO, max_pixels: int) -> "Image.Image":
    """Open a picture without decoding it; refuse one beyond the limits."""
    check_size(file, max_pixels)
    check_parts(file)
    _check_raw(file)
    from .opening import open_by_content  # needs Pillow

    image = open_by_content(file, FORMATS)
    _check_pixels(image, max_pixels)
    _check_tiles(image)
    return image


def _check_raw(file: BinaryIO) -> None:
    """Refuse a camera's raw file that is a TIFF, whose first picture is only a preview."""
    name = getattr(file, "name", "")
    if container_of(file) == "TIFF" and (ending(name) in RAW_ENDINGS or _DNG in tag_sizes(file)):
        raise ValueError(RAW)


def _check_pixels(image: "Image.Image", max_pixels: int) -> None:
    n_pixels, cost = image.width * image.height, _cost(image)
    if n_pixels * cost > max_pixels:
        kind = f" for this kind of {image.format}" if cost > 1 else ""
        raise ValueError(
            f"{n_pixels / 1e6:.1f} megapixels are more than the limit of "
            f"{max_pixels / cost / 1e6:.1f}{kind}; raise it with max_pixels (--max-pixels) for "
            "files that you trust"
        )


def _cost(image: "Image.Image") -> int:
    """Return the cost to decode a pixel, in memory or time; 1 in most formats."""
    from PIL import Image

    if any(tile[0] in Image.DECODERS for tile in getattr(image, "tile", [])[:1]):
        return _SLOW
    return 2 if image.format in _HUNGRY else 1


def _check_tiles(image: "Image.Image") -> None:
    """Refuse a TIFF whose tiles, each decoded whole, are much larger than its picture."""
    tags = getattr(image, "tag_v2", {})
    width, height = (tags.get(number, 0) for number in (322, 323))
    n_pixels = image.width * image.height
    if width * height > max(4 * n_pixels, _SMALL_TILE):
        raise ValueError(f"tiles of {width} by {height} pixels for a much smaller picture")
