"""Attacks on the detectors: generated pictures are laundered, real ones framed.

All pictures are stored uncompressed, so that the files reveal nothing. The adversary has other
pictures of the set and no detector. The detectors were trained on other persons, except for the
embedded models, which were trained on the originals.
"""

import dataclasses
import itertools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import joblib
import numpy as np
import pandas as pd
from PIL import Image
from scipy.stats import binomtest
from tqdm import tqdm

from freqfake import Detector, load_detector
from freqfake.batch.extraction import Extraction, extract, feature_function
from freqfake.detector.training import copies_for, train_on_extractions
from freqfake.evidence.audit import audit_facts
from freqfake.pictures.facts import ImageFacts
from freqfake.pictures.reading import read_bytes

from .harness.config import Config, ConfigError, Pictures
from .harness.intervals import auc, figure
from .harness.report import Report
from .harness.treatments import encoded
from .laundering import (
    FRAMING,
    LAUNDERING,
    Spectra,
    average_spectra,
    edited,
    signal_to_noise,
    similarity,
)

SIX, TRAIN, HARDENED = "six features", "`train`", "`train`, attacks among the fakes"
DETECTORS = ("faces", "lewoo", SIX, TRAIN, HARDENED)
_KNOWN = ("chroma of every 2nd pixel", "spectrum by rings")  # used to train the hardened detector
_QUERIED = ("faces", TRAIN)
_N_QUERIED, _TRIES = 4, 10  # pictures per fold and side, edits per picture
_MAX_PICTURES = 100  # of a class

Extractions = dict[str, list[Extraction]]  # of all pictures, by kind of features


def attacks(config: Config, report: Report) -> None:
    """Verdicts on laundered generated pictures and on framed real ones."""
    options = config.options.get("attacks", {})
    wanted = options.get("sets", [entry.name for entry in config.sets])
    found = []
    for entry in config.sets:
        if entry.name in wanted:
            most = options.get("max_pictures", _MAX_PICTURES)
            pictures = _fewer(config.pictures(entry, delivered=True), most)
            rows, tries = _measured(pictures, config.store.n_jobs)
            found.append((pictures, rows, tries))
    for name, table in (
        ("attacks", _aucs),
        ("attacks_verdicts", lambda p, rows, _: _verdicts(p, rows, 1, LAUNDERING)),
        ("attacks_framing", lambda p, rows, _: _verdicts(p, rows, 0, FRAMING)),
        ("attacks_tries", _tries_needed),
    ):
        parts = [table(*measured) for measured in found]
        report.table(name, pd.concat(parts) if parts else pd.DataFrame())


# --- measuring ------------------------------------------------------------------------------------


