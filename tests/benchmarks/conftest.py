"""Pictures of a small plan of the default model, and their extractions."""

import hashlib
import itertools
import tomllib
from pathlib import Path

import pytest
from helpers import make_picture
from PIL import Image
from small_plan import PLAN, SIZES


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Path:
    """A folder with the plan, the list and the pictures of each source; one is not listed."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "default_model.toml").write_text(PLAN)
    listed, number = [], itertools.count()
    for (side, source), n in SIZES.items():
        place = folder / "pictures" / side / source
        place.mkdir(parents=True)
        for i in range(n + (source == "loose")):
            asynchrony = {"real": 0.2, "fake": 0.8}[side] + 0.01 * i
            path = place / f"{i}.png"
            pixels = make_picture(next(number), asynchrony=asynchrony, size=96)
            Image.fromarray(pixels).save(path, compress_level=0)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            if i < n:
                listed.append(f"{side},{source},{sha256[:16]}")
    text = "\n".join(["side,source,sha256", *listed])
    (folder / "default_model.csv").write_text(text + "\n")
    return folder


@pytest.fixture(scope="session")
def plan(bench):
    return tomllib.loads((bench / "default_model.toml").read_text())


@pytest.fixture
def here(bench, monkeypatch):
    """Use that folder instead of the repository's."""
    monkeypatch.setattr("benchmarks.default_model.HERE", bench)
    monkeypatch.setattr("freqfake.detector.training.ENOUGH_FOR_PANEL", 0)
    return bench


@pytest.fixture
def sources(here, plan):
    """Extractions of all pictures; computed once, as the cache stays."""
    default_model = pytest.importorskip("benchmarks.default_model")
    return default_model.load([str(here / "pictures")], here / "cache", plan)


@pytest.fixture
def training(sources, plan):
    from benchmarks.default_model import Training

    return Training(sources, plan)
