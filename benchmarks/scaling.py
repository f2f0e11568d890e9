"""Growth of time and memory with the size and with the number of pictures."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from freqfake import asynchrony_features, read_image

from .harness.config import Config
from .harness.report import ROOT, Report
from .speed import SAMPLE, published, transforms

SIZES = (128, 256, 257, 512, 1020, 1021, 1022, 1024, 1030, 1031, 1032, 2048, 4096)
COUNTS = (1, 100, 1_000, 10_000, 100_000)
_N_ROUNDS = 9
_N_DIFFERENT = 200  # pictures of 256 px; further files are links to these
# Run in small separate processes: the child of a large process counts as large.
_MEMORY = """
import tracemalloc, numpy as np
from freqfake import asynchrony_features
pixels = np.random.default_rng(0).integers(0, 256, ({side}, {side}, 3), dtype=np.uint8)
asynchrony_features(pixels)
tracemalloc.start()
asynchrony_features(pixels)
print(tracemalloc.get_traced_memory()[1] / pixels.nbytes + 1)
"""
_WATCHED = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
seconds = time.perf_counter() - start
print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def scaling(config: Config, report: Report) -> None:
    """Time and memory of the six features by the size and by the number of pictures."""
    by_size = pd.DataFrame([_of_size(side) for side in tqdm(SIZES, desc="sizes", unit="size")])
    report.table("scaling_size", by_size.map(_text))
    with tempfile.TemporaryDirectory() as folder:
        by_count = pd.DataFrame(_of_counts(Path(folder)))
    report.table("scaling_count", by_count.map(_text))
    report.drawing("scaling", _drawn(by_size, by_count))


def _of_size(side: int) -> dict[str, float]:
    with Image.open(SAMPLE) as sample:
        image = sample.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    six, in_double, plain, transform = (
        _milliseconds(function, pixels)
        for function in (
            asynchrony_features,
            lambda p: asynchrony_features(p, dtype=np.float64),
            published,
            transforms,
        )
    )
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        image.save(file, "JPEG", quality=90)
        decode = _milliseconds(read_image, file.name)
        whole = _milliseconds(asynchrony_features, file.name)
    command = [sys.executable, "-c", _MEMORY.format(side=side)]
    memory = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {
        "px": side,
        "six, ms": six,
        "published way / six": plain / six,
        "published way / six in double": plain / in_double,
        "JPEG + six / JPEG + rfft2": whole / (decode + transform),
        "memory / picture": float(memory),
    }


def _milliseconds(function: Callable, argument: object) -> float:
    function(argument)
    times = []
    for _ in range(_N_ROUNDS):
        start = time.perf_counter()
        function(argument)
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1000)


def _of_counts(folder: Path) -> list[dict[str, float]]:
    """Rows for `freqfake features` on each number of files, with one and two processes."""
    originals = _different_pictures(folder / "originals")
    decode = _milliseconds(lambda paths: [read_image(p) for p in paths], originals) / 1000
    rows = []
    for count in COUNTS:
        pictures = folder / str(count)
        pictures.mkdir()
        for number in range(count):
            os.link(originals[number % len(originals)], pictures / f"{number:06d}.jpg")
        row: dict[str, float] = {"pictures": count}
        for jobs in (1, 2):
            seconds, megabytes = _run(pictures, jobs)
            row[f"{jobs} process(es), s"] = seconds
            row[f"{jobs} process(es), pictures/s"] = count / seconds
            row[f"{jobs} process(es), MB"] = megabytes
        row["2 / decoding alone on one core"] = row["2 process(es), pictures/s"] / (
            len(originals) / decode
        )
        rows.append(row)
    return rows


def _different_pictures(folder: Path) -> list[Path]:
    folder.mkdir()
    rng = np.random.default_rng(0)
    with Image.open(SAMPLE) as sample:
        image = sample.convert("RGB")
    paths = [folder / f"{number:03d}.jpg" for number in range(_N_DIFFERENT)]
    for path in paths:
        left, top = (int(start) for start in rng.integers(0, 1024 - 256, 2))
        image.crop((left, top, left + 256, top + 256)).save(path, quality=75)
    return paths


def _run(pictures: Path, jobs: int) -> tuple[float, float]:
    """Run the command; return its seconds and the megabytes of its largest process."""
    command = [sys.executable, "-m", "freqfake", "features", pictures, "--jobs", jobs]
    command += ["--out", pictures.parent / "out.csv"]
    watched = [sys.executable, "-S", "-c", _WATCHED, *map(str, command)]
    done = subprocess.run(watched, cwd=ROOT, check=True, capture_output=True, text=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def _text(value: float) -> str:
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def _drawn(by_size: pd.DataFrame, by_count: pd.DataFrame):
    drawing, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
    smooth = by_size[by_size["px"].isin([2**k for k in range(7, 13)])]
    left.plot(smooth["px"], smooth["six, ms"], marker="o", color="#111111", label="six features")
    others = by_size.drop(smooth.index)
    left.plot(others["px"], others["six, ms"], "x", color="#d1495b", label="other sizes")
    plain = smooth["six, ms"] * smooth["published way / six"]
    left.plot(smooth["px"], plain, marker="o", color="#999999", label="published way")
    left.set(xscale="log", yscale="log", xlabel="pixels a side", ylabel="ms a picture")
    left.set_xticks(smooth["px"], smooth["px"].map(str))
    left.minorticks_off()
    left.legend()
    for jobs, colour in ((1, "#30638e"), (2, "#d1495b")):
        name = f"{jobs} process(es)"
        right.plot(by_count["pictures"], by_count[f"{name}, s"], "o-", color=colour, label=name)
    right.set(xscale="log", yscale="log", xlabel="pictures of 256 px", ylabel="s (and MB, dotted)")
    right.plot(by_count["pictures"], by_count["1 process(es), MB"], ":", color="#30638e")
    right.plot(by_count["pictures"], by_count["2 process(es), MB"], ":", color="#d1495b")
    right.legend()
    return drawing
