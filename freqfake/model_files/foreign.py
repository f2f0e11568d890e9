"""What a file is that was taken for a model: told from its first bytes, nothing of it is run."""

import contextlib
import pickletools
from collections.abc import Collection

HEAD = 1 << 16  # bytes that are looked at
_MANY = 200  # opcodes of a pickle in a row; no other file has so many

_PICKLE = (
    "a pickle: loading one runs any code that it holds, so it is never loaded. Have freqfake write "
    "the model: Detector.save, `freqfake train`, `freqfake deep train`"
)
_COMPRESSED = (
    "compressed, as joblib.dump can write: a pickle inside would run any code that it holds, so "
    "it is never unpacked. Have freqfake write the model: Detector.save, `freqfake train`, "
    "`freqfake deep train`"
)
_NETWORK = (
    "with a network's weights: freqfake.deep.load_deep_detector and `freqfake deep score "
    "--weights` read those that freqfake or Afchar et al. wrote"
)
_ONNX = (
    "an ONNX file: onnxruntime runs it, freqfake only writes it (`freqfake export`). Name the "
    "model that it was made from"
)
_PICTURE = "a picture. Name it as an input, not as the model"
_MAGIC = {
    b"\x78\x01": f"zlib-{_COMPRESSED}",
    b"\x78\x5e": f"zlib-{_COMPRESSED}",
    b"\x78\x9c": f"zlib-{_COMPRESSED}",
    b"\x78\xda": f"zlib-{_COMPRESSED}",
    b"\x1f\x8b": f"gzip-{_COMPRESSED}",
    b"BZh": f"bzip2-{_COMPRESSED}",
    b"\xfd7zXZ\x00": f"xz-{_COMPRESSED}",
    b"\x5d\x00\x00": f"LZMA-{_COMPRESSED}",
    b"\x04\x22\x4d\x18": f"LZ4-{_COMPRESSED}",
    b"\x28\xb5\x2f\xfd": f"zstd-{_COMPRESSED}",
    b"\x89HDF\r\n\x1a\n": f"an HDF5 file {_NETWORK}",
    b"\x93NUMPY": "a single array of NumPy's. A model is an archive of several",
    b"\x89PNG": _PICTURE,
    b"\xff\xd8\xff": _PICTURE,
    b"GIF8": _PICTURE,
    b"RIFF": _PICTURE,
    b"BM": _PICTURE,
    b"II*\x00": _PICTURE,
    b"MM\x00*": _PICTURE,
}


def foreign_kind(head: bytes) -> str:
    r"""Say what a file is, what to do with it, from its first :data:`HEAD` bytes.

    Returns
    -------
    str
        Empty for what is not known.

    Examples
    --------
    >>> import pickle
    >>> foreign_kind(pickle.dumps({}))[:8], foreign_kind(b"\x89PNG\r\n")[:9]
    ('a pickle', 'a picture')
    """
    for magic, words in _MAGIC.items():
        if head.startswith(magic):
            return words
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32:
        return f"a safetensors file {_NETWORK}"
    if _is_pickle(head):
        return _PICKLE
    if head[:1] == b"\x08" and head[1:2] < b"\x20" and head[2:3] in b'\x12\x1a"*2:B':
        return _ONNX  # protobuf: the version of the format, then another of its first eight fields
    start = head[:256].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        return "HTML or XML: a page about the model, perhaps. Download the file itself"
    if start.startswith((b"{", b"[")):
        return "JSON. A model is an archive of a manifest and arrays"
    return ""


def foreign_archive(names: Collection[str]) -> str:
    """Say what a ZIP archive is from the names in it; empty for what is not known."""
    if any(name.endswith((".pkl", ".pickle")) for name in names):
        return f"an archive of torch.save or of joblib's, with {_PICKLE}"
    if "schema.json" in names:
        return (
            "an archive of skops, whose types freqfake does not build. Have freqfake write the "
            "model: Detector.save, `freqfake train`"
        )
    if "model.weights.h5" in names:
        return "a Keras archive, which freqfake does not read: only the .h5 of Afchar et al."
    if "manifest.npy" in names:
        return (
            "of model format 1, which held no checksum and is not read any more. Train the model "
            "again, with `freqfake train`"
        )
    return ""


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
