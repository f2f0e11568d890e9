"""Algorithm 1 from full-size faces to the same kind of faces delivered in other ways.

    python -m benchmarks.adaptation --real web1024/real --fake mobilestylegan

Each split trains on 40 + 40 faces and adapts to, and is measured on, 30 + 30 others. Prints the
balanced accuracy at the score 0, averaged over the splits.
"""

import argparse
import io
import itertools
import warnings

import joblib
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from freqfake import GaussianExpectationAdapter, RBFSVMClassifier, asynchrony_features, find_images
from freqfake.exceptions import AdaptationError
from freqfake.extraction import Extraction
from freqfake.io import read_any
from freqfake.training import train_on_extractions

N_PER_SIDE, N_TRAIN, N_SPLITS = 70, 40, 10


def jpeg(quality: int, subsampling: int):
    """Make a function that compresses a picture."""

    def compress(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, subsampling=subsampling)
        return Image.open(file)

    return compress


def middle(image: Image.Image) -> Image.Image:
    """Crop a picture to its middle, half as wide and high."""
    width, height = image.size
    return image.crop((width // 4, height // 4, width * 3 // 4, height * 3 // 4))


DELIVERIES = {
    "as trained": lambda image: image,
    "cropped to half": middle,
    "halved, area": lambda image: image.resize((512, 512), Image.Resampling.BOX),
    "halved, Lanczos": lambda image: image.resize((512, 512), Image.Resampling.LANCZOS),
    "JPEG Q95 4:4:4": jpeg(95, 0),
    "JPEG Q95 4:2:0": jpeg(95, 2),
    "JPEG Q75 4:2:0": jpeg(75, 2),
}
METHODS = {
    "joint, random start": {"start": "random"},
    "joint": {},
    "per feature, random start": {"start": "random", "expectations": "per_feature"},
    "per feature": {"expectations": "per_feature"},
    "moments": {"expectations": "moments"},
}


def deliver(path: str) -> dict[str, Extraction]:
    """One picture after each delivery."""
    image = Image.open(path).convert("RGB")
    delivered = {name: read_any(delivery(image)) for name, delivery in DELIVERIES.items()}
    return {
        name: Extraction(path, asynchrony_features(pixels), facts)
        for name, (pixels, facts) in delivered.items()
    }


def measure(source: list[Extraction], target: list[Extraction]) -> dict[str, float]:
    """One split: source and target hold as many real pictures as fake ones, real first."""
    (X, y), (X_target, y_target) = map(as_arrays, (source, target))
    svm = RBFSVMClassifier().fit(X, y)
    result = {
        "AUC": roc_auc_score(y_target, svm.decision_function(X_target)),
        "none": balanced_accuracy_score(y_target, svm.predict(X_target)),
    }
    for name, options in METHODS.items():
        adapter = GaussianExpectationAdapter(**options).fit(X, y, X_target=X_target)
        result[name] = balanced_accuracy_score(y_target, adapter.predict(X_target))
    detector = train_on_extractions(source[: len(source) // 2], source[len(source) // 2 :])
    try:
        adapted = detector.adapt_to(target)
        predicted = adapted.classifier.predict(X_target)
        kept = adapted.classifier is detector.classifier
    except AdaptationError:
        return {**result, "refused": 1.0}
    result["freqfake adapt"] = balanced_accuracy_score(y_target, predicted)
    return {**result, "kept": float(kept), "refused": 0.0}


def as_arrays(pictures: list[Extraction]) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels."""
    return np.array([p.features for p in pictures]), np.repeat([0, 1], len(pictures) // 2)


def one_split(sides: list[list[dict[str, Extraction]]], seed: int, name: str) -> dict:
    """Measure one delivery on one random split."""
    warnings.simplefilter("ignore")
    orders = [np.random.default_rng((seed, side)).permutation(N_PER_SIDE) for side in (0, 1)]
    chosen = list(zip(sides, orders, strict=True))
    source = [side[i]["as trained"] for side, order in chosen for i in order[:N_TRAIN]]
    target = [side[i][name] for side, order in chosen for i in order[N_TRAIN:]]
    return {"delivery": name, **measure(source, target)}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", required=True)
    parser.add_argument("--fake", required=True)
    args = parser.parse_args()
    parallel = joblib.Parallel(2)
    sides = [
        parallel(joblib.delayed(deliver)(path) for path in list(find_images(folder))[:N_PER_SIDE])
        for folder in (args.real, args.fake)
    ]
    rows = parallel(
        joblib.delayed(one_split)(sides, seed, name)
        for name, seed in itertools.product(DELIVERIES, range(N_SPLITS))
    )
    table = pd.DataFrame(rows).groupby("delivery", sort=False).mean()
    print(table.round(2).to_string(na_rep="-"))


if __name__ == "__main__":
    main()
