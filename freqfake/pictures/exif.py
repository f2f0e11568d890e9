"""Read EXIF as text, within limits."""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from .containers import MAX_VALUE, Part
from .limits import open_picture
from .tags import checked_tags, read_value

POSITION = "EXIF position"

_ANY_NUMBER = 1 << 62  # of pixels: they are not decoded
_CODES = {b"ASCII": "ascii", b"UNICODE": "utf-16", b"JIS": "iso2022_jp"}  # of EXIF comments
_IN_JPEG = b"Exif\0\0"
_MAX_UNPACKED = 1 << 20  # bytes of all tags of a directory
_SHOWN_BYTES = 16
_SHOWN_NUMBERS = 1000  # of a longer tag


def find_exif(kind: str, parts: list[Part], file: BinaryIO, problems: list[str]) -> BinaryIO | None:
    """Find EXIF; return a file that begins with its "II" or "MM"."""
    if kind == "TIFF":
        return file
    try:
        content = _exif_of_boxes(file) if kind == "BMFF" else _exif_of_parts(parts)
    except Exception as error:  # damaged data can raise any error
        problems.append(f"EXIF is damaged: {error}")
        return None
    content = content.removeprefix(_IN_JPEG)
    if content and content[:2] not in (b"II", b"MM"):
        problems.append("EXIF is damaged: it does not begin like TIFF")
        return None
    return io.BytesIO(content) if content else None


def _exif_of_parts(parts: list[Part]) -> bytes:
    for name, content in parts:
        if name in ("eXIf", "EXIF") or (name == "APP1" and content.startswith(_IN_JPEG)):
            return content
    return b""


def _exif_of_boxes(file: BinaryIO) -> bytes:
    """Return the EXIF of AVIF and HEIF, without decoding the pixels."""
    try:
        image = open_picture(file, _ANY_NUMBER)
    except Exception:  # not a supported picture: reading its pixels gives the reason
        return b""
    if image.format == "HEIF":  # the picture is turned upright, and its EXIF changed to say so
        from pillow_heif import open_heif

        return open_heif(file).info.get("exif") or b""
    return image.info.get("exif") or b""


def exif_claims(file: BinaryIO, problems: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the group, name and value of each tag, as text."""
    from PIL.ExifTags import GPSTAGS, IFD, TAGS

    starts: dict[int, int | None] = {0: None}
    for where, number in (("EXIF", 0), ("EXIF photo", IFD.Exif), (POSITION, IFD.GPSInfo)):
        if number not in starts:
            continue
        names = GPSTAGS if number == IFD.GPSInfo else TAGS
        for tag, value in _values(file, starts[number], where, names, problems):
            if tag in (IFD.Exif, IFD.GPSInfo, IFD.Interop):  # these only point to others
                if isinstance(value, int) and not number:
                    starts[tag] = value
            else:
                yield where, _name(names, tag), _as_text(_name(names, tag), value)


def _values(
    file: BinaryIO, start: int | None, where: str, names: dict[int, str], problems: list[str]
) -> Iterator[tuple[int, Any]]:
    """Yield the numbers and values of a directory's tags, and note those that are left out."""
    try:
        tags = checked_tags(file, start)
    except ValueError as error:
        problems.append(f"{where} is damaged: {error}")
        return
    left = _MAX_UNPACKED
    for tag in tags:
        left -= tag.size
        if tag.size > MAX_VALUE or left < 0:
            problems.append(f"{where}: {_name(names, tag.number)} is too large to show")
        elif tag.size:
            try:
                yield tag.number, read_value(file, tag)
            except ValueError as error:
                problems.append(f"{where}: {_name(names, tag.number)} is damaged: {error}")


def _name(names: dict[int, str], tag: int) -> str:
    return names.get(tag, f"tag 0x{tag:04x}")


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
