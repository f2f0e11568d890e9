"""What a picture file claims about where it comes from: EXIF, texts, a C2PA manifest.

Everything here can be written by anybody, and none of it enters a score. It is for whoever has to
ask where a picture has been.
"""

import hashlib
import re
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from .containers import Part, container_of, file_parts, holds_c2pa
from .exceptions import ImageReadError
from .io import PathLike

if TYPE_CHECKING:
    from PIL.Image import Exif

C2PA = Literal["present", "absent", "not looked for"]

_C2PA_TIFF_TAG = 0xCD41
_EXIF_IN_JPEG = b"Exif\0\0"
_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_KEYWORD = "XML:com.adobe.xmp"
_CODES = {b"ASCII": "ascii", b"UNICODE": "utf-16", b"JIS": "iso2022_jp"}  # of EXIF comments
_POSITION = "EXIF position"
_SOURCE_TYPE = re.compile(r"cv\.iptc\.org/newscodes/digitalsourcetype/(\w+)")
_MAX_TEXT = 1 << 24  # bytes of an unpacked text
_SHOWN_BYTES = 16


@dataclass(frozen=True)
class Claim:
    """One thing that a file says.

    Attributes
    ----------
    where : str
        "EXIF", "EXIF photo", "EXIF position" (GPS), "text" (of a PNG), "comment" (of a JPEG),
        "XMP", ...
    name : str
        Of the tag, or the keyword.
    value : str
        As it is in the file, whatever characters that are. Escape it before it is shown. Bytes that
        are no text are described: their number, and the first of them.
    """

    where: str
    name: str
    value: str


@dataclass(frozen=True)
class Provenance:
    """What a picture file claims, and what identifies it.

    Attributes
    ----------
    sha256 : str
        Of the whole file, in hexadecimal.
    n_bytes : int
        Size of the file.
    claims : tuple of Claim
    c2pa : {"present", "absent", "not looked for"}
        Whether there is a C2PA manifest (Content Credentials). Its signature is not verified,
        and what it says is not read. The last is for formats other than JPEG, PNG, WebP, AVIF,
        HEIF and TIFF.
    thumbnail : bool
        Whether EXIF holds a small picture of its own, which may show another state of the picture.
    problems : tuple of str
        What could not be read, and why.
    """

    sha256: str
    n_bytes: int
    claims: tuple[Claim, ...] = ()
    c2pa: C2PA = "not looked for"
    thumbnail: bool = False
    problems: tuple[str, ...] = ()

    def named(self, name: str) -> str:
        """Value of the first claim of a name, "Model" or "Software"; empty if there is none.

        Examples
        --------
        >>> from freqfake.provenance import Claim, Provenance
        >>> Provenance("", 0, (Claim("EXIF", "Model", "X100"),)).named("Model")
        'X100'
        """
        return next((claim.value for claim in self.claims if claim.name == name), "")

    @property
    def has_position(self) -> bool:
        """Whether EXIF holds a position (GPS)."""
        return bool(self.named("GPSLatitude"))

    @property
    def digital_source_type(self) -> str:
        """What XMP declares in IPTC's terms, such as "trainedAlgorithmicMedia"; mostly empty."""
        packets = (claim.value for claim in self.claims if claim.where == "XMP")
        declared = (found for packet in packets for found in _SOURCE_TYPE.findall(packet))
        return next(declared, "")


def read_provenance(path: PathLike) -> Provenance:
    """Read what a picture file claims about where it comes from.

    No pixel is decoded, so a file whose picture is damaged can still be asked.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Provenance

    Raises
    ------
    ImageReadError
        There is no such file, it is a folder or a device, or there is no permission to read it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from freqfake.provenance import read_provenance
    >>> exif = Image.Exif()
    >>> exif[0x0131] = "GIMP 2.10"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.jpg")
    ...     Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path, exif=exif)
    ...     found = read_provenance(path)
    >>> found.named("Software"), found.c2pa
    ('GIMP 2.10', 'absent')
    """
    if Path(path).exists() and not Path(path).is_file():  # a device may never end
        raise ImageReadError(f"cannot read {path}: no ordinary file")
    try:
        with Path(path).open("rb") as file:
            return _read_open_file(file)
    except OSError as error:
        raise ImageReadError(f"cannot read {path}: {error.strerror or error}") from error


def _read_open_file(file: BufferedReader) -> Provenance:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    n_bytes = file.tell()
    kind = container_of(file)
    parts = [part for part in file_parts(file) if _is_told(*part)]
    problems: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        known = kind in ("JPEG", "PNG", "WEBP")
        exif = _exif_of_parts(parts, problems) if known else _exif_by_pillow(file)
        claims = [] if exif is None else list(_exif_claims(exif, problems))
    problems += dict.fromkeys(f"EXIF: {warning.message}" for warning in caught)
    claims += [claim for part in parts for claim in _text_claims(*part, problems)]
    return Provenance(
        digest, n_bytes, tuple(claims), _c2pa(kind, parts, exif), _thumbnail(exif), tuple(problems)
    )


def _is_told(name: str, content: bytes) -> bool:
    """Whether a part tells anything: the others need not be kept."""
    texts = ("tEXt", "zTXt", "iTXt", "eXIf", "EXIF", "XMP ", "COM", "APP1")
    return name in texts or holds_c2pa(name, content)


