"""One run at a time writes an output, and a file beside it says what made it."""

import contextlib
import errno
import io
import json
import os
import platform
import stat
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ..exceptions import OutputInUseError

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
_KINDS = {"made_by": dict, "unfinished": int}


class RunFile:
    """The file ``F.run`` beside an output F, for as long as this run holds its lock.

    It has an empty line, and a line of JSON. On Windows nobody else can read the first byte, which
    is locked; so it is not part of the JSON.

    Attributes
    ----------
    about : dict
        What the file says. An earlier run may have left ``made_by``, and ``unfinished``: the size
        of the output before the rows that were being written.
    """

    def __init__(self, path: Path, file: io.FileIO) -> None:
        self._path, self._file = path, file
        self.about = _read(path, file)

    def note(self, **changes: Any) -> None:
        """Change what the file says, at once; None removes an entry."""
        about = {**self.about, **changes}
        self.about = {name: value for name, value in about.items() if value is not None}
        line = f"\n{json.dumps(self.about)}\n".encode()
        try:
            self._file.seek(0)
            self._file.write(line)
            self._file.truncate()  # last, so that a killed run leaves a whole line
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.fspath(self._path)) from None


@contextlib.contextmanager
def only_run(output: Path) -> Iterator[RunFile]:
    """Keep other runs from writing an output.

    The system frees the lock when the process ends, however it ends. The file ``F.run`` stays
    beside it if it says something.

    Parameters
    ----------
    output : Path
        The file F that is written. Its folder must exist.

    Raises
    ------
    OutputInUseError
        Another run is writing it.
    FileExistsError
        ``F.run`` is something else.

    Warns
    -----
    UserWarning
        The file system has no locks.
    """
    path = run_file(output)
    with _held(path, output) as file:
        run = RunFile(path, file)
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        run.note(writer={"process": os.getpid(), "computer": platform.node(), "since": since})
        try:
            yield run
        finally:
            with contextlib.suppress(OSError):  # such as a full disk, which was reported
                run.note(writer=None)
                if not run.about:
                    path.unlink()


def run_file(output: Path) -> Path:
    """Return the path of ``F.run`` for an output F."""
    return output.with_name(f"{output.name}.run")


@contextlib.contextmanager
def _held(path: Path, output: Path) -> Iterator[io.FileIO]:
    """Open the file and lock it."""
    while True:
        with _opened(path) as file:
            if not _locked(file, output):
                raise OutputInUseError(
                    f"{output} is being written by {_holder(file)}: wait until it has finished, "
                    "or choose another output"
                )
            if _is_at(path, file):
                yield file
                return
        # The run before has removed it in the meantime.


def _is_at(path: Path, file: io.FileIO) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _opened(path: Path) -> io.FileIO:
    """Open the file, or make it. Links are not followed: they may lead anywhere."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _not_ours(path)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return io.FileIO(os.open(path, flags, 0o666), "r+")


def _locked(file: io.FileIO, output: Path) -> bool:
    """Lock the file; tell whether that worked."""
    from filelock import lock_descriptor  # only for output to a file

    try:
        return lock_descriptor(file.fileno(), blocking=False)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        message = f"this file system has no locks: make sure that no other run writes {output}"
        warnings.warn(message, stacklevel=4)
        return True


def _holder(file: io.FileIO) -> str:
    """Describe the run that holds the lock."""
    try:
        file.seek(1)
        writer = json.loads(file.read())["writer"]
        return f"process {writer['process']} on {writer['computer']}, since {writer['since']}"
    except (OSError, ValueError, LookupError, TypeError):  # it is just starting or ending
        return "another run"


def _read(path: Path, file: io.FileIO) -> dict[str, Any]:
    lines = file.read().split(b"\n")
    if lines == [b""]:  # new, or left by a run that was killed at once
        return {}
    try:
        about = json.loads(lines[1])
    except (IndexError, ValueError):
        raise _not_ours(path) from None
    if (
        lines[0]
        or not isinstance(about, dict)
        or any(not isinstance(about.get(name, kind()), kind) for name, kind in _KINDS.items())
    ):
        raise _not_ours(path)
    return about


def _not_ours(path: Path) -> FileExistsError:
    return FileExistsError(
        f"{path} is not a file that a run of freqfake left, or is damaged: remove it, or choose "
        "another output"
    )
