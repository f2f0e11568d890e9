"""All detectors on the same folds of the same sets: figures of merit, training size, time."""

import time

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from freqfake import read_image
from freqfake.exceptions import FreqFakeError
from freqfake.features.rich import rich_feature_names

from .harness.config import Config, Pictures
from .harness.detectors import (
    DETECTORS,
    FILES,
    RICH,
    RICH_COPIES,
    BenchDetector,
    ensure,
    fitted,
    held_out_scores,
    is_complete,
)
from .harness.intervals import (
    MISSING,
    Figure,
    accuracy,
    auc,
    balanced_accuracy,
    equal_error_rate,
    figure,
)
from .harness.report import COLOURS, Report, marked
from .harness.store import KINDS
from .harness.treatments import AS_IS, AS_PNG

N_TRAINING = (10, 20, 50, 100, 200, 800)  # of a class
_N_SPLITS = 5
_N_TIMED = 15
_MIN_TESTED = 0.2  # share of the pictures to leave for testing
_PARTS = {
    "rings": r"ring_",
    "co-occurrences": r"(y|cb|cr)_(d\d|mixed|kernel)",
    "colour co-occurrences": r"rgb_",
    "block transforms": r"(y|cb|cr)_dct",
}


def peers(config: Config, report: Report) -> None:
    """AUC, balanced accuracy, EER and time of every detector on every set, and the files alone."""
    rows = []
    for entry in config.sets:
        pictures = config.pictures(entry)
        ensure(pictures, [AS_IS])
        files = {t: _auc(pictures, held_out_scores(FILES, pictures, t)[t]) for t in (AS_IS, AS_PNG)}
        parallel = joblib.Parallel(config.store.n_jobs)
        scored = parallel(joblib.delayed(held_out_scores)(d, pictures) for d in DETECTORS)
        times = _milliseconds(pictures)
        for detector, scores in zip(DETECTORS, scored, strict=True):
            found = {
                name: figure(metric, pictures.y, scores[AS_IS], pictures.persons)
                for name, metric in (
                    ("AUC", auc),
                    ("balanced accuracy", balanced_accuracy),
                    ("EER", equal_error_rate),
                )
            }
            found["AUC"] = marked(str(found["AUC"]), found["AUC"].value, files[AS_IS].value)
            rows.append(
                {
                    "set": entry.title,
                    "detector": detector.name,
                    **found,
                    "ms": f"{times[detector.kind]:.1f}",
                    "files alone": files[AS_IS],
                    "files alone, as PNG": files[AS_PNG],
                }
            )
    report.table("peers", pd.DataFrame(rows))


def training_size(config: Config, report: Report) -> None:
    """Accuracy of every detector with 10 to 800 training pictures of a class."""
    rows, curves = [], {}
    for entry in config.sets:
        pictures = config.pictures(entry)
        ensure(pictures, [AS_IS])
        detectors = [*DETECTORS, FILES]
        tasks = [(d, pictures, n) for d in detectors for n in N_TRAINING]
        parallel = joblib.Parallel(config.store.n_jobs)
        done = iter(parallel(joblib.delayed(_with_so_many)(*task) for task in tasks))
        for detector in detectors:
            figures = [next(done) for _ in N_TRAINING]
            curves[entry.title, detector.name] = figures
            row = {"set": entry.title, "detector": detector.name}
            rows.append({**row, **dict(zip(map(str, N_TRAINING), figures, strict=True))})
    report.table("training_size", pd.DataFrame(rows))
    report.drawing("training_size", _drawn_curves(curves))


def null(config: Config, report: Report) -> None:
    """AUC of every detector on halves of one real source, which it must not tell apart."""
    rows = []
    for entry in (*config.sets, *config.reals):
        halves = [config.split_in_two(entry, seed) for seed in range(_N_SPLITS)]
        ensure(halves[0], [AS_IS])
        detectors = (*DETECTORS, FILES)
        parallel = joblib.Parallel(config.store.n_jobs)
        done = parallel(joblib.delayed(_null_auc)(d, half) for d in detectors for half in halves)
        row = {"real pictures": entry.title.split(" / ")[0], "n": str(len(halves[0].y))}
        for detector, found in zip(
            detectors, np.split(np.array(done), len(detectors)), strict=True
        ):
            row[detector.name] = f"{found.mean():.2f} ({found.min():.2f}-{found.max():.2f})"
        rows.append(row)
    report.table("null", pd.DataFrame(rows))


