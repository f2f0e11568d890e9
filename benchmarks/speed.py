"""Cases for pytest-benchmark: features from pixels, and scores from files.

Run by ``python -m benchmarks timing``, which pins the process to one core and makes the table.
"""

import io
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from PIL import Image

from freqfake import asynchrony_features, load_detector, read_image, rich_features

from . import peers

SIZES = (224, 256, 512, 1024, 2048)
SAMPLE = Path(__file__).parents[1] / "tests/samples/fake/mobilestylegan_200.webp"


def published(pixels: np.ndarray) -> list[float]:
    """Compute as published: three full complex transforms in double precision."""
    planes = []
    for channel in np.moveaxis(pixels / 255.0, -1, 0):
        logs = np.log(np.abs(np.fft.fftshift(np.fft.fft2(channel))) + 1e-3)
        low, high = np.percentile(logs, 1), np.percentile(logs, 99)
        planes.append(np.clip((logs - low) / (high - low), 0, 1))
    red, green, blue = planes
    pairs = ((red, green), (red, blue), (green, blue))
    distances = [np.mean(np.abs(a - b)) for a, b in pairs]
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]
    return [np.mean(distances), max(distances), min(distances), *(1 - c for c in correlations)]


def transforms(pixels: np.ndarray) -> np.ndarray:
    """Compute only the three transforms, real and in single precision."""
    channels = np.ascontiguousarray(np.moveaxis(pixels, -1, 0), np.float32)
    return scipy.fft.rfft2(channels, axes=(1, 2))


_DETECTORS = cache(load_detector)
FROM_PIXELS = {
    "rfft2 alone": transforms,
    "six features": asynchrony_features,
    "six features, published way": published,
    "rich features": rich_features,
    "Durall": peers.durall_features,
    "Frank": peers.frank_features,
    "Dzanic": peers.dzanic_features,
}
FROM_FILE = {
    "PNG: decode": lambda path: read_image(path),
    "PNG: decode + rfft2": lambda path: transforms(read_image(path)[0]),
    "PNG: decode + six features": lambda path: asynchrony_features(path),
    "PNG: score, lewoo": lambda path: _DETECTORS("lewoo").score([path]),
    "PNG: score, faces": lambda path: _DETECTORS("faces").score([path]),
}


@pytest.fixture(scope="module", params=SIZES)
def png(request, tmp_path_factory) -> Path:
    """Write one face in one of the sizes."""
    path = tmp_path_factory.mktemp("speed") / f"{request.param}.png"
    with Image.open(SAMPLE) as image:
        image.convert("RGB").resize([request.param] * 2, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.mark.parametrize("name", FROM_PIXELS)
def test_from_pixels(benchmark, png, name):
    """Time a function of the decoded pixels."""
    pixels = np.asarray(Image.open(io.BytesIO(png.read_bytes())))
    _timed(benchmark, FROM_PIXELS[name], pixels)


@pytest.mark.parametrize("name", FROM_FILE)
def test_from_file(benchmark, png, name):
    """Time a function of the file."""
    _timed(benchmark, FROM_FILE[name], png)


STARTS = {
    "import numpy, scipy.fft, PIL.Image": ["-c", "import numpy, scipy.fft, PIL.Image"],
    "import freqfake": ["-c", "import freqfake"],
    "freqfake score, before the first picture": ["-m", "freqfake", "score", "no such file.png"],
    "freqfake score, one picture": ["-m", "freqfake", "score", str(SAMPLE)],
}


@pytest.mark.parametrize("name", STARTS)
def test_start(benchmark, name):
    """Time a new process."""
    command = [sys.executable, *STARTS[name]]
    benchmark.pedantic(
        lambda: subprocess.run(command, capture_output=True, check=False), rounds=7, warmup_rounds=1
    )


def _timed(benchmark, function, argument) -> None:
    benchmark.pedantic(function, args=(argument,), rounds=15, warmup_rounds=2)
