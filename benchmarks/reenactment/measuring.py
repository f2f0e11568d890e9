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


def measure(persons: Persons, folder: Path, part: str, features: Any) -> pd.DataFrame:
    """Measure the reenacted faces of a part; "target" and "truth" are these as they are.

    "NMSE" is that of the landmarks to the source's, lower is better; "CSIM" that of dlib's
    embeddings with the truth, higher is better; "Frechet" the distance of `features` to those of
    the truths; "found" the faces that dlib finds again.
    """
    table, faces = load_generated(folder, part)
    state = read_checkpoint(folder)
    about = {n: state["options"][n] for n in ("scenario", "backbone", "identity", "weights")}
    named = {"training": folder.name, **about, "epochs": len(state["log"])}
    modes = table.groupby("mode", sort=False)
    cases = {f"{mode} mode": (rows, faces[rows.index]) for mode, rows in modes}
    triples = next(iter(cases.values()))[0]
    for name in ("target", "truth"):
        cases[name] = (triples, reduced(persons.faces[triples[name]], faces.shape[1]))
    rows = []
    for title, (triples, made) in cases.items():
        truths = reduced(persons.faces[triples.truth], faces.shape[1])
        figures = _figures(persons, triples, made, truths, features)
        whose = named if title.endswith("mode") else dict.fromkeys(named, "-")
        rows.append({**whose, "faces": title, **figures})
    return pd.DataFrame(rows)


def _figures(
    persons: Persons, triples: pd.DataFrame, made: Pixels, truths: Pixels, features: Any
) -> dict[str, str]:
    errors, similarities = [], []
    for one, face, truth in zip(triples.itertuples(), made, truths, strict=True):
        face, truth = (np.asarray(Image.fromarray(x).resize((SIZE, SIZE))) for x in (face, truth))
        found, wanted = find_landmarks(face), persons.landmarks[one.truth]
        if found is not None:
            errors.append(nmse(found, persons.landmarks[one.source]))
            similarities.append(csim(dlib_embedding(face, found), dlib_embedding(truth, wanted)))
    embedded = [] if features is None else [_embedded(features, faces) for faces in (made, truths)]
    return {
        "NMSE": f"{np.mean(errors):.4f}" if errors else "-",
        "CSIM": f"{np.mean(similarities):.3f}" if errors else "-",
        "Frechet": f"{frechet_distance(*embedded):.2f}" if embedded else "-",
        "found": f"{len(errors)} of {len(made)}",
    }


def _embedded(features: Any, faces: Pixels) -> Any:
    x = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        return torch.cat([features(part) for part in x.split(16)]).double().numpy()
