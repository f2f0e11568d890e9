"""Measure the tags of TIFF files and EXIF before Pillow reads them."""

import os
import struct
from typing import BinaryIO

MAX_TAGS = 1 << 16  # of a directory; classic TIFF allows no more
_TOGETHER = 1 << 26  # bytes that tags of a small file may hold: some overlap by mistake
_END = 1 << 40  # beyond any file that is read; file systems refuse to seek farther
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}


def tag_sizes(file: BinaryIO, start: int | None = None) -> dict[int, int]:
    """Return the sizes in bytes of a directory's tags, by number (TIFF 6.0, section 2).

    Parameters
    ----------
    file : binary file
        Must be seekable, and begin with "II" or "MM".
    start : int, optional
        Position of the directory; the first one by default.

    Returns
    -------
    dict
        Empty if there is no directory.

    Raises
    ------
    ValueError
        The tags hold more than the file and more than 64 MiB: many of them share bytes, which
        some versions of Pillow read again for each. Or there are more than 65536 tags.
    """
    length = file.seek(0, os.SEEK_END)
    tags, _ = _directory(file, start)
    if len(tags) > MAX_TAGS:
        raise ValueError(f"a directory with more than {MAX_TAGS} tags")
    if sum(min(size, length) for _, size in tags) > max(length, _TOGETHER):
        raise ValueError("its tags hold many times the bytes of the file")
    return dict(tags)


def second_directory(file: BinaryIO) -> dict[int, int]:
    """Return the sizes of the second directory's tags; in EXIF, those of the thumbnail."""
    _, start = _directory(file, None)
    return tag_sizes(file, start) if start else {}


def _directory(file: BinaryIO, start: int | None) -> tuple[list[tuple[int, int]], int]:
    """Return the numbers and sizes of the tags, and the position of the next directory."""
    file.seek(0)
    head = file.read(4)
    if head[:2] not in (b"II", b"MM"):
        return [], 0
    order = "<" if head[:1] == b"I" else ">"
    big = head[2:3] == b"+"  # BigTIFF, by Pillow's test
    number, entry, offset = ("Q", "HHQ8x", "Q") if big else ("H", "HHI4x", "I")
    tags = []
    try:
        if start is None:
            (start,) = _unpack(file, order + "4x" * big + offset)
        file.seek(min(start, _END))
        (n_tags,) = _unpack(file, order + number)
        for _ in range(min(n_tags, MAX_TAGS + 1)):
            tag, kind, count = _unpack(file, order + entry)
            tags.append((tag, count * _BYTES.get(kind, 0)))
        (after,) = _unpack(file, order + offset)
    except struct.error:  # the end of the file
        return tags, 0
    return tags, after


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
