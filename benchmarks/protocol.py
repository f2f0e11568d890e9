"""Scores of pictures that the default model was not fitted to, and tables of what they show."""

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

import freqfake
from freqfake import Detector
from freqfake.detector.model import MIN_LLR
from freqfake.detector.rows import TrainingTable
from freqfake.estimators.panel import DeliveryPanelClassifier
from freqfake.evidence.deliveries import MIN_REAL
from freqfake.evidence.metrics import cllr, cllr_min

MAX_RATE = 0.01  # of false alarms, at the thresholds of `held_thresholds`
CODINGS = ("lossless", "JPEG light, 4:4:4", "JPEG light, 4:2:0", "JPEG medium", "JPEG strong")
FIRST = (0.01, 0.05, 0.1)  # of a ranking
PREVALENCES = (0.01, 0.1)  # of generated pictures in it
_KINDS = {"originals": ["original"], "copies": ["Q95", "copy"]}
Fold = tuple[np.ndarray, np.ndarray]  # pictures to fit to, pictures to score


class More(NamedTuple):
    """Features of pictures that are only scored, and the number of the fold that scores each."""

    X: np.ndarray
    folds: np.ndarray


class _KeepingPanel(DeliveryPanelClassifier):
    """A panel that keeps its clone, which is what `held_out_scores` fits."""

    def __sklearn_clone__(self) -> Self:
        self.fitted = DeliveryPanelClassifier(**self.get_params())
        return self.fitted


