"""Output of results: terminal, CSV and PNG files, tables and figures of the docs."""

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

ROOT = Path(__file__).parents[2]
BASELINE_MARGIN = 0.05  # an AUC must exceed that of the files alone by more to be evidence
STYLE = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "legend.frameon": False,
    "savefig.dpi": 110,
}
COLOURS = {  # one hue for each method, dark for what freqfake trains
    "six features, SVM": "#d1495b",
    "six features, GMM": "#edae49",
    "raw modulus, SVM": "#f4a9a8",
    "Durall, SVM": "#7fb069",
    "Durall, logistic": "#b5d99c",
    "Frank, ridge": "#30638e",
    "Dzanic, 5-NN": "#b39ddb",
    "Dzanic, SVM": "#7e57c2",
    "rich, on originals": "#8d99ae",
    "rich, as `train`": "#111111",
    "files alone": "#999999",
}


class Report:
    """Write results.

    Parameters
    ----------
    folder : Path
        For the CSV and PNG files.
    docs : Path, optional
        Folder whose Markdown files get the tables, between ``<!-- table NAME -->`` and
        ``<!-- end -->``, and whose ``figures`` get the drawings.
    card : Path, optional
        Another Markdown file that gets the tables.
    """

    def __init__(self, folder: Path, docs: Path | None = None, card: Path | None = None) -> None:
        self.folder, self.docs = folder, docs
        self.pages = [*(sorted(docs.glob("*.md")) if docs else []), *([card] if card else [])]
        folder.mkdir(parents=True, exist_ok=True)
        mpl.use("Agg")
        mpl.rcParams.update(STYLE)

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Print and save a table."""
        shown = table.map(str)
        print(f"\n{name}\n{shown.to_string(index=False)}", flush=True)
        shown.to_csv(self.folder / f"{name}.csv", index=False)
        for path in self.pages:
            _replace(path, name, _markdown(shown))

    def drawing(self, name: str, drawing: Drawing) -> None:
        """Save a drawing."""
        folders = [self.folder, *([self.docs / "figures"] if self.docs else [])]
        for folder in folders:
            folder.mkdir(exist_ok=True)
            drawing.savefig(folder / f"{name}.png", metadata={"Software": None})
        print(f"\n{folders[-1] / name}.png", flush=True)


def no_evidence(auc: float, files: float) -> bool:
    """Whether the files alone do nearly as well, so that the figure is not evidence."""
    return bool(np.isfinite(auc) and np.isfinite(files) and files >= auc - BASELINE_MARGIN)


def marked(text: str, auc: float, files: float) -> str:
    """Mark a figure that is not evidence."""
    return f"{text} †" if no_evidence(auc, files) else text


def _markdown(table: pd.DataFrame) -> str:
    rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _replace(path: Path, name: str, text: str) -> None:
    page = path.read_text(encoding="utf-8")
    pattern = rf"(<!-- table {re.escape(name)} -->\n).*?(<!-- end -->)"
    changed = re.sub(pattern, lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page, flags=re.DOTALL)
    if changed != page:
        path.write_text(changed, encoding="utf-8")
