"""How much the tags of a TIFF file, or of EXIF, hold: asked before Pillow reads them."""

import os
import struct
from typing import BinaryIO

MAX_TAGS = 1 << 16  # of a directory; a classic one cannot have more
_TOGETHER = 1 << 26  # bytes that the tags of a small file may hold, for some overlap by mistake
_END = 1 << 40  # beyond any file that is read; file systems refuse to seek farther
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}


def tag_sizes(file: BinaryIO, start: int | None = None) -> dict[int, int]:
    """Sizes in bytes of the tags of a directory, by their numbers (TIFF 6.0, section 2).

    Parameters
    ----------
    file : binary file
        One that can be sought in, which begins with "II" or "MM".
    start : int, optional
        Where the directory is; the first one by default.

    Returns
    -------
    dict
        Empty where there is no directory.

    Raises
    ------
    ValueError
        They hold more than the file, and more than 64 MiB: many of them share their bytes, which
        some versions of Pillow read for each anew. Or there are more than 65536.
    """
    length = file.seek(0, os.SEEK_END)
    tags, _ = _directory(file, start)
    if len(tags) > MAX_TAGS:
        raise ValueError(f"a directory of more than {MAX_TAGS} tags")
    if sum(min(size, length) for _, size in tags) > max(length, _TOGETHER):
        raise ValueError("its tags hold many times what the file holds")
    return dict(tags)


def second_directory(file: BinaryIO) -> dict[int, int]:
    """Sizes of the tags of the directory behind the first one: of EXIF, a small picture's."""
    _, start = _directory(file, None)
    return tag_sizes(file, start) if start else {}


def _directory(file: BinaryIO, start: int | None) -> tuple[list[tuple[int, int]], int]:
    """Numbers and sizes of the tags, as many as there are, and where the next directory is."""
    file.seek(0)
    head = file.read(4)
    if head[:2] not in (b"II", b"MM"):
        return [], 0
    order = "<" if head[:1] == b"I" else ">"
    big = head[2:3] == b"+"  # asked as Pillow asks it
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
