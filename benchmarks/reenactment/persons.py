"""Pictures of persons, their parts, and triples of source, target and truth.

The truth is a picture of the target's person with the source's expression. Where expressions have
no names, every picture has one of its own, so that the truth is the source itself.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from PIL import Image

from freqfake.exceptions import FreqFakeError
from freqfake.pictures.arrays import to_pil
from freqfake.pictures.finding import find_images
from freqfake.pictures.reading import read_image

from .errors import ReenactmentError
from .faces import Pixels, Points, find_landmarks, normalised

PARTS = ("train", "validate", "test")
_TEST, _VALIDATE = 0.2, 0.15  # of all; of the rest
_LONGEST = 1200  # side of a picture that faces are looked for in, in pixels


class Persons(NamedTuple):
    """Faces of persons (n, 256, 256, 3), uint8, with their 68 landmarks.

    The table has a row for each face: path, person, expression, and part after :func:`split`.
    """

    table: pd.DataFrame
    faces: Pixels
    landmarks: Points


class Triple(NamedTuple):
    """Rows of a table: the landmarks of `source` and the face `target` are to give `truth`."""

    source: int
    target: int
    truth: int


def list_folders(folder: Path) -> pd.DataFrame:
    """List any folder that holds a folder of pictures for each person."""
    paths = [path for path in find_images(folder) if Path(path).relative_to(folder).parts[1:]]
    return _listed((path, Path(path).relative_to(folder).parts[0], path) for path in paths)


def list_cfee(folder: Path) -> pd.DataFrame:
    """List CFEE (Du et al. 2014): folders of expressions; 3 digits of a file name the person."""
    paths = [Path(path) for path in find_images(folder)]
    return _listed((str(path), path.name[:3], path.parent.name) for path in paths)


LAYOUTS = {"folders": list_folders, "cfee": list_cfee}


def prepare(folder: Path, work: Path, layout: str, by: str) -> Persons:
    """Find and turn the faces of a folder, and store those of persons with two or more."""
    listed = LAYOUTS[layout](folder)
    found = Parallel(-1)(delayed(_face)(path, by) for path in listed.path)
    kept = [row for row, face in enumerate(found) if face is not None]
    several = listed.iloc[kept].groupby("person").path.transform("size") > 1
    kept = [row for row, more in zip(kept, several, strict=True) if more]
    if not kept:
        raise ReenactmentError(f"{folder} holds no person with two faces, in the layout {layout!r}")
    faces, landmarks = (np.stack([found[row][k] for row in kept]) for k in (0, 1))
    table = listed.iloc[kept].reset_index(drop=True)
    work.mkdir(parents=True, exist_ok=True)
    np.savez(work / "faces.npz", faces=faces, landmarks=landmarks)
    table.to_csv(work / "faces.csv", index=False)
    return Persons(table, faces, landmarks)


def load(work: Path) -> Persons:
    """Load what :func:`prepare` stored."""
    if not (work / "faces.csv").exists():
        raise ReenactmentError(f"{work} holds no faces: run `reenact prepare` first")
    table = pd.read_csv(work / "faces.csv", dtype=str)
    with np.load(work / "faces.npz") as arrays:
        return Persons(table, arrays["faces"], arrays["landmarks"])


def chosen(persons: Persons, scenario: str, names: Sequence[str]) -> Persons:
    """Faces of the persons `names`, of all if there are none, with their parts."""
    kept = persons.table.person.isin(names or persons.table.person).to_numpy()
    unknown = sorted(set(names) - set(persons.table.person))
    if unknown:
        raise ReenactmentError(f"there are no faces of {', '.join(unknown)}")
    table = split(persons.table[kept].reset_index(drop=True), scenario)
    return Persons(table, persons.faces[kept], persons.landmarks[kept])


def split(table: pd.DataFrame, scenario: str, seed: int = 0) -> pd.DataFrame:
    """Add the part of each face: 20 % to test, of the rest 15 % to validate.

    Parts differ in persons for many-to-many, in expressions for one-to-one.
    """
    by = "person" if scenario == "many-to-many" else "expression"
    names = np.random.default_rng(seed).permutation(np.unique(table[by]))
    n_test = max(1, round(_TEST * len(names)))
    n_validate = max(1, round(_VALIDATE * (len(names) - n_test)))
    if (n := len(names)) <= n_test + n_validate:
        raise ReenactmentError(f"{scenario} needs at least 3 different values of {by}; got {n}")
    part = dict.fromkeys(names, "train")
    part |= dict.fromkeys(names[:n_test], "test")
    part |= dict.fromkeys(names[n_test : n_test + n_validate], "validate")
    return table.assign(part=table[by].map(part))


def round_of(table: pd.DataFrame, part: str, seed: int = 0) -> list[Triple]:
    """Draw triples of a part in which every face is the truth once."""
    rng = np.random.default_rng(seed)
    of_part = table[table.part == part]
    persons, expressions = (
        {name: rows.to_numpy() for name, rows in of_part.groupby(by).groups.items()}
        for by in ("person", "expression")
    )
    drawn = []
    for truth in rng.permutation(of_part.index).tolist():
        own, alike = persons[table.person[truth]], expressions[table.expression[truth]]
        targets, sources = own[own != truth], alike[alike != truth]
        if len(targets):
            source = rng.choice(sources) if len(sources) else truth
            drawn.append(Triple(int(source), int(rng.choice(targets)), truth))
    if not drawn:
        raise ReenactmentError(f"no person of the part {part} has two faces")
    return drawn


def reduced(faces: Pixels, size: int) -> Pixels:
    """Reduce faces (n, h, w, 3) to `size`, real ones and those that a generator sees alike."""
    box = Image.Resampling.BOX
    return np.stack([np.asarray(Image.fromarray(f).resize((size, size), box)) for f in faces])


def _listed(rows: Iterable[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", "person", "expression"])


def _face(path: str, by: str) -> tuple[Pixels, Points] | None:
    try:
        image = to_pil(read_image(path)[0])
    except FreqFakeError:
        return None
    pixels = np.asarray(image.reduce(-(-max(image.size) // _LONGEST)))
    landmarks = find_landmarks(pixels)
    return None if landmarks is None else normalised(pixels, landmarks, by=by)
