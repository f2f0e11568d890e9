"""Opening untrusted files."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from .._files import PathLike
from ..exceptions import ModelFileError

_MAX_REASON = 300  # characters of an error message, which may quote the file


@contextlib.contextmanager
def refused_by_name(
    path: PathLike, what: str, *, missing: Callable[[], str] = str
) -> Iterator[None]:
    """Turn any error of reading an untrusted file into a :class:`ModelFileError` with its name.

    The message of a :class:`ModelFileError` continues after the name of the file, as does what
    `missing` returns for a file that does not exist.
    """
    name = os.fspath(path)
    try:
        yield
    except FileNotFoundError:
        raise ModelFileError(f"no such model: {name}{missing()}") from None
    except OSError as error:
        raise ModelFileError(f"{name} cannot be read: {error.strerror or error}") from error
    except ModelFileError as error:
        raise ModelFileError(f"{name} {_reason(error)}") from None
    except Exception as error:  # a damaged file can make the readers raise anything
        raise ModelFileError(f"{name} is not a {what}, or is damaged: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the first line of an error's message, cut to a readable length."""
    return (str(error) or type(error).__name__).splitlines()[0][:_MAX_REASON]


def open_untrusted(path: PathLike, max_bytes: int) -> BinaryIO:
    """Open a regular file of at most `max_bytes` for reading.

    Reading a pipe could wait forever, and a device may have no end.

    Raises
    ------
    OSError
        The file cannot be opened.
    ModelFileError
        It is not a regular file, is empty or too large; the message continues after its name.
    """
    status = Path(path).stat()
    if stat.S_ISDIR(status.st_mode):
        raise ModelFileError("is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileError("is a device, a pipe or a socket, not a file")
    if status.st_size == 0:
        raise ModelFileError("is empty")
    if status.st_size > max_bytes:
        raise ModelFileError(f"has {status.st_size} bytes, more than the limit of {max_bytes}")
    return Path(path).open("rb")
