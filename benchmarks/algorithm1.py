"""Algorithm 1 from one set of pictures to another: its effect, and the warnings given."""

import itertools
import warnings
from typing import Any

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from freqfake import GaussianExpectationAdapter, RBFSVMClassifier
from freqfake.estimators.adaptation import adapt_or_keep
from freqfake.exceptions import AdaptationError, AdaptationWarning, SeparationWarning

from .harness.config import Config, Pictures
from .harness.intervals import balanced_accuracy, figure
from .harness.report import Report
from .harness.treatments import AS_IS, DELIVERIES

METHODS: dict[str, dict[str, Any]] = {  # as published: every mixture from random starts
    "joint": {"start": "random"},
    "per feature": {"start": "random", "expectations": "per_feature"},
    "joint, from source": {},
    "moments": {"expectations": "moments"},
}
_HARM = 0.02  # of balanced accuracy; less is noise


def transferred(
    source: Pictures,
    target: Pictures,
    *,
    delivery: str = AS_IS,
    train: Any = None,
    test: Any = None,
) -> dict[str, Any]:
    """Balanced accuracy on the target without and with Algorithm 1, and the library's warnings.

    The adaptation uses the target's features, not its labels. `train` and `test` are the rows to
    use if source and target are the same pictures; all by default.
    """
    train, test = (slice(None) if rows is None else rows for rows in (train, test))
    X, y = source.X("six")[train], source.y[train]
    X_target = target.X("six", delivery)[test]

    def measured(scores: np.ndarray) -> Any:
        return figure(balanced_accuracy, target.y[test], scores, target.persons[test])

    scores = {"without": RBFSVMClassifier().fit(X, y).decision_function(X_target)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (AdaptationWarning, SeparationWarning))
        adapters = {name: GaussianExpectationAdapter(**o).fit(X, y) for name, o in METHODS.items()}
        for name, adapter in adapters.items():
            scores[name] = adapter.adapt(X_target).decision_function(X_target)
    published, ours = adapters["joint"], adapters["joint, from source"]
    outcome: dict[str, Any] = {name: measured(values) for name, values in scores.items()}
    outcome["says"] = _said(ours, X_target)
    outcome["`adapt`"] = outcome[
        "joint, from source" if outcome["says"] == "adapted" else "without"
    ]
    outcome["separated"] = published.target_scaler_.separated_
    outcome["agrees"] = published.agrees_
    return outcome


def harm(config: Config, report: Report) -> None:
    """Every pair where Algorithm 1 as published harms, with the warnings given."""
    tasks: list[tuple[str, tuple, dict]] = []
    for source, target in itertools.permutations(config.sets, 2):
        pair = f"{source.title} > {target.title}"
        tasks.append((pair, tuple(map(config.pictures, (source, target))), {}))
    for source in config.sets:
        pictures = config.pictures(source, delivered=True)
        pictures.store.ensure(pictures.name, pictures.paths, [AS_IS, *DELIVERIES], ["six"])
        train, test = _halves(pictures)
        for delivery in DELIVERIES:
            options = {"delivery": delivery, "train": train, "test": test}
            tasks.append((f"{source.title} > {delivery}", (pictures, pictures), options))
    parallel = joblib.Parallel(config.store.n_jobs)
    done = parallel(joblib.delayed(transferred)(*sets, **options) for _, sets, options in tasks)
    table = pd.DataFrame(done).assign(pair=[pair for pair, *_ in tasks])
    table["change"] = _change(table, "joint")
    harmed = table[table["change"] < -_HARM].sort_values("change")
    report.table("harm_summary", _summary(table))
    columns = ["pair", "without", "joint", "joint, from source", "`adapt`"]
    shown = harmed[columns].assign(
        **{"mixture warns": ["no" if s else "yes" for s in harmed["separated"]]},
        **{"adapter warns": ["no" if a else "yes" for a in harmed["agrees"]]},
        **{"`adapt` says": harmed["says"]},
    )
    report.table("harm", shown)
    report.drawing("harm", _drawn(harmed))


def _said(adapter: GaussianExpectationAdapter, X_target: np.ndarray) -> str:
    """Decision of `freqfake adapt` on the target."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (AdaptationWarning, SeparationWarning))
        try:
            return "adapted" if adapt_or_keep(adapter, X_target) else "kept"
        except AdaptationError:
            return "refused"


def _halves(pictures: Pictures) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and rows of other persons to adapt to, half each."""
    order = np.random.default_rng(0).permutation(len(np.unique(pictures.persons)))
    in_first = order[pictures.persons] < len(order) // 2
    return np.flatnonzero(in_first), np.flatnonzero(~in_first)


def _change(table: pd.DataFrame, name: str) -> np.ndarray:
    pairs = zip(table[name], table["without"], strict=True)
    return np.array([after.value - before.value for after, before in pairs])


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    """Count how often each method helps and harms."""
    changes = {name: _change(table, name) for name in (*METHODS, "`adapt`")}
    rows = [
        {
            "way": name,
            "pairs": len(change),
            "helps": int(np.sum(change > _HARM)),
            "harms": int(np.sum(change < -_HARM)),
            "worst": f"{change.min():+.2f}",
            "average": f"{change.mean():+.3f}",
        }
        for name, change in changes.items()
    ]
    return pd.DataFrame(rows)


def _drawn(harmed: pd.DataFrame) -> Any:
    drawing, ax = plt.subplots(figsize=(10, 1.5 + 0.19 * max(len(harmed), 5)))
    rows = np.arange(len(harmed))[::-1]
    before, after, ours = (
        np.array([f.value for f in harmed[name]]) for name in ("without", "joint", "`adapt`")
    )
    ax.hlines(rows, after, before, color="#cccccc", lw=2, zorder=1)
    ax.scatter(before, rows, color="#30638e", label="without adaptation", zorder=3)
    ax.scatter(after, rows, color="#d1495b", label="Algorithm 1 as published", zorder=3)
    ax.scatter(ours, rows, marker="|", s=90, color="#111111", label="freqfake adapt", zorder=4)
    for row, (_, pair) in zip(rows, harmed.iterrows(), strict=True):
        warned = [] if pair["separated"] else ["mixture: no two groups"]
        warned += [] if pair["agrees"] else ["not brought close"]
        ax.text(1.02, row, "; ".join(warned) or "NO WARNING", va="center", fontsize=7)
    ax.set_yticks(rows, harmed["pair"], fontsize=7)
    ax.axvline(0.5, color="#999999", lw=0.8, ls=":")
    ax.set(xlim=(None, 1.0), xlabel="balanced accuracy on the target")
    drawing.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncol=3)
    return drawing
