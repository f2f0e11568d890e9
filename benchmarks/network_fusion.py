"""Whether default model and student together are better evidence than the better of them."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

import freqfake
from freqfake.evidence.metrics import cllr

from .network_faces import load

KINDS = {"DFDC faces": ("dfdc", "test"), "pictures of sources left out": ("generated", "unseen")}
_COLUMNS = ["llr", "deep_llr"]
_N_FOLDS = 5


def fusion(work: Path) -> pd.DataFrame:
    """Cllr of both likelihood ratios and of their fusion, on pictures that neither trained on.

    The fusion is a logistic regression on the two, fitted to the other kind of pictures, or to
    four fifths of the same kind.
    """
    scored = {name: _scored(work, *kind) for name, kind in KINDS.items()}
    rows = []
    for name, (y, ratios) in scored.items():
        (others,) = (found for other, found in scored.items() if other != name)
        within = np.empty(len(y))
        for fit, test in StratifiedKFold(_N_FOLDS, shuffle=True, random_state=0).split(ratios, y):
            within[test] = _fused(y[fit], ratios[fit], ratios[test])
        figures = {
            "`faces`": ratios[:, 0],
            "student": ratios[:, 1],
            "fused, fitted to the other kind": _fused(*others, ratios),
            "fused, fitted to the same kind": within,
        }
        of_name = {title: f"{cllr(y, values):.2f}" for title, values in figures.items()}
        rows.append({"pictures": name, **of_name, "number": f"{(y == 0).sum()} + {(y == 1).sum()}"})
    return pd.DataFrame(rows)


def _scored(work: Path, name: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and both log10 likelihood ratios; 0 where a detector has none."""
    table = load(work, name).table
    table = table[table.part == part]
    file = work / "results" / f"fusion_{name}.csv"
    if not file.exists():
        scores = freqfake.load_detector().score(table.path.tolist(), n_jobs=-1, deep=True)
        file.parent.mkdir(exist_ok=True)
        scores[_COLUMNS].to_csv(file, index=False)
    ratios = pd.read_csv(file)[_COLUMNS].fillna(0.0).to_numpy()
    return table.y.to_numpy(), ratios


def _fused(y: np.ndarray, ratios: np.ndarray, of_test: np.ndarray) -> np.ndarray:
    """Log10 likelihood ratio from both, without the prior of the pictures fitted to."""
    fitted = LogisticRegression(class_weight="balanced").fit(ratios, y)
    found: np.ndarray = fitted.decision_function(of_test) / np.log(10)
    return found
