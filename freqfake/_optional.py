"""Import optional packages, with an error that says how to install them."""

import contextlib
from collections.abc import Iterator

from .exceptions import MissingExtraError


@contextlib.contextmanager
def extra(name: str, *packages: str) -> Iterator[None]:
    """Wrap the import of packages that the extra `name` installs.

    Raises
    ------
    MissingExtraError
        One of `packages` is not installed. An installed package that fails to import raises its
        own error.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in packages:
            raise
        raise MissingExtraError(
            f'{error.name} is not installed: python -m pip install "freqfake[{name}]"'
        ) from None
