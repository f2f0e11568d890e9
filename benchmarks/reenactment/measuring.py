"""How near reenacted faces come to the source's landmarks and to the target's person."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from .extractors import dlib_embedding
from .faces import SIZE, Pixels, find_landmarks
from .generating import load_generated
from .metrics import csim, frechet_distance, nmse
from .persons import Persons, reduced
from .training import read_checkpoint

_BATCH = 16


def measure(persons: Persons, folder: Path, part: str, features: Any = None) -> pd.DataFrame:
    """Measure the reenacted faces of a part, and the targets as they are for comparison.

    "NMSE" is that of the landmarks to the source's, lower is better; "CSIM" that of dlib's
    embeddings with the truth, higher is better; "Frechet" the distance of `features` to those of
    the truths; "found" the faces that dlib finds again.
    """
    table, faces = load_generated(folder, part)
    first = table[table["mode"] == table["mode"].iloc[0]]
    modes = table.groupby("mode", sort=False)
    epoch = len(read_checkpoint(folder)["log"])
    cases = {
        f"reenacted, epoch {epoch}, {mode} mode": (rows, faces[rows.index]) for mode, rows in modes
    }
    cases["target as it is"] = (first, reduced(persons.faces[first.target], faces.shape[1]))
    rows = []
    for title, (triples, made) in cases.items():
        truths = reduced(persons.faces[triples.truth], faces.shape[1])
        rows.append({"faces": title, **_figures(persons, triples, made, truths, features)})
    return pd.DataFrame(rows)


def _figures(
    persons: Persons, triples: pd.DataFrame, made: Pixels, truths: Pixels, features: Any
) -> dict[str, str]:
    errors, similarities = [], []
    for one, face, truth in zip(triples.itertuples(), made, truths, strict=True):
        face, truth = (np.asarray(Image.fromarray(x).resize((SIZE, SIZE))) for x in (face, truth))
        found = find_landmarks(face)
        if found is None:
            continue
        wanted = persons.landmarks[one.truth]
        errors.append(nmse(found, persons.landmarks[one.source]))
        similarities.append(csim(dlib_embedding(face, found), dlib_embedding(truth, wanted)))
    distance = "-"
    if features is not None and len(made) > 1:
        distance = f"{frechet_distance(_embedded(features, made), _embedded(features, truths)):.2f}"
    return {
        "NMSE": f"{np.mean(errors):.4f}" if errors else "-",
        "CSIM": f"{np.mean(similarities):.3f}" if errors else "-",
        "Frechet": distance,
        "found": f"{len(errors)} of {len(made)}",
    }


def _embedded(features: Any, faces: Pixels) -> Any:
    parts = []
    for start in range(0, len(faces), _BATCH):
        x = torch.from_numpy(faces[start : start + _BATCH]).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            parts.append(features(x).double().numpy())
    return np.concatenate(parts)
