"""Read EXIF with Pillow, after checking how much it unpacks to."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from .containers import MAX_VALUE, Part
from .limits import open_picture
from .tags import tag_sizes

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

POSITION = "EXIF position"

_ANY_NUMBER = 1 << 62  # of pixels: they are not decoded
_CODES = {b"ASCII": "ascii", b"UNICODE": "utf-16", b"JIS": "iso2022_jp"}  # of EXIF comments
_IN_JPEG = b"Exif\0\0"
_MAX_UNPACKED = 1 << 20  # bytes of all tags of a directory; Pillow turns them into objects
_SHOWN_BYTES = 16
_SHOWN_NUMBERS = 1000  # of a longer tag


def find_exif(
    kind: str, parts: list[Part], file: BinaryIO, problems: list[str]
) -> tuple["Exif", BinaryIO] | None:
    """Find EXIF; return it and a file that begins with its "II" or "MM"."""
    try:
        if kind in ("JPEG", "PNG", "WEBP"):
            return _loaded(_exif_of_parts(parts))
        image = _open_other_format(file)
        if image is None:
            return None
        if kind == "TIFF":
            return image.getexif(), file
        return _loaded(image.info.get("exif") or b"")
    except Exception as error:  # damaged data can raise any error
        problems.append(f"EXIF is damaged: {error}")
        return None


def _exif_of_parts(parts: list[Part]) -> bytes:
    for name, content in parts:
        if name in ("eXIf", "EXIF") or (name == "APP1" and content.startswith(_IN_JPEG)):
            return content
    return b""


def _open_other_format(file: BinaryIO) -> "Image | None":
    """Open a format that :func:`file_parts` cannot read for EXIF, without decoding its pixels."""
    try:
        return open_picture(file, _ANY_NUMBER)
    except Exception:  # not a supported picture: reading its pixels gives the reason
        return None


def _loaded(content: bytes) -> tuple["Exif", BinaryIO] | None:
    from PIL.Image import Exif

    data = content.removeprefix(_IN_JPEG)
    file = io.BytesIO(data)
    tag_sizes(file)  # raises an error if they hold too much
    exif = Exif()
    exif.load(data)
    return (exif, file) if data else None


def exif_claims(
    exif: "Exif", file: BinaryIO, problems: list[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield the group, name and value of each tag, as text."""
    from PIL.ExifTags import GPSTAGS, IFD, TAGS

    groups = (("EXIF", None), ("EXIF photo", IFD.Exif), (POSITION, IFD.GPSInfo))
    for where, number in groups:
        try:
            tags = _first_tags(exif, file) if number is None else _tags(exif, file, number)
        except Exception as error:
            problems.append(f"{where} is damaged: {error}")
            continue
        names = GPSTAGS if number == IFD.GPSInfo else TAGS
        for tag, value in tags.items():
            name = names.get(tag, f"tag 0x{tag:04x}")
            if value is None:
                problems.append(f"{where}: {name} is too large to show")
            elif tag not in (IFD.Exif, IFD.GPSInfo, IFD.Interop):  # these only point to others
                yield where, name, _as_text(name, value)


def _first_tags(exif: "Exif", file: BinaryIO) -> dict[int, Any]:
    """Return the tags of the first directory; None for values too large to unpack."""
    left = _MAX_UNPACKED
    tags = {}
    sizes = tag_sizes(file)
    for tag in exif:
        size = sizes.get(tag, 0)
        left -= size
        tags[tag] = exif[tag] if size <= MAX_VALUE and left >= 0 else None
    return tags


def _tags(exif: "Exif", file: BinaryIO, number: int) -> dict[int, Any]:
    """Return the tags of another directory, which Pillow unpacks all at once."""
    start = exif.get(number)
    if isinstance(start, int) and sum(tag_sizes(file, start).values()) > _MAX_UNPACKED:
        raise ValueError("it is too large")
    return exif.get_ifd(number)


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, bytes) or (name.startswith("XP") and isinstance(value, tuple)):
        return _bytes_as_text(name, bytes(value))
    if isinstance(value, tuple):
        more = ", ..." if len(value) > _SHOWN_NUMBERS else ""
        return ", ".join(_as_text(name, item) for item in value[:_SHOWN_NUMBERS]) + more
    return str(value)


def _bytes_as_text(name: str, value: bytes) -> str:
    """Decode text that EXIF stores as bytes; describe other bytes by their number and beginning."""
    code = value[:8].rstrip(b"\0")
    if name == "UserComment" and code in _CODES:
        text = value[8:]
        order = "-be" if text[::2].count(0) > text[1::2].count(0) else "-le"
        coding = _CODES[code] + (order if code == b"UNICODE" else "")
        return text.decode(coding, "replace").rstrip("\0 ")
    if name.startswith("XP"):
        return value.decode("utf-16-le", "replace").rstrip("\0")
    bare = value.rstrip(b"\0")
    if bare.isascii() and bare.decode("latin-1").isprintable():
        return bare.decode("ascii")
    more = " ..." if len(value) > _SHOWN_BYTES else ""
    return f"{len(value)} bytes: {value[:_SHOWN_BYTES].hex(' ')}{more}"
