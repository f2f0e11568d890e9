"""The parts that a picture file is made of, found without decoding a pixel.

Pillow reads metadata too, but tells a PNG's only after the whole picture was decoded, keeps the
last of equal keywords, and does not tell of C2PA at all.
"""

import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

Part = tuple[str, bytes]  # its name in the container, and what it holds, up to a limit

C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # of the box in AVIF and HEIF

_MOST = 1 << 24  # bytes of a part that are read
_END = 1 << 62  # no file is that long, but a broken box may say so
_PNG = b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def container_of(file: BinaryIO) -> str:
    """Tell "JPEG", "PNG", "WEBP", "BMFF" (AVIF, HEIF), "TIFF", or nothing, by the first bytes."""
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
    return "TIFF" if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") else ""


def file_parts(file: BinaryIO) -> Iterator[Part]:
    """Walk through the parts of a JPEG, PNG, WebP, AVIF or HEIF file; those of others are none.

    Parameters
    ----------
    file : binary file
        One that can be sought in. Damaged ones end the walk where they end, or make no sense.

    Yields
    ------
    name : str
        "APP1", "COM"; "tEXt", "caBX"; "EXIF", "XMP "; "uuid", "meta": as the format calls it.
    content : bytes
        At most 16 MiB of it. The pixels themselves are left out.
    """
    kind = container_of(file)
    return _WALKS[kind](file) if kind in _WALKS else iter(())


def holds_c2pa(name: str, content: bytes) -> bool:
    """Whether a part is, or begins, a C2PA manifest store (C2PA specification 2.1, A.3)."""
    if name == "APP11":  # JUMBF in JPEG XT: "JP", numbers, the box, its description, the type
        description = content.find(b"jumd", 0, 64)
        return content[:2] == b"JP" and content[description + 4 : description + 8] == b"c2pa"
    return name in ("caBX", "C2PA") or (name == "uuid" and content.startswith(C2PA_UUID))


def _jpeg_segments(file: BinaryIO) -> Iterator[Part]:
    file.seek(2)
    while file.read(1) == b"\xff":
        while (marker := file.read(1)) == b"\xff":  # fill bytes
            pass
        if not marker or marker[0] in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        if marker[0] in _WITHOUT_LENGTH:
            continue
        length = int.from_bytes(file.read(2), "big") - 2
        content = file.read(max(length, 0))
        if 0xE0 <= marker[0] <= 0xEF:
            yield f"APP{marker[0] - 0xE0}", content
        elif marker[0] == 0xFE:
            yield "COM", content


def _png_chunks(file: BinaryIO) -> Iterator[Part]:
    file.seek(len(_PNG))
    while len(header := file.read(8)) == 8:
        name = header[4:].decode("latin-1")
        yield name, _content(file, int.from_bytes(header[:4], "big"), skip=name == "IDAT", after=4)


def _webp_chunks(file: BinaryIO) -> Iterator[Part]:
    file.seek(12)
    while len(header := file.read(8)) == 8:
        name, size = header[:4].decode("latin-1"), int.from_bytes(header[4:], "little")
        pixels = name in ("VP8 ", "VP8L", "ALPH", "ANMF")
        yield name, _content(file, size, skip=pixels, after=size % 2)


def _bmff_boxes(file: BinaryIO) -> Iterator[Part]:
    file.seek(0)
    while len(header := file.read(8)) == 8:
        name, size = header[4:].decode("latin-1"), int.from_bytes(header[:4], "big")
        if size == 0:  # up to the end of the file
            yield name, file.read(_MOST)
            return
        size -= 8
        if size == 1 - 8:
            size = int.from_bytes(file.read(8), "big") - 16
        if size < 0:
            return
        yield name, _content(file, size, skip=name == "mdat")


def _content(file: BinaryIO, size: int, *, skip: bool, after: int = 0) -> bytes:
    """Content of a part; the file is left behind it and what comes after."""
    end = min(file.tell() + size + after, _END)
    content = b"" if skip else file.read(min(size, _MOST))
    file.seek(end, os.SEEK_SET)
    return content


_WALKS: dict[str, Callable[[BinaryIO], Iterator[Part]]] = {
    "JPEG": _jpeg_segments,
    "PNG": _png_chunks,
    "WEBP": _webp_chunks,
    "BMFF": _bmff_boxes,
}