def held_out(
    table: TrainingTable, folds: Iterable[Fold], cache: Path, more: More | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Score the rows that the folds leave out, and more pictures with the same classifiers.

    Returns the scores of all rows, NaN for those that no fold scores, and of `more`. The scores of
    each fold are kept in the folder `cache`.
    """
    folds = list(folds)
    more = more or More(table.X[:0], np.empty(0, int))
    parts = [more.X[more.folds == number] for number in range(len(folds))]
    score = joblib.Memory(cache, verbose=0).cache(_scores_of_fold, ignore=["table", "X"])
    key = joblib.hash((vars(table), _code()))
    scores, of_more = np.full(len(table.y), np.nan), np.full(len(more.X), np.nan)
    with threadpool_limits(1, user_api="blas"):
        tasks = zip(folds, parts, strict=True)
        done = joblib.Parallel(2, backend="threading", return_as="generator")(
            joblib.delayed(score)(table, X, fold, (key, joblib.hash(X))) for fold, X in tasks
        )
        for number, (part, others) in enumerate(done):
            scores = np.where(np.isnan(part), scores, part)
            of_more[more.folds == number] = others
            print(f"{np.isfinite(scores).sum()} rows scored", flush=True)
    return scores, of_more


def _scores_of_fold(
    table: TrainingTable, X: np.ndarray, fold: Fold, key: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the rows left out and of `X`; `key` says what `table` and `X` are."""
    panel = _KeepingPanel()
    scores = table.held_out_scores(panel, [fold])
    return scores, panel.fitted.decision_function(X) if len(X) else np.empty(0)


def _code() -> str:
    """Digest of the code that the scores depend on."""
    package = Path(freqfake.__file__).parent
    rooms = [path for room in ("estimators", "evidence") for path in package.glob(f"{room}/*.py")]
    files = sorted([*rooms, package / "detector" / "rows.py"])
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def ratios(detector: Detector, X: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log10 likelihood ratios of centred scores, and the scores needed for the verdict fake."""
    groups = detector.classifier.nearest(X)
    llrs, needed = np.full(len(X), np.nan), np.full(len(X), np.nan)
    for group, evidence in enumerate(detector.evidence_by_group):
        mine = (groups == group) & np.isfinite(scores)
        llrs[mine] = evidence.calibrator_.predict(scores[mine])
        needed[mine] = detector.threshold(evidence=evidence)
    return llrs, needed


def judged(table: TrainingTable, detector: Detector, scores: np.ndarray) -> pd.DataFrame:
    """Ratio and verdict of each row from centred scores, NaN for pictures unlike the others."""
    llrs, needed = ratios(detector, table.X, scores)
    found = pd.DataFrame({"y": table.y, "score": scores, "llr": llrs, "picture": table.groups})
    found["group"] = detector.classifier.nearest(table.X)
    accused = (llrs >= MIN_LLR) & (scores > needed)
    position = np.concatenate([np.arange(size) for size in np.bincount(table.groups)])
    found["kind"] = np.select([position == 0, position == 1], ["original", "Q95"], "copy")
    # An accusation is withdrawn if JPEG of quality 95 with 4:2:0 changes the side.
    light = np.repeat(scores[position == 1], np.bincount(table.groups))
    found["fake"] = accused & ~((found["kind"] == "original") & (light <= 0))
    withdrawn = accused & ~found["fake"]
    found["evidence"] = np.where(withdrawn, 0.0, np.nan_to_num(llrs))  # as `rank` orders them
    found["real"] = found["llr"] <= -MIN_LLR
    return found


def held_thresholds(
    scores: np.ndarray, y: np.ndarray, pictures: np.ndarray, groups: np.ndarray, parts: np.ndarray
) -> np.ndarray:
    """Score of each row that 1 % of real pictures of other parts exceed.

    Parts hold whole sources, so that the sources of a row have no part in its threshold. It comes
    from pictures of its own group; from all, where the others have fewer than 100 real pictures
    in this group. NaN scores count as low ones.
    """
    low = np.nan_to_num(scores, nan=-np.inf)

    def threshold(rows: np.ndarray) -> float:
        if len(np.unique(pictures[rows])) < MIN_REAL:
            return np.nan
        return float(np.quantile(low[rows], 1 - MAX_RATE, method="higher"))

    thresholds = np.full(len(y), np.nan)
    for part in np.unique(parts):
        others = (y == 0) & (parts != part)
        whole = threshold(others)
        for group in np.unique(groups[parts == part]):
            own = threshold(others & (groups == group))
            mine = (parts == part) & (groups == group)
            thresholds[mine] = whole if np.isnan(own) else own
    return thresholds


def by_source(
    found: pd.DataFrame, sources: np.ndarray, titles: Mapping[str, str], label: int
) -> pd.DataFrame:
    """Percentages of the verdicts by source of a side, among originals and among copies.

    Squares of a picture beyond the first count as copies.
    """
    rows = []
    mine = (found["y"] == label).to_numpy()
    for source, part in found[mine].groupby(sources[mine]):
        own_name = f"`{source.partition(', ')[2]}`"
        row = {("real", "generated")[label]: titles.get(source, own_name)}
        for name, kinds in _KINDS.items():
            chosen = part[part["kind"].isin(kinds)]
            row[name] = len(chosen)
            for verdict in ("real", "fake"):
                row[f"{name} called {verdict}, %"] = percent(chosen[verdict])
        rows.append(row)
    return pd.DataFrame(rows)


def by_rank(cases: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Percentage of the generated pictures among the first of a ranking, by their prevalence.

    The rows of each case are weighted, so that generated pictures have this prevalence.
    """
    rows = []
    for (name, found), (title, kinds) in itertools.product(cases.items(), _KINDS.items()):
        chosen = found[found["kind"].isin(kinds)]
        for prevalence in PREVALENCES:
            row = {"left out": name, "pictures": title, "generated, %": f"{100 * prevalence:g}"}
            shares = found_among_first(chosen, prevalence)
            for first, share in zip(FIRST, shares, strict=True):
                row[f"found in the first {100 * first:g} %, %"] = f"{100 * share:.0f}"
            rows.append(row)
    return pd.DataFrame(rows)


def found_among_first(found: pd.DataFrame, prevalence: float) -> np.ndarray:
    """Share of the generated pictures that are among the first 1, 5 and 10 % of a ranking.

    Pictures of equal evidence and score, as those that are not judged, are in a random order.
    """
    is_fake = found["y"].to_numpy() == 1
    weights = np.where(is_fake, prevalence / is_fake.sum(), (1 - prevalence) / (~is_fake).sum())
    parts = pd.DataFrame({"all": weights, "fake": weights * is_fake / prevalence})
    order = [-found["evidence"].to_numpy(), -found["score"].fillna(-np.inf).to_numpy()]
    passed = parts.groupby(order).sum().cumsum()
    return np.interp(FIRST, [0.0, *passed["all"]], [0.0, *passed["fake"]])


def by_delivery(found: pd.DataFrame, detector: Detector, parts: np.ndarray) -> pd.DataFrame:
    """Figures of the pictures and copies of each group of deliveries, and of all."""
    of_rows = (found[name].to_numpy() for name in ("score", "y", "picture", "group"))
    found = found.assign(threshold=held_thresholds(*of_rows, parts))
    bounds = [evidence.calibrator_.upper_bound_ for evidence in detector.evidence_by_group]
    named = [(named_delivery(c), found["group"] == i) for i, c in enumerate(_centers(detector))]
    rows = [
        {"delivery": name, **_figures(found[mine]), "largest ratio": f"{10**bound:.0f}"}
        for (name, mine), bound in zip(named, bounds, strict=True)
    ]
    largest = f"{10 ** max(bounds):.0f}"
    return pd.DataFrame([*rows, {"delivery": "all", **_figures(found), "largest ratio": largest}])


def _centers(detector: Detector) -> np.ndarray:
    return detector.classifier.centers_


def named_delivery(center: np.ndarray) -> str:
    """Name a delivery by its coordinates, see :func:`freqfake.evidence.deliveries.delivery_of`."""
    side, compression = center
    return f"{2**side:.0f} px, {CODINGS[round(compression)]}"


def _figures(found: pd.DataFrame) -> dict[str, Any]:
    real, fake = found[found["y"] == 0], found[found["y"] == 1]
    known = found[found["llr"].notna()]
    return {
        "real": real["picture"].nunique(),
        "generated": fake["picture"].nunique(),
        "generated called fake, %": percent(fake["fake"]),
        "real called fake, %": percent(real["fake"]),
        "generated beyond 1 %, %": percent(beyond(fake)),
        "real beyond 1 %, %": percent(beyond(real)),
        **costs(known["y"].to_numpy(), known["llr"].to_numpy()),
    }


def beyond(found: pd.DataFrame) -> pd.Series:
    """Tell which scores exceed their threshold, of the rows that have one."""
    known = found[found["threshold"].notna()]
    return known["score"] > known["threshold"]


def costs(y: np.ndarray, llrs: np.ndarray) -> dict[str, str]:
    """Cllr, and the part of it that a better calibration could remove."""
    if len(np.unique(y)) < 2:
        return {"Cllr": "-", "of it calibration": "-"}
    cost = cllr(y, llrs)
    return {"Cllr": f"{cost:.2f}", "of it calibration": f"{cost - cllr_min(y, llrs):.2f}"}


def percent(called: pd.Series) -> str:
    """Share of a verdict in percent; `-` where there are no pictures."""
    return f"{100 * called.mean():.1f}" if len(called) else "-"
