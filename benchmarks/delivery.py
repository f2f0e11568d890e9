"""The performance of every detector after every delivery."""

from collections import defaultdict

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from .harness.config import Config, Pictures
from .harness.detectors import (
    DETECTORS,
    FILES,
    RICH_COPIES,
    SIX_SVM,
    BenchDetector,
    ensure,
    held_out_scores,
)
from .harness.intervals import Figure, auc, figure
from .harness.report import COLOURS, Report, no_evidence
from .harness.treatments import AS_PNG, DELIVERIES, QUALITIES, SUBSAMPLINGS

_TRAINED = ("clean", "same")
_DELIVERED = [AS_PNG, *DELIVERIES]
Results = dict[tuple[str, str, str, str], Figure]  # set, detector, how trained, delivery


def delivery(config: Config, report: Report) -> None:
    """AUC of every detector after every delivery, trained on originals or on the same delivery."""
    results: Results = {}
    for entry in config.sets:
        pictures = config.pictures(entry, delivered=True)
        ensure(pictures, _DELIVERED)
        parallel = joblib.Parallel(config.store.n_jobs)
        detectors = (FILES, *DETECTORS)
        measured = parallel(joblib.delayed(_measured)(d, pictures) for d in detectors)
        for detector, found in zip(detectors, measured, strict=True):
            for (trained, name), value in found.items():
                results[entry.title, detector.name, trained, name] = value
    report.table("delivery", _table(results))
    report.table("delivery_short", _short_table(results))
    report.drawing("delivery_jpeg", _drawn_jpeg(results))
    report.drawing("delivery", _drawn_all(results))


def _measured(detector: BenchDetector, pictures: Pictures) -> dict[tuple[str, str], Figure]:
    def auc_of(scores: np.ndarray | None) -> Figure:
        return figure(auc, pictures.y, scores, pictures.persons)

    clean = held_out_scores(detector, pictures, AS_PNG, _DELIVERED)
    found = {("clean", name): auc_of(scores) for name, scores in clean.items()}
    for name in _DELIVERED:
        if not detector.with_copies:  # already trained on deliveries
            found["same", name] = auc_of(held_out_scores(detector, pictures, name)[name])
    return found


def _table(results: Results) -> pd.DataFrame:
    """One row per delivery, one column per detector: trained clean / trained on the same."""
    rows: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for title, detector, trained, name in results:
        row = rows[title, name]
        row |= {"set": title, "delivery": name}
        value = results[title, detector, trained, name]
        files = results[title, FILES.name, "same", name].value
        text = _text(value) + ("†" if no_evidence(value.value, files) else "")
        if detector == FILES.name:
            if trained == "same":
                row[detector] = _text(value)
        else:
            row[detector] = f"{row[detector]} / {text}" if detector in row else text
    return pd.DataFrame(rows.values())


def _text(value: Figure) -> str:
    if np.isnan(value.value):
        return "-"
    return f"{value.value:.2f}±{(value.high - value.low) / 2:.2f}"


def _short_table(results: Results) -> pd.DataFrame:
    """Compare the paper's detector with ours."""
    titles = dict.fromkeys(title for title, *_ in results)
    rows = []
    for name in _DELIVERED:
        row = {"delivery": name}
        for title in titles:
            six, rich, files = (
                results[title, detector.name, trained, name].value
                for detector, trained in (
                    (SIX_SVM, "clean"),
                    (RICH_COPIES, "clean"),
                    (FILES, "same"),
                )
            )
            values = ("-" if np.isnan(v) else f"{v:.2f}" for v in (six, rich, files))
            row[title] = " / ".join(values)
        rows.append(row)
    return pd.DataFrame(rows)


def _drawn_jpeg(results: Results):
    """Curves over JPEG quality: one column per set, one row per subsampling and training."""
    titles = list(dict.fromkeys(title for title, *_ in results))
    panels = [(s, t) for t in _TRAINED for s in SUBSAMPLINGS]
    size = (3.1 * len(titles), 2.3 * len(panels) + 0.8)
    drawing, axes = plt.subplots(
        len(panels), len(titles), figsize=size, sharex=True, sharey=True, squeeze=False
    )
    for title, ax in zip(titles, axes[0], strict=True):
        ax.set_title(title)
    for (subsampling, trained), row in zip(panels, axes, strict=True):
        row[0].set_ylabel(f"AUC, {subsampling},\ntrained {_WORDS[trained]}")
        for title, ax in zip(titles, row, strict=True):
            for detector in (*DETECTORS, FILES):
                values = [
                    _value(results, title, detector, trained, f"JPEG Q{q} {subsampling}")
                    for q in QUALITIES
                ]
                style = "--" if detector is FILES else "-"
                colour = COLOURS[detector.name]
                ax.plot(QUALITIES, values, style, marker=".", color=colour, label=detector.name)
            ax.axhline(0.5, color="#999999", lw=0.8, ls=":")
    axes[0, 0].set(xlim=(100, 25), ylim=(0.3, 1.03), xticks=QUALITIES)
    for ax in axes[-1]:
        ax.set_xlabel("JPEG quality")
    drawing.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncol=6, fontsize=8
    )
    return drawing


_WORDS = {"clean": "on originals", "same": "on the same"}


def _value(results: Results, title: str, detector: BenchDetector, trained: str, name: str) -> float:
    if detector.with_copies or detector is FILES:  # these have one training each
        trained = "same" if detector is FILES else "clean"
    return results[title, detector.name, trained, name].value


def _drawn_all(results: Results):
    """One map per set and training: detectors down, deliveries across."""
    titles = list(dict.fromkeys(title for title, *_ in results))
    detectors = (*DETECTORS, FILES)
    size = (13, 2.6 * len(titles) + 1.2)
    drawing, axes = plt.subplots(
        len(titles), 2, figsize=size, sharex=True, sharey=True, squeeze=False
    )
    for title, row in zip(titles, axes, strict=True):
        for trained, ax in zip(_TRAINED, row, strict=True):
            values = np.array(
                [[_value(results, title, d, trained, n) for n in _DELIVERED] for d in detectors]
            )
            image = ax.imshow(values, vmin=0.5, vmax=1, cmap="cividis", aspect="auto")
            ax.set_title(f"{title}, trained {_WORDS[trained]}")
            ax.set_xticks(range(len(_DELIVERED)), _DELIVERED, rotation=90, fontsize=7)
            ax.set_yticks(range(len(detectors)), [d.name for d in detectors], fontsize=7)
    drawing.colorbar(image, ax=axes, label="AUC; white: too small a picture", shrink=0.4)
    return drawing
