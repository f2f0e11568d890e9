"""What the six features sense: experiments with the past of the pictures.

Nearly every photograph was once a JPEG with 4:2:0 chroma subsampling; a generated face never was.
Here generated faces get such a past, and photographs lose it as far as possible.
"""

import sys

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from freqfake import find_images, load_detector

from .harness.config import Config, ConfigError, Pictures
from .harness.detectors import (
    DETECTORS,
    FILES,
    KINDS_OF_ALL,
    BenchDetector,
    ensure,
    fitted,
    held_out_scores,
    is_complete,
)
from .harness.intervals import MISSING, Figure, auc, figure
from .harness.report import Report
from .harness.treatments import AS_PNG, PASTS

RESIZED, WITH_444, WITH_420, TWICE_420, NEW_CHROMA = PASTS
HALVED = "x1/2 area"
_FALSE_ALARMS = 0.05  # share of the photographs, as they are, above the threshold
_GROUPS = {  # title: label, treatment
    "photographs, as they are": (0, AS_PNG),
    "photographs, halved": (0, HALVED),
    "photographs, chroma made anew": (0, NEW_CHROMA),
    "photographs, with another 4:2:0 past": (0, WITH_420),
    "generated, as they are": (1, AS_PNG),
    "generated, enlarged and reduced": (1, RESIZED),
    "generated, with a 4:4:4 past": (1, WITH_444),
    "generated, with a 4:2:0 past": (1, WITH_420),
    "generated, with a 4:2:0 past at x2": (1, TWICE_420),
}


def history(config: Config, report: Report) -> None:
    """AUC and calls of every detector when real and generated pictures have the same past."""
    wanted = config.options.get("history", {}).get("set")
    entry = next((s for s in config.sets if s.name == wanted), None)
    if entry is None:
        print(f"history left out: the set {wanted!r} was not found", file=sys.stderr)
        return
    pictures = config.pictures(entry, delivered=True)
    ensure(pictures, [AS_PNG, HALVED, *PASTS])
    others = _others(config)
    _report_means(pictures, others, report)
    parallel = joblib.Parallel(config.store.n_jobs)
    rows = parallel(joblib.delayed(_aucs)(d, pictures) for d in (*DETECTORS, FILES))
    report.table("history", pd.DataFrame(rows))
    calls = parallel(joblib.delayed(_calls)(d, pictures, others) for d in DETECTORS)
    titles = [*_GROUPS, *others]
    table = {"called fake, %": titles}
    table |= {d.name: column for d, column in zip(DETECTORS, calls, strict=True)}
    report.table("history_calls", pd.DataFrame(table))
    report.table("history_verdicts", _verdicts(config, list(others)))


def _verdicts(config: Config, titles: list[str]) -> pd.DataFrame:
    """Count the embedded models' verdicts on pictures that they were not trained on."""
    rows = []
    for other in config.options["history"].get("others", []):
        for name in ("faces", "lewoo") if other["title"] in titles else ():
            scored = load_detector(name).score(str(config.folder(other["folder"])))
            counts = scored["verdict"].value_counts()
            verdicts = {v: counts.get(v, 0) for v in ("real", "inconclusive", "fake")}
            rows.append({"pictures": other["title"], "model": name, **verdicts})
    return pd.DataFrame(rows, columns=["pictures", "model", "real", "inconclusive", "fake"])


