"""Malicious files: each quickly gives its picture or one clear error, and nothing else happens."""

import io
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import make_picture, posix
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.fuzzing.seeds import SIDE, damaged, picture_seeds
from freqfake import FreqFakeError, ImageReadError, asynchrony_features, read_image
from freqfake.crops.video import read_frames
from freqfake.exceptions import VideoReadError
from freqfake.features.rich import rich_features
from freqfake.pictures.containers import MAX_METADATA, MAX_PARTS, MAX_SCANS, check_parts, file_parts
from freqfake.pictures.limits import FORMATS, MAX_BYTES
from freqfake.pictures.provenance import MAX_CLAIMS, read_provenance
from freqfake.pictures.reading import read_any

PICTURE = Image.fromarray(make_picture(0, asynchrony=0.3))
N_DAMAGED = 40  # files of each format
SLOW = 10.0  # seconds


def encoded(form, picture=PICTURE, **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def chunk(name, content):
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def behind(start, what, form, **options):
    data = encoded(form, **options)
    return data[:start] + what + data[start:]


def many_scans(number):
    data = encoded("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * number + data[-2:]


def sharing_tags(n_tags, share, length=0):
    """Make TIFF or EXIF whose tags all hold the same bytes."""
    tags = b"".join(struct.pack("<HHII", tag + 1, 7, share, 8) for tag in range(n_tags))
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", n_tags) + tags + bytes(4)
    return data + bytes(max(0, length - len(data)))


def tiled(width, height):
    tile = zlib.compress(bytes(1000))
    tags = {256: 8, 257: 8, 258: 8, 259: 8, 262: 1, 277: 1, 322: width, 323: height}
    tags |= {324: 8 + 2 + 120 + 4, 325: len(tile)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + tile


def exif_in_pieces(data):
    return b"".join(
        segment(0xE1, b"Exif\0\0" + data[i : i + 65000]) for i in range(0, len(data), 65000)
    )


def png_of(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


BEGIN_OF_GIF = 13 + 3 * 256
BOMBS = {
    "scans.jpg": (lambda: many_scans(MAX_SCANS), "more than 100 scans"),
    "fill.jpg": (lambda: behind(2, b"\xff" * (MAX_PARTS + 2), "JPEG"), "more than 131072 parts"),
    "junk.jpg": (lambda: behind(2, bytes(MAX_PARTS + 2), "JPEG"), "it has more than 131072 parts"),
    "hidden_junk.jpg": (
        lambda: behind(2, (b"\xff\xf0" + bytes(60_000)) * 3, "JPEG"),
        "it has more than 131072 parts",
    ),
    "segments.jpg": (lambda: behind(2, b"\xff\xfe\0\2" * (MAX_PARTS + 1), "JPEG"), "more than 131"),
    "exif.jpg": (
        lambda: behind(2, exif_in_pieces(sharing_tags(5000, 100_000, 200_000)), "JPEG"),
        "tags hold many times",
    ),
    "chunks.png": (lambda: behind(33, chunk(b"abCd", b"") * MAX_PARTS, "PNG"), "more than 131072"),
    "large.png": (
        lambda: behind(33, chunk(b"abCd", bytes(MAX_METADATA + 1)), "PNG"),
        "more than 16 MiB besides the pixels",
    ),
    "profile.png": (
        lambda: behind(33, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 27))), "PNG"),
        "(?i)decompressed data too large",
    ),
    "chunks.webp": (lambda: encoded("WEBP") + b"abcd\0\0\0\0" * MAX_PARTS, "more than 131072"),
    "boxes.avif": (lambda: b"\0\0\0\x0cftypavif" + b"\0\0\0\x08free" * MAX_PARTS, "more than 131"),
    "comments.gif": (
        lambda: behind(BEGIN_OF_GIF, b"!\xfe" + (b"\xff" + b"a" * 255) * 4200 + b"\0", "GIF"),
        "more than 1 MiB besides the pixels",
    ),
    "tags.tif": (lambda: sharing_tags(60_000, 700_000), "tags hold many times"),
    "tiles.tif": (lambda: tiled(40_000, 40_000), "tiles of 40000 by 40000 pixels"),
    "slow.qoi": (lambda: b"qoif" + struct.pack(">IIBB", 3000, 3000, 3, 0), "limit of 8.4 .* QOI"),
    "slow.ppm": (lambda: b"P3 3000 3000 255\n1 2 3", "limit of 8.4 .* PPM"),
    "hungry.jp2": (
        lambda: encoded("JPEG2000").replace(*[struct.pack(">II", n, n) for n in (SIDE, 9000)]),
        "limit of 67.1 .* JPEG2000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_decoding(tmp_path, name):
    make, reason = BOMBS[name]
    path = tmp_path / name
    path.write_bytes(make())
    begin = time.process_time()
    with pytest.raises(ImageReadError, match=reason) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    found = read_provenance(path)
    assert len(found.claims) <= MAX_CLAIMS
    assert len(found.problems) <= 21
    assert time.process_time() - begin < SLOW


def test_files_near_the_limits_are_read(tmp_path):
    harmless = {
        "scans.jpg": many_scans(MAX_SCANS - 10),
        "parts.jpg": behind(2, b"\xff" * 1000 + b"\xff\xfe\0\2" * 1000, "JPEG"),
        "chunks.png": behind(33, chunk(b"abCd", bytes(8)) * 10_000, "PNG"),
        "comments.gif": behind(BEGIN_OF_GIF, b"!\xfe" + b"\xff".ljust(256) * 4000 + b"\0", "GIF"),
        "tile.tif": tiled(256, 256),
        "trailer.jpg": encoded("JPEG") + b"\xff\xda" * 1000,
        "baseline.jpg": behind(2, segment(0xE2, b"\xff\xda" * 1000), "JPEG"),
    }  # fmt: skip
    for name, data in harmless.items():
        (tmp_path / name).write_bytes(data)
        if name != "tile.tif":  # Pillow finds it too short
            assert read_image(tmp_path / name)[0].size
        else:
            with pytest.raises(ImageReadError, match=r"decoder error|-9|-2"):
                read_image(tmp_path / name)


def test_a_scan_cannot_be_hidden():
    """An end marker inside a table, behind the first scan, does not end the picture."""
    data = many_scans(MAX_SCANS)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(ValueError, match="scans"):
        check_parts(io.BytesIO(data[:last] + segment(0xFE, b"\xff\xd9" * 9) + data[last:]))


def test_sizes_beyond_any_file_end_the_walk(tmp_path):
    """A file system refuses to seek that far; memory does not."""
    (tmp_path / "a.avif").write_bytes(b"\0\0\0\x0cftypavif\0\0\0\1meta" + b"\x7f" + b"\xff" * 7)
    assert read_provenance(tmp_path / "a.avif").problems == ()
    (tmp_path / "a.tif").write_bytes(b"II+\0\x08\0\0\0" + b"\xff" * 8)
    assert read_provenance(tmp_path / "a.tif").claims == ()


def test_too_much_metadata_is_cut_off(tmp_path):
    path = tmp_path / "a.png"
    texts = chunk(b"tEXt", b"a\0b") * (MAX_CLAIMS + 1)
    path.write_bytes(behind(33, texts, "PNG"))
    found = read_provenance(path)
    assert len(found.claims) == MAX_CLAIMS
    assert found.problems == ("more than 1000 claims; the others are left out",)
    path.write_bytes(behind(33, chunk(b"zTXt", b"a\0\0no zlib") * 99, "PNG"))
    assert read_provenance(path).problems[-1] == "and 79 more problems"
    path.write_bytes(behind(33, chunk(b"abCd", b"") * MAX_PARTS + chunk(b"caBX", b""), "PNG"))
    assert read_provenance(path).c2pa == "not looked for"  # and not "absent"
    exif = Image.Exif()
    exif[0x9286], exif[0x013B] = b"x" * 70_000, "artist"
    path.write_bytes(encoded("PNG", exif=exif))
    found = read_provenance(path)
    assert found.named("Artist") == "artist"
    assert found.problems == ("EXIF: UserComment is too large to show",)


def refusals(path):
    """Yield the error of each reader for a file."""
    for read in (read_image, read_provenance, lambda path: next(read_frames(path))):
        with pytest.raises((ImageReadError, VideoReadError)) as caught:
            read(path)
        yield str(caught.value)


@posix
def test_special_files_are_refused_at_once(tmp_path):
    pytest.importorskip("av")
    os.mkfifo(tmp_path / "pipe.png")  # nothing writes to it: opening it would block for ever
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket.png"))
        (tmp_path / "zero.png").symlink_to("/dev/zero")
        (tmp_path / "loop.png").symlink_to("loop.png")
        for name, reason in {
            "pipe.png": "a device, pipe or socket, not a file",
            "socket.png": "a device, pipe or socket, not a file",
            "zero.png": "a device, pipe or socket, not a file",
            "loop.png": "symbolic link",
            "a\0b.png": "null",
            "a" * 300 + ".png": "too long",
        }.items():
            assert all(reason in error for error in refusals(tmp_path / name)), name


def test_empty_and_large_files_are_refused(tmp_path):
    pytest.importorskip("av")
    (tmp_path / "empty").touch()
    assert all("the file is empty" in error for error in refusals(tmp_path / "empty"))
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # takes no disk space
    for read in (read_image, read_provenance):
        with pytest.raises(ImageReadError, match=r"537 MB is above the limit of 537 MB, four"):
            read(tmp_path / "large")
    with pytest.raises(ImageReadError, match="not a picture"):
        read_image(tmp_path / "large", max_pixels=1 << 28)


def test_the_largest_tile_of_a_small_picture(tmp_path):
    for height, about_tiles in ((2048, False), (2049, True)):  # 2^22 pixels, and more
        (tmp_path / "t.tif").write_bytes(tiled(2048, height))
        assert ("tiles of 2048" in next(refusals(tmp_path / "t.tif"))) == about_tiles


@pytest.mark.parametrize(
    "name", sorted(set(Image.registered_extensions().values()) & set(Image.ID))
)
def test_formats_that_are_read(tmp_path, name):
    """Others are refused with an error, whatever they hold."""
    for data in picture_seeds()[name]:
        (tmp_path / "a").write_bytes(data)
        if name in FORMATS:
            pixels, facts = read_image(tmp_path / "a")
            assert pixels.shape[:2] == (SIDE, SIDE)
            assert facts.format in (name, "MPO", "BMP", "DIB")
        else:
            with pytest.raises(ImageReadError, match=r"is not read, for safety|not a picture"):
                read_image(tmp_path / "a")


@posix
def test_no_program_is_started_for_postscript(tmp_path, monkeypatch):
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert shutil.which("gs") == str(tmp_path / "gs")
    (tmp_path / "a.png").write_bytes(encoded("EPS"))
    with pytest.raises(ImageReadError, match="the format EPS is not read, for safety; convert"):
        read_image(tmp_path / "a.png")
    read_provenance(tmp_path / "a.png")
    assert not (tmp_path / "started").exists()


@pytest.fixture(scope="module")
def damaged_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    rng = np.random.default_rng(0)
    for name, seeds in picture_seeds().items():
        for number in range(N_DAMAGED if name in FORMATS else 10):
            seed = seeds[rng.integers(len(seeds))]
            (folder / f"{name}_{number:02d}").write_bytes(damaged(seed, rng) or b"-")
    return folder


def test_damaged_pictures_end_in_pixels_or_an_error(damaged_files):
    n_read = 0
    for path in sorted(damaged_files.iterdir()):
        begin = time.process_time()
        read_provenance(path)
        try:
            pixels, facts = read_image(path)
        except ImageReadError as error:
            assert str(path) in str(error)  # noqa: PT017
            continue
        finally:
            assert time.process_time() - begin < SLOW, path
        n_read += 1
        assert pixels.shape[:2] == (facts.height, facts.width), path
    assert n_read > 100  # the damage leaves enough files to decode


def test_no_row_of_a_damaged_picture_is_lost(damaged_files, tmp_path):
    """With two processes as well; and nothing but the table is written."""
    home = tmp_path / "home"
    home.mkdir()
    names = sorted(path.name for path in damaged_files.iterdir())
    places = {"HOME": str(home), "TMPDIR": str(home), "JOBLIB_TEMP_FOLDER": str(home)}
    tables = []
    for n_jobs in ("1", "2"):
        command = [sys.executable, "-m", "freqfake", "features", str(damaged_files)]
        command += ["--jobs", n_jobs, "--max-pixels", "1000000"]
        out = ["--out", str(tmp_path / f"{n_jobs}.csv")]
        done = subprocess.run([*command, *out], env={**os.environ, **places}, capture_output=True)
        assert done.returncode == 1  # some could not be read, but nothing worse
        assert b"Traceback" not in done.stderr
        tables.append(pd.read_csv(tmp_path / f"{n_jobs}.csv", keep_default_na=False))
        assert [Path(path).name for path in tables[-1]["path"]] == names
        assert not list(home.iterdir())
    pd.testing.assert_frame_equal(*tables)
    assert sorted(path.name for path in damaged_files.iterdir()) == names


MAGIC = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBPVP8 ", b"GIF89a", b"II*\0",
         b"MM\0*", b"II+\0\x08\0\0\0", b"\0\0\0\x1cftypavif", b"BM", b"P6 9 9 ", b"qoif",
         b"\x01\xda", b"\xff\x4f\xff\x51", b"\n\5\1\x08", b"%!PS-Adobe", b"8BPS"]  # fmt: skip


@settings(max_examples=300)
@given(begin=st.sampled_from(MAGIC), data=st.binary(max_size=300))
@example(begin=b"\xff\xd8", data=b"\xff\xe1\0\x10Exif\0\0II\xff\xff\x08\0\0\0")
@example(begin=b"II+\0", data=b"\x08\0\0\0" + b"\xff" * 16)
def test_any_bytes_end_in_a_picture_or_an_error(tmp_path_factory, begin, data):
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(begin + data or b"-")
    read_provenance(path)
    try:
        read_image(path, max_pixels=1_000_000)
    except ImageReadError as error:
        assert str(path) in str(error)  # noqa: PT017
    for name, content in file_parts(io.BytesIO(begin + data)):
        assert isinstance(name, str)
        assert len(content) <= len(begin + data)


JUNK = st.lists(st.binary(max_size=200), min_size=1, max_size=5)


@settings(max_examples=60)
@given(junk=JUNK, marker=st.sampled_from([*range(0xE2, 0xED), 0xEF, 0xFE]))
def test_junk_besides_the_pixels_does_not_change_them(tmp_path_factory, junk, marker):
    path = tmp_path_factory.getbasetemp() / "junk"
    segments = b"".join(segment(marker, content) for content in junk)
    chunks = b"".join(chunk(b"abCd", content) for content in junk)
    blocks = b"".join(b"!\xfe" + bytes([len(c)]) + c + b"\0" for c in junk if c)
    others = [behind(2, segments, "JPEG", quality=90), behind(33, chunks, "PNG")]
    others += [behind(BEGIN_OF_GIF, blocks, "GIF")]
    plain = [encoded("JPEG", quality=90), encoded("PNG"), encoded("GIF")]
    appended = [data + b"".join(junk) for data in plain]
    for changed, data in zip([*others, *appended], [*plain, *plain], strict=True):
        path.write_bytes(data)
        pixels, facts = read_image(path)
        path.write_bytes(changed)
        found, about = read_image(path)
        np.testing.assert_array_equal(found, pixels)
        assert (about.coding, about.quality) == (facts.coding, facts.quality)
        assert about.sha256 != facts.sha256 or changed == data


DTYPES = ["u1", "u2", "<f2", "<f4", ">f4", "<f8", "g", "i8", "?", "c8", "S3", "U2", "M8[s]", "O"]


@settings(max_examples=200)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 9), max_size=5).map(tuple),
    values=st.lists(
        st.sampled_from([0.0, 1.0, -0.0, 5e-324, 1e-40, 1e308, np.inf, -np.inf, np.nan, 0.5, -1]),
        min_size=1,
        max_size=9,
    ),
)
def test_any_array_ends_in_features_or_an_error(dtype, shape, values):
    with np.errstate(all="ignore"):
        array = np.resize(np.array(values), shape).astype("f8")
        array = array.astype("i8").astype(dtype) if dtype == "M8[s]" else array.astype(dtype)
    if array.dtype.kind not in "OSUV":
        assert read_any(array)[0] is array
    for features in (asynchrony_features, rich_features):
        try:
            assert np.isfinite(features(array)).all()
        except FreqFakeError as error:
            assert str(error)  # noqa: PT017
