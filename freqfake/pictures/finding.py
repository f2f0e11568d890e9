"""Find picture files in folders and globs without silently skipping any."""

import contextlib
import glob
import itertools
import os
import re
import stat
import warnings
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from .._files import PathLike
from ..exceptions import UnreadableImageWarning
from .endings import ENDINGS, ending

_SEPARATOR = re.escape(os.sep + (os.altsep or ""))
_ANY_DEPTH = re.compile(rf"(?:^|(?<=[{_SEPARATOR}]))\*\*(?:[{_SEPARATOR}]+|$)")

_SEARCHED = ENDINGS | {""}
_JUNCTION = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)  # Windows' other kind of link


def is_folder(path: str) -> bool:
    """Whether a path is a folder; False without permission to check."""
    return os.path.isdir(path)  # noqa: PTH112  (pathlib's raises without permission)


def matches(pattern: str) -> list[str]:
    """Find the matches of a glob, and folders that cannot be listed.

    Works like `glob`, but ``**`` does not follow links: two that lead back would never end.
    """
    stars = _ANY_DEPTH.search(pattern)
    if stars is None:
        folder = os.path.dirname(pattern)  # noqa: PTH120  (keeps what the user wrote)
        above = matches(folder) if glob.has_magic(folder) else []
        closed = [f for f in above if is_folder(f) and not os.access(f, os.R_OK | os.X_OK)]
        return glob.glob(pattern) + closed
    head, tail = pattern[: stars.start()], pattern[stars.end() :]
    found = []
    for base in glob.glob(head) if head else [""]:
        for here, names in walk(base, hidden=False):
            if names is None:
                found.append(here)
                continue
            inside = os.path.join(glob.escape(here), tail or "*")  # noqa: PTH118  (the same)
            found += [m for m in matches(inside) if not (is_folder(m) and _is_link(m))]
    return found


def walk(
    folder: str, *, hidden: bool = True, warn: bool = True
) -> Iterator[tuple[str, list[str] | None]]:
    """Yield a folder and all below it, with the names in each; None if it cannot be listed.

    Links to folders are not followed. With `warn`, a link that leads outside gives a warning.
    """
    waiting, links, searched = [folder], [], set()
    while waiting:
        here = waiting.pop()
        try:
            searched.add(_identity(here or os.curdir))
            with os.scandir(here or os.curdir) as entries:
                kinds = {entry.name: _kind(entry) for entry in entries}
        except OSError:
            yield here, None
            continue
        yield here, [name for name, kind in kinds.items() if kind == "file"]
        for name, kind in kinds.items():
            below = os.path.join(here, name)  # noqa: PTH118  (the same)
            if kind == "link":
                links.append(below)
            elif kind == "folder" and (hidden or not name.startswith(".")):
                waiting.append(below)
    for link in sorted(links) if warn else ():
        with contextlib.suppress(OSError):
            if _identity(link) not in searched:
                _warn_of(link)


def _kind(entry: "os.DirEntry[str]") -> str:
    """Return "folder", "link" (to a folder) or "file" (anything else)."""
    try:
        if not entry.is_dir():
            return "file"
    except OSError:  # reading it gives the reason
        return "file"
    return "link" if _is_link(entry.path) else "folder"


def _is_link(path: str) -> bool:
    if os.path.islink(path):  # noqa: PTH114  (the same as with isdir)
        return True
    return _JUNCTION is not None and getattr(os.lstat(path), "st_reparse_tag", 0) == _JUNCTION


def _identity(path: str) -> tuple[int, int]:
    """Identify a folder by whatever path it is reached."""
    status = os.stat(path)  # noqa: PTH116  (the same)
    return status.st_dev, status.st_ino


def _warn_of(link: str) -> None:
    warnings.warn(
        f"not searched: {link} is a link to a folder elsewhere; pass it as an input to search it",
        UnreadableImageWarning,
        stacklevel=2,
    )


def find_images(paths: PathLike | Iterable[PathLike]) -> Iterator[str]:
    """Find the files named by paths, folders and globs, each once, in a fixed order.

    Parameters
    ----------
    paths : path or iterable of paths
        A file is yielded whatever its name, and even if it does not exist: reading it gives the
        error. A folder is searched, with its subfolders, for files with the endings of pictures
        and videos (:data:`freqfake.pictures.endings.ENDINGS`), also those that are not read, and
        for files without an ending. Wildcards (``*``, ``?``, ``[...]``, and ``**`` for any depth)
        are expanded unless a file has that exact name. A link to a file counts as a file. A link
        to a folder is searched if it is itself named or matched, but not if a search meets it.

    Yields
    ------
    str
        Path of a file. A folder or glob with no results, or a folder that cannot be listed, is
        itself yielded, so that it is not silently skipped.

    Warns
    -----
    UnreadableImageWarning
        For each link to a folder that is met in a search and leads outside it.
    """
    seen: set[str] = set()
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        for found in _expand(os.fsdecode(path)):
            if found not in seen:
                seen.add(found)
                yield found


def _expand(path: str) -> list[str]:
    if is_folder(path):
        return _search_folder(path) or [path]
    if glob.has_magic(path) and not os.path.lexists(path):
        matched = sorted(matches(path))
        nested = [_search_folder(m) if is_folder(m) else [m] for m in matched]
        return [file for files in nested for file in files] or [path]
    return [path]


def _search_folder(folder: str) -> list[str]:
    """Find pictures and videos by name, and folders that cannot be listed."""
    found = []
    for here, names in walk(folder):
        if names is None:
            found.append(str(Path(here)))
            continue
        found += [str(Path(here, name)) for name in names if _is_named(name)]
    return sorted(found)


def is_without(folder: str, endings: Collection[str] = _SEARCHED) -> bool:
    """Whether a folder that can be listed has no files with these endings, at any depth."""
    names = itertools.chain.from_iterable(found or () for _, found in walk(folder, warn=False))
    return not any(_is_named(name, endings) for name in names)


def _is_named(name: str, endings: Collection[str] = _SEARCHED) -> bool:
    """Whether the name of a file in a folder has one of the endings; hidden files do not count."""
    return not name.startswith(".") and ending(name) in endings
