"""Identify files that are not models by their first bytes, without loading them."""

import contextlib
import pickletools
from typing import BinaryIO

_HEAD = 1 << 16  # bytes inspected
_MANY = 200  # valid opcodes of a pickle in a row; no other file has so many

_UNSAFE = (
    "loading one runs any code in it, so freqfake never does. Write the model with Detector.save, "
    "`freqfake train` or `freqfake deep train`"
)
_MAGIC = {
    (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b"): (
        f"compressed, as joblib.dump writes a pickle: {_UNSAFE}"
    ),
    (b"PK\x03\x04",): (
        "a ZIP archive, as torch.save, Keras and NumPy write. A model of freqfake is a safetensors "
        "file, which Detector.save, `freqfake train` and `freqfake deep train` write"
    ),
    (b"\x89HDF\r\n\x1a\n",): (
        "an HDF5 file, as Keras writes weights: freqfake.deep.load_deep_detector and `freqfake "
        "deep score --weights` read those of Afchar et al."
    ),
}
_ONNX = (
    "an ONNX file: freqfake writes such files (`freqfake export`) and onnxruntime runs them. Give "
    "the model from which it was made"
)


def describe_foreign(file: BinaryIO) -> str:
    r"""Describe a file that is not a model of freqfake, and say what to do with it.

    Examples
    --------
    >>> import io, pickle
    >>> describe_foreign(io.BytesIO(pickle.dumps({})))[:8], describe_foreign(io.BytesIO(b"hello"))
    ('a pickle', 'not a model of freqfake')
    """
    head = file.read(_HEAD)
    for magic, words in _MAGIC.items():
        if head.startswith(magic):
            return words
    if _is_pickle(head):
        return f"a pickle: {_UNSAFE}"
    if head[:1] == b"\x08" and head[1:2] < b"\x20" and head[2:3] in b'\x12\x1a"*2:B':
        return _ONNX  # protobuf: the format version, then another of the first eight fields
    return "not a model of freqfake"


def _is_pickle(head: bytes) -> bool:
    """Whether these are opcodes of a pickle of any protocol; they are listed, never executed."""
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    number = 0
    with contextlib.suppress(Exception):  # invalid opcodes, or cut off
        for opcode, _, _ in pickletools.genops(head):
            number += 1
            if number > 1 and opcode.name == "STOP":
                return True
    return number >= _MANY
