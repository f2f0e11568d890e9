"""The faces that the networks are trained on, as arrays on disk.

Two sets: crops of the DFDC, real ones and swaps, and the faces in the pictures of the default
model. Faces of one original, and of one person where that is known, are in one part. The originals
whose SHA-256 begins with e or f are left out of everything, see sources.toml.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from PIL import Image

from freqfake.batch.copies import delivered_copy
from freqfake.crops.faces import face_square, find_faces
from freqfake.exceptions import FreqFakeError
from freqfake.features.student import SIZE
from freqfake.pictures.finding import find_images
from freqfake.pictures.reading import read_bytes

from .harness.treatments import filmed

SETS = ("dfdc", "generated")
PARTS = ("train", "validate", "calibrate", "test", "unseen")
UNSEEN = (  # sources that nothing is trained on
    "celebahq512", "stargan2_celebahq1024", "sean_celebahq1024", "sports_press_a",
    "sports_press_b", "five_celebrities", "caltech_faces", "mobilestylegan",
)  # fmt: skip
COLUMNS = ("row", "path", "source", "y", "part", "width", "coding", "copy_coding")
WIDTHS = (0, 99, 119, 140, 160, 199, 223, np.inf)  # of DFDC crops before they were resized
WIDE = 200  # pixels; narrower crops of the DFDC were enlarged
_FIRST_DIGITS = {  # of the SHA-256 of what the parts are divided by
    "dfdc": {"validate": "b", "calibrate": "c", "test": "d", "kept apart": "ef"},
    "generated": {"validate": "ab", "calibrate": "cd", "test": "ef"},
}
_LISTED = Path(__file__).parent / "default_model.csv"
_GRID = re.compile(r"g\d{3}_r\d{2}")  # a StarGAN grid's row, which shows one person
_N_DIGITS = 16  # of a SHA-256 in default_model.csv
_CHUNK = 500
_FILMED = 3
_CRF, _N_CRF = 23, 18  # of H.264: 23 is the usual one, 40 a strong compression
_SMALLEST = 6  # faces narrower than this part of a picture are not looked for

_Pixels = npt.NDArray[np.uint8]


class Faces(NamedTuple):
    """Faces of one set, and a delivered copy of each.

    Attributes
    ----------
    table : DataFrame
        One row a face: ``row`` in the arrays, ``path``, ``source``, ``y`` (1 for fake), ``part``
        (see `PARTS`), ``width`` of the face before it was resized, in pixels, ``coding`` of its
        picture and ``copy_coding``.
    whole, copies : ndarrays of shape (n_rows, 224, 224, 3), uint8
    """

    table: pd.DataFrame
    whole: _Pixels
    copies: _Pixels


def load(work: Path, name: str) -> Faces:
    """Load a set that was prepared, ``dfdc`` or ``generated``; pixels are read on access."""
    folder = work / name
    arrays = (np.load(folder / f"{kind}.npy", mmap_mode="r") for kind in ("whole", "copies"))
    return Faces(pd.read_csv(folder / "faces.csv"), *arrays)


def prepare_dfdc(folder: Path, work: Path, n_jobs: int) -> None:
    """Read the crops, and as many swaps as real ones of each width.

    Parameters
    ----------
    folder : Path
        Files of the source ``dfdc_crops`` of sources.toml.
    work : Path
    n_jobs : int
    """
    listed = pd.read_csv(folder / "metadata.csv")
    original = listed.original.where(listed.label == "FAKE", listed.videoname)
    listed["part"] = [_part("dfdc", str(name)) for name in original]
    listed["y"] = (listed.label == "FAKE").astype(int)
    names = listed.videoname.str.removesuffix(".mp4") + ".jpg"
    listed["path"] = [str(folder / "faces_224" / name) for name in names]
    listed = listed.assign(source="dfdc", width=listed.original_width)
    kept = []
    for _, alike in listed[listed.part != "kept apart"].groupby(
        ["part", pd.cut(listed.width, WIDTHS, labels=False)]
    ):
        real, fake = (alike[alike.y == label] for label in (0, 1))
        kept += [real, fake.sample(min(len(real), len(fake)), random_state=0)]
    _write(pd.concat(kept), work / "dfdc", n_jobs)


def prepare_generated(folders: Iterable[str], work: Path, n_jobs: int) -> None:
    """Cut the largest face out of each picture of the default model.

    Parameters
    ----------
    folders : iterable of str
        Folders that hold them, see :mod:`benchmarks.default_model`.
    work : Path
    n_jobs : int
    """
    listed = pd.read_csv(_LISTED)
    paths = itertools.chain.from_iterable(map(find_images, folders))
    found = {hashlib.sha256(Path(p).read_bytes()).hexdigest()[:_N_DIGITS]: p for p in paths}
    listed["path"] = listed.sha256.map(found)
    listed["y"] = (listed.side == "fake").astype(int)
    listed = listed.dropna(subset="path")
    groups = [_person(path) or name for path, name in zip(listed.path, listed.sha256, strict=True)]
    listed["part"] = [_part("generated", group) for group in groups]
    listed.loc[listed.source.isin(UNSEEN), "part"] = "unseen"
    _write(listed, work / "generated", n_jobs)


def square_of(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """Cut out the largest face, as networks see it; None without a face."""
    height, width = pixels.shape[:2]
    faces = find_faces(pixels, min_size=max(20, min(height, width) // _SMALLEST))
    if not faces:
        return None
    left, top, right, bottom = face_square(faces[0], width, height)
    return pixels[top:bottom, left:right]


def _person(path: str) -> str:
    found = _GRID.search(Path(path).name)
    return found[0] if found else ""


def _part(name: str, group: str) -> str:
    """Part of a group of faces, by the first digit of its SHA-256."""
    first = hashlib.sha256(group.encode()).hexdigest()[0]
    digits = _FIRST_DIGITS[name]
    return next((part for part, of_part in digits.items() if first in of_part), "train")


def _write(table: pd.DataFrame, folder: Path, n_jobs: int) -> None:
    """Read the faces of a table and write them with it."""
    table = table.sample(frac=1, random_state=0).reset_index(drop=True)
    folder.mkdir(parents=True, exist_ok=True)
    is_crop = (table.source == "dfdc").to_numpy()
    whole, copies = (
        np.lib.format.open_memmap(
            folder / f"{kind}.npy", "w+", np.uint8, (len(table), SIZE, SIZE, 3)
        )
        for kind in ("whole", "copies")
    )
    found: dict[int, tuple[int, str, str]] = {}
    with Parallel(n_jobs) as parallel:
        for start in range(0, len(table), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(table)))
            done = parallel(delayed(_face)(table.path[row], is_crop[row], row) for row in rows)
            for row, face in zip(rows, done, strict=True):
                if face is not None:
                    whole[row], copies[row], *found[row] = face
            print(f"{folder.name}: {rows[-1] + 1} of {len(table)}, {len(found)} faces", flush=True)
    sides, codings, of_copies = zip(*found.values(), strict=True)
    table = table.loc[list(found)].assign(row=list(found), coding=codings, copy_coding=of_copies)
    if "width" not in table:
        table["width"] = sides
    table[list(COLUMNS)].to_csv(folder / "faces.csv", index=False)


def _face(path: str, is_crop: bool, seed: int) -> tuple[_Pixels, _Pixels, int, str, str] | None:
    """Read a face and make a delivered copy of it; None if it has no face or cannot be read.

    The side of the face and the codings of both come with them.
    """
    try:
        pixels, facts = read_bytes(Path(path).read_bytes())
        square = pixels if is_crop else square_of(pixels)
    except FreqFakeError:
        return None
    if square is None:
        return None
    image = Image.fromarray(np.ascontiguousarray(square)).convert("RGB")
    copy, facts_of_copy = read_bytes(_copy(image, seed))
    parts = (_resized(image), _resized(Image.fromarray(copy)))
    return (*parts, min(image.size), facts.coding, facts_of_copy.coding)


def _copy(image: Image.Image, seed: int) -> bytes:
    """Delivered copy, of every third face as a frame of H.264."""
    if seed % _FILMED == 0:
        return filmed(image, _CRF + seed % _N_CRF)
    return delivered_copy(image, seed)


def _resized(image: Image.Image) -> _Pixels:
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
