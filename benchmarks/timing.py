"""Time to score pictures with the embedded models, on one thread, beside decoding alone.

OMP_NUM_THREADS=1 python -m benchmarks.timing GROUP=FOLDER ...
"""

import argparse
import subprocess
import sys
import time
from functools import partial
from itertools import islice

import numpy as np
import pandas as pd

from freqfake import find_images, load_detector, read_image

N_PICTURES = 30


def milliseconds(work, n_pictures: int) -> float:
    """For each picture, median of five passes over all of them."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1000 / n_pictures)


def startup() -> float:
    """Seconds of a command that loads the default model and scores nothing."""
    command = [sys.executable, "-m", "freqfake", "score", "no such file.png"]
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=False)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="+", metavar="GROUP=FOLDER")
    rows = {}
    for group in parser.parse_args().groups:
        name, folder = group.split("=", 1)
        found = list(find_images(folder))
        paths = list(islice(found[:: max(len(found) // N_PICTURES, 1)], N_PICTURES))
        row = {"decode": milliseconds(lambda p=paths: [read_image(path) for path in p], len(paths))}
        for model in ("lewoo", "faces"):
            score = partial(load_detector(model).score, paths, n_jobs=1)
            row[model] = milliseconds(score, len(paths))
        rows[name] = {**row, "faces / decode": row["faces"] / row["decode"]}
    print(pd.DataFrame(rows).T.round(1).to_string())
    print(f"\nstart of the command line, models and all: {startup():.2f} s")


if __name__ == "__main__":
    main()
