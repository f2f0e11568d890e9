"""What other packages keep for the whole process, so that threads do not disturb each other."""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from contextvars import ContextVar

_UNSAID: ContextVar[tuple[type[Warning], ...]] = ContextVar("unsaid", default=())
_ONE_BLOCK = threading.RLock()


@contextlib.contextmanager
def unsaid(*categories: type[Warning]) -> Iterator[None]:
    """Leave out warnings of :func:`warn` in this thread.

    `warnings.catch_warnings` would change the filters of all threads, and restore them wrongly if
    two of its blocks overlap.
    """
    token = _UNSAID.set((*_UNSAID.get(), *categories))
    try:
        yield
    finally:
        _UNSAID.reset(token)


def warn(message: str, category: type[Warning], *, stacklevel: int) -> None:
    """Give a warning unless it is :func:`unsaid`; `stacklevel` counts from the caller."""
    if not issubclass(category, _UNSAID.get()):
        warnings.warn(message, category, stacklevel=stacklevel + 1)


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Compute with one BLAS thread; such blocks of several threads follow one another.

    With few numbers, more BLAS threads would only wait for each other, and results would depend
    on their number. The number is that of the process: overlapping blocks would restore it wrongly.
    """
    from threadpoolctl import threadpool_limits

    with _ONE_BLOCK, threadpool_limits(1, user_api="blas"):
        yield
