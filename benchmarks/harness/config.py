"""The folders that the benchmarks run on, from a TOML file."""

import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from freqfake import find_images

from .store import Store

N_FOLDS = 5
FEW, N_PARTITIONS = 500, 5  # with fewer pictures, one partition is left to chance


class ConfigError(ValueError):
    """The configuration, or a folder that it names, is not valid."""


@dataclass(frozen=True)
class PictureSet:
    """Real and generated pictures that belong together, as the configuration names them."""

    name: str
    title: str
    real: str
    fake: str
    person: str = ""
    paper: str = ""
    differs: str = ""


@dataclass(frozen=True)
class RealSet:
    """Real pictures without generated ones."""

    name: str
    title: str
    real: str


@dataclass(frozen=True)
class Pictures:
    """Files of one set with their labels, persons and features."""

    name: str
    title: str
    paths: list[str]
    y: np.ndarray
    persons: np.ndarray
    store: Store

    def X(self, kind: str, treatment: str = "as is") -> np.ndarray:
        """Features of all pictures after a treatment, NaN where missing."""
        return self.store.features(self.name, self.paths, treatment, kind)

    @cached_property
    def partitions(self) -> list[list[tuple[np.ndarray, np.ndarray]]]:
        """Random partitions into folds, more for a small set: rows to train on, rows to test on.

        No person is on both sides of a fold.
        """
        n_partitions = N_PARTITIONS if len(self.y) < FEW else 1
        partitions = [
            StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
            for seed in range(n_partitions)
        ]
        return [list(folds.split(self.paths, self.y, self.persons)) for folds in partitions]

    def held_out(self, score: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """Score every picture by a fold trained without its person.

        `score` is called with the rows to train on and those to score, and may score them in
        several ways. Returns an array of shape (n_partitions, ..., n_pictures).
        """
        scores = []
        for folds in self.partitions:
            parts = [score(rows, left_out) for rows, left_out in folds]
            order = np.argsort(np.concatenate([left_out for _, left_out in folds]))
            scores.append(np.concatenate(parts, axis=-1)[..., order])
        return np.array(scores)


class Config:
    """Sets and options of a run.

    Parameters
    ----------
    path : path
        TOML file.
    roots : sequence of paths
        Where to find its folders.
    store : Store
    only : sequence of str
        Names of the sets to use; all by default.
    limit : int, optional
        Largest number of pictures of a class.
    """

    def __init__(
        self,
        path: Path,
        roots: Sequence[Path],
        store: Store,
        *,
        only: Sequence[str] = (),
        limit: int | None = None,
    ) -> None:
        self.path, self.options = path, _read(path)
        self.roots, self.store, self.limit, self._only = roots, store, limit, frozenset(only)
        if unknown := self._only - {entry.get("name") for entry in self._entries()}:
            raise ConfigError(f"no set named {', '.join(sorted(unknown))} in {path}")

    @cached_property
    def sets(self) -> list[PictureSet]:
        """The sets whose folders exist; others are named on stderr."""
        found = [made for made in self._made(PictureSet, "sets") if self._is_there(made)]
        if not found:
            places = ", ".join(map(str, self.roots))
            raise ConfigError(f"no set of {self.path} has its folders in {places}: give --data")
        return found

    @cached_property
    def reals(self) -> list[RealSet]:
        """The sets of real pictures whose folder exists."""
        return [made for made in self._made(RealSet, "reals") if self._is_there(made)]

    def folder(self, name: str) -> Path | None:
        """Find a folder of the configuration."""
        found = (root / name for root in self.roots)
        return next((folder for folder in found if folder.is_dir()), None)

    def pictures(self, which: PictureSet, *, delivered: bool = False) -> Pictures:
        """Files of a set, equally many of each class."""
        sides = [self._files(folder) for folder in (which.real, which.fake)]
        n = min(*map(len, sides), self._most(delivered))
        paths = [path for side in sides for path in _spread(side, n)]
        codes = pd.factorize(np.array([_person(path, which.person) for path in paths]))[0]
        return Pictures(which.name, which.title, paths, np.repeat([0, 1], n), codes, self.store)

    def split_in_two(self, which: PictureSet | RealSet, seed: int) -> Pictures:
        """Real pictures, a random half of them labelled as fakes."""
        files = self._files(which.real)
        paths = _spread(files, min(len(files), 2 * self._most(True)) // 2 * 2)
        y = np.random.default_rng(seed).permutation(np.arange(len(paths)) % 2)
        return Pictures(which.name, which.title, paths, y, np.arange(len(paths)), self.store)

    def _entries(self) -> list[dict]:
        return [*self.options.get("sets", []), *self.options.get("reals", [])]

    def _made(self, kind: type, section: str) -> list:
        entries = self.options.get(section, [])
        try:
            made = [kind(**entry) for entry in entries]
        except TypeError as error:
            raise ConfigError(f"{self.path}: [[{section}]]: {error}") from None
        return [entry for entry in made if not self._only or entry.name in self._only]

    def _most(self, delivered: bool) -> int:
        most = self.options["max_delivered" if delivered else "max_pictures"]
        return most if self.limit is None else min(most, self.limit)

    def _files(self, name: str) -> list[str]:
        return list(find_images(self.folder(name)))

    def _is_there(self, which: PictureSet | RealSet) -> bool:
        for name in filter(None, (which.real, getattr(which, "fake", None))):
            if self.folder(name) is None:
                print(f"{which.name} left out: no folder {name}", file=sys.stderr)
                return False
        return True


def _read(path: Path) -> dict:
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return {"max_pictures": 1000, "max_delivered": 400, **options}


def _spread(paths: list[str], n: int) -> list[str]:
    """Take `n` files, evenly spaced."""
    return [paths[i * len(paths) // n] for i in range(n)]


def _person(path: str, pattern: str) -> str:
    """Person in a picture: the match in the name of the file, or else the path itself."""
    found = re.search(pattern, Path(path).name) if pattern else None
    return found.group(1) if found else path
