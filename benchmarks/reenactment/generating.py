"""Reenacted faces of a part, and the real faces that they imitate."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from .errors import ReenactmentError
from .faces import Pixels
from .persons import Persons, round_of
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


def sheet(persons: Persons, folder: Path, part: str, n: int = 6) -> Image.Image:
    """Picture of the first `n` reenactments: source, target, result and truth in rows."""
    table, faces = load_generated(folder, part)
    size = faces.shape[1]
    image = Image.new("RGB", (4 * size, min(n, len(table)) * size))
    for row, one in enumerate(table[table["mode"] == "eval"].head(n).itertuples()):
        shown = [persons.faces[one.source], persons.faces[one.target], faces[one.Index]]
        for column, face in enumerate([*shown, persons.faces[one.truth]]):
            image.paste(Image.fromarray(face).resize((size, size)), (column * size, row * size))
    return image
