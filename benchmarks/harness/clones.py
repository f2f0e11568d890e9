"""Files of a source, read from a local clone at a commit or from an unpacked package."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from .sources import Source


class NotHereError(Exception):
    """The clone or package of a source is not there; the message says how to get it."""


class Clone:
    """A clone of a repository, read at a commit. It needs no work tree.

    Parameters
    ----------
    git_dir : Path
        Folder ``.git``, or a bare repository.
    commit : str
    """

    def __init__(self, git_dir: Path, commit: str) -> None:
        self.commit = commit
        self._git = ["git", f"--git-dir={git_dir}"]

    def has_commit(self) -> bool:
        """Whether the commit is in this clone."""
        command = [*self._git, "cat-file", "-e", f"{self.commit}^{{commit}}"]
        return not subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode

    def files(self) -> dict[str, str]:
        """Map the paths of the regular files to the names of their blobs."""
        command = [*self._git, "ls-tree", "-r", "-z", "--full-tree", self.commit]
        listed = subprocess.run(command, capture_output=True, check=True).stdout
        found = {}
        for line in listed.decode(errors="replace").split("\0")[:-1]:
            facts, path = line.split("\t", 1)
            mode, _, blob = facts.split(" ")
            if mode.startswith("100"):  # no links and no submodules
                found[path] = blob
        return found

    def read(self, blobs: Iterable[str]) -> Iterator[bytes | None]:
        """Yield the content of each blob, None for one that the clone lacks."""
        command = [*self._git, "cat-file", "--batch"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            questions, answers = process.stdin, process.stdout
            assert questions
            assert answers
            for blob in blobs:
                questions.write(f"{blob}\n".encode())
                questions.flush()
                header = answers.readline().split()
                if header[1:2] != [b"blob"]:
                    yield None
                    continue
                yield answers.read(int(header[2]) + 1)[:-1]  # a line feed follows


class Package:
    """The folder of an unpacked package.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> dict[str, str]:
        """Map the paths of the regular files to themselves."""
        found = (path for path in sorted(self._folder.rglob("*")) if not path.is_symlink())
        paths = [path.relative_to(self._folder).as_posix() for path in found if path.is_file()]
        return {path: path for path in paths}

    def read(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        """Yield the content of each file."""
        for path in paths:
            yield (self._folder / path).read_bytes()


def find_files(source: Source, roots: Iterable[Path]) -> Clone | Package:
    """Find the clone or the package of a source.

    Parameters
    ----------
    source : Source
    roots : iterable of paths
        Folders that hold clones named ``owner+name``, ``owner/name`` or ``name``, and packages in
        folders of their name.

    Raises
    ------
    NotHereError
        With the command that gets it.
    """
    if source.package:
        return _package(source, roots)
    name = PurePosixPath(source.repository).name
    flat = source.repository.replace("/", "+")
    folders = [root / place for root in roots for place in (flat, source.repository, name)]
    # Several owners have repositories of one name; the commit tells which is meant.
    git_dirs = [git_dir for folder in folders if (git_dir := _git_dir(folder))]
    clones = (Clone(git_dir, source.commit) for git_dir in git_dirs)
    if clone := next((clone for clone in clones if clone.has_commit()), None):
        return clone
    if git_dirs:
        remedy = f"git --git-dir={git_dirs[0]} fetch origin {source.commit}"
        raise NotHereError(f"no commit {source.commit[:10]} in {git_dirs[0]}; {remedy}")
    address = f"https://github.com/{source.repository}"
    raise NotHereError(f"no clone of {source.repository}; git clone {address} {flat}")


def _git_dir(folder: Path) -> Path | None:
    places = (folder / ".git", folder, folder / "repo" / ".git", folder / "repo")
    return next((p for p in places if (p / "HEAD").is_file() and (p / "objects").is_dir()), None)


def _package(source: Source, roots: Iterable[Path]) -> Package:
    index, _, wanted = source.package.partition(":")
    name = wanted.partition("==")[0]
    folder = next((root / name for root in roots if (root / name).is_dir()), None)
    if folder:
        return Package(folder)
    if index == "debian":
        remedy = f"apt-get download {name} && dpkg -x {name}_*.deb {name}"
    else:
        remedy = f"python -m pip install --no-deps --target {name} {wanted}"
    raise NotHereError(f"no folder {name}; {remedy}")
