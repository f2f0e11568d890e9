"""Make the embedded model "faces", and measure it on sources and generators left out in turn.

    python -m benchmarks.default_model --pictures FOLDER ... [--cache FOLDER] [--write]

The folders are searched for the training pictures, which default_model.csv lists by their SHA-256,
and for the weights of Tiny-LaDeDa; default_model.toml says how the pictures are used. Features, in
single precision, and held-out scores are stored in the cache.

Without `--write` the model is trained and measured, but neither the model nor the tables of the
docs are replaced. Every share is of pictures that the classifier was not fitted to, see
docs/measured_default.md.
"""

import argparse
import csv
import hashlib
import itertools
import pickle
import sys
import tomllib
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

import freqfake
from freqfake import find_images, read_image, rich_features
from freqfake.batch.copies import delivered_copy, reencoded
from freqfake.batch.extraction import Extraction
from freqfake.detector.rows import TrainingTable
from freqfake.detector.training import train_on_extractions
from freqfake.pictures.arrays import to_pil
from freqfake.pictures.facts import ImageFacts
from freqfake.pictures.reading import read_bytes

from . import squares, tiers
from .harness.report import ROOT, Report
from .protocol import Fold, by_delivery, by_rank, by_source, held_out, judged

HERE = Path(__file__).parent
MODEL = Path(freqfake.__file__).parent / "model_files" / "embedded" / "faces.safetensors"
DOCS = ROOT / "docs"
N_DIGITS = 16  # of the SHA-256, in default_model.csv
Key = tuple[str, str]  # side and source
Family = dict[str, Any]  # a picture and its copies: sha256, features, facts


def families_of(path: str, n_copies: int, n_squares: int, *, prepare: bool) -> list[Family]:
    """Compute the features of a picture, or of squares of it, and of their copies."""
    data = Path(path).read_bytes()
    rng = np.random.default_rng(zlib.crc32(data))
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        pixels, facts = read_image(path)
        image = to_pil(pixels).convert("RGB")
        if prepare:
            parts = squares.prepared(image, n_squares, rng)
        elif n_squares:
            parts = squares.cut(image, facts, n_squares, rng)
        else:
            parts = iter([(image, facts)])
        return [_family(part, own, data, n_copies) for part, own in parts]


def _family(image: Any, facts: ImageFacts, data: bytes, n_copies: int) -> Family:
    files = [reencoded(image, "4:2:0"), *(delivered_copy(image, i) for i in range(n_copies))]
    members = [(np.asarray(image), facts), *map(read_bytes, files)]
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "features": np.array([rich_features(pixels) for pixels, _ in members], np.float32),
        "facts": [own for _, own in members],
    }


def load(folders: list[str], cache: Path, plan: dict[str, Any]) -> dict[Key, list[Extraction]]:
    """Load all training pictures by side and source, from the cache where possible."""
    listed: dict[Key, set[str]] = {}
    with (HERE / "default_model.csv").open() as file:
        for row in csv.DictReader(file):
            listed.setdefault((row["side"], row["source"]), set()).add(row["sha256"])
    files = {key: [cache / f"{name}.pkl" for name in _jobs(key, plan)] for key in listed}
    missing = [key for key in listed if not all(path.exists() for path in files[key])]
    found = _found(folders) if missing else {}
    for key in missing:
        if lost := listed[key] - found.keys():
            print(f"{', '.join(key)}: {len(lost)} pictures not found", file=sys.stderr)
        _extract(key, [found[name] for name in sorted(listed[key]) if name in found], cache, plan)
    return {key: _pictures(files[key], listed[key]) for key in listed}


def _found(folders: list[str]) -> dict[str, str]:
    paths = itertools.chain.from_iterable(map(find_images, folders))
    return {hashlib.sha256(Path(p).read_bytes()).hexdigest()[:N_DIGITS]: p for p in paths}


def _jobs(key: Key, plan: dict[str, Any]) -> dict[str, Callable[[str], list[Family]]]:
    """List what is computed for each picture of a source, by the name of the file in the cache."""
    name, source = "_".join(key), key[1]
    copies, n_squares = plan["more_copies"].get(source, plan["copies"]), plan["squares"].get(source)
    jobs = {name: (copies, n_squares or 0, False)}
    if source in plan["prepared"]:
        jobs[f"{name}_prepared"] = (plan["copies_of_prepared"], plan["prepared"][source], True)
    return {
        name: partial(families_of, n_copies=n_copies, n_squares=n, prepare=prepare)
        for name, (n_copies, n, prepare) in jobs.items()
    }


def _extract(key: Key, paths: list[str], cache: Path, plan: dict[str, Any]) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    for name, job in _jobs(key, plan).items():
        path = cache / f"{name}.pkl"
        if not path.exists():
            done = joblib.Parallel(-1)(joblib.delayed(job)(path) for path in paths)
            path.write_bytes(pickle.dumps([*itertools.chain.from_iterable(done)]))
            print(name, f"{len(paths)} pictures found", flush=True)


def _pictures(files: list[Path], names: set[str]) -> list[Extraction]:
    """Pictures of a source; squares of one picture are copies of each other."""
    source = files[0].stem
    pictures: dict[str, list[Extraction]] = {}
    for family in itertools.chain.from_iterable(map(_loaded, files)):
        members = zip(family["features"], family["facts"], strict=True)
        made = [Extraction(source, features, facts) for features, facts in members]
        pictures.setdefault(family["sha256"], []).extend(made)
    return [
        Extraction(source, members[0].features, members[0].facts, tuple(members[1:]))
        for name, members in pictures.items()
        if name[:N_DIGITS] in names
    ]


