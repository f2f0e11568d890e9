"""Scores on a real Dask cluster of worker processes."""

import functools
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import pandas as pd
import pytest
from helpers import COMMAND, make_picture, posix, run
from PIL import Image

from freqfake import ClusterError, FreqFakeError, load_detector
from freqfake.batch.parallel import cluster, map_pictures, shared

distributed = pytest.importorskip("distributed")

N_PICTURES = 200


@pytest.fixture(scope="module")
def workers():
    """Two worker processes, which are restarted when they die."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",  # any free port
    ) as local:
        yield local


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for seed in range(N_PICTURES):
        image = make_picture(seed, asynchrony=0.1 + seed / 500, size=128)
        Image.fromarray(image).save(folder / f"{seed:04d}.png", compress_level=0)
    (folder / "0100x.png").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def locally(many) -> pd.DataFrame:
    return load_detector().score(str(many))


@pytest.mark.slow
def test_same_rows_as_locally(workers, many, locally):
    with distributed.Client(workers), joblib.parallel_config(backend="dask"):
        pd.testing.assert_frame_equal(load_detector().score(str(many)), locally)


def score_on(workers, many: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "freqfake", "score", many, "--out", out]
    command += ["--dask", workers.scheduler_address]
    return subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)


@posix
def test_a_worker_that_dies_loses_nothing(workers, many, locally, tmp_path):
    out = tmp_path / "rows.csv"
    running = score_on(workers, many, out)
    while running.poll() is None and not (out.exists() and out.read_bytes().count(b"\n") > 9):
        time.sleep(0.01)
    assert running.poll() is None, "the run ended before a worker could die"
    os.kill(next(iter(workers.workers.values())).process.pid, signal.SIGKILL)
    _, messages = running.communicate(timeout=120)
    assert running.returncode == 1, messages
    assert "1 input(s) could not be read" in messages
    found = pd.read_csv(out, keep_default_na=False)
    assert found["path"].tolist() == locally["path"].tolist()
    assert found["verdict"].tolist() == locally["verdict"].tolist()


@pytest.fixture(scope="module", params=[(1, 1), (1, 2), (2, 1)], ids=["1x1", "1x2", "2x1"])
def slots(request):
    """Clusters of few slots: the number of worker processes, and of threads in each."""
    n_workers, n_threads = request.param
    with distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=n_threads, dashboard_address="127.0.0.1:0"
    ) as local:
        yield local


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    for seed in range(12):
        Image.fromarray(make_picture(seed, asynchrony=0.3)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def rows_of_few(few) -> str:
    """What is printed without a cluster."""
    return run("score", few).stdout


class WhereItRuns:
    """A job that gives the process that runs it."""

    def __call__(self, path, image, facts):
        return os.getpid()


@pytest.mark.slow
def test_a_cluster_of_few_slots_does_the_work(slots, few):
    with cluster(slots.scheduler_address):
        pids = set(map_pictures(WhereItRuns(), str(few)))
    assert pids <= {worker.process.pid for worker in slots.workers.values()}


def test_few_slots_under_the_users_own_client(slots, few):
    expected = load_detector().score(str(few))
    for n_jobs in (None, 1, 2):
        with distributed.Client(slots), joblib.parallel_config(backend="dask"):
            found = load_detector().score(str(few), n_jobs=n_jobs)
        pd.testing.assert_frame_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [[], ["--jobs", 1], ["--jobs", 2]], ids=["", "1", "2"])
def test_dask_on_few_slots(slots, few, rows_of_few, jobs):
    command = [*COMMAND, "score", few, "--dask", slots.scheduler_address, *jobs]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == rows_of_few


class Heavy:
    """A job that logs where it is unpacked."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        with self.log.open("a") as file:
            file.write(f"{os.getpid()}\n")

    def __call__(self, path, image, facts):
        return path


def test_each_worker_gets_the_job_once_and_no_pictures(workers, many, tmp_path):
    with distributed.Client(workers), joblib.parallel_config(backend="dask"):
        small = shared(Heavy(tmp_path / "log"))
        assert len(pickle.dumps(small)) < 300
        done = list(map_pictures(functools.partial(Heavy(tmp_path / "log2")), str(many)))
    assert len(done) == N_PICTURES + 1
    for name in ("log", "log2"):
        pids = (tmp_path / name).read_text().split()
        assert len(pids) == len(set(pids)) == 2
    assert shared(len) is len


def test_a_scheduler_that_does_not_answer_is_an_error(monkeypatch):
    monkeypatch.setattr("freqfake.batch.parallel._PATIENCE", 1)
    with (
        pytest.raises(ClusterError, match="no Dask scheduler answers at tcp://127"),
        cluster("tcp://127.0.0.1:9"),
    ):
        pass
    assert issubclass(ClusterError, FreqFakeError)


def test_a_backend_without_a_stream_of_results(many, locally, monkeypatch):
    monkeypatch.setattr("freqfake.batch.parallel._CHUNK", 64)
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        pd.testing.assert_frame_equal(load_detector().score(str(many)), locally)