def _others(config: Config) -> dict[str, dict[str, np.ndarray]]:
    """Features of the pictures to compare with, by title and kind."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for other in config.options["history"].get("others", []):
        if not {"title", "folder"} <= set(other):
            raise ConfigError("[[history.others]] needs a `title` and a `folder`")
        folder = config.folder(other["folder"])
        if folder is None:
            print(f"{other['title']} left out: no folder {other['folder']}", file=sys.stderr)
            continue
        paths, store = list(find_images(folder)), config.store
        store.ensure(other["folder"], paths, [AS_PNG], KINDS_OF_ALL)
        found[other["title"]] = {
            kind: store.features(other["folder"], paths, AS_PNG, kind) for kind in KINDS_OF_ALL
        }
    return found


def _report_means(pictures: Pictures, others: dict, report: Report) -> None:
    values = {
        title: pictures.X("six", treatment)[pictures.y == label, 0]
        for title, (label, treatment) in _GROUPS.items()
    }
    values |= {title: features["six"][:, 0] for title, features in others.items()}
    rows = [
        {
            "pictures": title,
            "n": len(mean),
            "Mean, median": f"{np.median(mean):.4f}",
            "middle 90 %": "{:.4f} to {:.4f}".format(*np.quantile(mean, (0.05, 0.95))),
        }
        for title, mean in values.items()
    ]
    report.table("history_means", pd.DataFrame(rows))
    report.drawing("history", _drawn(values))


def _aucs(detector: BenchDetector, pictures: Pictures) -> dict[str, str | Figure]:
    """AUC with equal and with unequal pasts, and the share left with equal ones."""

    def auc_of(scores: np.ndarray | None) -> Figure:
        return figure(auc, pictures.y, scores, pictures.persons)

    def mixed(of_real: str, of_fake: str) -> Figure:
        if clean[of_real] is None or clean[of_fake] is None:
            return MISSING
        return auc_of(np.where(pictures.y == 1, clean[of_fake], clean[of_real]))

    clean = held_out_scores(detector, pictures, AS_PNG, [AS_PNG, *PASTS])
    same = {
        past: auc_of(held_out_scores(detector, pictures, past)[past])
        for past in (RESIZED, WITH_444, WITH_420)
    }
    before = auc_of(clean[AS_PNG])
    equal = auc_of(clean[WITH_420])
    return {
        "detector": detector.name,
        "as they are": before,
        "fakes 4:2:0": mixed(AS_PNG, WITH_420),
        "reals new chroma": mixed(NEW_CHROMA, AS_PNG),
        "both 4:2:0": equal,
        "both 4:2:0, trained so": same[WITH_420],
        "both 4:4:4, trained so": same[WITH_444],
        "both resized, trained so": same[RESIZED],
        "left": _left(equal, before),
        "left, trained so": _left(same[WITH_420], before),
    }


def _left(after: Figure, before: Figure) -> str:
    """Share of the AUC above chance that is left."""
    return f"{(after.value - 0.5) / (before.value - 0.5):.0%}" if before.low > 0.5 else "-"


def _calls(detector: BenchDetector, pictures: Pictures, others: dict) -> list[str]:
    """Share of each group above the threshold set on the photographs as they are."""
    needed = {treatment for _, treatment in _GROUPS.values()}
    held_out = held_out_scores(detector, pictures, AS_PNG, sorted(needed))
    if held_out[AS_PNG] is None:
        return ["-"] * (len(_GROUPS) + len(others))
    limit = np.quantile(held_out[AS_PNG][:, pictures.y == 0], 1 - _FALSE_ALARMS)
    groups = [
        None if held_out[treatment] is None else held_out[treatment][:, pictures.y == label]
        for label, treatment in _GROUPS.values()
    ]
    scores = [fitted(detector, pictures, rows, AS_PNG) for rows, _ in pictures.partitions[0]]
    for features in others.values():
        X = features[detector.kind]
        groups.append(np.concatenate([score(X) for score in scores]) if is_complete(X) else None)
    return ["-" if group is None else f"{np.mean(group > limit):.0%}" for group in groups]


def _drawn(values: dict[str, np.ndarray]):
    drawing, ax = plt.subplots(figsize=(8, 0.42 * len(values) + 0.9))
    rng = np.random.default_rng(0)
    for row, (title, mean) in enumerate(values.items()):
        colour = "#d1495b" if title.startswith("generated") else "#30638e"
        colour = colour if row < len(_GROUPS) else "#3a7d44"
        heights = row + rng.uniform(-0.18, 0.18, len(mean))
        ax.scatter(mean, heights, s=7, color=colour, alpha=0.5, linewidths=0)
        ax.plot([np.median(mean)] * 2, [row - 0.33, row + 0.33], color=colour, lw=2.5)
    ax.set_yticks(range(len(values)), list(values))
    ax.invert_yaxis()
    ax.set_xlabel("Mean feature: how far the three colours' spectra disagree")
    return drawing
