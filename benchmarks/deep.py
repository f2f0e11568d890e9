"""Networks and spectral detectors, trained and tested on the same pictures."""

import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from freqfake import asynchrony_features, rich_features
from freqfake.exceptions import DeviceWarning
from freqfake.pictures.reading import read_bytes

from .harness.config import Config, ConfigError, Pictures
from .harness.detectors import FILES, RICH_COPIES, SIX_SVM, ensure, fitted
from .harness.intervals import accuracy, auc, figure
from .harness.report import Report, marked
from .harness.treatments import AS_IS, treated
from .speed import SAMPLE

_SPECTRAL = (SIX_SVM, RICH_COPIES, FILES)
_NETWORKS = ("dldfd", "meso4")
_PUBLISHED = ("Meso4_DF", "MesoInception_DF")
_BATCHES = (1, 32)
_N_TIMED = 7
_TIMED_SIZE = 256
_DELIVERED = "512 px, Q40"

_Parts = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows to train on, validate with and test on


class _Found(NamedTuple):
    """A detector's scores of the test pictures, as they are and delivered."""

    name: str
    scores: list[np.ndarray]
    took: str
    trained_on: str = ""  # if not on pictures of this set


def deep(config: Config, report: Report) -> None:
    """Meso4 and DLDFD trained and tested beside the spectral detectors, with training times."""
    plans = config.options.get("deep", {}).get("sets", {})
    rows = []
    for entry in config.sets:
        if entry.name not in plans:
            continue
        pictures = config.pictures(entry)
        ensure(pictures, [AS_IS])
        parts = _three_ways(pictures)
        folder = report.folder.parent / "deep"
        found = [*_spectral(pictures, *parts), *_published(pictures, parts[-1], config)]
        for name in _NETWORKS:
            network, title = _start(name, plans[entry.name], config)
            options = {option: of[name] for option, of in plans[entry.name]["training"].items()}
            where = folder / f"{entry.name}-{name}"
            found.append(_trained(network, title, pictures, parts, where, options))
        rows += _rows(found, pictures, parts)
    if not rows:
        raise ConfigError(f"{config.path}: [deep.sets] names no set whose folders exist")
    report.table("deep", pd.DataFrame(rows))


def deep_timing(config: Config, report: Report) -> None:
    """Milliseconds per picture of the networks and the spectral features, on one thread."""
    import torch

    from freqfake.deep import DLDFD, DeepDetector, Meso4, MesoInception4

    with Image.open(SAMPLE) as image:
        pixels = np.array(image.convert("RGB").resize([_TIMED_SIZE] * 2, Image.Resampling.BICUBIC))
    cases: dict[str, Callable[[list], Any]] = {
        "six features": lambda batch: [asynchrony_features(image) for image in batch],
        "rich features": lambda batch: [rich_features(image) for image in batch],
    }
    networks = {
        "Meso4, 128 px": Meso4(input_size=128),
        "Meso4": Meso4(),
        "MesoInception4": MesoInception4(),
        "DLDFD": DLDFD(),
    }
    for name, network in networks.items():
        detector = DeepDetector(network, device="cpu", batch_size=max(_BATCHES))
        cases[name] = lambda batch, detector=detector: list(detector.iter_scores(batch))
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            rows = [_timed(name, case, pixels) for name, case in cases.items()]
    finally:
        torch.set_num_threads(n_threads)
    report.table("deep_timing", pd.DataFrame(rows))


def _timed(name: str, case: Callable[[list], Any], pixels: np.ndarray) -> dict[str, str]:
    row = {f"from decoded pixels, {_TIMED_SIZE} px": name}
    for size in _BATCHES:
        taken = []
        for _ in range(_N_TIMED + 1):
            start = time.perf_counter()
            case([pixels] * size)
            taken.append(time.perf_counter() - start)
        row[f"ms a picture, batches of {size}"] = f"{np.median(taken[1:]) / size * 1000:.1f}"
    return row


def _three_ways(pictures: Pictures) -> _Parts:
    """Rows to train on, to validate with and to test on; no person is in two of them."""
    rest, test = pictures.partitions[0][0]
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    train, validate = next(folds.split(rest, pictures.y[rest], pictures.persons[rest]))
    return rest[train], rest[validate], test


