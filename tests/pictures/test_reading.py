"""Pictures and the facts of their files."""

import dataclasses
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers import linux, make_picture
from PIL import Image

import freqfake
from freqfake import ImageReadError, ImageValueError, asynchrony_features, find_images, read_image
from freqfake.cli import main
from freqfake.pictures.endings import (
    ENDINGS,
    OTHER_ENDINGS,
    OTHER_VIDEO_ENDINGS,
    RAW_ENDINGS,
    READ_ENDINGS,
    VIDEO_ENDINGS,
)
from freqfake.pictures.reading import read_any

PICTURE = Image.fromarray(make_picture(0, asynchrony=0.3))


@pytest.mark.parametrize(
    ("name", "options", "coding"),
    [
        ("a.png", {}, "lossless"),
        ("a.bmp", {}, "lossless"),
        ("a.tif", {"compression": "tiff_lzw"}, "lossless"),
        ("b.tif", {"compression": "jpeg"}, "lossy TIFF"),
        ("a.webp", {"lossless": True}, "lossless"),
        ("b.webp", {"lossless": True, "exif": Image.Exif()}, "lossless"),
        ("c.webp", {"quality": 90}, "lossy WEBP"),
        ("a.jpg", {"subsampling": 0}, "JPEG 4:4:4"),
        ("b.jpg", {"subsampling": 1}, "JPEG 4:2:2"),
        ("c.jpg", {"subsampling": 2}, "JPEG 4:2:0"),
        ("a.gif", {}, "GIF"),
    ],
)
def test_coding(tmp_path, name, options, coding):
    PICTURE.save(tmp_path / name, **options)
    facts = read_image(tmp_path / name)[1]
    assert facts.coding == coding
    assert (facts.width, facts.height) == (64, 64)


def test_lossless_webp_with_metadata(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "a description"
    PICTURE.save(tmp_path / "a.webp", lossless=True, exif=exif)
    assert b"VP8X" in (tmp_path / "a.webp").read_bytes()[:64]
    assert read_image(tmp_path / "a.webp")[1].coding == "lossless"


def test_pixels_of_every_mode(tmp_path):
    rgb = np.asarray(PICTURE)
    transparent = PICTURE.copy()
    transparent.putalpha(7)
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    pictures = {
        "rgb.png": (PICTURE, rgb, "RGB"),
        "alpha.png": (transparent, rgb, "RGBA"),
        "grey.png": (PICTURE.convert("L"), np.asarray(PICTURE.convert("L")), "L"),
        "sixteen.png": (Image.fromarray(ramp), ramp, "I;16"),
        "bits.png": (PICTURE.convert("1"), np.asarray(PICTURE.convert("1")) * np.uint8(255), "1"),
        "cmyk.tif": (PICTURE.convert("CMYK"), rgb, "CMYK"),
        "float.tif": (Image.fromarray(np.float32(ramp / 4096)), np.float32(ramp / 4096), "F"),
    }
    for name, (picture, expected, mode) in pictures.items():
        picture.save(tmp_path / name)
        pixels, facts = read_image(tmp_path / name)
        np.testing.assert_array_equal(pixels, expected, err_msg=name)
        assert facts.mode == mode
        assert facts.transparent == (name == "alpha.png")
        assert np.isfinite(asynchrony_features(pixels)).all()


def test_palette_colours_are_looked_up(tmp_path):
    palette = PICTURE.quantize(16)
    palette.save(tmp_path / "p.png")
    pixels, facts = read_image(tmp_path / "p.png")
    np.testing.assert_array_equal(pixels, np.asarray(palette.convert("RGB")))
    assert facts.mode == "P"


def test_first_frame_of_an_animation(tmp_path):
    other = Image.fromarray(make_picture(1, asynchrony=0.3))
    for name in ("a.gif", "a.png", "a.webp"):
        PICTURE.save(tmp_path / name, save_all=True, append_images=[other], lossless=True)
        pixels, facts = read_image(tmp_path / name)
        assert facts.animated, name
        assert np.abs(pixels.astype(int) - np.asarray(PICTURE)).mean() < 25, name


def test_exif_orientation_changes_nothing(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated by 90 degrees for display
    picture = PICTURE.crop((0, 0, 64, 48))
    picture.save(tmp_path / "turned.png", exif=exif)
    picture.save(tmp_path / "straight.png")
    turned, straight = (read_image(tmp_path / f"{n}.png") for n in ("turned", "straight"))
    file = {"n_bytes": straight[1].n_bytes, "sha256": straight[1].sha256}
    assert dataclasses.replace(turned[1], **file) == straight[1]
    np.testing.assert_array_equal(turned[0], straight[0])


def test_unreadable_files_say_why(tmp_path, monkeypatch):
    PICTURE.save(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("no picture")
    for name, reason in {
        "cut.jpg": "truncated",
        "empty.jpg": "the file is empty",
        "text.png": "not a picture",
        "missing.png": "no such file",
        ".": "a folder",
    }.items():
        with pytest.raises(ImageReadError, match=reason):
            read_image(tmp_path / name)
    with pytest.raises(ImageReadError, match="a folder, not a picture"):
        read_image(tmp_path)
    with pytest.raises(ImageReadError, match=r"more than the limit of 0\.0; raise it with max_pix"):
        read_image(tmp_path / "whole.jpg", max_pixels=1000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # ours counts, not Pillow's
    assert read_image(tmp_path / "whole.jpg")[0].size
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 4, 2), np.uint8), "channels"),
        (np.zeros((2, 4, 4, 3), np.uint8), "shape"),
        (np.zeros(5, np.uint8), "shape"),
        (np.uint8(3), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "at least one pixel"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4, 3), bool), "bool"),
        (np.full((4, 4, 3), 255.0), "divide by 255"),
        (np.full((4, 4, 3), -0.1), "must lie in"),
        (np.full((4, 4, 3), np.nan), "finite"),
        ([[1, 2], [3]], "array"),
    ],
)
def test_arrays_that_are_not_pictures(array, reason):
    with pytest.raises(ImageValueError, match=reason) as caught:
        asynchrony_features(array)
    assert isinstance(caught.value, ValueError)


