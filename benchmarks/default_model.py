"""Make the embedded model "faces", and test it on each real source left out in turn.

    python -m benchmarks.default_model --pair NAME REAL FAKE ... --crops NAME FOLDER ...
        --real NAME FOLDER ... [--cache FOLDER] [--write] [--restate]

A pair holds real and generated pictures with the same delivery; `--real` adds real pictures only,
`--crops` six random squares of each picture. If the files of a pair differ in coding, quality or
size, the originals are left out and only their delivered copies are used.

The shares of verdicts among originals and among delivered copies are printed: first for each real
source, by a model trained without it and without the generated pictures of its pair, which would
have no real counterpart; then for all sources, by models trained on the other two of three folds.

The embedded model was trained on features in single precision. `--restate` keeps its parameters and
adds the SHA-256 of the training files and the versions used, which model files did not hold then.
"""

import argparse
import dataclasses
import hashlib
import warnings
from collections import defaultdict
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import StratifiedKFold

import freqfake
from freqfake import Detector, find_images, iter_features, load_detector, read_image
from freqfake.batch.extraction import Extraction
from freqfake.detector.cards import file_hashes, training_info
from freqfake.detector.training import train_on_extractions
from freqfake.evidence.audit import audit_facts

MODEL = Path(freqfake.__file__).parent / "model_files" / "embedded" / "faces.safetensors"
MAX_FPR = 0.0075  # on known sources, to stay under 1 % on unknown ones
N_COPIES = 4
N_CROPS, MIN_CROP, MAX_CROP = 6, 256, 1600  # pixels per side
VERDICTS = ("real", "inconclusive", "fake")
TRAINED_WITH = {
    "freqfake": "0.1.0",
    "python": "3.11.7",
    "numpy": "2.4.6",
    "scipy": "1.17.1",
    "scikit-learn": "1.9.1",
    "pillow": "13.0.0",
}
NOTE = "trained on features in single precision; the training files were hashed afterwards"

Source = list[Extraction]


def extract(inputs) -> Source:
    """Rich features of pictures and of their delivered copies."""
    done = iter_features(inputs, features="rich", n_copies=N_COPIES, n_jobs=2, progress=True)
    return [picture for picture in done if not picture.error]


def crops_of(path: str) -> Extraction:
    """Random squares of a picture, and copies of each, as one family."""
    rng = np.random.default_rng(len(Path(path).name))
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    side = min(image.size)
    squares = []
    for _ in range(N_CROPS):
        size = int(rng.integers(min(side, MIN_CROP), min(side, MAX_CROP) + 1))
        left, top = (int(rng.integers(0, length - size + 1)) for length in image.size)
        squares.append(np.asarray(image.crop((left, top, left + size, top + size))))
    first, *others = iter_features(squares, features="rich", n_copies=N_COPIES)
    more = [member for other in others for member in (other, *other.copies)]
    of_file = dataclasses.replace(first.facts, sha256=sha256)
    return dataclasses.replace(first, path=path, facts=of_file, copies=(*first.copies, *more))


def without_originals(source: Source) -> Source:
    """Replace each picture by its first copy, with the SHA-256 of the file."""
    return [
        dataclasses.replace(
            p.copies[0],
            facts=dataclasses.replace(p.copies[0].facts, sha256=p.facts.sha256),
            copies=p.copies[1:],
        )
        for p in source
    ]


def load(pairs, alone, crops) -> tuple[dict[str, Source], dict[str, Source]]:
    """Load real and generated sources; those of a pair have the same name."""
    real = {name: extract(folder) for name, folder in alone}
    parallel = joblib.Parallel(2)
    for name, folder in crops:
        real[name] = parallel(joblib.delayed(crops_of)(path) for path in find_images(folder))
    fake = {}
    for name, *folders in pairs:
        sides = [extract(folder) for folder in folders]
        audit = audit_facts(*([picture.facts for picture in side] for side in sides))
        auc = max(audit.auc_by_fact[fact] for fact in ("coding", "JPEG quality", "width"))
        print(f"{name}: files alone {audit.auc:.3f}, by coding, quality or size {auc:.3f}")
        real[name], fake[name] = map(without_originals, sides) if auc > 0.7 else sides
    return real, fake


def train(real: dict[str, Source], fake: dict[str, Source], name: str = "") -> Detector:
    """Train on all pictures; the weight of a source is the square root of its size."""
    sides = [[p for source in side.values() for p in source] for side in (real, fake)]
    weights = [
        np.concatenate([np.full(len(source), len(source) ** -0.5) for source in side.values()])
        for side in (real, fake)
    ]
    scaled = np.concatenate([w / w.mean() for w in weights])
    return train_on_extractions(*sides, features="rich", name=name, max_fpr=MAX_FPR, weights=scaled)


