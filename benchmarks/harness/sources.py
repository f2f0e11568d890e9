"""Sources of pictures, from a TOML file, and which of their files are wanted."""

import csv
import hashlib
import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .config import ConfigError

SIDES = ("real", "fake")


@dataclass(frozen=True)
class Source:
    """Pictures of one origin; ``sources.toml`` explains the fields."""

    name: str
    pattern: str
    repository: str = ""
    commit: str = ""
    package: str = ""
    side: str = ""
    real: str = ""
    fake: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    person: str = ""
    leave_out: Mapping[str, str] = field(default_factory=dict)
    most: int | None = None
    least: int = 0
    faces: bool = False
    crops: int = 0
    tiles: int = 0
    box: Sequence[int] = ()
    generator: str = ""
    count: Mapping[str, int] = field(default_factory=dict)
    size: str = ""
    coding: str = ""
    licence: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if bool(self.repository and self.commit) == bool(self.package):
            raise ConfigError(f"{self.name}: give a repository and its commit, or a package")
        if [bool(self.side), bool(self.real or self.fake), bool(self.labels)].count(True) != 1:
            raise ConfigError(f"{self.name}: give the side, patterns for both sides, or labels")

    @property
    def cut(self) -> str:
        """What is cut out of the pictures; empty if they stay whole."""
        if self.faces:
            return "largest face"
        if self.crops:
            return f"{self.crops} squares"
        if self.tiles:
            return f"tiles of {self.tiles}"
        return f"box {' '.join(map(str, self.box))}" if self.box else ""


class Wanted(NamedTuple):
    """A file of a source; `why_not` says why it is not to be read."""

    path: str
    blob: str
    side: str
    person: str
    why_not: str


@dataclass(frozen=True)
class Sources:
    """The sources of a file, and where to find and put their pictures.

    Parameters
    ----------
    path : path
        TOML file.
    clones : sequence of paths
        Folders that hold the clones and packages.
    work : path
        Folder in which `gathered` is made.
    only : sequence of str
        Names of the sources to gather; all by default.
    limit : int, optional
        Largest number of pictures of a side of a source.
    n_jobs : int
    """

    path: Path
    clones: Sequence[Path]
    work: Path
    only: Sequence[str] = ()
    limit: int | None = None
    n_jobs: int = 1

    def read(self) -> list[Source]:
        """Read the file: every source, wanted now or not."""
        try:
            tables = tomllib.loads(self.path.read_text(encoding="utf-8"))
            made = [Source(name, **table) for name, table in tables.items()]
        except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
            raise ConfigError(f"{self.path}: {error}") from None
        if unknown := set(self.only) - tables.keys():
            raise ConfigError(f"no source named {', '.join(sorted(unknown))} in {self.path}")
        return made


def pick(
    source: Source, files: Mapping[str, str], labels: bytes = b"", limit: int | None = None
) -> list[Wanted]:
    """Pick the files of a source.

    Parameters
    ----------
    source : Source
    files : mapping
        Names of the blobs by path.
    labels : bytes
        Content of the table of labels, if the source has one.
    limit : int, optional
        Largest number of a side.

    Returns
    -------
    list of Wanted
        In the order of the SHA-256 of the path, so that the first ones are a fixed random sample.
        Those left out come first.
    """
    found = sorted(_labelled(source, files, labels), key=lambda file: sha256(file.path))
    apart = {file.blob for file in found if _is_left_out(source, file)}
    # The same bytes under another name are left out, too.
    out = [file._replace(why_not="kept apart") for file in found if file.blob in apart]
    left = [file for file in found if file.blob not in apart]
    bounds = [bound for bound in (source.most, limit) if bound is not None]
    most = min(bounds, default=None)
    return out + [file for side in SIDES for file in [f for f in left if f.side == side][:most]]


def sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _labelled(source: Source, files: Mapping[str, str], labels: bytes) -> Iterator[Wanted]:
    told = dict(_told(source, labels))
    for path, blob in files.items():
        if not re.search(source.pattern, path):
            continue
        if source.labels:
            side, person = told.get(PurePosixPath(path).stem, ("", ""))
        else:
            side, person = _side(source, path), _person(source, path)
        if side:
            yield Wanted(path, blob, side, person, "")


def _told(source: Source, labels: bytes) -> Iterator[tuple[str, tuple[str, str]]]:
    """Read the table of labels: the stem of each file, its side and its person."""
    columns = source.labels
    for row in csv.DictReader(io.StringIO(labels.decode("utf-8-sig"))):
        name = row[columns["name"]]
        side = "fake" if row[columns["side"]] == columns["fake"] else "real"
        person = row[columns["person"]] if side == "fake" else name
        yield PurePosixPath(name).stem, (side, person or name)


def _side(source: Source, path: str) -> str:
    if source.side:
        return source.side
    patterns = {"real": source.real, "fake": source.fake}
    return next((s for s, pattern in patterns.items() if pattern and re.search(pattern, path)), "")


def _person(source: Source, path: str) -> str:
    """Person in a picture: the first group of the pattern, or else the path itself."""
    found = re.search(source.person, path) if source.person else None
    return found[1] if found else path


def _is_left_out(source: Source, file: Wanted) -> bool:
    rules = source.leave_out
    by_path = "path" in rules and re.search(rules["path"], file.path)
    by_hash = "person_sha256" in rules and re.match(rules["person_sha256"], sha256(file.person))
    return bool(by_path or by_hash)