def parts(config: Config, report: Report) -> None:
    """AUC of each part of the rich features on every set."""
    names = pd.Series(rich_feature_names())
    table: dict[str, list] = {"": [*_PARTS, RICH.name, RICH_COPIES.name, "tested on a copy"]}
    for entry in config.sets:
        pictures = config.pictures(entry)
        ensure(pictures, [AS_IS])
        X, column = pictures.X("rich"), []
        for pattern in _PARTS.values():
            chosen = X[:, names.str.match(pattern).to_numpy()]
            column.append(_auc(pictures, _held_out(pictures, chosen)))
        column.append(_auc(pictures, held_out_scores(RICH, pictures)[AS_IS]))
        tested = held_out_scores(RICH_COPIES, pictures, tests=[AS_IS, "copy 0"])
        table[entry.title] = [*column, *(_auc(pictures, scores) for scores in tested.values())]
    report.table("parts", pd.DataFrame(table))


def _auc(pictures: Pictures, scores: np.ndarray | None) -> Figure:
    return figure(auc, pictures.y, scores, pictures.persons)


def _null_auc(detector: BenchDetector, pictures: Pictures) -> float:
    scores = held_out_scores(detector, pictures)[AS_IS]
    if scores is None:
        return np.nan
    return float(np.mean([roc_auc_score(pictures.y, of_partition) for of_partition in scores]))


def _held_out(pictures: Pictures, X: np.ndarray) -> np.ndarray:
    def score(rows: np.ndarray, left_out: np.ndarray) -> np.ndarray:
        return RICH.fit(X[rows], pictures.y[rows])(X[left_out])

    return pictures.held_out(score)


def _milliseconds(pictures: Pictures) -> dict[str, float]:
    """Median time of each kind of features from the decoded pixels, one thread."""
    read = [read_image(path) for path in pictures.paths[:: len(pictures.paths) // _N_TIMED + 1]]
    times: dict[str, float] = {}
    for kind in {detector.kind for detector in DETECTORS}:
        taken = []
        for pixels, facts in read:
            start = time.perf_counter()
            try:
                KINDS[kind].compute(pixels, facts)
            except FreqFakeError:
                continue
            taken.append(time.perf_counter() - start)
        times[kind] = float(np.median(taken) * 1000) if taken else np.nan
    return times


def _with_so_many(detector: BenchDetector, pictures: Pictures, n: int) -> Figure:
    """Accuracy on other persons over random splits, with `n` training pictures of a class."""
    X, y, persons = pictures.X(detector.kind), pictures.y, pictures.persons
    tested: list[tuple[np.ndarray, np.ndarray]] = []
    for seed in range(_N_SPLITS):
        order = np.argsort(np.random.default_rng(seed).permutation(persons.max() + 1)[persons])
        rows = np.concatenate([order[y[order] == label][:n] for label in (0, 1)])
        left_out = np.flatnonzero(~np.isin(persons, persons[rows]))
        if len(left_out) < _MIN_TESTED * len(y) or not is_complete(X):
            return MISSING
        tested.append((left_out, fitted(detector, pictures, rows)(X[left_out])))
    chosen, scores = map(np.concatenate, zip(*tested, strict=True))
    return figure(accuracy, y[chosen], scores, persons[chosen])


def _drawn_curves(curves: dict[tuple[str, str], list[Figure]]):
    sets = list(dict.fromkeys(name for name, _ in curves))
    drawing, axes = plt.subplots(1, len(sets), figsize=(3.1 * len(sets), 3.6), squeeze=False)
    for ax, name in zip(axes[0], sets, strict=True):
        for (other, detector), figures in curves.items():
            if other == name:
                style = "--" if detector == FILES.name else "-"
                values = [f.value for f in figures]
                ax.plot(
                    N_TRAINING, values, style, marker=".", color=COLOURS[detector], label=detector
                )
        ax.axhline(0.5, color="#999999", lw=0.8, ls=":")
        ax.set(title=name, xscale="log", xlabel="training pictures of a class", ylim=(0.35, 1.02))
        ax.set_xticks(N_TRAINING, map(str, N_TRAINING))
        ax.minorticks_off()
    axes[0, 0].set_ylabel("accuracy on other pictures")
    drawing.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncol=6, fontsize=8
    )
    return drawing
