"""The rich features on several data sets, and what each part of them brings.

    python -m benchmarks.rich_features --set NAME REAL FAKE [--set NAME REAL FAKE ...]

Prints the AUC of five folds, which keep together what belongs to one person: files with the same
name up to a last part of `_c` and digits, and the copies of a picture. "delivered" trains as
`freqfake train` does, on originals and delivered copies of each; "originals"
on originals alone. Beside them the audit's AUC, of the facts of the files alone.
"""

import argparse
import io
import re
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from freqfake import RBFSVMClassifier, StandardizedRidgeClassifier, audit_files, find_images
from freqfake.delivery import delivered_copy
from freqfake.features import asynchrony_features
from freqfake.io import read_bytes
from freqfake.rich import rich_feature_names, rich_features
from freqfake.training import COPY_WEIGHT, copies_for

PARTS = {
    "rings": r"ring_",
    "co-occurrences": r"(y|cb|cr)_(d\d|mixed|kernel)",
    "colour co-occurrences": r"rgb_",
    "block transforms": r"(y|cb|cr)_dct",
}


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=2)
    return Image.open(file)


def _with_past(image: Image.Image) -> Image.Image:
    width, height = image.size
    large = image.resize((width * 3 // 2, height * 3 // 2), Image.Resampling.BICUBIC)
    return _jpeg(large, 90).resize((width, height), Image.Resampling.LANCZOS)


def _shrunk(image: Image.Image, side: int, quality: int) -> Image.Image:
    return _jpeg(image.resize((side, side), Image.Resampling.LANCZOS), quality)


CHAINS = {  # tried on pictures of at least 1024 pixels
    "4:2:0 past": _with_past,
    "768 px, Q60": lambda image: _shrunk(image, 768, 60),
    "512 px, Q40": lambda image: _shrunk(image, 512, 40),
    "256 px, Q75": lambda image: _shrunk(image, 256, 75),
}


def features_of(path: str, n_copies: int) -> dict[str, np.ndarray]:
    """Six and rich features of a picture, rich ones of its copies and of it after each chain."""
    image = Image.open(path).convert("RGB")
    copies = [read_bytes(delivered_copy(image, seed))[0] for seed in range(n_copies)]
    chains = CHAINS if min(image.size) >= 1024 else {}
    return {
        "six": asynchrony_features(image),
        "rich": rich_features(image),
        "copies": np.array([rich_features(copy) for copy in copies]),
        **{name: rich_features(chain(image)) for name, chain in chains.items()},
    }


def held_out_auc(classifier, X, y, groups, *, copies=None, test=None) -> float:
    """AUC over five folds, trained on originals and copies, tested on originals or `test`."""
    scores = np.zeros(len(y))
    for train, left_out in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(
        X, y, groups
    ):
        if copies is None:
            fitted = classifier.fit(X[train], y[train])
        else:
            more = copies[train].reshape(-1, X.shape[1])
            weights = np.repeat([1.0, COPY_WEIGHT], [len(train), len(more)])
            labels = np.concatenate([y[train], np.repeat(y[train], copies.shape[1])])
            fitted = classifier.fit(np.concatenate([X[train], more]), labels, weights)
        scores[left_out] = fitted.decision_function((X if test is None else test)[left_out])
    return float(roc_auc_score(y, scores))


def measure(name: str, real: str, fake: str) -> dict[str, float | str]:
    """One row of the table."""
    paths = [list(find_images(folder)) for folder in (real, fake)]
    n_copies = copies_for(sum(map(len, paths)))
    done = joblib.Parallel(2)(
        joblib.delayed(features_of)(path, n_copies) for side in paths for path in side
    )
    data = {key: np.array([row[key] for row in done]) for key in done[0]}
    y = np.repeat([0, 1], [len(side) for side in paths])
    persons = [re.sub(r"_c\d+$", "", Path(p).stem) for side in paths for p in side]
    groups = np.unique(persons, return_inverse=True)[1]
    ridge = StandardizedRidgeClassifier()
    row: dict[str, float | str] = {"set": name, "files alone": audit_files(real, fake).auc}
    row["six features"] = held_out_auc(RBFSVMClassifier(), data["six"], y, groups)
    names = pd.Series(rich_feature_names())
    for part, pattern in PARTS.items():
        columns = names.str.match(pattern).to_numpy()
        row[part] = held_out_auc(ridge, data["rich"][:, columns], y, groups)
    rich = data["rich"]
    row["originals"] = held_out_auc(ridge, rich, y, groups)
    options = {"copies": data["copies"]}
    row["delivered"] = held_out_auc(ridge, rich, y, groups, **options)
    row["tested on a copy"] = held_out_auc(
        ridge, rich, y, groups, **options, test=data["copies"][:, 0]
    )
    for chain in CHAINS:
        if chain in data:
            row[chain] = held_out_auc(ridge, rich, y, groups, **options, test=data[chain])
    return row


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", nargs=3, action="append", required=True, dest="sets")
    warnings.simplefilter("ignore")
    rows = [measure(*arguments) for arguments in parser.parse_args().sets]
    print(pd.DataFrame(rows).set_index("set").T.round(3).to_string(na_rep="-"))


if __name__ == "__main__":
    main()
