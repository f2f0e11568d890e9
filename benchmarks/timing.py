"""Times and their ratios within one run on one thread."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from .harness.config import Config
from .harness.report import ROOT, Report

_REFERENCE = "six features"  # all else is compared with it


def timing(config: Config, report: Report) -> None:
    """Milliseconds per picture, and ratios within the run, of features, peers and whole scores."""
    cases = _measured()
    sizes = sorted({size for _, size in cases if size})
    names = list(dict.fromkeys(name for name, size in cases if size))
    rows = []
    for name in names:
        row = {"": name}
        for size in sizes:
            ratio = cases[name, size] / cases[_REFERENCE, size]
            row[f"{size} px"] = f"{cases[name, size] * 1000:.1f} (x{ratio:.2f})"
        rows.append(row)
    report.table("timing", pd.DataFrame(rows))
    starts = {name: f"{seconds:.2f}" for (name, size), seconds in cases.items() if not size}
    report.table("timing_start", pd.DataFrame({"start": starts.keys(), "s": starts.values()}))


def _measured() -> dict[tuple[str, int], float]:
    """Median seconds by name and size, from pytest-benchmark on one core."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, "-m", "pytest", "benchmarks/speed.py", "--benchmark-only", "-q"]
        command += ["-p", "no:cacheprovider", "-o", "addopts=", f"--benchmark-json={out}"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=sys.stderr, preexec_fn=_pin
        )
        results = json.loads(out.read_text())["benchmarks"]
    cases = {}
    for result in results:
        params = result["params"]
        cases[params.get("name", ""), params.get("png", 0)] = result["stats"]["median"]
    return cases


def _pin() -> None:
    """Pin the process to one core, if the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
