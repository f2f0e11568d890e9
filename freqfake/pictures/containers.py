"""Find the parts of a picture file without decoding its pixels.

Pillow reads metadata too, but returns a PNG's only after decoding the whole picture, keeps only
the last of equal keywords, and does not report C2PA.
"""

import io
import itertools
import os
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from .tags import tag_sizes

Part = tuple[str, bytes]  # name in the container, and content up to a limit

C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # of the box in AVIF and HEIF

MAX_PARTS = 1 << 17  # a PNG of 512 MiB in libpng's pieces of 8 KiB has half as many
MAX_METADATA = 1 << 24  # bytes of all parts together, without the pixels: 16 MiB
MAX_VALUE = 1 << 16  # bytes of an EXIF tag that is read: 64 KiB, the most that a JPEG can hold
MAX_SCANS = 100  # of a JPEG, as in libvips and libtiff; encoders write about ten

_GIF_TEXTS = 1 << 20  # bytes; Pillow's time grew with their square
_END = 1 << 40  # beyond any file that is read; file systems refuse to seek farther
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")  # as in Pillow
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # FF 00 and RST occur inside scans
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})  # as in Pillow
_NOT_METADATA = frozenset({"IDAT", "fdAT", "VP8 ", "VP8L", "ALPH", "ANMF", "mdat", "mpvd", "free"})


def container_of(file: BinaryIO) -> str:
    """Return "JPEG", "PNG", "WEBP", "BMFF" (AVIF, HEIF), "GIF", "TIFF" or "" by the first bytes."""
    file.seek(0)
    head = file.read(12)
    if head.startswith(b"\xff\xd8"):
        return "JPEG"
    if head.startswith(_PNG):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return "BMFF"
    if head[:4] == b"GIF8":
        return "GIF"
    return "TIFF" if head[:4] in _TIFF else ""


def file_parts(file: BinaryIO) -> Iterator[Part]:
    """Yield the parts of a JPEG, PNG, WebP, AVIF, HEIF or GIF file; none of other formats.

    Parameters
    ----------
    file : binary file
        Must be seekable. The parts of a damaged file end where it ends or is invalid.

    Yields
    ------
    name : str
        The format's name: "APP1", "COM"; "tEXt", "caBX"; "EXIF", "XMP "; "uuid", "meta".
    content : bytes
        Empty for pixels.

    Raises
    ------
    ValueError
        There are more than :data:`MAX_PARTS` parts, or they hold more than
        :data:`MAX_METADATA` bytes. No picture needs that many, and reading on could take long.
    """
    n_bytes = 0
    for number, (name, content) in enumerate(_walk(file)):
        n_bytes += len(content)
        if number >= MAX_PARTS:
            raise ValueError(f"it has more than {MAX_PARTS} parts, the most that are read")
        if n_bytes > MAX_METADATA:
            raise ValueError(f"it holds more than {MAX_METADATA >> 20} MiB besides the pixels")
        yield name, content


def check_parts(file: BinaryIO) -> None:
    r"""Refuse a small file that would take a decoder a long time or fill the memory.

    Parameters
    ----------
    file : binary file
        Must be seekable; may be any file.

    Raises
    ------
    ValueError
        Too many parts or bytes besides the pixels, see :func:`file_parts`; a JPEG with more than
        :data:`MAX_SCANS` scans; tags that together hold many times the bytes of the file.

    Examples
    --------
    >>> import io
    >>> from freqfake.pictures.containers import check_parts
    >>> check_parts(io.BytesIO(b"no picture"))
    >>> check_parts(io.BytesIO(b"\xff\xd8" + b"\xff\xda\0\3\1\0" * 101))
    Traceback (most recent call last):
    ValueError: a JPEG of more than 100 scans, the most that are decoded
    """
    exif = b"".join(
        content[6:]
        for name, content in file_parts(file)
        if name == "APP1" and content.startswith(b"Exif\0\0")  # Pillow joins them
    )
    kind = container_of(file)
    if kind == "JPEG":
        _check_scans(file)
        tag_sizes(io.BytesIO(exif.removeprefix(b"Exif\0\0")))
    elif kind == "TIFF":
        tag_sizes(file)


def holds_c2pa(name: str, content: bytes) -> bool:
    """Whether a part is, or begins, a C2PA manifest store (C2PA specification 2.1, A.3)."""
    if name == "APP11":  # JUMBF in JPEG XT: "JP", numbers, the box, its description, the type
        description = content.find(b"jumd", 0, 64)
        return content[:2] == b"JP" and content[description + 4 : description + 8] == b"c2pa"
    return name in ("caBX", "C2PA") or (name == "uuid" and content.startswith(C2PA_UUID))


def _walk(file: BinaryIO) -> Iterator[Part]:
    kind = container_of(file)
    return _WALKS[kind](file) if kind in _WALKS else iter(())


# --- JPEG -----------------------------------------------------------------------------------------


