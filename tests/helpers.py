"""Shared by several tests: pictures, features, and the command line as a user runs it."""

import csv
import io
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from forked import run_python

from freqfake.batch.extraction import Extraction
from freqfake.detector.training import train_on_extractions
from freqfake.pictures.facts import ImageFacts

ROOT = Path(__file__).parents[1]
linux = pytest.mark.skipif(sys.platform != "linux", reason="others measure memory differently")
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals, names or tools")
LOSSLESS = ImageFacts(1024, 1024, "RGB", "lossless")
POSTED = ImageFacts(1024, 1024, "RGB", "JPEG 4:2:0", quality=50)
COMMAND = [sys.executable, "-m", "freqfake"]
COLUMNS = ("path", "score", "error")  # of `in_rows`


def make_picture(seed: int, *, asynchrony: float, size: int = 64) -> np.ndarray:
    """Correlated noise: the channels share a texture and differ by the asynchrony."""
    rng = np.random.default_rng(seed)
    texture = rng.normal(0, 30, (size, size, 1))
    own = rng.normal(0, 30, (size, size, 3))
    return np.clip(128 + texture + asynchrony * own, 0, 255).astype(np.uint8)


def run(*arguments, cwd=None):
    """Run a command line; its output is text."""
    more = "torch" if arguments[:1] == ("deep",) and find_spec("torch") else ""
    done = run_python("-m", "freqfake", *map(str, arguments), cwd=cwd, more=more)
    assert "Traceback" not in done.stderr
    return done


def table(text):
    """Rows of printed CSV."""
    return list(csv.DictReader(io.StringIO(text)))


def as_extractions(X, facts=LOSSLESS):
    """Features as if they came from files."""
    return [Extraction(f"{i}.png", features, facts) for i, features in enumerate(X)]


def features_of_two_groups(n, *, seed=0, shift=0.0, scale=1.0):
    """Six features of `n` real and `n` fake pictures, easily told apart."""
    rng = np.random.default_rng(seed)
    base = np.array([0.06, 0.07, 0.05, 0.1, 0.1, 0.1])
    real, fake = (base * f + rng.normal(0, 0.004, (n, 6)) for f in (1.0, 1.8))
    return real * scale + shift, fake * scale + shift


def rich_extractions(n, *, seed=0):
    """Rich features of `n` real and `n` fake pictures, of two deliveries with opposite rules."""
    rng = np.random.default_rng(seed)
    sides = []
    for label in (-1, 1):
        X, posted = rng.normal(size=(n, 1800)), np.arange(n) % 2 == 1
        X[:, :100] += np.where(posted, 2, -2)[:, np.newaxis]
        X[:, 100:900] += label * np.where(posted, 2, -3)[:, np.newaxis]
        facts = [POSTED if each else LOSSLESS for each in posted]
        sides.append([Extraction("x", *pair) for pair in zip(X, facts, strict=True)])
    return sides


def train_panel(real, fake, *, least=10, **options):
    """Train a detector with evidence by delivery, on fewer pictures than it would require."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("freqfake.detector.training.ENOUGH_FOR_PANEL", 0)
        for name in ("MIN_REAL", "MIN_FAKE"):
            patch.setattr(f"freqfake.evidence.deliveries.{name}", least)
        patch.setattr("freqfake.detector.rows.MIN_FAKE", least)
        detector = train_on_extractions(real, fake, features="rich", **options)
    detector.domain.range_.limit_ = 9.0  # so few pictures are far from each other
    return detector


def scores_of_two_groups(n):
    """Scores of `n` real and `n` fake pictures; with them, a panel is trained without folds."""
    return np.random.default_rng(0).normal(3 * np.repeat([0, 1], n))


def run_bytes(*arguments, cwd, timeout=120, program=COMMAND):
    """Run a command line; its output is bytes, for names that are not Unicode."""
    command = [*program, *map(os.fspath, arguments)]
    options = {"capture_output": True, "timeout": timeout, "check": False}
    done = subprocess.run(command, cwd=cwd, **options)
    assert b"Traceback" not in done.stderr
    return done


def table_of(data):
    """Rows of printed CSV, with names of any bytes."""
    return list(csv.DictReader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")))


def in_rows(paths):
    """Table rows for these paths."""
    return [{"path": p, "score": -0.5, "error": f"no such file: {p}"} for p in paths]


def link(path, target):
    """Make a symbolic link, if the system can."""
    try:
        path.symlink_to(target)
    except OSError:
        pytest.skip("this system or user cannot make links")


def write_keras_meso4(path, size: int) -> dict[str, list[dict[str, np.ndarray]]]:
    """Random weights of Meso4 in the layout of Keras' files; numbers need not start at 1."""
    h5py = pytest.importorskip("h5py", reason="Keras' files need h5py")
    rng = np.random.default_rng(0)
    shapes = [(3, 3, 3, 8), (5, 5, 8, 8), (5, 5, 8, 16), (5, 5, 16, 16)]
    arrays = {
        "conv2d": [
            {"kernel": rng.normal(0, 0.2, s), "bias": rng.normal(0, 0.1, s[3])} for s in shapes
        ],
        "batch_normalization": [
            {
                "gamma": rng.uniform(0.5, 1.5, s[3]),
                "beta": rng.normal(0, 0.2, s[3]),
                "moving_mean": rng.normal(0, 0.2, s[3]),
                "moving_variance": rng.uniform(0.01, 1.5, s[3]),
            }
            for s in shapes
        ],
        "dense": [
            {"kernel": rng.normal(0, 0.1, s), "bias": rng.normal(0, 0.1, s[1])}
            for s in ((16 * (size // 32) ** 2, 16), (16, 1))
        ],
    }
    with h5py.File(path, "w") as file:
        for kind, layers in arrays.items():
            for number, layer in enumerate(layers, 9):  # 9, 10, ...: not in alphabetical order
                for name, array in layer.items():
                    file[f"{kind}_{number}/{kind}_{number}/{name}:0"] = array.astype(np.float32)
    return arrays
