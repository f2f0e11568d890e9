"""Pictures for the tests, made here or read from disk."""

import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy: each worker has only one core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from helpers import ROOT, make_picture
from hypothesis import settings
from PIL import Image

settings.register_profile("unhurried", deadline=None)  # slow machines must not fail
settings.load_profile("unhurried")

DATA = Path(os.environ.get("FREQFAKE_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def measuring_data() -> Path:
    """The folder of measuring data; tests that need it are skipped without it."""
    if not DATA.is_dir():
        pytest.skip("no measuring data: set FREQFAKE_DATA to its folder")
    return DATA


@pytest.fixture(scope="session")
def samples() -> Path:
    return ROOT / "tests" / "samples"


@pytest.fixture(scope="session")
def picture_folders(tmp_path_factory) -> Path:
    """20 pictures of each kind, easily told apart, in the folders `real` and `fake`."""
    root = tmp_path_factory.mktemp("pictures")
    for side, asynchrony in (("real", 0.2), ("fake", 0.5)):
        (root / side).mkdir()
        for seed in range(20):
            spread = asynchrony * (1 + 0.02 * seed)
            image = make_picture(seed + (100 if side == "fake" else 0), asynchrony=spread)
            # Uncompressed, or the file sizes would separate real from fake.
            Image.fromarray(image).save(root / side / f"{seed:02d}.png", compress_level=0)
    return root
