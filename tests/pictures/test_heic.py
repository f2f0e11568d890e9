"""HEIC, within the limits of all pictures, and without registering a reader with Pillow."""

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from helpers import make_picture
from PIL import Image

import freqfake
from benchmarks.fuzzing.seeds import SIDE, picture_seeds
from freqfake.exceptions import ImageReadError
from freqfake.pictures.provenance import read_provenance

PICTURE = Image.fromarray(make_picture(0, asynchrony=0.3, size=128))
LOSSLESS = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


def heic(*pictures, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    made = pillow_heif.HeifFile()
    for picture in pictures or [PICTURE]:
        made.add_from_pillow(picture)
    file = io.BytesIO()
    made.save(file, **options)
    return file.getvalue()


def test_a_photograph(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x8825] = "Apple", 6, {1: "N", 2: (47.0, 22.0, 30.5)}
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(heic(exif=exif.tobytes(), **LOSSLESS))
    pixels, facts = freqfake.read_image(path)
    upright = np.asarray(PICTURE.rotate(-90))  # the container holds the rotation, too
    assert np.abs(pixels.astype(int) - upright).max() <= 2
    assert (facts.format, facts.coding, facts.mode, facts.animated) == (
        "HEIF",
        "HEIF",
        "RGB",
        False,
    )
    assert (facts.width, facts.height, facts.n_bytes) == (128, 128, path.stat().st_size)
    found = read_provenance(path)
    assert (found.named("Make"), found.named("Orientation"), found.has_position) == (
        "Apple", "6", True
    )  # fmt: skip
    assert (found.sha256, found.problems) == (facts.sha256, ())
    for n_jobs in (1, 2):
        table = freqfake.load_detector().score([tmp_path], n_jobs=n_jobs)
        assert list(table.error) == [""]
        assert table.verdict[0] == "inconclusive"
        assert "HEIF" in table.reason[0]


def test_kinds(tmp_path):
    transparent = PICTURE.copy()
    transparent.putalpha(7)
    deep = Image.fromarray(np.asarray(PICTURE.convert("L")).astype(np.uint16) * 257)
    for pictures, mode, expected in (
        ([transparent], "RGBA", {"transparent": True}),
        ([PICTURE.convert("L")], "L", {}),
        ([deep], "I;16", {}),
        ([PICTURE, PICTURE.rotate(90)], "RGB", {"animated": True}),
        ([PICTURE.resize((65, 33))], "RGB", {"width": 65, "height": 33}),
    ):
        (tmp_path / "a.heic").write_bytes(heic(*pictures))
        pixels, facts = freqfake.read_image(tmp_path / "a.heic")
        assert pixels.shape[:2] == (facts.height, facts.width)
        assert facts.mode == mode
        for name, value in expected.items():
            assert getattr(facts, name) == value


def test_limits(tmp_path):
    path = tmp_path / "a.heic"
    path.write_bytes(heic())
    with pytest.raises(ImageReadError, match=r"0\.0 megapixels are more .* for this kind of HEIF"):
        freqfake.read_image(path, max_pixels=128 * 128)
    assert freqfake.read_image(path, max_pixels=2 * 128 * 128)[0].size
    size = struct.pack(">II", 128, 128)
    for side, reason in ((9000, "81.0 megapixels are more than the limit of 67.1"), (8, "limit")):
        path.write_bytes(heic().replace(size, struct.pack(">II", side, side)))
        with pytest.raises(ImageReadError, match=reason):
            freqfake.read_image(path)
    data = heic()
    (tmp_path / "cut.heic").write_bytes(data[: len(data) // 2])
    (tmp_path / "boxes.heic").write_bytes(data + b"\0\0\0\x08free" * 200_000)
    for name, reason in {"cut": "cannot read", "boxes": "more than 131072 parts"}.items():
        with pytest.raises(ImageReadError, match=reason):
            freqfake.read_image(tmp_path / f"{name}.heic")


def test_nothing_is_registered_with_pillow(tmp_path):
    (tmp_path / "a.heic").write_bytes(heic())
    code = (
        "import sys, freqfake; from PIL import Image; freqfake.read_image(sys.argv[1]);"
        "Image.init(); print('HEIF' in Image.OPEN, '.heic' in Image.registered_extensions(),"
        "'pillow_heif' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.heic")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(tmp_path / "a.png")
    done = subprocess.run(
        [*command[:-1], str(tmp_path / "a.png")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == "False"


def test_without_the_extra_the_row_names_it(tmp_path):
    """In a process that cannot import the package, even if it is installed."""
    box = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic"
    (tmp_path / "IMG_0001.HEIC").write_bytes(box + bytes(99))
    PICTURE.save(tmp_path / "a.png")
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'pillow_heif':\n"
        "            raise ModuleNotFoundError('none', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from freqfake.cli import main\n"
        "sys.exit(main(['features', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    rows = done.stdout.splitlines()[1:]
    assert len(rows) == 2
    assert 'python -m pip install ""freqfake[heic]""' in rows[0]
    assert "pip install" not in rows[1]


def test_seeds_of_the_fuzzing_are_read(tmp_path):
    pytest.importorskip("pillow_heif")
    seeds = picture_seeds()["HEIF"]
    assert len(seeds) == 6
    for data in seeds:
        (tmp_path / "a").write_bytes(data)
        assert freqfake.read_image(tmp_path / "a")[0].shape[:2] == (SIDE, SIDE)
        assert read_provenance(tmp_path / "a").problems == ()
