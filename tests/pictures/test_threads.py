"""Reading, scoring and training in threads: nothing of the whole process changes meanwhile."""

import struct
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers import make_picture
from PIL import Image

import freqfake
from freqfake.cli import main
from freqfake.pictures.provenance import read_provenance


@pytest.fixture
def files(tmp_path):
    picture = Image.fromarray(make_picture(0, asynchrony=0.3, size=256))
    exif = Image.Exif()
    exif[0x010E], exif[0x0131] = "a description", "GIMP"
    cut = exif.tobytes()[:-9]  # Pillow warns of such EXIF
    paths = []
    for number in range(40):
        for name, options in {"jpg": {"exif": cut}, "png": {"exif": cut}, "webp": {}}.items():
            paths.append(str(tmp_path / f"{number}.{name}"))
            picture.save(paths[-1], **options)
    palette = picture.quantize(16)
    palette.save(tmp_path / "p.png", transparency=bytes(range(16)))
    return [*paths, str(tmp_path / "p.png")]


@pytest.fixture
def often_interrupted():
    """Let threads take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


def everything(path):
    pixels, facts = freqfake.read_image(path)
    assert read_provenance(path).sha256 == facts.sha256
    return freqfake.asynchrony_features(pixels)


@pytest.mark.slow
@pytest.mark.usefixtures("often_interrupted")
def test_the_filters_of_warnings_stay(files):
    """Each thread used to restore the filters that it had met, in any order."""
    before, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    seen: list[object] = []
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(everything, path) for path in files]
        while not all(each.done() for each in done):
            seen += [list(warnings.filters), Image.MAX_IMAGE_PIXELS]
    assert list(warnings.filters) == before
    assert all(one in (before, limit) for one in seen)
    features = np.array([each.result() for each in done])
    assert np.isfinite(features).all()
    np.testing.assert_array_equal(features[0], everything(files[0]))
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


@pytest.mark.usefixtures("often_interrupted")
def test_own_warnings_are_heard_meanwhile(files):
    stop = threading.Event()

    def read_on():
        while not stop.is_set():
            for path in files[:9]:
                freqfake.read_image(path)

    threads = [threading.Thread(target=read_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    heard = 0
    try:
        for number in range(2000):
            try:
                warnings.warn(str(number), stacklevel=1)
            except UserWarning:  # an error, as in all these tests
                heard += 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert heard == 2000


def test_damaged_metadata_do_not_matter_with_warnings_as_errors(files):
    """Not even in a process where every warning is an error."""
    code = (
        "import sys, freqfake; from freqfake.pictures.provenance import read_provenance as claims\n"
        "for path in sys.argv[1:]: freqfake.read_image(path); print(*claims(path).problems)"
    )
    some = [*files[:3], files[-1]]
    command = [sys.executable, "-W", "error", "-c", code, *some]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "EXIF" in done.stdout


def test_the_command_line_is_silent_about_damaged_tags(tmp_path, capsys):
    """Pillow warns of them; reading a file leaves its warnings to the program."""
    path = str(tmp_path / "a.tif")
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(path, tiffinfo={0x013B: "artist" * 9})
    data = bytearray(Path(path).read_bytes())
    entry = data.index(struct.pack("<HH", 0x013B, 2))
    data[entry + 8 : entry + 12] = struct.pack("<I", len(data) - 9)
    Path(path).write_bytes(data)
    with pytest.warns(UserWarning, match="corrupt|[Tt]runcated"):
        freqfake.read_image(path)
    assert main(["features", path]) == 0
    assert capsys.readouterr().err == ""


def test_training_in_threads(picture_folders):
    sides = [list(freqfake.find_images(picture_folders / side)) for side in ("real", "fake")]
    before = list(warnings.filters)

    def train(_):
        return freqfake.train_detector(*sides, features="asynchrony").sha256

    with ThreadPoolExecutor(4) as pool:
        digests = set(pool.map(train, range(4)))
    assert list(warnings.filters) == before
    assert len(digests) == 1