def _loaded(path: Path) -> list[Family]:
    return list(pickle.loads(path.read_bytes()))


class Training:
    """The training pictures, their weights, kinds and parts."""

    def __init__(self, sources: dict[Key, list[Extraction]], plan: dict[str, Any]) -> None:
        order = sorted(sources, key=lambda key: (key[0] == "fake", key[1]))
        self.pictures = [picture for key in order for picture in sources[key]]
        sizes = [len(sources[key]) for key in order]
        self.sources = np.repeat([f"{side}, {name}" for side, name in order], sizes)
        self.is_fake = np.repeat([side == "fake" for side, _ in order], sizes)
        self.names = np.repeat([name for _, name in order], sizes)
        kind_of = {name: i for i, kind in enumerate(plan["kinds"].values()) for name in kind}
        self.kinds = np.array([kind_of.get(name, 0) for name in self.names])
        part_of = {name: i for i, part in enumerate(plan["parts"]) for name in part}
        self.n_parts = len(plan["parts"])
        self.paired = np.isin(self.names, plan["pairs"]["names"]) & self.is_fake
        own = np.array([part_of.get(name, -1) for name in self.names])
        self.source_part = np.where(self.is_fake & ~self.paired, -1, own)
        drawn = np.array([int(p.facts.sha256[:8], 16) % (self.n_parts - 1) for p in self.pictures])
        free = drawn + (self.paired & (drawn >= self.source_part))
        self.parts = np.where(self.is_fake, np.where(self.paired, free, drawn), own)
        self.weights = np.concatenate([np.full(size, size**-0.5) for size in sizes])
        for side in (self.is_fake, ~self.is_fake):
            self.weights[side] /= self.weights[side].mean()
        self.options = {"weights": self.weights, "kinds": self.kinds[self.is_fake]}

    def folds(self) -> Iterator[Fold]:
        """Leave out each part in turn, and fakes whose real counterpart is in it."""
        for part in range(self.n_parts):
            scored = self.parts == part
            unused = scored | (self.paired & (self.source_part == part))
            yield np.flatnonzero(~unused), np.flatnonzero(scored)

    def folds_of_generators(self) -> Iterator[Fold]:
        """Leave out each kind of generator in turn."""
        for kind in np.unique(self.kinds[self.is_fake]):
            scored = self.is_fake & (self.kinds == kind)
            yield np.flatnonzero(~scored), np.flatnonzero(scored)

    def folds_of_both(self) -> Iterator[Fold]:
        """Leave out each kind together with the part of the sources that its fakes are paired with.

        Of kinds without such fakes, there is nothing else to leave out.
        """
        both = np.column_stack([self.kinds, self.source_part])
        for kind, part in np.unique(both[self.paired], axis=0):
            of_kind = self.is_fake & (self.kinds == kind)
            counterparts = ~self.is_fake & (self.parts == part)
            own = self.paired & (self.source_part == part)
            yield np.flatnonzero(~(of_kind | counterparts | own)), np.flatnonzero(own & of_kind)

    def split(self) -> tuple[list[Extraction], list[Extraction]]:
        """Real and generated pictures."""
        n_real = int((~self.is_fake).sum())
        return self.pictures[:n_real], self.pictures[n_real:]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", nargs="+", default=[], metavar="FOLDER")
    parser.add_argument("--cache", type=Path, default=HERE.parent / ".bench_cache" / "training")
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"replace {MODEL.name} and the tables of its card and of docs/",
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore", freqfake.DatasetWarning)

    plan = tomllib.loads((HERE / "default_model.toml").read_text())
    training = Training(load(args.pictures, args.cache, plan), plan)
    full_size = tiers.load(training, [*plan["squares"]], args.pictures, args.cache)
    table = TrainingTable(*training.split(), **training.options)
    more = full_size and full_size.more
    raw, raw_of_tiers = held_out(table, training.folds(), args.cache, more)
    options = {"features": "rich", "name": "faces", "max_fpr": plan["max_fpr"]}
    options |= {"scores": raw, **training.options}
    detector = train_on_extractions(*training.split(), **options)
    # Half of the file's bytes; the scores change by 0.001.
    detector.classifier.coef_ = detector.classifier.coef_.astype(np.float16)
    if args.write:
        detector.save(MODEL)
        print(f"{MODEL.name}: {MODEL.stat().st_size} bytes", flush=True)
    places = (DOCS, MODEL.with_suffix(".md")) if args.write else ()
    report = Report(args.cache / "results", *places)
    scores, zeros = table.centred(detector.classifier, raw)
    found, sources = judged(table, detector, scores), training.sources[table.groups]
    titles = plan["titles"]
    report.table("default_real", by_source(found, sources, titles, 0))
    report.table("default_generated", by_source(found, sources, titles, 1))
    report.table("default_deliveries", by_delivery(found, detector, training.parts[table.groups]))
    if full_size:
        report.table("default_tiers", tiers.compared(full_size, raw_of_tiers, detector, zeros))
    shift = detector.classifier.nearness(table.X) @ zeros
    ranked = {"sources": found}
    for name, folds in (
        ("default_generators", [*training.folds_of_generators()]),
        ("default_both", [*training.folds_of_both()]),
    ):
        left_out = judged(table, detector, held_out(table, folds, args.cache)[0] - shift)
        scored = np.isin(table.groups, np.concatenate([pictures for _, pictures in folds]))
        report.table(name, by_source(left_out[scored], sources[scored], titles, 1))
        if name == "default_generators":
            ranked["generators"] = pd.concat([found[found["y"] == 0], left_out[scored]])
    report.table("default_rank", by_rank(ranked))


if __name__ == "__main__":
    main()