def test_pil_images_keep_the_coding_of_their_file(tmp_path):
    PICTURE.save(tmp_path / "a.jpg", subsampling=2)
    assert read_any(Image.open(tmp_path / "a.jpg"))[1].coding == "JPEG 4:2:0"
    assert read_any(PICTURE)[1].coding == "pixels"
    assert read_any(np.asarray(PICTURE))[1].coding == "pixels"


def test_find_images(tmp_path):
    names = ["b/2.PNG", "b/1.jpg", "b/deep/x.webp", "b/no_ending", "b/notes.txt", "b/.hidden.png"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd[1].png").touch()
    folder = str(tmp_path / "b")
    found = [f"{folder}/{n}" for n in ("1.jpg", "2.PNG", "deep/x.webp", "no_ending")]
    assert list(find_images(folder)) == found
    assert list(find_images([f"{folder}/2.PNG", folder])) == [found[1], found[0], *found[2:]]
    assert list(find_images(f"{folder}/*.PNG")) == [found[1]]
    assert list(find_images(f"{tmp_path}/*/deep")) == [found[2]]
    for single in ("b/notes.txt", "odd[1].png", "missing.png", "empty", "no*match"):
        assert list(find_images(tmp_path / single)) == [str(tmp_path / single)]


REASONS = {
    "1.DNG": "raw files of cameras are not read; develop the picture and save it as TIFF or PNG",
    "2.cr3": "raw files of cameras",
    "3.jxl": "JXL files are not read; convert the picture to PNG",
    "4.svg": "SVG files are not read",
    "5.MP4": "a video, not a picture; save its frames with `freqfake deep frames`",
    "6.braw": "a video in a format that is not read; convert it to MP4",
    "7.psd": "the format PSD is not read, for safety; convert the picture to PNG",
    "8.jpg": "not a picture, or its format is not supported",
}


def test_every_picture_and_video_in_a_folder_has_a_row(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in (*REASONS, "notes.txt", "data.csv", ".hidden.dng"):
        content = b"8BPS\0\1" if name == "7.psd" else b"no picture"
        (tmp_path / "deep" / name).write_bytes(content)
    table = freqfake.extract_features(tmp_path)
    assert [Path(path).name for path in table.path] == list(REASONS)
    for path, error in zip(table.path, table.error, strict=True):
        assert error.startswith(f"cannot read {path}: {REASONS[Path(path).name]}")
    named = freqfake.extract_features(tmp_path / "deep" / "notes.txt")
    assert named.error[0].endswith("not a picture, or its format is not supported")


def test_raw_files_are_not_read_as_their_previews(tmp_path):
    """Many are TIFF files whose first picture is a small preview."""
    PICTURE.save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif")[0].size
    (tmp_path / "a.nef").write_bytes((tmp_path / "a.tif").read_bytes())
    PICTURE.save(tmp_path / "b.tif", tiffinfo={0xC612: bytes([1, 4, 0, 0])})  # a DNG inside
    PICTURE.save(tmp_path / "c.png")
    (tmp_path / "c.dng").write_bytes((tmp_path / "c.png").read_bytes())
    for name in ("a.nef", "b.tif"):
        with pytest.raises(ImageReadError, match="raw files of cameras"):
            read_image(tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / "c.dng")[0], np.asarray(PICTURE))


@pytest.mark.parametrize("content", [[], ["notes.txt"], ["deep/"], ["deep/", ".hidden.png"]])
def test_a_folder_without_pictures_says_so(tmp_path, content, capsys):
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in content:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()
    for n_jobs in (1, 2):
        table = freqfake.load_detector().score([folder], n_jobs=n_jobs)
        assert list(table.error) == [f"no pictures in this folder: {folder}"]
    assert main(["features", str(folder)]) == 1
    assert "no pictures in this folder" in capsys.readouterr().out


def test_all_endings_of_pillow_are_known():
    assert set(Image.registered_extensions()) <= ENDINGS
    assert all(ending.startswith(".") and ending.islower() for ending in ENDINGS)
    parts = (READ_ENDINGS, RAW_ENDINGS, OTHER_ENDINGS, VIDEO_ENDINGS, OTHER_VIDEO_ENDINGS)
    assert sum(map(len, parts)) == len(ENDINGS)


def test_errors_are_also_builtin_errors():
    assert issubclass(freqfake.ImageReadError, OSError)
    assert issubclass(freqfake.ModelFileError, ValueError)


@pytest.mark.slow
@linux
def test_one_hundred_megapixels_fit_in_four_gigabytes(tmp_path):
    """The largest picture of a camera: beyond Pillow's limit, read as a whole, and scored."""
    path = tmp_path / "large.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    Image.fromarray(np.tile(noise, (10, 10, 1))).save(path, quality=75)
    code = (
        "import resource, sys, freqfake; sys.stdout.reconfigure(line_buffering=True);"
        f"table = freqfake.load_detector('faces').score([{str(path)!r}]);"
        f"six = freqfake.asynchrony_features({str(path)!r});"
        "print(table.verdict[0], six.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    verdict, n_features, kilobytes = done.stdout.split()
    assert verdict == "inconclusive"
    assert n_features == "6"
    assert int(kilobytes) < 4e6


def test_a_bomb_is_refused_before_decoding(tmp_path):
    """A file of a few bytes that holds more pixels than the limit."""
    for name, side in (("large.png", 13_000), ("bomb.png", 100_000)):
        header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        data = png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + header + data)
    with pytest.raises(ImageReadError, match=r"10000\.0 megapixels are more than .* of 134\.2"):
        read_image(tmp_path / "bomb.png")
    refused, let_through = (
        freqfake.extract_features([tmp_path / "large.png"], **options)["error"][0]
        for options in ({}, {"max_pixels": 200_000_000})
    )
    assert "169.0 megapixels are more than the limit of 134.2" in refused
    assert let_through  # and then fails as truncated
    assert "limit" not in let_through


def png_chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
