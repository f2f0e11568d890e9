"""Full-size pictures as they are and after two deliveries: the default model and its peers."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from freqfake import Detector, find_images, load_detector
from freqfake.evidence.metrics import cllr_min

from . import tiny_ladeda
from .harness.detectors import FILES
from .harness.intervals import auc, balanced_accuracy, figure
from .harness.report import marked
from .harness.store import Store
from .harness.treatments import AS_IS
from .protocol import More, beyond, costs, held_thresholds, percent, ratios

TIERS = (AS_IS, "768 px, Q60", "512 px, Q40")
MIN_SIDE = 768  # pixels
MOST = 100  # pictures of a source
PUBLISHED = ("Sieve, published, other pictures", (0.909, 0.871, 0.856))  # balanced accuracy
_KINDS = ("rich", "six", "facts")


class Tiers(NamedTuple):
    """The pictures, their features by tier and kind, and the titles of peers."""

    y: np.ndarray
    parts: np.ndarray
    sha256: np.ndarray
    features: dict[tuple[str, str], np.ndarray]
    peers: list[str]

    @property
    def more(self) -> More:
        """Features of all tiers, to be scored by the models that leave out the pictures' parts."""
        X = np.concatenate([self.features[tier, "rich"] for tier in TIERS])
        return More(X, np.tile(self.parts, len(TIERS)))


def load(training: Any, scenes: list[str], folders: list[str], cache: Path) -> Tiers | None:
    """Compute the features of the full-size pictures; None if none of them is found.

    Sources in `scenes` are left out, as the training uses only squares of them.
    """
    wanted = chosen(training, scenes)
    paths = _found(folders, [training.pictures[i].facts for i in wanted])
    rows = [i for i in wanted if training.pictures[i].facts.sha256 in paths]
    if len(rows) < len(wanted):
        lost = len(wanted) - len(rows)
        print(f"{lost} of {len(wanted)} full-size pictures not found", file=sys.stderr)
    if not rows:
        return None
    weights = tiny_ladeda.found_weights(folders)
    store = Store(cache, -1)
    store.kinds[tiny_ladeda.NAME] = tiny_ladeda.kind(weights)
    kinds = [*_KINDS, *([tiny_ladeda.NAME] if weights else [])]
    sha256 = np.array([training.pictures[i].facts.sha256 for i in rows])
    files = [paths[name] for name in sha256]
    store.ensure("tiers", files, TIERS, kinds)
    features = {(t, k): store.features("tiers", files, t, k) for t in TIERS for k in kinds}
    y = training.is_fake[rows].astype(int)
    return Tiers(y, training.parts[rows], sha256, features, tiny_ladeda.titles(weights))


def chosen(training: Any, scenes: list[str]) -> list[int]:
    """Choose up to 100 full-size pictures of each source, by their SHA-256."""
    sides = np.array([min(p.facts.width, p.facts.height) for p in training.pictures])
    possible = (sides >= MIN_SIDE) & ~np.isin(training.names, scenes)
    rows = sorted(np.flatnonzero(possible), key=lambda i: training.pictures[i].facts.sha256)
    taken = pd.Series(rows).groupby(training.sources[rows], sort=False).head(MOST)
    return sorted(taken)


def _found(folders: list[str], facts: list[Any]) -> dict[str, str]:
    """Path of each file, by its SHA-256."""
    sizes = {fact.n_bytes for fact in facts}
    paths = [path for folder in folders for path in find_images(folder)]
    same_size = [path for path in paths if Path(path).stat().st_size in sizes]
    return {hashlib.sha256(Path(path).read_bytes()).hexdigest(): path for path in same_size}


def compared(tiers: Tiers, raw: np.ndarray, detector: Detector, zeros: np.ndarray) -> pd.DataFrame:
    """Figures of every detector on the same pictures, a row for each tier and detector.

    Parameters
    ----------
    tiers : Tiers
    raw : ndarray of shape (n_tiers * n_pictures,)
        Scores of `tiers.more` by models that were not fitted to the pictures' parts.
    detector : Detector
        The default model, for the calibration of these scores.
    zeros : ndarray of shape (n_deliveries,)
        See :meth:`freqfake.detector.rows.TrainingTable.centred`.
    """
    rows = []
    for number, (tier, scores) in enumerate(zip(TIERS, np.split(raw, len(TIERS)), strict=True)):
        files = _files_alone(tiers, tier)
        files_auc = figure(auc, tiers.y, files, np.arange(len(files))).value
        X = tiers.features[tier, "rich"]
        centred = scores - detector.classifier.nearness(X) @ zeros
        ours = ("`faces`, sources left out", centred, ratios(detector, X, centred)[0])
        for name, scored, llrs in (ours, *_others(tiers, tier), (FILES.name, files, None)):
            row = {"delivery": tier, "detector": name, **_row(tiers, scored, llrs, files_auc)}
            rows.append(row)
        published = {"balanced accuracy": f"{PUBLISHED[1][number]:.3f}"}
        rows.append({"delivery": tier, "detector": PUBLISHED[0], **published})
    return pd.DataFrame(rows).fillna("-")


def _others(tiers: Tiers, tier: str) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """Name, scores and log10 likelihood ratios of each other detector; NaN for its own pictures."""
    lewoo = load_detector("lewoo")
    hashes = np.concatenate(lewoo.training_hashes)
    own = np.isin(tiers.sha256, [row.tobytes().hex() for row in hashes])
    scores = lewoo.classifier.decision_function(tiers.features[tier, "six"])
    llrs = lewoo.calibrator.predict(scores)
    yield "`lewoo`, six features", *(np.where(own, np.nan, each) for each in (scores, llrs))
    for title, column in zip(
        tiers.peers, tiers.features[tier, tiny_ladeda.NAME].T if tiers.peers else (), strict=True
    ):
        yield title, column, None


def _files_alone(tiers: Tiers, tier: str) -> np.ndarray:
    """Scores from the facts of the files, by forests that were not fitted to their part."""
    X, scores = tiers.features[tier, "facts"], np.zeros(len(tiers.y))
    for part in np.unique(tiers.parts):
        mine = tiers.parts == part
        scores[mine] = FILES.fit(X[~mine], tiers.y[~mine])(X[mine])
    return scores


def _row(
    tiers: Tiers, scores: np.ndarray, llrs: np.ndarray | None, files_auc: float
) -> dict[str, Any]:
    known = np.isfinite(scores)
    y, scores, parts = tiers.y[known], scores[known], tiers.parts[known]
    pictures, one_group = np.arange(len(y)), np.zeros(len(y))
    area = figure(auc, y, scores, pictures)
    thresholds = held_thresholds(scores, y, pictures, one_group, parts)
    found = pd.DataFrame({"y": y, "score": scores, "threshold": thresholds})
    return {
        "real": str(sum(y == 0)),
        "generated": str(sum(y == 1)),
        "balanced accuracy": figure(balanced_accuracy, y, scores, pictures),
        "AUC": marked(str(area), area.value, files_auc),
        "generated beyond 1 %, %": percent(beyond(found[y == 1])),
        "real beyond 1 %, %": percent(beyond(found[y == 0])),
        "Cllr": "-" if llrs is None else costs(y, llrs[known])["Cllr"],
        "Cllr at best": f"{cllr_min(y, scores):.2f}",
    }
