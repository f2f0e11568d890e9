"""The worker processes of a command with ``--jobs``: they leave signals to it, and end with it."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

from .signals import ENDING

_EVERY = 0.2  # seconds


@contextlib.contextmanager
def worker_processes(n_jobs: int | None) -> Iterator[None]:
    """Start the processes, which then work for all of freqfake; none for a single job."""
    if n_jobs in (None, 1):
        yield
        return
    import joblib

    with joblib.parallel_config(backend="loky", initializer=end_with_parent):
        with _signals_blocked(), _quiet_trackers():
            joblib.Parallel(n_jobs=n_jobs)([joblib.delayed(abs)(0)] * 2)
        yield


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block signals, also in processes that are started meanwhile: those keep them blocked."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _quiet_trackers() -> Iterator[None]:
    """Let the processes that clean up after a killed program do so without a warning."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [before, "ignore:resource_tracker"]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def end_with_parent() -> None:
    """Let this process end when the one that started it has ended, by whatever signal."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is None:  # not started by multiprocessing
        return
    if os.name != "posix":
        parent.join()
    while os.getppid() == parent.pid:
        time.sleep(_EVERY)
    os._exit(1)
