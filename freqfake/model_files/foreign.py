"""Naming files that are mistaken for models, from their first bytes; none of them is loaded."""

import contextlib
import pickletools
from typing import BinaryIO

_HEAD = 1 << 16  # bytes that are looked at
_MANY = 200  # opcodes of a pickle in a row; no other file has so many

_UNSAFE = (
    "loading one runs any code that it holds, so it is never loaded. Have freqfake write the "
    "model: Detector.save, `freqfake train`, `freqfake deep train`"
)
_MAGIC = {
    (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b"): (
        f"compressed, as joblib.dump writes a pickle: {_UNSAFE}"
    ),
    (b"PK\x03\x04",): (
        "a ZIP archive, as torch.save, Keras and NumPy write. A model of freqfake is a safetensors "
        "file: Detector.save, `freqfake train` and `freqfake deep train` write one"
    ),
    (b"\x89HDF\r\n\x1a\n",): (
        "an HDF5 file, as Keras writes weights: freqfake.deep.load_deep_detector and `freqfake "
        "deep score --weights` read those of Afchar et al."
    ),
}
_ONNX = (
    "an ONNX file: freqfake writes such files (`freqfake export`) and onnxruntime runs them. Name "
    "the model that it was made from"
)


def describe_foreign(file: BinaryIO) -> str:
    r"""Say what a file is that is no model of freqfake, and what to do with it.

    Examples
    --------
    >>> import io, pickle
    >>> describe_foreign(io.BytesIO(pickle.dumps({})))[:8], describe_foreign(io.BytesIO(b"hello"))
    ('a pickle', 'no model of freqfake')
    """
    head = file.read(_HEAD)
    for magic, words in _MAGIC.items():
        if head.startswith(magic):
            return words
    if _is_pickle(head):
        return f"a pickle: {_UNSAFE}"
    if head[:1] == b"\x08" and head[1:2] < b"\x20" and head[2:3] in b'\x12\x1a"*2:B':
        return _ONNX  # protobuf: the version of the format, then another of its first eight fields
    return "no model of freqfake"


def _is_pickle(head: bytes) -> bool:
    """Whether these are opcodes of a pickle, of any protocol; they are listed, never obeyed."""
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    number = 0
    with contextlib.suppress(Exception):  # other opcodes, or cut off
        for opcode, _, _ in pickletools.genops(head):
            number += 1
            if number > 1 and opcode.name == "STOP":
                return True
    return number >= _MANY