def _c2pa(kind: str, parts: list[Part], exif: "Exif | None") -> C2PA:
    if kind == "":
        return "not looked for"
    if kind == "TIFF":
        return "not looked for" if exif is None else _presence(_C2PA_TIFF_TAG in exif)
    return _presence(any(holds_c2pa(*part) for part in parts))


def _presence(there: bool) -> C2PA:
    return "present" if there else "absent"


# --- texts ----------------------------------------------------------------------------------------


def _text_claims(name: str, content: bytes, problems: list[str]) -> Iterator[Claim]:
    if name in ("tEXt", "zTXt", "iTXt"):
        try:
            keyword, text = _png_text(name, content)
        except (ValueError, IndexError, zlib.error) as error:
            problems.append(f"a PNG text chunk ({name}) is damaged: {error}")
            return
        yield Claim("XMP" if keyword == _XMP_KEYWORD else "text", keyword, text)
    elif name == "XMP " or (name == "APP1" and content.startswith(_XMP_IN_JPEG)):
        yield Claim("XMP", "packet", _utf8(content.removeprefix(_XMP_IN_JPEG)))
    elif name == "COM":
        yield Claim("comment", "JPEG comment", _utf8(content))


def _png_text(name: str, content: bytes) -> tuple[str, str]:
    """Keyword and text of a chunk (PNG specification, third edition, 11.3.3)."""
    keyword, _, rest = content.partition(b"\0")
    if name == "tEXt":
        return keyword.decode("latin-1"), rest.decode("latin-1")
    if name == "zTXt":
        return keyword.decode("latin-1"), _unpacked(rest[1:]).decode("latin-1")
    packed, (_, _, text) = rest[0], rest[2:].split(b"\0", 2)
    return keyword.decode("latin-1"), _utf8(_unpacked(text) if packed else text)


def _unpacked(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _MAX_TEXT)


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


# --- EXIF -----------------------------------------------------------------------------------------


def _exif_of_parts(parts: list[Part], problems: list[str]) -> "Exif | None":
    for name, content in parts:
        if name in ("eXIf", "EXIF") or (name == "APP1" and content.startswith(_EXIF_IN_JPEG)):
            return _loaded(content, problems)
    return None


def _loaded(content: bytes, problems: list[str]) -> "Exif | None":
    from PIL.Image import Exif

    exif = Exif()
    try:
        exif.load(content)
    except Exception as error:  # damaged data can make it raise anything
        problems.append(f"EXIF is damaged: {error}")
        return None
    return exif


def _exif_by_pillow(file: BinaryIO) -> "Exif | None":
    """EXIF of a format whose parts are not known here; none of them needs its pixels decoded."""
    from PIL import Image

    file.seek(0)
    try:
        return Image.open(file).getexif()
    except Exception:  # no picture, or none that Pillow knows: whoever reads its pixels tells
        return None


def _exif_claims(exif: "Exif", problems: list[str]) -> Iterator[Claim]:
    from PIL.ExifTags import GPSTAGS, IFD, TAGS

    groups = (("EXIF", None), ("EXIF photo", IFD.Exif), (_POSITION, IFD.GPSInfo))
    for where, number in groups:
        try:
            tags = dict(exif) if number is None else exif.get_ifd(number)
        except Exception as error:
            problems.append(f"{where} is damaged: {error}")
            continue
        names = GPSTAGS if number == IFD.GPSInfo else TAGS
        for tag, value in tags.items():
            if tag not in (IFD.Exif, IFD.GPSInfo, IFD.Interop):  # these only point elsewhere
                name = names.get(tag, f"tag 0x{tag:04x}")
                yield Claim(where, name, _as_text(name, value))


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, bytes) or (name.startswith("XP") and isinstance(value, tuple)):
        return _bytes_as_text(name, bytes(value))
    if isinstance(value, tuple):
        return ", ".join(_as_text(name, item) for item in value)
    return str(value)


def _bytes_as_text(name: str, value: bytes) -> str:
    """Text that EXIF stores as bytes; of anything else, how much there is and how it begins."""
    code = value[:8].rstrip(b"\0")
    if name == "UserComment" and code in _CODES:
        text = value[8:]
        order = "-be" if text[::2].count(0) > text[1::2].count(0) else "-le"
        coding = _CODES[code] + (order if code == b"UNICODE" else "")
        return text.decode(coding, "replace").rstrip("\0 ")
    if name.startswith("XP"):
        return value.decode("utf-16-le", "replace").rstrip("\0")
    bare = value.rstrip(b"\0")
    if bare.isascii() and bare.decode("latin-1").isprintable():
        return bare.decode("ascii")
    more = " ..." if len(value) > _SHOWN_BYTES else ""
    return f"{len(value)} bytes: {value[:_SHOWN_BYTES].hex(' ')}{more}"


def _thumbnail(exif: "Exif | None") -> bool:
    from PIL.ExifTags import IFD

    try:
        return exif is not None and bool(exif.get_ifd(IFD.IFD1))
    except Exception:  # a damaged one is none that could be looked at
        return False
