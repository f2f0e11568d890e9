"""Features of pictures after treatments, stored in Parquet files.

A stopped run continues where it was: stored features are not computed again. A row is identified by
the path, size and time of the picture's file; a file of rows by the set, the kind of features and
the code that computes them, so that features of older code are never used.
"""

import hashlib
import inspect
import uuid
from collections.abc import Callable, Iterable
from functools import cache, lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

import freqfake
from freqfake import asynchrony_features, rich_features
from freqfake.evidence.audit import file_facts
from freqfake.exceptions import FreqFakeError
from freqfake.pictures.facts import ImageFacts
from freqfake.pictures.reading import read_bytes, read_image

from .. import peers
from . import treatments

_CHUNK = 25  # pictures per write


Compute = Callable[[np.ndarray, ImageFacts], np.ndarray]


class Kind(NamedTuple):
    """Features of one kind: their function, and the modules and files that it depends on."""

    compute: Compute
    modules: tuple[ModuleType, ...]
    files: tuple[Path, ...] = ()


def facts_as_numbers(pixels: np.ndarray, facts: ImageFacts) -> np.ndarray:
    """Return the facts of the file without its pixels; words become numbers, for decision trees."""
    values = file_facts(facts).values()
    return np.array(
        [float(int(_digest(v)[:5], 16)) if isinstance(v, str) else v for v in values], np.float32
    )


def _of_pixels(function: Callable[[np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda pixels, facts: function(pixels)


_SIX = (freqfake.features.spectrum, freqfake.features.asynchrony)
KINDS = {
    "six": Kind(_of_pixels(asynchrony_features), _SIX),
    "modulus": Kind(_of_pixels(partial(asynchrony_features, spectrum="modulus")), _SIX),
    "rich": Kind(_of_pixels(rich_features), (freqfake.features.rich, freqfake.features.rings)),
    "durall": Kind(_of_pixels(peers.durall_features), (peers,)),
    "frank": Kind(_of_pixels(peers.frank_features), (peers,)),
    "dzanic": Kind(_of_pixels(peers.dzanic_features), (peers,)),
    "facts": Kind(facts_as_numbers, (freqfake.evidence.audit, freqfake.pictures.reading)),
}


class Store:
    """Features on disk, computed if missing.

    Parameters
    ----------
    folder : Path
        Folder of the Parquet files.
    n_jobs : int
        Number of processes.

    Attributes
    ----------
    kinds : dict of str to Kind
        By name; more may be added.
    """

    def __init__(self, folder: Path, n_jobs: int) -> None:
        self.folder, self.n_jobs = folder, n_jobs
        self.kinds = dict(KINDS)

    def ensure(
        self, name: str, paths: list[str], treatment_names: Iterable[str], kinds: Iterable[str]
    ) -> None:
        """Compute the missing features of a set, with a progress bar."""
        treatment_names, kinds = list(treatment_names), list(kinds)
        known = {kind: _known(self._folder(name, kind)) for kind in kinds}
        tasks = []
        for path in paths:
            key = _key(path)
            wanted = {
                treatment: [kind for kind in kinds if (treatment, key) not in known[kind]]
                for treatment in treatment_names
            }
            wanted = {treatment: missing for treatment, missing in wanted.items() if missing}
            if wanted:
                tasks.append((path, key, wanted))
        chunks = [tasks[i : i + _CHUNK] for i in range(0, len(tasks), _CHUNK)]
        parallel = joblib.Parallel(self.n_jobs, return_as="generator_unordered")
        computes = {kind: self.kinds[kind].compute for kind in kinds}
        done = parallel(joblib.delayed(_extract)(chunk, computes) for chunk in chunks)
        with tqdm(total=len(tasks), desc=name, unit="picture", disable=not tasks) as bar:
            for rows in done:
                self._write(name, rows)
                bar.update(len({key for key, *_ in rows}))

    def features(self, name: str, paths: list[str], treatment: str, kind: str) -> np.ndarray:
        """Features of files after a treatment, shape (n_pictures, n_features)."""
        wanted = (self._folder(name, kind), treatment, tuple(map(_key, paths)))
        try:
            return _read(*wanted)
        except KeyError:  # some are missing
            self.ensure(name, paths, [treatment], [kind])
            return _read(*wanted)

    def _write(self, name: str, rows: list[tuple[str, str, str, np.ndarray]]) -> None:
        table = pd.DataFrame(rows, columns=["key", "treatment", "kind", "features"])
        for kind, part in table.groupby("kind"):
            folder = self._folder(name, kind)
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = folder / f".{uuid.uuid4().hex}"
            part = part.sort_values("treatment").drop(columns="kind")
            part.to_parquet(unfinished, index=False, row_group_size=_CHUNK)
            unfinished.rename(unfinished.with_name(f"{unfinished.name[1:]}.parquet"))

    def _folder(self, name: str, kind: str) -> Path:
        return self.folder / name / f"{kind}-{_code(self.kinds[kind])}"


@lru_cache(maxsize=32)
def _read(folder: Path, treatment: str, keys: tuple[str, ...]) -> np.ndarray:
    """Read features, shape (n_pictures, n_features); a KeyError if some are missing."""
    if not folder.is_dir():
        raise KeyError(folder)
    table = pd.read_parquet(folder, filters=[("treatment", "==", treatment)])
    by_key = dict(zip(table["key"], table["features"], strict=True))
    rows = [by_key[key] for key in keys]
    longest = max(map(len, rows))
    X = np.array([row if len(row) == longest else np.full(longest, np.nan) for row in rows])
    X.setflags(write=False)
    return X


def _known(folder: Path) -> set[tuple[str, str]]:
    """Treatment and key of every row of a folder."""
    if not folder.is_dir():
        return set()
    table = pd.read_parquet(folder, columns=["treatment", "key"])
    return set(zip(table["treatment"], table["key"], strict=True))


def _extract(
    chunk: list[tuple[str, str, dict]], computes: dict[str, Compute]
) -> list[tuple[str, str, str, np.ndarray]]:
    """Compute the wanted features of some pictures."""
    rows = []
    for path, key, wanted in chunk:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for treatment, kinds in wanted.items():
            if treatment == treatments.AS_IS:
                pixels, facts = read_image(path)
            else:
                pixels, facts = read_bytes(treatments.treated(image, treatment))
            for kind in kinds:
                rows.append((key, treatment, kind, _computed(computes[kind], pixels, facts)))
    return rows


def _computed(compute: Compute, pixels: np.ndarray, facts: ImageFacts) -> np.ndarray:
    try:
        return np.asarray(compute(pixels, facts), np.float32)
    except FreqFakeError:  # too small a picture for these features
        return np.array([np.nan], np.float32)


@cache
def _key(path: str) -> str:
    file = Path(path).resolve()
    stat = file.stat()
    return _digest(f"{file} {stat.st_size} {stat.st_mtime_ns}")


@cache
def _code(kind: Kind) -> str:
    modules = (*kind.modules, treatments, freqfake.batch.copies)
    files = [hashlib.sha256(path.read_bytes()).hexdigest() for path in kind.files]
    return _digest("".join([*map(inspect.getsource, modules), *files]))[:12]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
