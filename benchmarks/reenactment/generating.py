"""Reenacted faces of a part, and the real faces that they imitate."""

from pathlib import Path

import numpy as np
import pandas as pd

from .errors import ReenactmentError
from .faces import Pixels
from .persons import Persons, reduced, round_of
from .pictures import read_marked, save_marked
from .training import Batch, as_pixels, batches, load_generator, reenacted

MODES = ("eval", "train")  # of the generator's batch norm
_TABLE = "generated.csv"


def generate(persons: Persons, folder: Path, part: str) -> pd.DataFrame:
    """Reenact every face of a part once, in both modes, into ``generated/PART``.

    The table has the name of each picture, the mode, and the rows of source, target and truth.
    """
    generator, options = load_generator(folder)
    out = folder / "generated" / part
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for mode in MODES:
        for drawn in batches(round_of(persons.table, part), options.batch):
            batch = Batch(persons, drawn, options.size)
            made = as_pixels(reenacted(generator, batch, train_mode=mode == "train"))
            for one, face in zip(drawn, made, strict=True):
                name = f"{mode}_{one.truth:05}.png"
                save_marked(out / name, face)
                rows.append({"name": name, "mode": mode, **one._asdict()})
    table = pd.DataFrame(rows)
    table.to_csv(out / _TABLE, index=False)
    return table


def load_generated(folder: Path, part: str) -> tuple[pd.DataFrame, Pixels]:
    """Load what :func:`generate` wrote, without the marks."""
    out = folder / "generated" / part
    if not (out / _TABLE).exists():
        raise ReenactmentError(f"{out} holds no reenacted faces: run `reenact generate` first")
    table = pd.read_csv(out / _TABLE)
    return table, np.stack([read_marked(out / name) for name in table.name])


def sheet(persons: Persons, folders: list[Path], part: str, n: int = 6) -> Pixels:
    """Show `n` reenactments in rows: source, target, result of each training, and truth.

    Only trainings with the persons and parts of the first are shown.
    """
    generated = [load_generated(folder, part) for folder in folders]
    table = generated[0][0]
    results = [faces for other, faces in generated if other.equals(table)]
    rows = []
    for one in table[table["mode"] == "eval"].head(n).itertuples():
        made = [faces[one.Index] for faces in results]
        shown = persons.faces[[one.source, one.target, one.truth]]
        source, target, truth = reduced(shown, len(made[0]))
        rows.append(np.concatenate([source, target, *made, truth], axis=1))
    return np.concatenate(rows)
