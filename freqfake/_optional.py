"""Packages that not everybody has: what an import of one says where it is missing."""

import contextlib
from collections.abc import Iterator

from .exceptions import MissingExtraError


@contextlib.contextmanager
def extra(name: str, *packages: str) -> Iterator[None]:
    """Around the import of what the extra `name` of this package installs.

    Raises
    ------
    MissingExtraError
        One of `packages` is not installed. A package that is there, but breaks while it is
        imported, keeps its own error.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in packages:
            raise
        raise MissingExtraError(
            f'{error.name} is not installed: python -m pip install "freqfake[{name}]"'
        ) from None
