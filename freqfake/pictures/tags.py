"""Measure the tags of TIFF files before Pillow reads them, and read those of EXIF.

Pillow reads EXIF, too, but warns of damage through the filters of the whole process.
"""

import math
import os
import struct
from typing import BinaryIO, NamedTuple

MAX_TAGS = 1 << 16  # of a directory; classic TIFF allows no more
_TOGETHER = 1 << 26  # bytes that tags of a small file may hold: some overlap by mistake
_END = 1 << 40  # beyond any file that is read; file systems refuse to seek farther
_ORDERS = {b"II": "<", b"MM": ">"}
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_TEXT, _OPAQUE, _FRACTIONS = 2, (1, 7), (5, 10)  # kinds of values
_FORMS = {3: "H", 4: "I", 5: "I", 6: "b", 8: "h", 9: "i", 10: "i", 11: "f", 12: "d", 13: "I",
          16: "Q"}  # fmt: skip


class Tag(NamedTuple):
    """A tag of a directory; `n_values` values of a kind take `size` bytes from `position` on."""

    number: int
    kind: int
    n_values: int
    size: int
    position: int


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
    return {tag.number: tag.size for tag in checked_tags(file, start)}


def checked_tags(file: BinaryIO, start: int | None = None) -> list[Tag]:
    """Return the tags of a directory, in the order of the file; see :func:`tag_sizes`."""
    length = file.seek(0, os.SEEK_END)
    tags, _ = read_directory(file, start)
    if len(tags) > MAX_TAGS:
        raise ValueError(f"a directory with more than {MAX_TAGS} tags")
    if sum(min(tag.size, length) for tag in tags) > max(length, _TOGETHER):
        raise ValueError("its tags hold many times the bytes of the file")
    return tags


def read_directory(file: BinaryIO, start: int | None = None) -> tuple[list[Tag], int]:
    """Return the tags of a directory, as far as the file goes, and where the next one begins."""
    file.seek(0)
    head = file.read(4)
    if head[:2] not in _ORDERS:
        return [], 0
    order = _ORDERS[head[:2]]
    big = head[2:3] == b"+"  # BigTIFF, by Pillow's test
    number, entry, offset, inline = ("Q", "HHQQ", "Q", 8) if big else ("H", "HHII", "I", 4)
    tags = []
    try:
        if start is None:
            (start,) = _unpack(file, order + "4x" * big + offset)
        file.seek(min(start, _END))
        (n_tags,) = _unpack(file, order + number)
        for _ in range(min(n_tags, MAX_TAGS + 1)):
            tag, kind, count, position = _unpack(file, order + entry)
            here = file.tell() - inline
            size = count * _BYTES.get(kind, 0)
            tags.append(Tag(tag, kind, count, size, here if size <= inline else position))
        (after,) = _unpack(file, order + offset)
    except struct.error:  # the end of the file
        return tags, 0
    return tags, after


def read_value(file: BinaryIO, tag: Tag) -> str | bytes | int | float | tuple[int | float, ...]:
    """Return the value of a tag (TIFF 6.0, section 2): several numbers as a tuple.

    Raises
    ------
    ValueError
        It lies beyond the end of the file.
    """
    file.seek(0)
    order = _ORDERS[file.read(2)]
    file.seek(min(tag.position, _END))
    data = file.read(tag.size)
    if len(data) < tag.size:
        raise ValueError("it lies beyond the end of the file")
    if tag.kind == _TEXT:
        return data.removesuffix(b"\0").decode("latin-1")
    if tag.kind in _OPAQUE:
        return data
    numbers: tuple[int | float, ...] = struct.unpack(f"{order}{_numbers(tag)}", data)
    if tag.kind in _FRACTIONS:
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        numbers = tuple(above / below if below else math.nan for above, below in pairs)
    return numbers[0] if len(numbers) == 1 else numbers


def _numbers(tag: Tag) -> str:
    return f"{tag.n_values * (2 if tag.kind in _FRACTIONS else 1)}{_FORMS[tag.kind]}"


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
