"""The networks beside the spectral detectors: trained on the same pictures, tested on the same."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from freqfake import asynchrony_features, rich_features

from .config import Config, Pictures
from .detectors import FILES, RICH_COPIES, SIX_SVM, BenchDetector, ensure, fitted
from .intervals import accuracy, auc, figure
from .report import Report, marked
from .speed import SAMPLE
from .treatments import AS_IS

_SPECTRAL = (SIX_SVM, RICH_COPIES, FILES)
_NETWORKS = ("dldfd", "meso4")
_BATCHES = (1, 32)
_N_TIMED = 7
_TIMED_SIZE = 256


def deep(config: Config, report: Report) -> None:
    """Meso4 and DLDFD trained and tested beside the spectral detectors, with the time it took."""
    rows = []
    for entry in config.sets:
        plan = config.options["deep"]["sets"].get(entry.name)
        if plan is None:
            continue
        pictures = config.pictures(entry)
        ensure(pictures, [AS_IS])
        train, validate, test = _three_ways(pictures)
        found = [
            (detector.name, *_spectral(detector, pictures, [*train, *validate], test))
            for detector in _SPECTRAL
        ]
        for name in _NETWORKS:
            folder = report.folder.parent / "deep" / f"{entry.name}-{name}"
            network = _start(name, plan, config)
            parts = (_sides(pictures, train), _sides(pictures, validate))
            options = {option: values[name] for option, values in plan["training"].items()}
            scores, words, took = _trained(network, parts, folder, options, pictures)
            found.append((f"{name}, {words}", scores[test], took))
        files = figure(auc, pictures.y[test], found[2][1], pictures.persons[test])
        for name, scores, took in found:
            figures = [
                figure(metric, pictures.y[test], scores, pictures.persons[test])
                for metric in (auc, accuracy)
            ]
            rows.append(
                {
                    "set": entry.title,
                    "detector": name,
                    "AUC": marked(str(figures[0]), figures[0].value, files.value),
                    "accuracy": figures[1],
                    "training": took,
                    "pictures": f"{len(train)} + {len(validate)}, tested on {len(test)}",
                }
            )
    report.table("deep", pd.DataFrame(rows))


def deep_timing(config: Config, report: Report) -> None:
    """Milliseconds a picture of the networks and of the spectral features, one thread."""
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


def _three_ways(pictures: Pictures) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to train on, to validate with and to test on; nobody is in two of them."""
    rest, test = pictures.partitions[0][0]
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    train, validate = next(folds.split(rest, pictures.y[rest], pictures.persons[rest]))
    return rest[train], rest[validate], test


def _sides(pictures: Pictures, rows: np.ndarray) -> tuple[list[str], list[str]]:
    real, fake = ([pictures.paths[i] for i in rows if pictures.y[i] == label] for label in (0, 1))
    return real, fake


def _spectral(
    detector: BenchDetector, pictures: Pictures, rows: list[int], test: np.ndarray
) -> tuple[np.ndarray, str]:
    """Scores of the test pictures, and what the training took, the features not counted."""
    start = time.perf_counter()
    decide = fitted(detector, pictures, np.array(rows))
    took = time.perf_counter() - start
    return decide(pictures.X(detector.kind)[test]), f"{took:.1f} s, from features"


def _start(name: str, plan: dict, config: Config) -> Any:
    """Make a network, before its training."""
    import torch

    from freqfake.deep import DLDFD, Meso4

    torch.manual_seed(0)
    if name == "meso4":
        return Meso4(input_size=plan["input_size"])
    path = Path(config.options["deep"]["imagenet"])
    folder = config.folder(str(path.parent))
    return DLDFD() if folder is None else DLDFD.from_imagenet(folder / path.name)


def _trained(
    network: Any, parts: tuple, folder: Path, options: dict, pictures: Pictures
) -> tuple[np.ndarray, str, str]:
    """Scores of all pictures by the best epoch; how it was trained, and what that took."""
    from freqfake.deep import DeepDetector, train_network

    with threadpool_limits(os.cpu_count()):  # one process here, all cores
        training = train_network(
            network,
            *parts[0],
            folder,
            validation=parts[1],
            **options,
            mixed_precision=True,
            resume=True,
            progress=True,
        )
        scores = DeepDetector(training.network).score(pictures.paths)["score"].to_numpy()
    minutes = training.log.seconds.sum() / 60
    words = f"best of {len(training.log)} epochs: {training.best_epoch}"
    return scores, words, f"{minutes:.0f} min"