def _sides(pictures: Pictures, rows: np.ndarray) -> tuple[list[str], list[str]]:
    real, fake = ([pictures.paths[i] for i in rows if pictures.y[i] == label] for label in (0, 1))
    return real, fake


def _rows(found: list[_Found], pictures: Pictures, parts: _Parts) -> list[dict]:
    train, validate, test = parts
    y, persons = pictures.y[test], pictures.persons[test]
    files = next(detector.scores for detector in found if detector.name == FILES.name)
    rows = []
    for detector in found:
        areas = [
            (figure(auc, y, scores, persons), figure(auc, y, by_file, persons))
            for scores, by_file in zip(detector.scores, files, strict=True)
        ]
        shown = [marked(str(area), area.value, by_file.value) for area, by_file in areas]
        rows.append(
            {
                "set": pictures.title,
                "detector": detector.name,
                "AUC": shown[0],
                f"AUC, {_DELIVERED}": shown[1],
                "accuracy": figure(accuracy, y, detector.scores[0], persons),
                "training": detector.took,
                "trained on": detector.trained_on or f"{len(train)} + {len(validate)}",
                "tested on": len(test),
            }
        )
    return rows


def _spectral(
    pictures: Pictures, train: np.ndarray, validate: np.ndarray, test: np.ndarray
) -> Iterator[_Found]:
    """Train the spectral detectors, which need no validation pictures, on both parts."""
    for detector in _SPECTRAL:
        start = time.perf_counter()
        decide = fitted(detector, pictures, np.concatenate([train, validate]))
        took = time.perf_counter() - start
        paths = [pictures.paths[i] for i in test]
        tested = (
            pictures.store.features(pictures.name, paths, treatment, detector.kind)
            for treatment in (AS_IS, _DELIVERED)
        )
        scores = [decide(X) for X in tested]
        yield _Found(detector.name, scores, f"{took:.1f} s, features not counted")


def _published(pictures: Pictures, test: np.ndarray, config: Config) -> Iterator[_Found]:
    """Score with the weights that Afchar et al. published, if they are found."""
    from freqfake.deep import load_deep_detector

    folder = config.folder("mesonet")
    for name in _PUBLISHED if folder else ():
        detector = load_deep_detector(folder / f"{name}.h5", device="cpu")
        scores = _judged(detector, pictures, test)
        yield _Found(f"{name}, as published", scores, "-", "Deepfakes")


def _judged(detector: Any, pictures: Pictures, test: np.ndarray) -> list[np.ndarray]:
    """Score the test pictures by a network, as they are and delivered."""
    paths = [pictures.paths[i] for i in test]
    delivered = (read_bytes(treated(_opened(path), _DELIVERED))[0] for path in paths)
    return [detector.score(inputs)["score"].to_numpy() for inputs in (paths, delivered)]


def _opened(path: str) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _start(name: str, plan: dict, config: Config) -> tuple[Any, str]:
    """Make a network to train, and its title."""
    import torch

    from freqfake.deep import DLDFD, Meso4

    torch.manual_seed(0)
    if name == "meso4":
        return Meso4(input_size=plan["input_size"]), name
    path = Path(config.options["deep"].get("imagenet", ""))
    folder = config.folder(str(path.parent)) if path.name else None
    if folder is None:
        return DLDFD(), f"{name} from a random start"
    return DLDFD.from_imagenet(folder / path.name), f"{name} from ImageNet"


def _trained(
    network: Any, title: str, pictures: Pictures, parts: _Parts, folder: Path, options: dict
) -> _Found:
    """Train a network unless that is done, and score by its best epoch."""
    from freqfake.deep import DeepDetector, train_network

    train, validate, test = parts
    with warnings.catch_warnings(), threadpool_limits(os.cpu_count()):  # one process, all cores
        warnings.simplefilter("ignore", DeviceWarning)  # the table gives the time
        training = train_network(
            network,
            *_sides(pictures, train),
            folder,
            validation=_sides(pictures, validate),
            **options,
            mixed_precision=True,
            resume=True,
            progress=True,
        )
        scores = _judged(DeepDetector(training.network), pictures, test)
    name = f"{title}, epoch {training.best_epoch} of {len(training.log)}"
    return _Found(name, scores, f"{training.log.seconds.sum() / 60:.0f} min")
