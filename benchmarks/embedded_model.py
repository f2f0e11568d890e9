"""Make the embedded model "lewoo" and print the figures of its model card.

    python -m benchmarks.embedded_model --real web1024/real --fake mobilestylegan [--write]

The folders hold the pictures that the model card names. Without ``--write`` nothing is written.
"""

import argparse
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import StratifiedKFold

import freqfake
from freqfake.batch.extraction import Extraction, iter_features
from freqfake.detector.training import train_on_extractions
from freqfake.evidence.metrics import detection_metrics
from freqfake.pictures.reading import read_bytes

from .harness.treatments import treated

MODEL = Path(freqfake.__file__).parent / "model_files" / "embedded" / "lewoo.safetensors"
N_FOLDS, N_REPEATS = 5, 4
PASTS = {
    "x1.5, JPEG Q90 4:2:0, back": "x1.5, 4:2:0, back",
    "x1.5, JPEG Q90 4:4:4, back": "x1.5, 4:4:4, back",
}


def extract_with_past(path: str, past: str) -> Extraction:
    """Features of a picture after giving it a past that many photographs have."""
    with Image.open(path) as image:
        pixels, _ = read_bytes(treated(image.convert("RGB"), past))
    return next(iter_features([pixels]))


def detectors(pictures: list[Extraction], y: np.ndarray, seed: int):
    """Yield a detector trained on the other folds, and the fold, for every fold."""
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    warnings.simplefilter("ignore", freqfake.DatasetWarning)  # shown once, when writing
    for train, test in folds.split(np.zeros(len(y)), y):
        sides = [[pictures[i] for i in train if y[i] == label] for label in (0, 1)]
        yield train_on_extractions(*sides), test


def verdict_shares(verdicts: list[str]) -> dict[str, float]:
    """Shares of the three verdicts."""
    return {v: float(np.mean(np.array(verdicts) == v)) for v in ("real", "inconclusive", "fake")}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", required=True)
    parser.add_argument("--fake", required=True)
    parser.add_argument("--write", action="store_true", help=f"replace {MODEL.name}")
    args = parser.parse_args()

    real, fake = (list(iter_features(path, n_jobs=2)) for path in (args.real, args.fake))
    y = np.repeat([0, 1], [len(real), len(fake)])
    pictures = real + fake
    treated = {
        name: joblib.Parallel(2)(
            joblib.delayed(extract_with_past)(picture.path, past) for picture in fake
        )
        for name, past in PASTS.items()
    }

    metrics, verdicts = [], {"real": [], "fake": [], **{f"fake, {name}": [] for name in treated}}
    for seed in range(N_REPEATS):
        scores = np.zeros(len(y))
        for detector, fold in detectors(pictures, y, seed):
            for i in fold:
                row = detector.row(pictures[i])
                scores[i] = row["score"]
                verdicts["fake" if y[i] else "real"].append(row["verdict"])
                for name in treated if y[i] else ():
                    row = detector.row(treated[name][i - len(real)])
                    verdicts[f"fake, {name}"].append(row["verdict"])
        metrics.append(detection_metrics(y, scores))
    print(pd.DataFrame(metrics).mean().round(3).to_string(), end="\n\n")
    print(pd.DataFrame({k: verdict_shares(v) for k, v in verdicts.items()}).T.round(3).to_string())
    if args.write:
        warnings.simplefilter("always", freqfake.DatasetWarning)
        train_on_extractions(real, fake, name="lewoo").save(MODEL)
        print(f"\n{MODEL.name}: {MODEL.stat().st_size} bytes")


if __name__ == "__main__":
    main()