def _measured(pictures: Pictures, n_jobs: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of all attacks and all tries, over the folds of one partition."""
    folds = pictures.partitions[0]
    n_copies = copies_for(len(folds[0][0]))
    parallel = joblib.Parallel(n_jobs, return_as="generator")
    of_all = parallel(joblib.delayed(_extracted)(path, n_copies) for path in pictures.paths)
    n_steps = len(pictures.paths) + len(folds)
    with tqdm(total=n_steps, desc=f"{pictures.name}, attacked", unit="step") as bar:
        extracted: Extractions = {"rich": [], "asynchrony": []}
        for kinds in of_all:
            for kind, extraction in kinds.items():
                extracted[kind].append(extraction)
            bar.update()
        done = []
        for fold in parallel(joblib.delayed(_fold)(pictures, extracted, *f) for f in folds):
            done.append(fold)
            bar.update()
    rows, tries = (pd.DataFrame(list(itertools.chain(*part))) for part in zip(*done, strict=True))
    return rows, tries


def _extracted(path: str, n_copies: int) -> dict[str, Extraction]:
    pixels, facts = _stored(_read(path))
    found = {
        "rich": extract(path, pixels, facts, compute=feature_function("rich"), n_copies=n_copies),
        "asynchrony": extract(path, pixels, facts, compute=feature_function("asynchrony")),
    }
    for extraction in found.values():
        if extraction.error:
            raise ConfigError(f"{path}: {extraction.error}")
    return found


def _fold(
    pictures: Pictures, extracted: Extractions, rows: np.ndarray, left_out: np.ndarray
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Attack the pictures of a fold, and score them by detectors trained on the others."""
    known = [[pictures.paths[i] for i in rows if pictures.y[i] == side] for side in (0, 1)]
    # The adversary and the trainer of the hardened detector have different pictures.
    aims = [average_spectra(map(_read, known[other][::2])) for other in (1, 0)]
    defence = average_spectra(map(_read, known[0][1::2]))
    detectors = _detectors(pictures, extracted, rows, defence)
    scored, tried = [], []
    for side, attacked in ((0, FRAMING), (1, LAUNDERING)):
        members = [i for i in left_out if pictures.y[i] == side]
        for i, (name, attack) in itertools.product(members, attacked.items()):
            before = _read(pictures.paths[i])
            after = attack(before, aims[side])
            about = {"picture": i, "side": side, "attack": name}
            about |= {"psnr": signal_to_noise(before, after), "ssim": similarity(before, after)}
            scored += [{**about, **row} for row in _scores(detectors, after)]
        for i in members[:_N_QUERIED]:
            queried = {name: detectors[name] for name in _QUERIED}
            tried += [{"side": side, **row} for row in _queries(queried, pictures.paths[i], i)]
    return scored, tried


def _detectors(
    pictures: Pictures, extracted: Extractions, rows: np.ndarray, defence: Spectra
) -> dict[str, Detector]:
    """Load the embedded detectors, and train the others on these rows."""

    def sides(kind: str) -> list[list[Extraction]]:
        return [[extracted[kind][i] for i in rows if pictures.y[i] == side] for side in (0, 1)]

    real, fake = sides("rich")
    hardened = [_with_attacks(picture, defence) for picture in fake]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about few pictures; the figures show it
        return {
            "faces": load_detector("faces"),
            "lewoo": load_detector("lewoo"),
            SIX: train_on_extractions(*sides("asynchrony")),
            TRAIN: train_on_extractions(real, fake, features="rich"),
            HARDENED: train_on_extractions(real, hardened, features="rich"),
        }


def _with_attacks(picture: Extraction, aim: Spectra) -> Extraction:
    """Add attacked copies to a training picture."""
    compute, before = feature_function("rich"), _read(picture.path)
    attacked = (_stored(LAUNDERING[name](before, aim)) for name in _KNOWN)
    copies = [extract(picture.path, *made, compute=compute) for made in attacked]
    return dataclasses.replace(picture, copies=(*picture.copies, *copies))


def _queries(detectors: dict[str, Detector], path: str, seed: int) -> Iterator[dict[str, Any]]:
    """Verdicts on a picture, and on light edits of it."""
    rng, before = np.random.default_rng(seed), _read(path)
    for number in range(1 + _TRIES):
        after = edited(before, rng) if number else before
        for row in _scores(detectors, after):
            yield {"picture": seed, "try": number, **row}


def _scores(detectors: dict[str, Detector], pixels: np.ndarray) -> Iterator[dict[str, Any]]:
    """Score and verdict of each detector; the features are computed once for all."""
    stored = _stored(pixels)
    extracted: dict[str, Extraction] = {}
    for name, detector in detectors.items():
        kind = detector.features
        if kind not in extracted:
            extracted[kind] = extract("", *stored, compute=feature_function(kind))
        row = detector.row(extracted[kind])
        if row["verdict"] != "inconclusive":  # with the check of its stability
            row = detector.score([stored[0]]).iloc[0]
        yield {"detector": name, "score": row["score"], "verdict": row["verdict"]}


def _read(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _stored(pixels: np.ndarray) -> tuple[np.ndarray, ImageFacts]:
    """Read pixels back from a file of the same length for all pictures of a size."""
    return read_bytes(encoded(Image.fromarray(pixels), "BMP"))


def _fewer(pictures: Pictures, most: int) -> Pictures:
    """Keep at most `most` pictures of each class, evenly spaced."""
    n = len(pictures.y) // 2
    kept = np.arange(min(n, most)) * n // min(n, most)
    both = np.concatenate([kept, n + kept])
    paths = [pictures.paths[i] for i in both]
    fewer = {"paths": paths, "y": pictures.y[both], "persons": pictures.persons[both]}
    return dataclasses.replace(pictures, **fewer)


# --- tables ---------------------------------------------------------------------------------------


def _aucs(pictures: Pictures, rows: pd.DataFrame, _: pd.DataFrame) -> pd.DataFrame:
    """AUC of each detector: real pictures as they are against attacked generated ones."""
    files = _files_alone(pictures)
    real = rows[(rows["side"] == 0) & (rows["attack"] == "none")]
    table = []
    for attack in LAUNDERING:
        fake = rows[(rows["side"] == 1) & (rows["attack"] == attack)]
        row = {**_about(pictures, fake, attack), "files alone": f"{files:.3f}"}
        for name in DETECTORS:
            both = pd.concat([part[part["detector"] == name] for part in (real, fake)])
            persons = pictures.persons[both["picture"]]
            y, scores = both["side"].to_numpy(), both["score"].to_numpy()
            row[name] = figure(auc, y, scores, persons)
        table.append(row)
    return pd.DataFrame(table)


def _files_alone(pictures: Pictures) -> float:
    facts = [_stored(_read(path))[1] for path in pictures.paths]
    n = len(facts) // 2
    return audit_facts(facts[:n], facts[n:]).auc


def _about(pictures: Pictures, rows: pd.DataFrame, attack: str) -> dict[str, str]:
    """Set, attack, number of pictures and how much they changed."""
    once = rows[rows["detector"] == DETECTORS[0]]
    psnr = f"{once['psnr'].mean():.1f}" if np.isfinite(once["psnr"]).all() else "-"
    about = {"set": pictures.title, "attack": attack, "n": str(len(once))}
    return {**about, "PSNR, dB": psnr, "SSIM": f"{once['ssim'].mean():.3f}"}


def _verdicts(
    pictures: Pictures, rows: pd.DataFrame, side: int, attacks: Sequence[str]
) -> pd.DataFrame:
    """Shares called real and called fake; the rest is inconclusive."""
    table = []
    for attack in attacks:
        part = rows[(rows["side"] == side) & (rows["attack"] == attack)]
        row = _about(pictures, part, attack)
        for name in DETECTORS:
            verdicts = part["verdict"][part["detector"] == name]
            row[name] = " / ".join(_share(verdicts == verdict) for verdict in ("real", "fake"))
        table.append(row)
    return pd.DataFrame(table)


def _share(hits: pd.Series) -> str:
    """Percentage with its exact 95 % interval (Clopper-Pearson)."""
    if not len(hits):
        return "-"
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci()
    return f"{100 * hits.mean():.0f} ({100 * interval.low:.0f}-{100 * interval.high:.0f})"


def _tries_needed(pictures: Pictures, _: pd.DataFrame, tries: pd.DataFrame) -> pd.DataFrame:
    """Count the light edits until the verdict changes."""
    table = []
    for name in _QUERIED:
        mine = tries[tries["detector"] == name]
        for side, wanted in ((1, "not fake"), (1, "real"), (0, "fake")):
            first = mine[(mine["side"] == side) & (mine["try"] == 0)].set_index("picture")
            called = first.index[(first["verdict"] == "fake") == (side == 1)]
            edits = mine[mine["picture"].isin(called) & (mine["try"] > 0)]
            hit = (edits["verdict"] != "fake") if side and wanted != "real" else None
            hit = edits["verdict"] == wanted if hit is None else hit
            needed = edits[hit].groupby("picture")["try"].min()
            row = {
                "set": pictures.title,
                "detector": name,
                "called": "fake" if side else "not fake",
            }
            row |= {"pictures": str(len(called)), "wanted": wanted}
            row[f"had within {_TRIES} tries, %"] = _share(pd.Series(called.isin(needed.index)))
            row["tries of these, mean"] = f"{needed.mean():.1f}" if len(needed) else "-"
            table.append(row)
    return pd.DataFrame(table)
