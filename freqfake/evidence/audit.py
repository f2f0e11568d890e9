"""Check whether the files alone separate real from generated pictures.

If the two sides differ in format, size or quality, a classifier can score well without any trace
of a generator. The audit trains one on nothing but the facts of the files.
"""

import hashlib
import html
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from .._files import PathLike
from ..exceptions import FreqFakeError, TrainingError
from ..pictures.facts import ImageFacts
from ..pictures.finding import find_images
from ..pictures.reading import read_image

MAX_AUC = 0.7  # above it the files alone separate

_N_FOLDS = 5


@dataclass(frozen=True)
class Audit:
    """How well the files alone separate real from fake.

    Attributes
    ----------
    n_real, n_fake : int
    auc : float
        Cross-validated area under the ROC curve of a random forest on all facts. 0.5 or less: the
        facts do not help.
    auc_by_fact : dict of str to float
        The same for each fact by itself, the highest first.
    common : dict of str to str
        For each fact, the commonest value (or the median) of the real and of the fake files.
    n_sizes : int
        Number of different picture sizes.
    duplicates : list of tuple of str
        Pairs of files with identical pixels, on different sides or on the same one.
    errors : dict of str to str
        Unreadable files, with the reason.
    """

    n_real: int
    n_fake: int
    auc: float
    auc_by_fact: dict[str, float]
    common: dict[str, str]
    n_sizes: int
    duplicates: list[tuple[str, str]]
    errors: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether the files alone do not separate the sides (AUC at most 0.7)."""
        return self.auc <= MAX_AUC

    @property
    def verdict(self) -> str:
        """Result in words."""
        if self.passed:
            return f"the files alone do not separate real from fake (AUC up to {MAX_AUC})"
        return (
            "the files alone separate real from fake: a detector can score well on this data set "
            "without looking at a picture"
        )

    @property
    def rows(self) -> list[tuple[str, float, str]]:
        """Facts with AUC and commonest values, the highest AUC first; all together last."""
        facts = [(fact, auc, self.common[fact]) for fact, auc in self.auc_by_fact.items()]
        return [*facts, ("all together", self.auc, "")]

    def _repr_html_(self) -> str:
        body = "".join(
            f"<tr><td>{html.escape(fact)}</td><td>{auc:.3f}</td><td>{html.escape(common)}</td></tr>"
            for fact, auc, common in self.rows
        )
        heads = "".join(f'<th scope="col">{name}</th>' for name in ("fact", "AUC", "commonest"))
        word = "passed" if self.passed else "failed"
        return (
            f"<p><strong>{word}</strong>: {html.escape(self.verdict)}</p>"
            f"<p>{self.n_real} real and {self.n_fake} fake files, {self.n_sizes} picture size(s), "
            f"{len(self.duplicates)} with the same pixels as another</p>"
            f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
        )

    def __str__(self) -> str:
        lines = [
            f"{self.n_real} real and {self.n_fake} fake files, {self.n_sizes} picture size(s)",
            f"AUC of the file facts alone: {self.auc:.3f}",
            *(
                f"  {fact:<16} {auc:.3f}   {self.common[fact]}"
                for fact, auc in self.auc_by_fact.items()
            ),
            f"files with the same pixels as another: {len(self.duplicates)}",
            *(f"  {a} = {b}" for a, b in self.duplicates[:10]),
            self.verdict.replace("the files alone separate", "THE FILES ALONE SEPARATE"),
        ]
        return "\n".join(lines)


def audit_files(real: PathLike | Iterable[PathLike], fake: PathLike | Iterable[PathLike]) -> Audit:
    """Audit a data set of real and generated pictures.

    Parameters
    ----------
    real, fake : path or iterable of paths
        Files, folders and globs, see :func:`freqfake.find_images`. At least 10 pictures each.

    Returns
    -------
    Audit

    Raises
    ------
    TrainingError
        A side has fewer than 10 readable pictures.
    """
    sides: tuple[list[ImageFacts], list[ImageFacts]] = ([], [])
    errors: dict[str, str] = {}
    first: dict[bytes, str] = {}
    duplicates = []
    for paths, facts in zip((real, fake), sides, strict=True):
        for path in find_images(paths):
            try:
                pixels, fact = read_image(path)
            except FreqFakeError as error:
                errors[path] = str(error)
                continue
            facts.append(fact)
            digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
            if digest in first:
                duplicates.append((first[digest], path))
            first.setdefault(digest, path)
    return audit_facts(*sides, duplicates=duplicates, errors=errors)


def audit_facts(
    real: Sequence[ImageFacts],
    fake: Sequence[ImageFacts],
    *,
    duplicates: list[tuple[str, str]] | None = None,
    errors: dict[str, str] | None = None,
) -> Audit:
    """Audit pictures whose facts are known already, see :func:`audit_files`."""
    for side, facts in (("real", real), ("fake", fake)):
        if len(facts) < 2 * _N_FOLDS:
            raise TrainingError(
                f"at least {2 * _N_FOLDS} readable {side} pictures are needed for an audit; "
                f"got {len(facts)}"
            )
    table = pd.DataFrame([file_facts(fact) for fact in (*real, *fake)])
    y = np.repeat([0, 1], [len(real), len(fake)])
    tree = DecisionTreeClassifier(min_samples_leaf=5, class_weight="balanced", random_state=0)
    by_fact = {str(name): _held_out_auc(tree, table[[name]], y) for name in table}
    return Audit(
        n_real=len(real),
        n_fake=len(fake),
        auc=_held_out_auc(facts_classifier(), table, y),
        auc_by_fact=dict(sorted(by_fact.items(), key=lambda item: -item[1])),
        common={str(name): _commonest(table[name], y) for name in table},
        n_sizes=len({(fact.width, fact.height) for fact in (*real, *fake)}),
        duplicates=duplicates or [],
        errors=errors or {},
    )


def file_facts(fact: ImageFacts) -> dict[str, float | str]:
    """All that is known about a file without looking at its pixels, by name."""
    return {
        "format": fact.format,
        "coding": fact.coding,
        "pixel layout": fact.mode,
        "width": fact.width,
        "height": fact.height,
        "JPEG quality": fact.quality,
        "bytes per pixel": fact.n_bytes / (fact.width * fact.height),
    }


def facts_classifier() -> RandomForestClassifier:
    """Make the classifier of file facts, in which text is encoded as numbers."""
    return RandomForestClassifier(50, min_samples_leaf=3, class_weight="balanced", random_state=0)


def _held_out_auc(
    classifier: ClassifierMixin, table: pd.DataFrame, y: npt.NDArray[np.int64]
) -> float:
    columns = [pd.factorize(c)[0] if c.dtype.kind not in "if" else c for _, c in table.items()]
    numbers = np.column_stack(columns).astype(float)
    if not np.ptp(numbers, axis=0).any():
        return 0.5
    folds = StratifiedKFold(_N_FOLDS, shuffle=True, random_state=0)
    votes = cross_val_predict(classifier, numbers, y, cv=folds, method="predict_proba")
    return float(roc_auc_score(y, votes[:, 1]))


def _commonest(column: "pd.Series[float] | pd.Series[str]", y: npt.NDArray[np.int64]) -> str:
    def shown(values: Iterable[float | str]) -> str:
        values = [f"{v:.2f}" if isinstance(v, float) else str(v) for v in values]
        value, count = Counter(values).most_common(1)[0]
        return f"{value} ({count / len(values):.0%})"

    if column.dtype.kind == "f":
        # Not those of pandas, which sets filters of warnings for the whole process.
        medians = [f"{np.nanmedian(column[y == label]):.2f}" for label in (0, 1)]
        return f"real {medians[0]}, fake {medians[1]} (medians)"
    return f"real {shown(column[y == 0])}, fake {shown(column[y == 1])}"
