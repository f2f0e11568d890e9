"""Claims of a file: known ones in every format, and damaged ones."""

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from helpers import make_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from freqfake.exceptions import ImageReadError
from freqfake.pictures.containers import C2PA_UUID, file_parts
from freqfake.pictures.provenance import read_provenance

PICTURE = Image.fromarray(make_picture(0, asynchrony=0.3, size=16))
# JUMBF superbox, its description box, the type and label that C2PA requires
JUMBF = (
    struct.pack(">I", 64) + b"jumb" + struct.pack(">I", 30) + b"jumdc2pa" + b"\0" * 12 + b"\3c2pa\0"
)


def encoded(form, **options):
    file = io.BytesIO()
    PICTURE.save(file, form, **options)
    return file.getvalue()


def exif():
    data = Image.Exif()
    data[0x010F], data[0x0110], data[0x0131] = "Pentax", "K100D", "GIMP 2.10"
    data[0x8769] = {0x9003: "2009:02:09 11:11:30"}
    data[0x8825] = {1: "N", 2: (47.0, 22.0, 30.5)}
    return data


def chunk(name, content):
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def in_png(*chunks):
    """Make a PNG with chunks behind its pixels, where Pillow looks only after decoding."""
    data = encoded("PNG")
    end = data.index(b"IEND") - 4
    return data[:end] + b"".join(chunks) + data[end:]


def in_jpeg(marker, content):
    segment = b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content
    data = encoded("JPEG")
    return data[:2] + segment + data[2:]


def in_webp(name, content):
    data = encoded("WEBP", exif=exif()) + name + struct.pack("<I", len(content)) + content
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def box(name, content):
    return struct.pack(">I", len(content) + 8) + name + content


@pytest.fixture
def read(tmp_path):
    def read_data(data):
        (tmp_path / "file").write_bytes(data)
        return read_provenance(tmp_path / "file")

    return read_data


def claims(found):
    return {(claim.where, claim.name): claim.value for claim in found.claims}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_of_every_format(read, form):
    if form == "AVIF" and ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow cannot write AVIF")
    data = encoded(form, exif=exif().tobytes())
    found = read(data)
    assert (found.sha256, found.n_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert [found.named(name) for name in ("Make", "Model", "Software")] == [
        "Pentax", "K100D", "GIMP 2.10"
    ]  # fmt: skip
    values = claims(found)
    assert values["EXIF photo", "DateTimeOriginal"] == "2009:02:09 11:11:30"
    assert values["EXIF position", "GPSLatitude"] == "47.0, 22.0, 30.5"
    assert found.has_position
    assert (found.problems, found.thumbnail) == ((), False)


def test_no_claims(read):
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
        found = read(encoded(form))
        assert not found.has_position
        assert not found.claims
        assert not found.problems


def test_texts_of_a_png(read):
    international = b"prompt\0\1\0de\0Eingabe\0" + zlib.compress("Ein Gesicht \u202e".encode())
    found = read(
        in_png(
            chunk(b"tEXt", b"prompt\0a face"),
            chunk(b"tEXt", b"prompt\0another"),
            chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"steps: 20" * 1000)),
            chunk(b"iTXt", international),
            chunk(b"tEXt", b"long\0" + b"x" * 1_000_000),
        )
    )
    texts = [(claim.name, claim.value) for claim in found.claims]
    assert texts[:2] == [("prompt", "a face"), ("prompt", "another")]
    assert texts[2:4] == [("parameters", "steps: 20" * 1000), ("prompt", "Ein Gesicht \u202e")]
    assert texts[4] == ("long", "x" * 1_000_000)
    assert found.problems == ()


def test_damaged_texts_are_reported(read):
    bad = [chunk(b"zTXt", b"a\0\0no zlib"), chunk(b"iTXt", b"b\0"), chunk(b"iTXt", b"c\0\0\0x")]
    found = read(in_png(*bad, chunk(b"tEXt", b"good\0text")))
    assert claims(found) == {("text", "good"): "text"}
    assert len(found.problems) == 3
    assert all("is damaged" in problem for problem in found.problems)


def test_packed_texts_do_not_fill_the_memory(read):
    found = read(in_png(chunk(b"zTXt", b"bomb\0\0" + zlib.compress(b"a" * (1 << 25)))))
    assert len(found.named("bomb")) == 1 << 24


def test_claims_of_a_picture_too_large_to_decode(read):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"tEXt", b"Software\0x")
    assert read(data).named("Software") == "x"


@pytest.mark.parametrize("order", ["utf-16-be", "utf-16-le"])
def test_comments_of_exif(read, order):
    data = Image.Exif()
    comment = b"UNICODE\0" + "a face, caf\xe9".encode(order)
    data[0x8769] = {0x9286: comment, 0x927C: bytes(range(200, 240))}
    data[0x9C9C] = "noch etwas".encode("utf-16-le") + b"\0\0"
    found = read(encoded("JPEG", exif=data))
    assert found.named("UserComment") == "a face, caf\xe9"
    assert found.named("XPComment") == "noch etwas"
    assert found.named("MakerNote") == f"40 bytes: {bytes(range(200, 216)).hex(' ')} ..."


