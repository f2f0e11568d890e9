"""Fuzzing: damaged files of every format and odd arrays, which must give a row or an error.

Coverage-guided by atheris (``python -m pip install ".[bench,fuzz]"``, on Linux). Each kind has its
own process, whose home, temporary and working folder must still be empty at the end. A process that
dies, hangs, or takes too much memory leaves the file that caused it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from freqfake.pictures.limits import FORMATS

from ..harness.config import Config, ConfigError
from ..harness.report import ROOT, Report
from .seeds import VIDEOS, picture_seeds, video_seeds

_COUNTS = {"picture": 1200, "others": 2800, "video": 400, "array": 2000}  # 27,200


def fuzz(config: Config, report: Report) -> None:
    """Damaged files of every format: no crash, no hang, no lost row. `--limit`: files per kind."""
    folder = report.folder.parent / "fuzz"
    rows = []
    with tempfile.TemporaryDirectory() as kept:
        for name, kind, seeds in tqdm(_kinds(), desc="fuzzing", unit="kind"):
            count = _COUNTS[kind] if config.limit is None else config.limit
            rows.append(_fuzzed(name, kind, seeds, count, Path(kept), folder))
        _check_rows(Path(kept))
    table = pd.DataFrame(rows)
    report.table("fuzz", _shown(table))
    if table["died"].sum():
        raise ConfigError(f"{table['died'].sum()} processes died; their files are in {folder}")


def _kinds() -> list[tuple[str, str, list[bytes]]]:
    pictures = picture_seeds()
    kinds = [(name, "picture", pictures.pop(name)) for name in FORMATS if name in pictures]
    kinds.append(
        (f"{len(pictures)} others", "others", [f for files in pictures.values() for f in files])
    )
    kinds += [(name, "video", files) for name in VIDEOS if (files := video_seeds(name))]
    return [*kinds, ("arrays", "array", [bytes([0, 3, 8, 8, 3, 0, 99]), bytes(range(200))])]


def _fuzzed(
    name: str, kind: str, seeds: list[bytes], count: int, kept: Path, folder: Path
) -> dict[str, Any]:
    """Fuzz one kind in its own process."""
    folder.mkdir(parents=True, exist_ok=True)
    slug = "".join(c if c.isalnum() else "_" for c in name)
    outcome = {"files": 0, "read": 0, "slowest": 0.0, "memory": 0.0, "died": 0}
    with tempfile.TemporaryDirectory() as corpus, tempfile.TemporaryDirectory() as home:
        for number, seed in enumerate(seeds):
            Path(corpus, f"seed{number}").write_bytes(seed)
        result = folder / f"{slug}.json"
        result.unlink(missing_ok=True)
        target = {"others": "picture"}.get(kind, kind)
        arguments = [target, str(count), "1", corpus, str(kept), str(result)]
        environment = {**os.environ, "HOME": home, "TMPDIR": home, "PYTHONPATH": str(ROOT)}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "benchmarks.fuzzing.target", *arguments]
        with (folder / f"{slug}.log").open("wb") as log:
            subprocess.run(command, cwd=home, env=environment, stdout=log, stderr=log, check=False)
        if result.exists():
            outcome |= json.loads(result.read_text())
        left = [path.name for path in Path(home).rglob("*")]
        outcome["died"] = int(not result.exists() or bool(left))
    return {"kind": name, **outcome}


def _check_rows(kept: Path) -> None:
    """Score every fiftieth file in one batch, by one and by two processes: a row for each."""
    n_files = len(list(kept.iterdir()))
    for n_jobs in ("1", "2"):
        begin = time.perf_counter()
        command = [sys.executable, "-m", "freqfake", "score", str(kept), "--jobs", n_jobs]
        command += ["--format", "csv", "--out", str(kept.parent / "rows.csv")]
        subprocess.run(command, check=False, capture_output=True)
        rows = pd.read_csv(kept.parent / "rows.csv")
        if rows["path"].nunique() != n_files or len(rows) != n_files:
            raise ConfigError(f"{len(rows)} rows for {n_files} files with --jobs {n_jobs}")
        seconds = time.perf_counter() - begin
        print(f"{n_files} files, {len(rows)} rows in {seconds:.0f} s with --jobs {n_jobs}")


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    every = {"files": "sum", "read": "sum", "slowest": "max", "memory": "max", "died": "sum"}
    table.loc[len(table)] = {"kind": "all", **table.agg(every)}
    return pd.DataFrame(
        {
            "kind": table["kind"],
            "files": table["files"].astype(int),
            "read": table["read"].astype(int),
            "refused": (table["files"] - table["read"]).astype(int),
            "slowest, s": table["slowest"].map("{:.2f}".format),
            "most memory, MiB": table["memory"].map("{:.0f}".format),
            "crashed, hung or wrote": table["died"].astype(int),
        }
    )
