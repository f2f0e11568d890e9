"""Check that models and scores are the same with different sets of dependencies.

Run by the interpreter of each set, with its own folder: ``python exchange.py save FOLDER`` trains
detectors and stores them with pictures and their scores; ``python exchange.py check FOLDER ...``
scores the pictures of the others with their models.
"""

import json
import math
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from freqfake import load_detector, train_detector

sys.path.append(str(Path(__file__).parents[1]))
from helpers import make_picture

SAMPLES = Path(__file__).parents[1] / "samples"
TOLERANCE = 1e-9
NUMBERS = ("score", "llr", "p_fake")
WORDS = ("path", "verdict", "reason", "error")
EMBEDDED = ("faces", "lewoo")
STORED_AS = {"png": {}, "jpg": {"quality": 85}, "webp": {"quality": 85}, "tif": {}, "gif": {}}


def make_pictures(folder: Path, spreads: Sequence[float], seed: int, form: str = "png") -> list:
    """Store a picture for each asynchrony, each with different noise."""
    folder.mkdir()
    paths = [folder / f"{number:02d}.{form}" for number in range(len(spreads))]
    for number, (path, spread) in enumerate(zip(paths, spreads, strict=True)):
        image = make_picture(seed + number, asynchrony=spread)
        Image.fromarray(image).save(path, **STORED_AS[form])
    return paths


def train(folder: Path) -> None:
    """Save detectors of both kinds, each also after an adaptation."""
    near, far = np.linspace(0.2, 0.28, 20), np.linspace(0.45, 0.6, 20)
    real, fake = make_pictures(folder / "real", near, 0), make_pictures(folder / "fake", far, 100)
    others = make_pictures(folder / "other", 1.5 * np.concatenate([near, far]), 200)
    for features in ("asynchrony", "rich"):
        detector = train_detector(real, fake, features=features)
        detector.save(folder / f"{features}.safetensors")
        adapted = detector.adapt(others, expectations="moments")
        adapted.save(folder / f"{features}_adapted.safetensors")


def scores(folder: Path, model: str) -> list[dict]:
    """Rows of some pictures of a folder, and of the samples, from one of its models."""
    detector = load_detector(model if model in EMBEDDED else folder / model)
    pictures = [*sorted(folder.glob("*/0[0-1].*")), *sorted(SAMPLES.glob("*/*"))]
    rows = [*detector.iter_scores(pictures)]
    return [{**row, "path": "/".join(Path(row["path"]).parts[-2:])} for row in rows]


def save(folder: Path) -> None:
    """Store models, pictures and scores in a folder."""
    folder.mkdir(parents=True)
    train(folder)
    for form in STORED_AS:
        make_pictures(folder / form, [0.2, 0.5], 300, form)
    models = [*EMBEDDED, *(path.name for path in sorted(folder.glob("*.safetensors")))]
    table = {model: scores(folder, model) for model in models}
    (folder / "scores.json").write_text(json.dumps(table), encoding="utf-8")


def check(folder: Path) -> tuple[float, list[str]]:
    """Score the pictures of a folder; return the largest difference, and those too large."""
    largest, wrong = 0.0, []
    for model, expected in json.loads((folder / "scores.json").read_text("utf-8")).items():
        for ours, theirs in zip(scores(folder, model), expected, strict=True):
            place = f"{folder.name}, {model}, {theirs['path']}"
            for name in NUMBERS:
                a, b = ours[name], theirs[name]
                apart = 0.0 if math.isnan(a) and math.isnan(b) else abs(a - b)
                largest = max(largest, apart)
                if not apart <= TOLERANCE:
                    wrong.append(f"{place}: {name} is {a!r} here, was {b!r} there")
            wrong += [
                f"{place}: {name} is {ours[name]!r} here, was {theirs[name]!r} there"
                for name in WORDS
                if ours[name] != theirs[name]
            ]
    return largest, wrong


def main(command: str, *folders: str) -> int:
    """Run from the command line; status 1 when something differs."""
    warnings.simplefilter("ignore", UserWarning)  # few pictures give many warnings
    if command == "save":
        save(Path(folders[0]))
        return 0
    done = [check(Path(folder)) for folder in folders]
    wrong = [line for _, lines in done for line in lines]
    print(*wrong[:20], sep="\n")
    print(f"largest difference {max(largest for largest, _ in done):.1e}, {len(wrong)} too large")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
