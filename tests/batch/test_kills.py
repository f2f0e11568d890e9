"""Tables of runs that are killed at random moments: no row is lost, and none is there twice.

The environment variable ``FREQFAKE_KILLS`` sets how often runs are killed in all (12 by default).
"""

import contextlib
import csv
import importlib.util
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
from helpers import make_picture, posix
from PIL import Image

from freqfake.cli import main

N_KILLS = int(os.environ.get("FREQFAKE_KILLS", "12"))
SHARES = {1: 3 / 12, 2: 1 / 12}  # of the kills, for each of three formats; by number of processes
N_PARTS, N_PICTURES, N_EMPTY = 2, 30, 1000
needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="Parquet needs the extra parquet"
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> list[Path]:
    """Folders of small pictures; each also has empty files."""
    top = tmp_path_factory.mktemp("parts")
    folders = [top / str(number) for number in range(N_PARTS)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        for seed in range(N_PICTURES):
            image = Image.fromarray(make_picture(seed, asynchrony=0.3))
            image.save(folder / f"{number}-{seed:04d}.png", compress_level=0)
        for seed in range(N_EMPTY // (1 + 3 * number)):
            (folder / f"{number}-{seed:04d}-empty.png").touch()
    return folders


def start(*arguments: object) -> multiprocessing.Process:
    """Run a command line in a process that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["freqfake.batch.extraction", "pyarrow.parquet", "filelock"])
    process = context.Process(target=_run, args=([*map(str, arguments)],))
    process.start()
    return process


def _run(arguments: list[str]) -> None:
    os.setsid()  # a group of its own, to be killed with the processes that it starts
    os._exit(main(arguments))  # without waiting for processes of joblib


def finished(out: Path) -> list[str]:
    """Paths of the whole rows that a killed or complete run has left in a file."""
    if not out.exists():
        return []
    if out.suffix == ".parquet":
        return list(pd.read_parquet(out)["path"])
    text = out.read_text()
    whole = text[: text.rfind("\n") + 1].splitlines()
    if out.suffix == ".csv":
        return [row["path"] for row in csv.DictReader(whole)]
    return [json.loads(line)["path"] for line in whole]


def left(out: Path) -> set[str]:
    """Paths that are on disk, in the table and in what has its rows until it is complete."""
    partial = out.with_name(f"{out.name}.partial")
    found = [finished(out)]
    if partial.exists():
        lines = partial.read_bytes().split(b"\n")[:-1]
        found.append([json.loads(line)["path"] for line in lines])
    for paths in found:
        assert len(paths) == len(set(paths)), "a row is there twice"
    return set().union(*found)


def kill(process: multiprocessing.Process, folder: Path, chance: random.Random) -> bool:
    """Kill a run at a random moment, half of the time soon after it has begun to write."""
    if chance.random() < 0.5:
        before = sizes(folder)
        while process.is_alive() and sizes(folder) == before:
            time.sleep(0.002)
        time.sleep(0.2 * chance.random() ** 3)
    else:
        time.sleep(chance.random() ** 2)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # not yet a group of its own
        process.kill()
    process.join(60)
    return process.exitcode == -signal.SIGKILL


def sizes(folder: Path) -> set[tuple[str, int]]:
    found = set()
    for file in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            found.add((file.name, file.stat().st_size))
    return found


@pytest.mark.slow
@posix
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    "name", ["f.csv", "f.jsonl", pytest.param("f.parquet", marks=needs_pyarrow)]
)
def test_no_row_is_lost_or_repeated(parts, tmp_path, name, jobs):
    """A complete table is continued with the next folder, which its rows must survive."""
    seed = random.randrange(1000)
    chance, n_hits, turn = random.Random(seed), 0, 0
    while n_hits < N_KILLS * SHARES[jobs]:
        out, kept, turn = tmp_path / str(turn) / name, set(), turn + 1
        out.parent.mkdir()
        for folder in parts:
            attacked, status = True, None
            while status in (None, -signal.SIGKILL):
                run = start("features", folder, "--out", out, "--jobs", jobs, "--resume")
                if attacked:
                    n_hits += kill(run, out.parent, chance)
                run.join()
                status, attacked = run.exitcode, chance.random() < 0.3
                assert status in (1, -signal.SIGKILL), seed  # 1: the empty files
                found = left(out)
                assert kept <= found, f"{len(kept - found)} of {len(kept)} rows lost, seed {seed}"
                kept = found
        assert sorted(finished(out)) == sorted(inputs(parts)), f"seed {seed}"
    print(f"{name}, {jobs} processes: killed {n_hits} times, {turn} complete tables")  # noqa: T201


def inputs(folders: list[Path]) -> set[str]:
    return {str(path) for folder in folders for path in folder.iterdir()}
