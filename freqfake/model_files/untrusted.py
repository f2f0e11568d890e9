"""Opening untrusted files."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from .._files import PathLike
from ..exceptions import ModelFileError

_MAX_REASON = 200  # characters of what a library has to say


@contextlib.contextmanager
def refused_by_name(
    path: PathLike, what: str, *, missing: Callable[[], str] = str
) -> Iterator[None]:
    """Make one error of whatever reading an untrusted file raises, naming it and what it is not.

    The message of a :class:`ModelFileError` is taken to go on after the name of the file, and what
    `missing` returns after the name of one that is not there.
    """
    name = os.fspath(path)
    try:
        yield
    except FileNotFoundError:
        raise ModelFileError(f"no such model: {name}{missing()}") from None
    except OSError as error:
        raise ModelFileError(f"{name} cannot be read: {error.strerror or error}") from error
    except ModelFileError as error:
        raise ModelFileError(f"{name} {error}") from None
    except Exception as error:  # a damaged file can make the readers raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0][:_MAX_REASON]
        raise ModelFileError(f"{name} is no {what}, or is damaged: {reason}") from error


def open_untrusted(path: PathLike, max_bytes: int) -> BinaryIO:
    """Open a file to read, if it is a regular one and not larger than that.

    A pipe would keep its reader waiting, a device may never end.

    Raises
    ------
    OSError
        It cannot be opened.
    ModelFileError
        It is something else, empty, or too large; the message goes on after the name.
    """
    status = os.stat(path)  # noqa: PTH116  (pathlib would make another of a file descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise ModelFileError("is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileError("is a device, a pipe or a socket, not a file")
    if status.st_size == 0:
        raise ModelFileError("is empty")
    if status.st_size > max_bytes:
        raise ModelFileError(f"has {status.st_size} bytes, more than the {max_bytes} of any model")
    return Path(path).open("rb")
