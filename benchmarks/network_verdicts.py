"""The student as users run it, beside the default model: verdicts, and the evidence of both."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

import freqfake
from freqfake.evidence.metrics import cllr

from .network_faces import WIDE, load

DFDC = "DFDC faces"
KINDS = {DFDC: ("dfdc", "test"), "sources left out": ("generated", "unseen")}
_SIDES = ("real", "fake")
_N_FOLDS = 5


def scored(work: Path) -> dict[str, pd.DataFrame]:
    """Score pictures that the student was not trained on, with both models, once; by kind.

    The tables have the columns of :meth:`freqfake.Detector.score`, ``y`` and ``source``.
    """
    found = {}
    for kind, (name, part) in KINDS.items():
        table = load(work, name).table
        table = table[table.part == part].reset_index(drop=True)
        file = work / "results" / f"scores_{name}.csv"
        if not file.exists():
            scores = freqfake.load_detector().score(table.path.tolist(), n_jobs=-1, deep=True)
            file.parent.mkdir(exist_ok=True)
            scores.to_csv(file, index=False)
        source = table.source.where(
            table.source != "dfdc",
            np.where(table.width < WIDE, "DFDC, enlarged", "DFDC, not enlarged"),
        )
        found[kind] = pd.read_csv(file).assign(y=table.y, source=source)
    return found


def verdicts(scores: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Student's verdicts by source and side, in percent; the rest is inconclusive."""
    every = pd.concat(scores.values())
    rows = []
    for y, side in enumerate(_SIDES):
        for source, of_source in every[every.y == y].groupby("source"):
            shares = of_source.deep_verdict.value_counts(normalize=True) * 100
            called = {f"called {v}, %": f"{shares.get(v, 0.0):.1f}" for v in _SIDES}
            rows.append({"pictures": source, "are": side, "number": len(of_source), **called})
    return pd.DataFrame(rows)


def fusion(scores: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Cllr of both likelihood ratios on the DFDC, and of a logistic regression on the two.

    The default model was trained on the other pictures. The regression is fitted to four fifths of
    the faces and measured on the fifth.
    """
    table = scores[DFDC]
    y, ratios = table.y.to_numpy(), _ratios(table)
    fused = np.empty(len(y))
    for fit, test in StratifiedKFold(_N_FOLDS, shuffle=True, random_state=0).split(ratios, y):
        fused[test] = _fused(y[fit], ratios[fit], ratios[test])
    figures = {"`faces`": ratios[:, 0], "student": ratios[:, 1], "both, fused": fused}
    of_name = {title: f"{cllr(y, values):.3f}" for title, values in figures.items()}
    return pd.DataFrame(
        [{"pictures": DFDC, **of_name, "number": f"{(y == 0).sum()} + {(y == 1).sum()}"}]
    )


def _ratios(table: pd.DataFrame) -> np.ndarray:
    """Log10 likelihood ratios of both; 0 where a model has none."""
    found: np.ndarray = table[["llr", "deep_llr"]].fillna(0.0).to_numpy()
    return found


def _fused(y: np.ndarray, ratios: np.ndarray, of_test: np.ndarray) -> np.ndarray:
    """Log10 likelihood ratio from both, as if both sides were equally frequent."""
    fitted = LogisticRegression(class_weight="balanced").fit(ratios, y)
    found: np.ndarray = fitted.decision_function(of_test) / np.log(10)
    return found
