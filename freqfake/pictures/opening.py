"""Open pictures by their content, with one of Pillow's readers at a time.

`PIL.Image.open` has one limit on pixels for all threads and knows HEIF only after a registration;
some of its readers warn of damaged metadata that are not needed here. Limit, registration and
filters of warnings belong to the whole process, so nothing here changes them.
"""

import struct
from collections.abc import Callable, Collection
from io import BytesIO
from typing import BinaryIO

from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from .._optional import extra
from .endings import why_not_read
from .tags import Tag, read_directory

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs",
                          b"mif1", b"msf1"})  # fmt: skip
_N_PICTURES = 45057  # tag of a file with several JPEGs (CIPA DC-007)
_GAIN_MAP = b' hdrgm:Version="'  # its second JPEG only brightens the first
_NO_PICTURE = (SyntaxError, IndexError, TypeError, struct.error)  # as in `PIL.Image.open`


class _Jpeg(JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Do nothing: the resolution is not used."""


def open_by_content(file: BinaryIO, formats: Collection[str]) -> Image.Image:
    """Open a picture of one of these formats, with Pillow's names, without decoding it.

    Raises
    ------
    ValueError
        It is not one of them.
    MissingExtraError
        HEIF needs the extra ``heic``.
    """
    Image.init()
    file.seek(0)
    head = file.read(16)
    for name in formats:
        opener = _opener(name, head)
        if opener is not None:
            file.seek(0)
            try:
                return opener(file)
            except _NO_PICTURE:
                continue
    raise ValueError(_why_unknown(file, head, formats))


def open_heif(file: BinaryIO) -> ImageFile.ImageFile:
    """Open a HEIF file, such as a HEIC one, without registering its reader with Pillow."""
    with extra("heic", "pillow_heif"):
        from pillow_heif import HeifImageFile
    image: ImageFile.ImageFile = HeifImageFile(file)
    return image


def _opener(name: str, head: bytes) -> Callable[[BinaryIO], Image.Image] | None:
    """Return what opens files of a format, unless they begin differently."""
    if name == "HEIF":
        return open_heif if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS else None
    if name not in Image.OPEN:  # this Pillow does not have it
        return None
    factory, accept = Image.OPEN[name]
    if accept and accept(head) is not True:
        return None
    return _open_jpeg if name == "JPEG" else lambda file: factory(file, "")


def _open_jpeg(file: BinaryIO) -> Image.Image:
    """Open a JPEG, also the first one of a file with several, which Pillow calls MPO."""
    image = _Jpeg(file)
    brightened = any(_GAIN_MAP in content for name, content in image.applist if name == "APP1")
    tags, _ = read_directory(BytesIO(image.info.get("mp", b"")))
    if not brightened and any(_says_several(tag, image.info["mp"]) for tag in tags):
        image.format = "MPO"
    return image


def _says_several(tag: Tag, data: bytes) -> bool:
    content = data[tag.position : tag.position + tag.size]
    number = int.from_bytes(content, "little" if data[:1] == b"I" else "big")
    return tag.number == _N_PICTURES and number > 1


def _why_unknown(file: BinaryIO, head: bytes, formats: Collection[str]) -> str:
    for name, (_, accept) in Image.OPEN.items():
        if name not in formats and accept and accept(head) is True:
            return f"the format {name} is not read, for safety; convert the picture to PNG"
    return why_not_read(getattr(file, "name", ""))
