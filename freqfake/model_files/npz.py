"""Archives of arrays, as NumPy's ``.npz`` are, and a JSON manifest; from files nobody need trust.

Everything is checked before it takes memory or time: what kind of file it is, the directory of the
archive, the names, the sizes stated and the sizes found, the headers of the arrays.
"""

import io
import math
import re
import zipfile
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from .._files import PathLike, whole_file
from ..exceptions import ModelFileError
from .foreign import HEAD, foreign_archive, foreign_kind
from .untrusted import open_untrusted

Arrays = dict[str, npt.NDArray[Any]]

MANIFEST = "manifest.json"
MAX_BYTES = 1 << 27  # of a file, and of all that is in it; half a million training pictures
_MAX_MANIFEST = 1 << 20
_MAX_ENTRIES = 1000
_MAX_DIRECTORY = 1 << 18
_END = 22  # bytes of the record that ends an archive, without a comment
_END_MARK, _END64_MARK = b"PK\x05\x06", b"PK\x06\x07"
NAME = re.compile(r"[A-Za-z0-9_.]{1,200}")
_HEADER = 256  # bytes that an array's header may have: too few for a nest that is hard to parse
_KINDS = "iuf"  # whole and floating-point numbers


def write_archive(path: PathLike, manifest: bytes, arrays: Arrays) -> None:
    """Write what :func:`read_archive` reads, all or nothing; equal contents make equal files."""
    entries = {MANIFEST: manifest, **{f"{name}.npy": _bytes_of(arrays[name]) for name in arrays}}
    if sum(map(len, entries.values())) > MAX_BYTES or len(manifest) > _MAX_MANIFEST:
        raise ValueError(f"the model takes more than {MAX_BYTES} bytes: train on fewer pictures")
    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            with archive.open(name, "w") as entry:  # dated 1980, whenever it is written
                entry.write(data)


def read_archive(path: PathLike) -> tuple[bytes, Arrays]:
    """Read the manifest and the arrays of an archive.

    Raises
    ------
    OSError
        The file cannot be opened.
    ModelFileError
        It is no such archive, or larger than :data:`MAX_BYTES`; the message goes on after the name
        of the file. A damaged one can raise anything else.
    """
    with open_untrusted(path, MAX_BYTES) as file:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            _check_entries(archive.infolist())
            left, entries = MAX_BYTES, {}
            for entry in archive.infolist():
                entries[entry.filename] = _unpacked(archive, entry, left)
                left -= len(entries[entry.filename])
    manifest = entries.pop(MANIFEST)
    return manifest, {
        name.removesuffix(".npy"): _array(entries.pop(name), name) for name in list(entries)
    }


def _check_directory(file: BinaryIO) -> None:
    """Refuse what is no ZIP archive, or whose directory alone would take much memory."""
    head = file.read(HEAD)
    if not head.startswith(b"PK\x03\x04"):
        words = foreign_kind(head)
        raise ModelFileError(f"is {words}" if words else "is not a model of freqfake")
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - _END - 20, 0))
    tail = file.read()
    end = tail[-_END:]
    directory, start = (int.from_bytes(end[at : at + 4], "little") for at in (12, 16))
    number = int.from_bytes(end[10:12], "little")
    if not end.startswith(_END_MARK) or start + directory != size - _END:
        raise ModelFileError("is a ZIP archive that is cut off, or a file with something beside it")
    if number > _MAX_ENTRIES or directory > _MAX_DIRECTORY or tail.startswith(_END64_MARK):
        raise ModelFileError("is a ZIP archive of more than any model")
    file.seek(0)


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if MANIFEST not in names:
        words = foreign_archive(names)
        raise ModelFileError(f"is {words or f'an archive without {MANIFEST}: no model'}")
    for name in names:
        stem = name.removesuffix(".npy")
        if name != MANIFEST and (stem == name or not NAME.fullmatch(stem)):
            raise ModelFileError(f"holds {name!r}, which no model does")
    if len(set(names)) < len(names):
        raise ModelFileError("holds two entries of the same name")
    if any(entry.compress_type not in (0, zipfile.ZIP_DEFLATED) for entry in entries):
        raise ModelFileError("is packed in a way that no model is")
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise ModelFileError(f"unpacks to more than {MAX_BYTES} bytes, which no model does")


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> bytes:
    limit = min(left, _MAX_MANIFEST) if entry.filename == MANIFEST else left
    with archive.open(entry) as packed:
        data = packed.read(min(limit, entry.file_size) + 1)  # what is stated may be a lie
    if len(data) > limit:
        raise ModelFileError(f"holds {entry.filename} of more than {limit} bytes: no model")
    if len(data) != entry.file_size:
        raise ModelFileError(f"holds {entry.filename}, which is cut off")
    return data


def _array(data: bytes, name: str) -> npt.NDArray[Any]:
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ModelFileError(f"holds {name} in another version of NumPy's format")
    header = np.lib.format.read_array_header_1_0(stream, max_header_size=_HEADER)
    shape, in_columns, dtype = header
    if dtype.kind not in _KINDS or dtype.itemsize > 8:
        raise ModelFileError(f"holds {name} of {dtype}, which is no kind of number")
    body = memoryview(data)[stream.tell() :]
    if math.prod(shape) * dtype.itemsize != len(body):
        raise ModelFileError(f"holds {name}, which has not the bytes of shape {shape}")
    array = np.ndarray(shape, dtype, body, order="F" if in_columns else "C")
    return array.astype(dtype.newbyteorder("="))  # a copy, which can be written to


def _bytes_of(array: npt.NDArray[Any]) -> bytes:
    if array.dtype.kind not in _KINDS:
        raise TypeError(f"only arrays of numbers can be stored; got {array.dtype}")
    stream = io.BytesIO()
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    np.lib.format.write_array(stream, little, version=(1, 0), allow_pickle=False)
    return stream.getvalue()
