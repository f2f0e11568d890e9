"""Scores on Ray and on Spark; the extra ``test-clusters`` installs them, and Spark needs Java."""

import shutil
import sys
from collections.abc import Iterator

import joblib
import pandas as pd
import pytest
from helpers import make_picture
from PIL import Image

from freqfake import load_detector

# Both warn of their own sockets, files and settings.
pytestmark = pytest.mark.filterwarnings("ignore")
N_PICTURES = 40


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(N_PICTURES):
        image = make_picture(seed, asynchrony=0.1 + seed / 100)
        Image.fromarray(image).save(folder / f"{seed:02d}.png")
    (folder / "05x.png").write_text("no picture")
    return str(folder)


@pytest.fixture(scope="module", params=[1, 2])
def ray(request) -> Iterator[str]:
    """The name of joblib's backend, with this many slots."""
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    ray.init(num_cpus=request.param, include_dashboard=False, log_to_driver=False)
    register_ray()
    yield "ray"
    ray.shutdown()


@pytest.fixture(scope="module", params=[1, 2])
def spark(request) -> Iterator[str]:
    """The name of joblib's backend, with this many slots."""
    joblibspark = pytest.importorskip("joblibspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{request.param}]")
    builder = builder.config("spark.ui.enabled", "false")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
        joblibspark.register_spark()
        yield "spark"
        session.stop()


def check(backend: str, pictures: str) -> None:
    """Check that there are the same rows as without a cluster."""
    with joblib.parallel_config(backend=backend, n_jobs=-1):
        found = load_detector().score(pictures)
    pd.testing.assert_frame_equal(found, load_detector().score(pictures))
    assert found["error"].astype(bool).sum() == 1


def test_same_rows_on_ray(ray, pictures):
    check(ray, pictures)


def test_same_rows_on_spark(spark, pictures):
    check(spark, pictures)
