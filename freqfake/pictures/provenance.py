"""Read what a picture file claims about its origin: EXIF, texts, a C2PA manifest.

Anyone can write these claims, and none of them enters a score. They help to trace a picture.
"""

import hashlib
import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import BinaryIO, Literal

from .._files import PathLike
from ..exceptions import ImageReadError
from .containers import MAX_METADATA, Part, container_of, file_parts, holds_c2pa
from .exif import exif_claims, find_exif
from .limits import MAX_PIXELS, check_size, open_file
from .reading import why_unreadable
from .tags import read_directory

C2PA = Literal["present", "absent", "not looked for"]

MAX_CLAIMS = 1000  # of a file; cameras and editors write about a hundred

_C2PA_TIFF_TAG = 0xCD41
_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_KEYWORD = "XML:com.adobe.xmp"
_SOURCE_TYPE = re.compile(r"cv\.iptc\.org/newscodes/digitalsourcetype/(\w+)")
_MAX_PROBLEMS = 20


@dataclass(frozen=True)
class Claim:
    """A claim in a file.

    Attributes
    ----------
    where : str
        "EXIF", "EXIF photo", "EXIF position" (GPS), "text" (of a PNG), "comment" (of a JPEG),
        "XMP", ...
    name : str
        Name of the tag, or keyword.
    value : str
        As in the file, with any characters: escape it before showing it. Bytes that are not text
        are described by their number and the first few.
    """

    where: str
    name: str
    value: str


@dataclass(frozen=True)
class Provenance:
    """The claims of a picture file, its hash and its size.

    Attributes
    ----------
    sha256 : str
        SHA-256 of the whole file, in hexadecimal.
    n_bytes : int
        Size of the file.
    claims : tuple of Claim
    c2pa : {"present", "absent", "not looked for"}
        Whether there is a C2PA manifest (Content Credentials). Its signature is not verified,
        and its content is not read. The last value is for formats other than JPEG, PNG, WebP, AVIF,
        HEIF and TIFF.
    thumbnail : bool
        Whether EXIF holds a thumbnail, which may show another state of the picture.
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
        """Return the value of the first claim named so, such as "Model"; empty if none is.

        Examples
        --------
        >>> from freqfake.pictures.provenance import Claim, Provenance
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
        """IPTC source type declared in XMP, such as "trainedAlgorithmicMedia"; usually empty."""
        packets = (claim.value for claim in self.claims if claim.where == "XMP")
        declared = (found for packet in packets for found in _SOURCE_TYPE.findall(packet))
        return next(declared, "")


def read_provenance(path: PathLike) -> Provenance:
    """Read what a picture file claims about its origin.

    No pixel is decoded, so the claims of a damaged picture can be read. Anything beyond
    :data:`MAX_CLAIMS`, :data:`freqfake.pictures.containers.MAX_METADATA` or
    :data:`freqfake.pictures.containers.MAX_VALUE` is left out and listed in the problems.

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
    >>> from freqfake.pictures.provenance import read_provenance
    >>> exif = Image.Exif()
    >>> exif[0x0131] = "GIMP 2.10"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.jpg")
    ...     Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path, exif=exif)
    ...     found = read_provenance(path)
    >>> found.named("Software"), found.c2pa
    ('GIMP 2.10', 'absent')
    """
    try:
        with open_file(path) as file:
            check_size(file, MAX_PIXELS)
            return _read_open_file(file)
    except Exception as error:
        raise ImageReadError(why_unreadable(path, error, "picture")) from error


def _read_open_file(file: BufferedReader) -> Provenance:
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    n_bytes = file.tell()
    problems: list[str] = []
    kind = container_of(file)
    parts, complete = _read_parts(file, problems)
    exif = find_exif(kind, parts, file, problems)
    found: list[Iterator[Claim]] = [_text_claims(*part, problems) for part in parts]
    if exif is not None:
        found.insert(0, (Claim(*claim) for claim in exif_claims(exif, problems)))
    claims = list(itertools.islice(itertools.chain(*found), MAX_CLAIMS + 1))
    if len(claims) > MAX_CLAIMS:
        problems.append(f"more than {MAX_CLAIMS} claims; the others are left out")
    if len(problems) > _MAX_PROBLEMS:
        problems[_MAX_PROBLEMS:] = [f"and {len(problems) - _MAX_PROBLEMS} more problems"]
    c2pa = _c2pa(kind, parts, complete, file)
    thumbnail = exif is not None and _has_thumbnail(exif)
    return Provenance(digest, n_bytes, tuple(claims[:MAX_CLAIMS]), c2pa, thumbnail, tuple(problems))


def _has_thumbnail(exif: BinaryIO) -> bool:
    _, start = read_directory(exif)
    return bool(start and read_directory(exif, start)[0])


def _read_parts(file: BinaryIO, problems: list[str]) -> tuple[list[Part], bool]:
    """Return the parts that hold metadata, and whether all parts were read."""
    parts: list[Part] = []
    try:
        parts += (part for part in file_parts(file) if _is_metadata(*part))
    except ValueError as error:
        problems.append(f"{error}; the rest is left out")
        return parts, False
    return parts, True


def _is_metadata(name: str, content: bytes) -> bool:
    """Whether a part holds metadata; others are not kept."""
    texts = ("tEXt", "zTXt", "iTXt", "eXIf", "EXIF", "XMP ", "COM", "APP1")
    return name in texts or holds_c2pa(name, content)


def _c2pa(kind: str, parts: list[Part], complete: bool, file: BinaryIO) -> C2PA:
    if kind == "TIFF":
        return _presence(any(tag.number == _C2PA_TIFF_TAG for tag in read_directory(file)[0]))
    if any(holds_c2pa(*part) for part in parts):
        return "present"
    return "absent" if complete and kind in ("JPEG", "PNG", "WEBP", "BMFF") else "not looked for"


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
    """Return the keyword and text of a chunk (PNG specification, third edition, 11.3.3)."""
    keyword, _, rest = content.partition(b"\0")
    if name == "tEXt":
        return keyword.decode("latin-1"), rest.decode("latin-1")
    if name == "zTXt":
        return keyword.decode("latin-1"), _unpacked(rest[1:]).decode("latin-1")
    packed, (_, _, text) = rest[0], rest[2:].split(b"\0", 2)
    return keyword.decode("latin-1"), _utf8(_unpacked(text) if packed else text)


def _unpacked(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, MAX_METADATA)


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
