"""Work on a Dask cluster: the job travels to every worker once, and then only names of pictures."""

import contextlib
import hashlib
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import joblib

from ._optional import extra
from .exceptions import ClusterError


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Let joblib work on the Dask cluster of this scheduler; without an address, here.

    Raises
    ------
    ClusterError
        Nobody answers there.
    MissingExtraError
        The extra ``dask`` is not installed.
    """
    if address is None:
        yield
        return
    with extra("dask", "dask", "distributed"):
        from distributed import Client
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {address}: {error}") from None
    with client, joblib.parallel_config(backend="dask", client=client):
        yield


def shared(job: Callable[..., Any]) -> Callable[..., Any]:
    """Make a job that is cheap to send: on a Dask cluster each worker gets the real one once.

    Workers that join later, or come back after they died, get it too. Elsewhere it is `job` itself.
    """
    backend, _ = joblib.parallel.get_active_backend()
    client = getattr(backend, "client", None)
    if client is None:
        return job
    from distributed import WorkerPlugin

    blob = pickle.dumps(job)
    key = hashlib.sha256(blob).hexdigest()

    class Job(WorkerPlugin):
        """Unpacks the job on a worker."""

        def setup(self, worker: Any) -> None:
            from freqfake import distribution  # there: this class travels without its module

            distribution._JOBS[key] = pickle.loads(blob)

    client.register_plugin(Job(), name=f"freqfake-{key}")
    return _SharedJob(key)


class _SharedJob:
    """Finds the job where it was unpacked, and does it."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return _JOBS[self.key](*arguments, **options)


_JOBS: dict[str, Callable[..., Any]] = {}  # of a worker process, by key