def restated(pairs, alone, crops) -> Detector:
    """Add to the embedded model what it was trained on and with."""
    detector = load_detector(MODEL)
    folders = ([*(pair[1] for pair in pairs), *(f for _, f in (*alone, *crops))],
               [pair[2] for pair in pairs])  # fmt: skip
    hashes = [file_hashes([read_image(path)[1] for path in find_images(side)]) for side in folders]
    expected = [detector.info["n_real"], detector.info["n_fake"]]
    if [len(rows) for rows in hashes] != expected:
        raise SystemExit(f"found {[len(rows) for rows in hashes]} files, expected {expected}")
    detector.training_hashes = hashes
    known = training_info(hashes, detector.held_out, detector.calibrator)
    plain = {key: detector.info[key] for key in ("name", "n_real", "n_fake")}
    detector.info = {**plain, **known, "versions": TRAINED_WITH, "note": NOTE}
    return detector


def verdicts_of(detector: Detector, source: Source) -> dict[str, list[str]]:
    """Verdicts on the originals and on the copies of pictures."""
    limit = detector.threshold()
    verdicts = defaultdict(list)
    for picture in source:
        for kind, members in (("originals", [picture]), ("copies", picture.copies)):
            rows = [detector.row(member, threshold=limit) for member in members]
            verdicts[kind] += [row["verdict"] for row in rows]
    return verdicts


def shares(verdicts: dict[str, list[str]]) -> dict[tuple[str, str], float]:
    """Share of each verdict."""
    return {
        (kind, verdict): found.count(verdict) / max(len(found), 1)
        for kind, found in verdicts.items()
        for verdict in VERDICTS
    }


def leave_one_source_out(real: dict[str, Source], fake: dict[str, Source]) -> pd.DataFrame:
    """Shares of verdicts on each real source by a model trained without it."""
    table = {}
    for name, source in real.items():
        others = ({k: v for k, v in side.items() if k != name} for side in (real, fake))
        table[name] = shares(verdicts_of(train(*others), source))
    return pd.DataFrame(table).T


def in_folds(real: dict[str, Source], fake: dict[str, Source]) -> pd.DataFrame:
    """Shares of verdicts on each source by models trained on other pictures of it."""
    labelled = [(s, n, i) for s, side in enumerate((real, fake)) for n in side
                for i in range(len(side[n]))]  # fmt: skip
    strata = [f"{s}{n}" for s, n, _ in labelled]
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for kept, left in StratifiedKFold(3, shuffle=True, random_state=0).split(strata, strata):
        parts: list[tuple[dict, dict]] = []
        for rows in (kept, left):
            sides: tuple[dict, dict] = ({}, {})
            for s, n, i in (labelled[row] for row in rows):
                sides[s].setdefault(n, []).append((real, fake)[s][n][i])
            parts.append(sides)
        detector = train(*parts[0])
        for s, side in enumerate(parts[1]):
            for name, source in side.items():
                for kind, verdicts in verdicts_of(detector, source).items():
                    found["fake" if s else "real", name][kind] += verdicts
    return pd.DataFrame({key: shares(value) for key, value in found.items()}).T


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", nargs=3, action="append", default=[])
    parser.add_argument("--real", nargs=2, action="append", default=[])
    parser.add_argument("--crops", nargs=2, action="append", default=[])
    parser.add_argument("--cache", help="folder to store the features in")
    parser.add_argument("--write", action="store_true", help=f"replace {MODEL.name}")
    text = f"only add to {MODEL.name} what it was trained on, and keep its parameters"
    parser.add_argument("--restate", action="store_true", help=text)
    args = parser.parse_args()
    if args.restate:
        restated(args.pair, args.real, args.crops).save(MODEL)
        return
    warnings.simplefilter("ignore", freqfake.DatasetWarning)

    memory = joblib.Memory(args.cache, verbose=0)
    real, fake = memory.cache(load)(args.pair, args.real, args.crops)
    print({name: len(source) for name, source in real.items()}, "real")
    print({name: len(source) for name, source in fake.items()}, "generated", flush=True)
    if args.write:
        train(real, fake, "faces").save(MODEL)
        print(f"{MODEL.name}: {MODEL.stat().st_size} bytes", flush=True)
    print("\nreal sources that the model was not trained on")
    print(leave_one_source_out(real, fake).round(4).to_string(), flush=True)
    print("\nsources with other pictures in the training")
    print(in_folds(real, fake).round(3).to_string())


if __name__ == "__main__":
    main()
