"""The format of all model files: safetensors, with a manifest in JSON.

The metadata entry ``freqfake`` holds the manifest: the format version, the kind of content, the
content itself in plain values, and the SHA-256 of the content and the arrays.
"""

import hashlib
import json
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from .._files import PathLike, whole_file
from ..exceptions import ModelFileError
from .foreign import describe_foreign
from .untrusted import open_untrusted

Arrays = dict[str, npt.NDArray[Any]]

FORMAT_VERSION = 1
MAX_BYTES = 1 << 27  # of a detector's file: enough for half a million training pictures

_KEYS = frozenset({"format", "kind", "sha256", "state"})
_MAX_HEADER = 1 << 20  # bytes
_READERS = {
    "detector": "freqfake.load_detector",
    "network": "freqfake.deep.load_deep_detector, or `freqfake deep score --weights`,",
    "checkpoint": "`freqfake deep train --resume`",
}


def digest(state: Any, arrays: Arrays) -> str:
    """SHA-256 of plain values and arrays, the same on any machine.

    It covers the values as JSON, and the name, data type, shape and bytes of each array.
    """
    found = hashlib.sha256(_line(state))
    for name in sorted(arrays):
        array = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), order="C", copy=False)
        found.update(_line([name, array.dtype.str, array.shape]))
        found.update(array.data)
    return found.hexdigest()


def write_tensors(
    path: PathLike, kind: str, state: Any, arrays: Arrays, *, max_bytes: int = MAX_BYTES
) -> None:
    """Write plain values and arrays, all or nothing; equal contents give equal files."""
    sha256 = digest(state, arrays)
    manifest = {"format": FORMAT_VERSION, "kind": kind, "sha256": sha256, "state": state}
    text = json.dumps(manifest, allow_nan=False)
    # In the order of the memory, whatever it is, safetensors would write other arrays.
    in_rows = {name: np.require(array, requirements="C") for name, array in arrays.items()}
    data = safetensors.numpy.save(in_rows, metadata={"freqfake": text})
    if len(data) > max_bytes or int.from_bytes(data[:8], "little") > _MAX_HEADER:
        raise ValueError(f"the model takes more than {max_bytes} bytes: train on fewer pictures")
    with whole_file(path) as file:
        file.write(data)


def read_tensors(
    path: PathLike, kind: str, *, max_bytes: int = MAX_BYTES
) -> tuple[dict[str, Any], Arrays]:
    """Read what :func:`write_tensors` wrote: the manifest and the arrays.

    Raises
    ------
    OSError
        The file cannot be opened.
    ModelFileError
        The file is of another kind or damaged; the message continues after the file name. A
        damaged file can raise any other error as well.
    """
    with open_untrusted(path, max_bytes) as file:
        metadata = read_header(file).get("__metadata__", {})
        if "freqfake" not in metadata:
            raise ModelFileError("is a safetensors file, but not a model of freqfake")
        manifest = json.loads(metadata["freqfake"])
        _check_manifest(manifest, kind)
        file.seek(0)
        arrays = safetensors.numpy.load(file.read())
    if manifest["sha256"] != digest(manifest["state"], arrays):
        raise ModelFileError(
            "is damaged: its content does not match its SHA-256. Copy it again, or train the model "
            "again"
        )
    return manifest, arrays


def read_header(file: BinaryIO) -> dict[str, Any]:
    """Read the header of a safetensors file; other files and long headers are errors."""
    length, start = int.from_bytes(file.read(8), "little"), file.read(1)
    if start != b"{":
        file.seek(0)
        raise ModelFileError(f"is {describe_foreign(file)}")
    if length > _MAX_HEADER:
        raise ModelFileError("has a longer header than any model")
    header: dict[str, Any] = json.loads(start + file.read(length - 1))
    return header


def _check_manifest(manifest: Any, kind: str) -> None:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise ModelFileError("is damaged: its manifest has no format version")
    if manifest["format"] != FORMAT_VERSION:
        raise ModelFileError(
            f"has model format {manifest['format']}, but this version of freqfake reads format "
            f"{FORMAT_VERSION}: upgrade freqfake (pip install -U freqfake), or train the model "
            "again"
        )
    if manifest.keys() != _KEYS or manifest["kind"] not in _READERS:
        raise ModelFileError("is damaged: its manifest has the wrong entries")
    if manifest["kind"] != kind:
        raise ModelFileError(
            f"holds a {manifest['kind']}, not a {kind}: {_READERS[manifest['kind']]} reads it"
        )


def _line(value: Any) -> bytes:
    """Canonical JSON on a line of its own, without NaN and infinity."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{text}\n".encode("ascii")