def test_comment_of_a_jpeg(read):
    found = read(in_jpeg(0xFE, b"made by \xff"))
    assert claims(found) == {("comment", "JPEG comment"): "made by \udcff"}


def test_declared_source(read):
    address = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    packet = f"<x Iptc4xmpExt:DigitalSourceType='{address}'/>".encode()
    in_text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
    for data in (
        in_jpeg(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet),
        in_png(in_text),
        in_webp(b"XMP ", packet),
    ):
        found = read(data)
        assert found.digital_source_type == "trainedAlgorithmicMedia"
    assert read(in_webp(b"XMP ", b"<x/>")).digital_source_type == ""


def test_thumbnail(read):
    # one tag, Make, and behind it a second directory, which holds one tag, Compression
    tag = struct.pack("<HHHI4s", 1, 0x010F, 2, 3, b"ab\0\0")
    data = b"Exif\0\0II*\0" + struct.pack("<I", 8) + tag + struct.pack("<I", 26)
    data += struct.pack("<HHHIII", 1, 0x0103, 3, 1, 6, 0)
    assert read(in_jpeg(0xE1, data)).thumbnail
    assert not read(encoded("JPEG", exif=exif())).thumbnail


C2PA_FILES = {
    "JPEG": in_jpeg(0xEB, b"JP\0\1\0\0\0\1" + JUMBF),
    "PNG": in_png(chunk(b"caBX", JUMBF)),
    "WEBP": in_webp(b"C2PA", JUMBF),
    "BMFF": box(b"ftyp", b"avif") + box(b"mdat", b"x" * 99) + box(b"uuid", C2PA_UUID + JUMBF),
    "TIFF": encoded("TIFF", tiffinfo={0xCD41: JUMBF}),
}
OTHERS = {
    "JPEG": in_jpeg(0xEB, b"JP\0\1\0\0\0\1" + JUMBF.replace(b"c2pa", b"jxyz")),
    "PNG": in_png(chunk(b"caBY", JUMBF)),
    "WEBP": in_webp(b"C2PB", JUMBF),
    "BMFF": box(b"ftyp", b"avif") + box(b"uuid", C2PA_UUID[::-1] + JUMBF),
    "TIFF": encoded("TIFF", tiffinfo={0xCD42: JUMBF}),
}


@pytest.mark.parametrize("form", C2PA_FILES)
def test_c2pa(read, form):
    assert read(C2PA_FILES[form]).c2pa == "present"
    assert read(OTHERS[form]).c2pa == "absent"


def test_c2pa_is_not_looked_for_elsewhere(read):
    assert read(encoded("GIF")).c2pa == "not looked for"
    assert read(b"no picture").c2pa == "not looked for"


def test_large_and_open_ended_boxes():
    large = b"\0\0\0\1uuid" + struct.pack(">Q", 16 + 16) + C2PA_UUID
    data = box(b"ftyp", b"heic") + large + b"\0\0\0\0uuid" + C2PA_UUID
    assert [part for part in file_parts(io.BytesIO(data)) if part[0] == "uuid"] == [
        ("uuid", C2PA_UUID)
    ] * 2


def test_boxes_longer_than_any_file():
    data = box(b"ftyp", b"heic") + b"\0\0\0\1mdat" + b"\xff" * 8
    assert [name for name, _ in file_parts(io.BytesIO(data))] == ["ftyp", "mdat"]


def test_damaged_exif_is_reported(read):
    found = read(in_jpeg(0xE1, b"Exif\0\0no such byte order"))
    assert found.claims == ()
    assert "EXIF is damaged" in found.problems[0]
    beyond = struct.pack("<HHHII", 1, 0x8769, 4, 1, 9999) + struct.pack("<I", 0)
    found = read(in_jpeg(0xE1, b"Exif\0\0II*\0" + struct.pack("<I", 8) + beyond))
    assert found.claims == ()


def test_missing_files_are_errors(tmp_path):
    with pytest.raises(ImageReadError, match="no such file"):
        read_provenance(tmp_path / "none.png")
    with pytest.raises(ImageReadError, match="no pictures in this folder"):
        read_provenance(tmp_path)


@pytest.mark.slow
@settings(max_examples=150)
@given(
    form=st.sampled_from(sorted(C2PA_FILES)),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=8),
)
def test_damaged_files_never_raise(tmp_path_factory, form, cut, flips):
    data = bytearray(C2PA_FILES[form])
    if form == "JPEG":
        data = bytearray(encoded("JPEG", exif=exif(), comment="x"))
    for place, value in flips:
        data[int(place * min(len(data), 400))] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data[: int(cut * len(data)) + 1])
    found = read_provenance(path)
    assert found.n_bytes == int(cut * len(data)) + 1 or found.n_bytes == len(data)
    np.testing.assert_equal(len(found.sha256), 64)