def _jpeg_segments(file: BinaryIO) -> Iterator[Part]:
    """Yield the segments before the pixels; each byte between them is a part, as in Pillow."""
    for between, marker, content in _jpeg_markers(file):
        yield from itertools.repeat(("", b""), between)
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        if 0xE0 <= marker <= 0xEF:
            yield f"APP{marker - 0xE0}", content
        else:
            yield "COM" if marker == 0xFE else f"FF{marker:02X}", content


def _check_scans(file: BinaryIO) -> None:
    """Limit the scans: each is decoded over the whole picture, however small the scan."""
    n_scans, n_components, progressive = 0, 0, False
    for _, marker, content in _jpeg_markers(file):
        if marker in _START_OF_FRAME:
            n_components, progressive = int.from_bytes(content[5:6]), marker & 3 == 2
        elif marker == _START_OF_SCAN:
            if not progressive and n_components and content[:1] == bytes([n_components]):
                return  # one scan holds everything; later ones are not decoded
            n_scans += 1
            if n_scans > MAX_SCANS:
                raise ValueError(
                    f"a JPEG of more than {MAX_SCANS} scans, the most that are decoded"
                )


def _jpeg_markers(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield the number of bytes skipped, the marker and its content (ITU-T T.81 B.1.1)."""
    file.seek(2)
    marker = 0
    while marker != _END_OF_IMAGE:
        start = file.tell()
        if not _to_marker(file):
            return
        between = file.tell() - start
        marker = file.read(2)[1]
        length = 0 if marker in _WITHOUT_LENGTH else int.from_bytes(file.read(2)) - 2
        yield between, marker, file.read(max(length, 0))


def _to_marker(file: BinaryIO) -> bool:
    """Move to the next marker, past scan data, fill bytes and junk; False if there is none."""
    size = 1 << 9  # the next marker usually follows at once
    while len(chunk := file.read(size)) > 1:
        found = _MARKER.search(chunk)
        # the last byte may begin a marker
        file.seek((found.start() if found else len(chunk) - (chunk[-1] == 0xFF)) - len(chunk), 1)
        if found:
            return True
        size = 1 << 16
    return False


# --- chunks and boxes -----------------------------------------------------------------------------


def _png_chunks(file: BinaryIO) -> Iterator[Part]:
    file.seek(len(_PNG))
    while len(header := file.read(8)) == 8:
        name = header[4:].decode("latin-1")
        yield name, _content(file, name, int.from_bytes(header[:4], "big"), after=4)


def _webp_chunks(file: BinaryIO) -> Iterator[Part]:
    file.seek(12)
    while len(header := file.read(8)) == 8:
        name, size = header[:4].decode("latin-1"), int.from_bytes(header[4:], "little")
        yield name, _content(file, name, size, after=size % 2)


def _bmff_boxes(file: BinaryIO) -> Iterator[Part]:
    file.seek(0)
    while len(header := file.read(8)) == 8:
        name, size = header[4:].decode("latin-1"), int.from_bytes(header[:4], "big")
        if size == 0:  # up to the end of the file
            yield name, _content(file, name, _END)
            return
        size -= 8
        if size == 1 - 8:
            size = int.from_bytes(file.read(8), "big") - 16
        if size < 0:
            return
        yield name, _content(file, name, size)


def _gif_extensions(file: BinaryIO) -> Iterator[Part]:
    """Yield extensions up to the second frame, which marks an animation (GIF89a, 17 to 27)."""
    file.seek(10)
    file.seek(2 + _colours(file.read(1)), os.SEEK_CUR)
    n_frames = n_bytes = 0
    while n_frames < 2 and (kind := file.read(1)) in (b"!", b","):
        if kind == b"!":
            label = file.read(1)
            content = b"".join(_sub_blocks(file))
            n_bytes += len(content)
            if n_bytes > _GIF_TEXTS:
                raise ValueError("a GIF that holds more than 1 MiB besides the pixels")
            yield f"extension {label.hex()}", content
        else:
            n_frames += 1
            file.seek(1 + _colours(file.read(9)[8:]), os.SEEK_CUR)
            for _ in _sub_blocks(file):
                pass


def _colours(flags: bytes) -> int:
    """Size in bytes of the colour table that follows."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _sub_blocks(file: BinaryIO) -> Iterator[bytes]:
    while content := file.read(int.from_bytes(file.read(1))):
        yield content


def _content(file: BinaryIO, name: str, size: int, *, after: int = 0) -> bytes:
    """Return the content of a part; move past it and `after` more bytes."""
    end = min(file.tell() + size + after, _END)
    content = b"" if name in _NOT_METADATA else file.read(min(size, MAX_METADATA + 1))
    file.seek(end, os.SEEK_SET)
    return content


_WALKS: dict[str, Callable[[BinaryIO], Iterator[Part]]] = {
    "JPEG": _jpeg_segments,
    "PNG": _png_chunks,
    "WEBP": _webp_chunks,
    "BMFF": _bmff_boxes,
    "GIF": _gif_extensions,
}
